//! The portal's name, look and settings.

use std::ops::RangeInclusive;

use entities::{
    id::PortalId,
    portal::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveValue::{self, Set},
    ConnectionTrait, EntityTrait, IntoActiveModel,
};
use uuid::Uuid;

use crate::{
    Actor, Domain, Problem, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    keyring::Keyring,
    read::portal::{PORTAL, load, load_from},
    rules::{business_time::BusinessHours, policy::StaffRight, text},
    tx::{Touch, Unaudited},
};

/// A year.
const MOST_SESSION_HOURS: i32 = 366 * 24;
/// A hundred years.
const MOST_AUDIT_DAYS: i32 = 36_600;
/// A gateway says every two seconds that it lives: a few of these may go missing.
const STALE_SECONDS: RangeInclusive<i32> = 10..=86_400;

/// An omitted field stays; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UpdatePortal {
    pub name: Option<String>,
    pub tagline: Option<Option<String>>,
    pub logo_url: Option<Option<String>>,
    /// `#rrggbb`.
    pub primary_color: Option<Option<String>>,
    pub support_email: Option<Option<String>>,
    pub terms_url: Option<Option<String>>,
    pub self_registration: Option<bool>,
    pub registration_needs_approval: Option<bool>,
    pub settings: Settings,
}

/// How long things live and take; what is omitted stays.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Of the IANA database.
    pub time_zone: Option<String>,
    /// `09:00-17:00`.
    pub business_hours: Option<String>,
    pub standard_review_hours: Option<i32>,
    pub formal_review_days: Option<i32>,
    pub magic_link_minutes: Option<i32>,
    pub session_hours: Option<i32>,
    /// `Some(None)`: a session may lie unused for as long as it lasts.
    pub session_idle_hours: Option<Option<i32>>,
    pub staff_second_factor: Option<bool>,
    pub invitation_days: Option<i32>,
    pub request_log_days: Option<i32>,
    /// `Some(None)`: for ever.
    pub audit_days: Option<Option<i32>>,
    pub gateway_stale_seconds: Option<i32>,
    pub gateway_fail_closed: Option<bool>,
}

/// Whether one of the keys is the one that this database's secrets are sealed with. A new database takes the first key for
/// its own; with several keys the first takes over, so that the others can be dropped later.
pub async fn keep_key(ctx: &Domain) -> Result<bool> {
    let own = ctx.keys.fingerprints();
    let current = |row: &Model| row.key_fingerprint.as_ref() == own.first();
    if current(&load(ctx).await?) {
        return Ok(true);
    }
    let tx = Tx::begin(ctx).await?;
    tx.alone("portal", "key").await?;
    let row = load_from(tx.db()).await?;
    let known = row.key_fingerprint.as_ref().is_none_or(|known| own.contains(known));
    if known && !current(&row) {
        let row = ActiveModel { id: Set(PORTAL), key_fingerprint: Set(own.first().cloned()), ..Default::default() };
        Entity::update(row).exec(tx.db()).await?;
        tx.commit_unaudited(Unaudited::Mark).await?;
    }
    Ok(known)
}

/// As [`keep_key`], without taking a key over.
pub async fn is_its_key(db: &impl ConnectionTrait, keys: &Keyring) -> Result<bool> {
    let row = load_from(db).await?;
    Ok(row.key_fingerprint.is_none_or(|known| keys.fingerprints().contains(&known)))
}

pub async fn update(ctx: &Domain, actor: &Actor, cmd: UpdatePortal) -> Result<Model> {
    require_staff(actor, StaffRight::ManagePortal)?;
    let tx = Tx::begin(ctx).await?;
    let before = load_from(tx.db()).await?;
    let mut row = before.clone().into_active_model();
    apply(&mut row, &before, cmd)?;
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    let entry = Audit::of(actor, Action::PortalUpdated, PortalId(Uuid::nil()))
        .change("name", &before.name, &after.name)
        .change("tagline", &before.tagline, &after.tagline)
        .change("logoUrl", &before.logo_url, &after.logo_url)
        .change("primaryColor", &before.primary_color, &after.primary_color)
        .change("supportEmail", &before.support_email, &after.support_email)
        .change("termsUrl", &before.terms_url, &after.terms_url)
        .change("selfRegistration", before.self_registration, after.self_registration)
        .change("registrationNeedsApproval", before.registration_needs_approval, after.registration_needs_approval)
        .change("magicLinkMinutes", before.magic_link_minutes, after.magic_link_minutes)
        .change("sessionHours", before.session_hours, after.session_hours)
        .change("sessionIdleHours", before.session_idle_hours, after.session_idle_hours)
        .change("staffSecondFactor", before.staff_second_factor, after.staff_second_factor)
        .change("invitationDays", before.invitation_days, after.invitation_days)
        .change("timeZone", &before.time_zone, &after.time_zone)
        .change("businessHours", &before.business_hours, &after.business_hours)
        .change("standardReviewHours", before.standard_review_hours, after.standard_review_hours)
        .change("formalReviewDays", before.formal_review_days, after.formal_review_days)
        .change("requestLogDays", before.request_log_days, after.request_log_days)
        .change("auditDays", before.audit_days, after.audit_days)
        .change("gatewayStaleSeconds", before.gateway_stale_seconds, after.gateway_stale_seconds)
        .change("gatewayFailClosed", before.gateway_fail_closed, after.gateway_fail_closed);
    let gateways = |row: &Model| (row.gateway_stale_seconds, row.gateway_fail_closed);
    if gateways(&before) != gateways(&after) {
        tx.touch_gateway(Touch::Portal);
    }
    tx.commit(entry).await?;
    Ok(after)
}

fn apply(row: &mut ActiveModel, before: &Model, cmd: UpdatePortal) -> Result<()> {
    let mut problems = Problems::default();
    if let Some(name) = cmd.name.and_then(|name| problems.take(text::name("name", &name, 80))) {
        row.name = Set(name);
    }
    if let Some(tagline) = cmd.tagline.and_then(|t| problems.take(text::prose("tagline", t.as_deref(), 200))) {
        row.tagline = Set(tagline);
    }
    if let Some(color) = cmd.primary_color.and_then(|c| problems.take(c.map(|c| color("primaryColor", &c)).transpose())) {
        row.primary_color = Set(color);
    }
    if let Some(email) = cmd.support_email.and_then(|e| problems.take(e.map(|e| text::email("supportEmail", &e)).transpose())) {
        row.support_email = Set(email);
    }
    if let Some(url) = cmd.logo_url.and_then(|u| problems.take(u.map(|u| text::web_url("logoUrl", &u)).transpose())) {
        row.logo_url = Set(url);
    }
    if let Some(url) = cmd.terms_url.and_then(|u| problems.take(u.map(|u| text::web_url("termsUrl", &u)).transpose())) {
        row.terms_url = Set(url);
    }
    if let Some(open) = cmd.self_registration {
        row.self_registration = Set(open);
    }
    if let Some(needs) = cmd.registration_needs_approval {
        row.registration_needs_approval = Set(needs);
    }
    apply_business_hours(row, before, &cmd.settings, &mut problems);
    apply_settings(row, &cmd.settings, &mut problems);
    problems.into_result()
}

fn apply_business_hours(row: &mut ActiveModel, before: &Model, settings: &Settings, problems: &mut Problems) {
    let zone = settings.time_zone.as_deref().unwrap_or(&before.time_zone).trim();
    let hours = settings.business_hours.as_deref().unwrap_or(&before.business_hours).trim();
    if problems.take(BusinessHours::parse(zone, hours)).is_some() {
        row.time_zone = Set(zone.to_owned());
        row.business_hours = Set(hours.to_owned());
    }
}

fn apply_settings(row: &mut ActiveModel, settings: &Settings, problems: &mut Problems) {
    let mut set = |column: &mut ActiveValue<i32>, name: &str, value: Option<i32>, most: i32| match value {
        Some(value) if (1..=most).contains(&value) => *column = Set(value),
        Some(_) => problems.add(ProblemCode::Invalid, &format!("settings.{name}"), format!("must be from 1 to {most}")),
        None => {}
    };
    // A link in a mailbox is a key under the mat: half an hour at most.
    set(&mut row.magic_link_minutes, "magicLinkMinutes", settings.magic_link_minutes, 30);
    set(&mut row.session_hours, "sessionHours", settings.session_hours, MOST_SESSION_HOURS);
    set(&mut row.invitation_days, "invitationDays", settings.invitation_days, 366);
    set(&mut row.standard_review_hours, "standardReviewHours", settings.standard_review_hours, 1000);
    set(&mut row.formal_review_days, "formalReviewDays", settings.formal_review_days, 366);
    set(&mut row.request_log_days, "requestLogDays", settings.request_log_days, 3660);
    let mut set_or_clear = |column: &mut ActiveValue<Option<i32>>, name: &str, value: Option<Option<i32>>, most: i32| match value
    {
        Some(value) if value.is_none_or(|value| (1..=most).contains(&value)) => *column = Set(value),
        Some(_) => problems.add(ProblemCode::Invalid, &format!("settings.{name}"), format!("must be from 1 to {most}, or null")),
        None => {}
    };
    set_or_clear(&mut row.audit_days, "auditDays", settings.audit_days, MOST_AUDIT_DAYS);
    set_or_clear(&mut row.session_idle_hours, "sessionIdleHours", settings.session_idle_hours, MOST_SESSION_HOURS);
    if let Some(needed) = settings.staff_second_factor {
        row.staff_second_factor = Set(needed);
    }
    if let Some(closed) = settings.gateway_fail_closed {
        row.gateway_fail_closed = Set(closed);
    }
    match settings.gateway_stale_seconds {
        Some(seconds) if STALE_SECONDS.contains(&seconds) => row.gateway_stale_seconds = Set(seconds),
        Some(_) => {
            let (least, most) = STALE_SECONDS.into_inner();
            problems.add(ProblemCode::Invalid, "settings.gatewayStaleSeconds", format!("must be from {least} to {most}"));
        }
        None => {}
    }
}

fn color(path: &str, value: &str) -> Result<String, Problem> {
    let hex = value.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    match hex {
        Some(hex) => Ok(format!("#{}", hex.to_ascii_lowercase())),
        None => Err(Problem::new(ProblemCode::Invalid, path, "must be a colour such as #0a7cff")),
    }
}
