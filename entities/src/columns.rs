//! Typed JSON columns.

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

use serde_json::Value;

use crate::enums::{BillingInterval, Environment, FormTarget, PricingModel, PropertyType, ReviewCheckKind, ScopeGrantKind};

macro_rules! json_list {
    ($($(#[$meta:meta])* $name:ident of $item:ty)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
        #[serde(transparent)]
        pub struct $name(pub Vec<$item>);

        impl std::ops::Deref for $name {
            type Target = [$item];
            fn deref(&self) -> &[$item] { &self.0 }
        }
        impl FromIterator<$item> for $name {
            fn from_iter<I: IntoIterator<Item = $item>>(items: I) -> Self { Self(items.into_iter().collect()) }
        }
    )*};
}

json_list! {
    Strings of String
    Environments of Environment
    /// Sets of scopes of which one has to be held in full; empty: none is needed.
    ScopeAlternatives of Vec<String>
    PlanScopes of PlanScope
    PlanFeatures of PlanFeature
    PropertyDefinitions of PropertyDefinition
    SandboxTestData of SandboxTestDatum
    ReviewChecklist of ReviewCheck
    EvidenceList of Evidence
    /// The answers to a form, in the order of its fields.
    Answers of Answer
    /// Headers that the gateway adds on the way to an upstream.
    UpstreamHeaders of UpstreamHeader
    /// Headers as the request log keeps them: what may be secret is redacted before it gets here.
    LoggedHeaders of LoggedHeader
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanScope {
    pub name: String,
    pub description: Option<String>,
    pub grant: ScopeGrantKind,
    pub environments: Vec<Environment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFeature {
    pub name: String,
    pub value: String,
}

/// Something that a plan asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyDefinition {
    pub key: String,
    pub label: String,
    pub description: Option<String>,
    #[serde(rename = "type")]
    pub kind: PropertyType,
    pub required: bool,
    pub read_only: bool,
    pub in_wizard: bool,
    /// Of OPTION and OPTIONS.
    pub options: Vec<String>,
    pub applies_to: Option<FormTarget>,
}

/// What a team fills in when it submits its sandbox work for review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct SubmissionForm {
    pub steps: Vec<FormStep>,
}

impl SubmissionForm {
    pub fn fields(&self) -> impl Iterator<Item = &PropertyDefinition> {
        self.steps.iter().flat_map(|step| &step.fields)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormStep {
    pub title: String,
    pub fields: Vec<PropertyDefinition>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub key: String,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamHeader {
    pub name: String,
    pub value: HeaderContent,
}

/// A header's value; a secret one is sealed with the instance's key, base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderContent {
    Plain(String),
    Sealed(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedHeader {
    pub name: String,
    /// `None` where it was redacted.
    pub value: Option<String>,
}

/// Something to call the sandbox with: an account, a card, an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxTestDatum {
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    pub description: Option<String>,
    pub value: String,
}

/// What a plan's reviewers want to see of the sandbox work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewCheck {
    pub kind: ReviewCheckKind,
    /// Of OPERATION_CALLED: `GET /orders/{id}`.
    pub operation: Option<String>,
    /// A number of calls, or a percentage, by the kind.
    pub threshold: Option<f64>,
}

/// What the sandbox traffic shows of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub check: ReviewCheck,
    pub met: bool,
    pub observed: String,
}

/// A plan's price; amounts in minor units of the currency. Which of the fields it has is its model's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Pricing {
    pub model: PricingModel,
    /// ISO 4217, upper case.
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub amount: Option<i64>,
    #[serde(default)]
    pub interval: Option<BillingInterval>,
    #[serde(default)]
    pub unit_label: Option<String>,
    #[serde(default)]
    pub included_units: Option<i64>,
    #[serde(default)]
    pub tiers: Vec<PriceTier>,
    #[serde(default)]
    pub contact_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceTier {
    /// The last unit of the tier; `None`: without end.
    pub up_to: Option<i64>,
    pub unit_amount: i64,
    pub flat_amount: i64,
}

impl Pricing {
    /// A model without a price.
    pub fn of(model: PricingModel) -> Self {
        Self {
            model,
            currency: None,
            amount: None,
            interval: None,
            unit_label: None,
            included_units: None,
            tiers: Vec::new(),
            contact_url: None,
        }
    }
}
