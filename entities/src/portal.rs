//! One row: the portal's name, look and settings.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "portals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub name: String,
    pub tagline: Option<String>,
    pub logo_url: Option<String>,
    pub primary_color: Option<String>,
    pub support_email: Option<String>,
    pub terms_url: Option<String>,
    pub self_registration: bool,
    /// Whether a team that somebody founds waits for a reviewer.
    pub registration_needs_approval: bool,
    pub magic_link_minutes: i32,
    pub session_hours: i32,
    /// How long a session may lie unused; `None`: as long as it lasts.
    pub session_idle_hours: Option<i32>,
    /// Whether staff roles work in sessions alone that have proven a second factor.
    pub staff_second_factor: bool,
    pub invitation_days: i32,
    pub request_log_days: i32,
    /// `None`: for ever.
    pub audit_days: Option<i32>,
    /// Of the IANA database, such as `Europe/Berlin`: what business hours are told in.
    pub time_zone: String,
    /// `09:00-17:00`, Monday to Friday.
    pub business_hours: String,
    /// Business hours within which STANDARD requests are decided.
    pub standard_review_hours: i32,
    /// Business days within which FORMAL requests are decided.
    pub formal_review_days: i32,
    /// For how long a gateway may go without confirming that what it knows is current.
    pub gateway_stale_seconds: i32,
    /// Whether it refuses calls from then on, or serves on.
    pub gateway_fail_closed: bool,
    /// Fingerprint of the secret key that encrypts; a process with another does not start.
    pub key_fingerprint: Option<String>,
    pub version: i32,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
