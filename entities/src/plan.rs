//! One product's offer.

use sea_orm::entity::prelude::*;

use crate::{
    columns::{PlanFeatures, PlanScopes, Pricing, PropertyDefinitions, ReviewChecklist, SandboxTestData, SubmissionForm},
    enums::{ApprovalLevel, LeakedKeyAction, PlanStatus},
    id::{ApprovalGroupId, PlanId, ProductId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plans")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PlanId,
    pub product_id: ProductId,
    pub slug: String,
    pub name: String,
    pub description: Option<String>,
    pub status: PlanStatus,
    pub version: i32,
    pub pricing: Pricing,
    pub approval: ApprovalLevel,
    /// Who decides; `None`: any reviewer.
    pub approval_group_id: Option<ApprovalGroupId>,
    pub has_sandbox: bool,
    pub scopes: PlanScopes,
    pub features: PlanFeatures,
    pub submission_form: Option<SubmissionForm>,
    /// What a team says of itself when it subscribes.
    pub custom_properties: PropertyDefinitions,
    pub sandbox_test_data: SandboxTestData,
    /// What reviewers want to see of the sandbox work.
    pub review_checklist: ReviewChecklist,
    /// From its start to its end; `None`: it does not expire.
    pub duration_days: Option<i32>,
    pub max_subscriptions_per_team: Option<i32>,
    /// `None`: its credentials do not expire by themselves.
    pub credential_lifetime_days: Option<i32>,
    /// How long a secret may work beside the one that took its place.
    pub rotation_overlap_hours: i32,
    /// A rotation of its production credentials is decided on.
    pub elevated: bool,
    /// What is done about a secret that was found in public.
    pub leaked_key_action: LeakedKeyAction,
    /// A new team holds it at once.
    pub auto_subscribe: bool,
    /// The version that took its place.
    pub superseded_by: Option<PlanId>,
    pub created_at: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
