//! The first tables.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, big_integer_null, blob, boolean, integer, integer_null, json_binary, json_binary_null, small_integer, text,
        text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid, uuid_null,
    },
};

use crate::shape::{index, kind, kind_null, references, table, unique};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0001_first_tables"
    }
}

/// In the order of creation: each after what it refers to.
const TABLES: [&str; 34] = [
    "users",
    "sessions",
    "access_tokens",
    "magic_links",
    "tiers",
    "teams",
    "memberships",
    "invitations",
    "categories",
    "products",
    "product_categories",
    "product_environments",
    "spec_versions",
    "spec_documents",
    "endpoints",
    "plans",
    "plan_environments",
    "policies",
    "subscriptions",
    "clients",
    "authorized_emails",
    "profiles",
    "credentials",
    "credential_secrets",
    "scope_grants",
    "assignments",
    "request_log",
    "audit_events",
    "outbox_jobs",
    "gateway_revisions",
    "gateway_changes",
    "quota_windows",
    "portals",
    "idempotency_keys",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        people(manager).await?;
        catalog(manager).await?;
        access(manager).await?;
        records(manager).await?;
        seed(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in TABLES.iter().rev() {
            manager.drop_table(Table::drop().table(*name).to_owned()).await?;
        }
        Ok(())
    }
}

async fn people(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("users")
                .col(uuid("id").primary_key())
                .col(text("email"))
                .col(text_null("name"))
                .col(kind_null("staff_role"))
                .col(timestamp_with_time_zone("created_at"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("users", &["email"])).await?;
    manager
        .create_table(
            table("sessions")
                .col(uuid("id").primary_key())
                .col(uuid("user_id"))
                .col(blob("token_hash"))
                .col(kind("method"))
                .col(text_null("ip"))
                .col(text_null("user_agent"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("last_seen_at"))
                .col(timestamp_with_time_zone("expires_at"))
                .col(timestamp_with_time_zone_null("revoked_at"))
                .foreign_key(&mut references("sessions", "user_id", "users"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("sessions", &["token_hash"])).await?;
    manager.create_index(index("sessions", &["user_id"])).await?;
    manager
        .create_table(
            table("access_tokens")
                .col(uuid("id").primary_key())
                .col(uuid("user_id"))
                .col(text("name"))
                .col(text("prefix"))
                .col(blob("token_hash"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone_null("last_used_at"))
                .col(timestamp_with_time_zone_null("expires_at"))
                .col(timestamp_with_time_zone_null("revoked_at"))
                .foreign_key(&mut references("access_tokens", "user_id", "users"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("access_tokens", &["token_hash"])).await?;
    manager.create_index(index("access_tokens", &["user_id"])).await?;
    manager
        .create_table(
            table("magic_links")
                .col(uuid("id").primary_key())
                .col(text("email"))
                .col(text_null("redirect_to"))
                .col(uuid_null("invitation_id"))
                .col(text_null("requested_ip"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("expires_at"))
                .col(timestamp_with_time_zone_null("used_at"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("magic_links", &["email", "created_at"])).await?;
    manager.create_index(index("magic_links", &["requested_ip", "created_at"])).await?;
    manager
        .create_table(table("tiers").col(uuid("id").primary_key()).col(text("name")).col(text_null("description")).to_owned())
        .await?;
    manager.create_index(unique("tiers", &["name"])).await?;
    manager
        .create_table(
            table("teams")
                .col(uuid("id").primary_key())
                .col(text("name"))
                .col(text("slug"))
                .col(boolean("internal"))
                .col(kind("status"))
                .col(uuid_null("tier_id"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .foreign_key(&mut references("teams", "tier_id", "tiers"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("teams", &["slug"])).await?;
    manager.create_index(index("teams", &["tier_id"])).await?;
    manager
        .create_table(
            table("memberships")
                .col(uuid("id").primary_key())
                .col(uuid("team_id"))
                .col(uuid("user_id"))
                .col(kind("access_team"))
                .col(kind("access_credentials"))
                .col(kind("access_billing"))
                .col(kind("joined_by"))
                .col(timestamp_with_time_zone("joined_at"))
                .foreign_key(&mut references("memberships", "team_id", "teams"))
                .foreign_key(&mut references("memberships", "user_id", "users"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("memberships", &["team_id", "user_id"])).await?;
    manager.create_index(index("memberships", &["user_id"])).await?;
    manager
        .create_table(
            table("invitations")
                .col(uuid("id").primary_key())
                .col(uuid("team_id"))
                .col(text("email"))
                .col(kind("access_team"))
                .col(kind("access_credentials"))
                .col(kind("access_billing"))
                .col(uuid_null("invited_by"))
                .col(text_null("message"))
                .col(kind("status"))
                .col(integer("generation"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("sent_at"))
                .col(timestamp_with_time_zone_null("link_used_at"))
                .col(timestamp_with_time_zone("expires_at"))
                .col(timestamp_with_time_zone_null("accepted_at"))
                .foreign_key(&mut references("invitations", "team_id", "teams"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("invitations", &["team_id"])).await?;
    manager.create_index(index("invitations", &["email"])).await?;
    Ok(())
}

async fn catalog(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(table("categories").col(uuid("id").primary_key()).col(text("name")).col(text("slug")).to_owned())
        .await?;
    manager.create_index(unique("categories", &["slug"])).await?;
    manager
        .create_table(
            table("products")
                .col(uuid("id").primary_key())
                .col(text("slug"))
                .col(text("name"))
                .col(text("summary"))
                .col(text_null("description"))
                .col(text_null("icon_url"))
                .col(kind("status"))
                .col(kind("visibility"))
                .col(text("base_path"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("products", &["slug"])).await?;
    manager.create_index(unique("products", &["base_path"])).await?;
    manager
        .create_table(
            table("product_categories")
                .col(uuid("product_id"))
                .col(uuid("category_id"))
                .primary_key(Index::create().col("product_id").col("category_id"))
                .foreign_key(&mut references("product_categories", "product_id", "products"))
                .foreign_key(&mut references("product_categories", "category_id", "categories"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("product_categories", &["category_id"])).await?;
    manager
        .create_table(
            table("product_environments")
                .col(uuid("id").primary_key())
                .col(uuid("product_id"))
                .col(kind("environment"))
                .col(kind("backend"))
                .col(text_null("upstream_url"))
                .col(json_binary("headers"))
                .col(integer("timeout_ms"))
                .col(kind("log_sink"))
                .foreign_key(&mut references("product_environments", "product_id", "products"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("product_environments", &["product_id", "environment"])).await?;
    manager
        .create_table(
            table("spec_versions")
                .col(uuid("id").primary_key())
                .col(uuid("product_id"))
                .col(text("version"))
                .col(text("openapi"))
                .col(kind("status"))
                .col(text("path_prefix"))
                .col(json_binary("served_by"))
                .col(text_null("release_notes"))
                .col(text("digest"))
                .col(timestamp_with_time_zone("published_at"))
                .foreign_key(&mut references("spec_versions", "product_id", "products"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("spec_versions", &["product_id", "version"])).await?;
    manager
        .create_table(
            table("spec_documents")
                .col(uuid("spec_id").primary_key())
                .col(blob("body"))
                .foreign_key(&mut references("spec_documents", "spec_id", "spec_versions"))
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            table("endpoints")
                .col(uuid("id").primary_key())
                .col(uuid("product_id"))
                .col(uuid("spec_id"))
                .col(integer("position"))
                .col(text("method"))
                .col(text("path"))
                .col(text("document_path"))
                .col(text_null("operation_id"))
                .col(text_null("summary"))
                .col(json_binary("tags"))
                .col(json_binary("scopes"))
                .col(boolean("deprecated"))
                .col(kind("status"))
                .col(text("search_text"))
                .foreign_key(&mut references("endpoints", "product_id", "products"))
                .foreign_key(&mut references("endpoints", "spec_id", "spec_versions"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("endpoints", &["product_id", "spec_id", "position"])).await?;
    manager.create_index(index("endpoints", &["spec_id"])).await?;
    manager
        .create_table(
            table("plans")
                .col(uuid("id").primary_key())
                .col(uuid("product_id"))
                .col(text("slug"))
                .col(text("name"))
                .col(text_null("description"))
                .col(kind("status"))
                .col(integer("version"))
                .col(json_binary("pricing"))
                .col(kind("approval"))
                .col(boolean("has_sandbox"))
                .col(json_binary("scopes"))
                .col(json_binary("features"))
                .col(integer_null("max_subscriptions_per_team"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(&mut references("plans", "product_id", "products"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("plans", &["product_id", "slug"])).await?;
    manager
        .create_table(
            table("plan_environments")
                .col(uuid("id").primary_key())
                .col(uuid("plan_id"))
                .col(kind("environment"))
                .col(kind("auth_method"))
                .col(json_binary("allowed_methods"))
                .col(integer_null("rate_requests"))
                .col(kind_null("rate_window"))
                .col(big_integer_null("quota_requests"))
                .col(kind_null("quota_period"))
                .col(text_null("documentation"))
                .foreign_key(&mut references("plan_environments", "plan_id", "plans"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("plan_environments", &["plan_id", "environment"])).await?;
    Ok(())
}

async fn access(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("policies")
                .col(uuid("id").primary_key())
                .col(text("name"))
                .col(text_null("description"))
                .col(integer_null("rate_requests"))
                .col(kind_null("rate_window"))
                .col(big_integer_null("quota_requests"))
                .col(kind_null("quota_period"))
                .col(boolean("enabled"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("policies", &["name"])).await?;
    manager
        .create_table(
            table("subscriptions")
                .col(uuid("id").primary_key())
                .col(uuid("team_id"))
                .col(uuid("plan_id"))
                .col(uuid("product_id"))
                .col(text("name"))
                .col(uuid_null("owner_id"))
                .col(kind("status"))
                .col(kind_null("phase"))
                .col(text_null("status_reason"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone_null("activated_at"))
                .col(timestamp_with_time_zone_null("cancel_at"))
                .col(timestamp_with_time_zone_null("expires_at"))
                .col(integer("version"))
                .foreign_key(&mut references("subscriptions", "team_id", "teams"))
                .foreign_key(&mut references("subscriptions", "plan_id", "plans"))
                .foreign_key(&mut references("subscriptions", "product_id", "products"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("subscriptions", &["team_id"])).await?;
    manager.create_index(index("subscriptions", &["plan_id"])).await?;
    manager.create_index(index("subscriptions", &["product_id"])).await?;
    manager
        .create_table(
            table("clients")
                .col(uuid("id").primary_key())
                .col(uuid("team_id"))
                .col(uuid_null("subscription_id"))
                .col(text("name"))
                .col(text_null("description"))
                .col(boolean("enabled"))
                .col(boolean("portal_access"))
                .col(uuid_null("policy_id"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .foreign_key(&mut references("clients", "team_id", "teams"))
                .foreign_key(&mut references("clients", "subscription_id", "subscriptions"))
                .foreign_key(&mut references("clients", "policy_id", "policies"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("clients", &["team_id"])).await?;
    manager.create_index(unique("clients", &["subscription_id"])).await?;
    manager.create_index(index("clients", &["policy_id"])).await?;
    manager
        .create_table(
            table("authorized_emails")
                .col(uuid("id").primary_key())
                .col(uuid("team_id"))
                .col(uuid("client_id"))
                .col(text("email"))
                .col(kind("access_team"))
                .col(kind("access_credentials"))
                .col(kind("access_billing"))
                .col(timestamp_with_time_zone("invited_at"))
                .col(timestamp_with_time_zone_null("last_sign_in_at"))
                .foreign_key(&mut references("authorized_emails", "client_id", "clients"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("authorized_emails", &["client_id", "email"])).await?;
    manager.create_index(index("authorized_emails", &["email"])).await?;
    manager
        .create_table(
            table("profiles")
                .col(uuid("id").primary_key())
                .col(uuid("team_id"))
                .col(uuid("client_id"))
                .col(text("name"))
                .col(kind("environment"))
                .col(kind("auth_method"))
                .col(json_binary("allowed_methods"))
                .col(json_binary("ip_allowlist"))
                .col(uuid_null("policy_id"))
                .col(boolean("enabled"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .foreign_key(&mut references("profiles", "client_id", "clients"))
                .foreign_key(&mut references("profiles", "policy_id", "policies"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("profiles", &["client_id", "name"])).await?;
    manager.create_index(index("profiles", &["team_id"])).await?;
    manager.create_index(index("profiles", &["policy_id"])).await?;
    manager
        .create_table(
            table("credentials")
                .col(uuid("id").primary_key())
                .col(uuid("team_id"))
                .col(uuid("client_id"))
                .col(uuid("profile_id"))
                .col(kind("kind"))
                .col(kind("environment"))
                .col(kind("status"))
                .col(text_null("name"))
                .col(json_binary_null("scopes"))
                .col(text_null("masked"))
                .col(timestamp_with_time_zone("created_at"))
                .col(uuid_null("created_by"))
                .col(timestamp_with_time_zone_null("last_used_at"))
                .col(timestamp_with_time_zone_null("expires_at"))
                .col(timestamp_with_time_zone_null("revoked_at"))
                .col(integer("version"))
                .foreign_key(&mut references("credentials", "client_id", "clients"))
                .foreign_key(&mut references("credentials", "profile_id", "profiles"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("credentials", &["profile_id"])).await?;
    manager.create_index(index("credentials", &["client_id"])).await?;
    manager.create_index(index("credentials", &["team_id"])).await?;
    manager
        .create_table(
            table("credential_secrets")
                .col(uuid("id").primary_key())
                .col(uuid("credential_id"))
                .col(text_null("lookup"))
                .col(blob("hash"))
                .col(timestamp_with_time_zone("valid_from"))
                .col(timestamp_with_time_zone_null("valid_until"))
                .col(timestamp_with_time_zone_null("last_used_at"))
                .foreign_key(&mut references("credential_secrets", "credential_id", "credentials"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("credential_secrets", &["lookup"])).await?;
    manager.create_index(index("credential_secrets", &["credential_id"])).await?;
    manager
        .create_table(
            table("scope_grants")
                .col(uuid("id").primary_key())
                .col(uuid("subscription_id"))
                .col(uuid("team_id"))
                .col(text("scope"))
                .col(timestamp_with_time_zone("granted_at"))
                .col(uuid_null("granted_by"))
                .foreign_key(&mut references("scope_grants", "subscription_id", "subscriptions"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("scope_grants", &["subscription_id", "scope"])).await?;
    manager
        .create_table(
            table("assignments")
                .col(uuid("id").primary_key())
                .col(uuid("product_id"))
                .col(uuid_null("tier_id"))
                .col(uuid_null("team_id"))
                .col(uuid_null("client_id"))
                .col(uuid_null("subscription_id"))
                .col(timestamp_with_time_zone("since"))
                .col(uuid_null("assigned_by"))
                .foreign_key(&mut references("assignments", "product_id", "products"))
                .foreign_key(&mut references("assignments", "tier_id", "tiers"))
                .foreign_key(&mut references("assignments", "team_id", "teams"))
                .foreign_key(&mut references("assignments", "client_id", "clients"))
                .foreign_key(&mut references("assignments", "subscription_id", "subscriptions"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("assignments", &["product_id"])).await?;
    manager.create_index(index("assignments", &["tier_id"])).await?;
    manager.create_index(index("assignments", &["team_id"])).await?;
    manager.create_index(index("assignments", &["client_id"])).await?;
    manager.create_index(index("assignments", &["subscription_id"])).await?;
    Ok(())
}

async fn records(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("request_log")
                .col(uuid("id").primary_key())
                .col(timestamp_with_time_zone("at"))
                .col(uuid_null("team_id"))
                .col(uuid_null("client_id"))
                .col(uuid_null("profile_id"))
                .col(uuid_null("credential_id"))
                .col(uuid_null("product_id"))
                .col(uuid_null("endpoint_id"))
                .col(text_null("endpoint"))
                .col(kind_null("environment"))
                .col(text("method"))
                .col(text("path"))
                .col(small_integer("status"))
                .col(big_integer("latency_us"))
                .col(kind_null("denial"))
                .col(text_null("denial_detail"))
                .col(text("ip"))
                .col(text_null("user_agent"))
                .col(json_binary("request_headers"))
                .col(json_binary("response_headers"))
                .col(boolean("via_explorer"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("request_log", &["team_id", "id"])).await?;
    manager.create_index(index("request_log", &["client_id", "id"])).await?;
    manager.create_index(index("request_log", &["product_id", "id"])).await?;
    manager.create_index(index("request_log", &["at"])).await?;
    // Refused calls are few and looked for most: a page of them is not searched for among millions that passed.
    let denied = Expr::col("denial").is_not_null();
    manager.create_index(index("request_log", &["denial", "id"]).cond_where(denied).to_owned()).await?;
    manager
        .create_table(
            table("audit_events")
                .col(uuid("id").primary_key())
                .col(timestamp_with_time_zone("at"))
                .col(uuid_null("actor_id"))
                .col(kind("actor_kind"))
                .col(text("action"))
                .col(text("subject_type"))
                .col(uuid("subject_id"))
                .col(uuid_null("team_id"))
                .col(text_null("ip"))
                .col(text_null("user_agent"))
                .col(text_null("request_id"))
                .col(json_binary("changes"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("audit_events", &["team_id", "id"])).await?;
    manager.create_index(index("audit_events", &["subject_id", "id"])).await?;
    manager.create_index(index("audit_events", &["actor_id", "id"])).await?;
    manager.create_index(index("audit_events", &["action", "id"])).await?;
    manager.create_index(index("audit_events", &["at"])).await?;
    manager.create_index(index("audit_events", &["action", "at"])).await?;
    manager
        .create_table(
            table("outbox_jobs")
                .col(uuid("id").primary_key())
                .col(text("kind"))
                .col(json_binary("payload"))
                .col(kind("state"))
                .col(integer("attempts"))
                .col(integer("max_attempts"))
                .col(timestamp_with_time_zone("due_at"))
                .col(timestamp_with_time_zone_null("lease_until"))
                .col(big_integer("fence"))
                .col(text_null("dedup_key"))
                .col(text_null("last_error"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone_null("finished_at"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("outbox_jobs", &["state", "due_at", "id"])).await?;
    manager.create_index(unique("outbox_jobs", &["dedup_key"])).await?;
    manager
        .create_table(table("gateway_revisions").col(integer("id").primary_key()).col(big_integer("revision")).to_owned())
        .await?;
    manager
        .create_table(
            table("gateway_changes")
                .col(big_integer("revision"))
                .col(kind("subject"))
                .col(uuid("subject_id"))
                .col(timestamp_with_time_zone("at"))
                .primary_key(Index::create().col("revision").col("subject").col("subject_id"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("gateway_changes", &["at"])).await?;
    manager
        .create_table(
            table("quota_windows")
                .col(uuid("client_id"))
                .col(kind("environment"))
                .col(kind("period"))
                .col(timestamp_with_time_zone("starts_at"))
                .col(big_integer("leased"))
                .primary_key(Index::create().col("client_id").col("environment").col("period").col("starts_at"))
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            table("portals")
                .col(integer("id").primary_key())
                .col(text("name"))
                .col(text_null("tagline"))
                .col(text_null("logo_url"))
                .col(text_null("primary_color"))
                .col(text_null("support_email"))
                .col(text_null("terms_url"))
                .col(boolean("self_registration"))
                .col(integer("magic_link_minutes"))
                .col(integer("session_hours"))
                .col(integer("invitation_days"))
                .col(integer("request_log_days"))
                .col(text_null("key_fingerprint"))
                .col(integer("version"))
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            table("idempotency_keys")
                .col(uuid("id").primary_key())
                .col(uuid("user_id"))
                .col(text("operation"))
                .col(blob("key_hash"))
                .col(blob("input_hash"))
                .col(uuid("subject_id"))
                .col(timestamp_with_time_zone("created_at"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("idempotency_keys", &["user_id", "operation", "key_hash"])).await?;
    manager.create_index(index("idempotency_keys", &["created_at"])).await?;
    Ok(())
}

/// The rows that there is exactly one of.
async fn seed(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let revision = Query::insert()
        .into_table("gateway_revisions")
        .columns(["id", "revision"])
        .values_panic([1.into(), 0i64.into()])
        .to_owned();
    manager.execute(revision).await?;
    let portal = Query::insert()
        .into_table("portals")
        .columns([
            "id",
            "name",
            "self_registration",
            "magic_link_minutes",
            "session_hours",
            "invitation_days",
            "request_log_days",
            "version",
        ])
        .values_panic([1.into(), "Developer portal".into(), false.into(), 10.into(), 720.into(), 30.into(), 30.into(), 1.into()])
        .to_owned();
    manager.execute(portal).await
}
