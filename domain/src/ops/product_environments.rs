//! Where a product's calls go in each environment, and what is added to them.

use std::collections::BTreeSet;

use entities::{
    columns::{HeaderContent, Strings, UpstreamHeader, UpstreamHeaders},
    enums::{Backend, Environment, LogSink},
    id::ProductId,
    product,
    product_environment::{Column, Entity, Model},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use secrecy::{ExposeSecret, SecretString};

use super::products::{changed, load};
use crate::{
    Actor, Domain, Problem, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    keyring::Purpose,
    rules::{cors, policy::StaffRight, upstream},
    tx::retrying,
};

/// An omitted field stays.
#[derive(Debug, Clone)]
pub struct SetEnvironment {
    pub product: ProductId,
    pub environment: Environment,
    pub backend: Backend,
    pub upstream_url: Option<Option<String>>,
    /// The whole list. A secret one with an empty value keeps the value that is stored under its name.
    pub headers: Option<Vec<Header>>,
    pub timeout_ms: Option<i32>,
    pub log_sink: Option<LogSink>,
    /// The whole list; empty: none are set.
    pub allowed_origins: Option<Vec<String>>,
}

/// A header that the gateway adds; a secret value is sealed and never shown again.
#[derive(Debug, Clone)]
pub struct Header {
    pub name: String,
    pub value: SecretString,
    pub secret: bool,
}

pub async fn set(ctx: &Domain, actor: &Actor, cmd: SetEnvironment) -> Result<product::Model> {
    require_staff(actor, StaffRight::Edit)?;
    refuse_ourselves(ctx, &cmd).await?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let product = load(tx.db(), cmd.product).await?;
        let found = Entity::find()
            .filter(Column::ProductId.eq(product.id))
            .filter(Column::Environment.eq(cmd.environment))
            .one(tx.db())
            .await?;
        let is_new = found.is_none();
        let before = found.unwrap_or_else(|| fresh(ctx, &cmd));
        let after = applied(ctx, &before, &cmd)?;
        let row = after.clone().into_active_model();
        if is_new {
            Entity::insert(row).exec_without_returning(tx.db()).await?;
        } else {
            Entity::update(row.reset_all()).exec(tx.db()).await?;
        }
        let product = changed(&tx, product).await?;
        let entry = Audit::of(actor, Action::ProductEnvironmentSet, product.id)
            .set("environment", cmd.environment)
            .change("backend", (!is_new).then_some(before.backend), after.backend)
            .change("upstreamUrl", &before.upstream_url, &after.upstream_url)
            .change("headers", names(&before.headers), names(&after.headers))
            .set("replacedSecrets", replaced(&before.headers, &after.headers))
            .change("timeoutMs", (!is_new).then_some(before.timeout_ms), after.timeout_ms)
            .change("logSink", (!is_new).then_some(before.log_sink), after.log_sink)
            .change("allowedOrigins", &before.allowed_origins, &after.allowed_origins);
        tx.commit(entry).await?;
        Ok(product)
    })
    .await
}

/// A call that is sent to ourselves would go round until nothing is left.
async fn refuse_ourselves(ctx: &Domain, cmd: &SetEnvironment) -> Result<()> {
    let given = cmd.upstream_url.as_ref().and_then(Option::as_deref).and_then(|url| url::Url::parse(url).ok());
    match given {
        Some(url) if ctx.itself.is_behind(&url).await => Err(Problem::new(
            ProblemCode::Invalid,
            "upstreamUrl",
            "leads to Portico itself: give the address of the API behind it",
        )
        .into()),
        _ => Ok(()),
    }
}

fn fresh(ctx: &Domain, cmd: &SetEnvironment) -> Model {
    Model {
        id: ctx.env.id(),
        product_id: cmd.product,
        environment: cmd.environment,
        backend: cmd.backend,
        upstream_url: None,
        headers: UpstreamHeaders::default(),
        timeout_ms: upstream::DEFAULT_TIMEOUT_MS,
        log_sink: LogSink::Database,
        allowed_origins: Strings::default(),
    }
}

fn applied(ctx: &Domain, before: &Model, cmd: &SetEnvironment) -> Result<Model> {
    let mut problems = Problems::default();
    let mut after = Model { backend: cmd.backend, ..before.clone() };
    if let Some(url) = &cmd.upstream_url {
        let checked = problems.take(url.as_deref().map(|url| upstream::url("upstreamUrl", url)).transpose());
        after.upstream_url = checked.flatten().or_else(|| url.clone());
    }
    match cmd.backend {
        Backend::Mock => refuse_upstream(cmd, &mut problems),
        Backend::Upstream if after.upstream_url.is_none() => {
            problems.add(ProblemCode::Required, "upstreamUrl", "is where calls go: give a URL such as https://api.example.com");
        }
        Backend::Upstream => {}
    }
    if let Some(timeout) = cmd.timeout_ms.and_then(|ms| problems.take(upstream::timeout_ms("timeoutMs", ms))) {
        after.timeout_ms = timeout;
    }
    if let Some(sink) = cmd.log_sink {
        after.log_sink = sink;
    }
    if let Some(given) = &cmd.allowed_origins {
        after.allowed_origins = Strings(problems.take_all(cors::checked("allowedOrigins", given)).unwrap_or_default());
    }
    if let Some(given) = &cmd.headers {
        after.headers = headers(ctx, &before.headers, given, &mut problems);
    }
    problems.into_result()?;
    Ok(after)
}

/// A mock calls nobody. What is stored for an upstream stays, for the day when there is one again.
fn refuse_upstream(cmd: &SetEnvironment, problems: &mut Problems) {
    if cmd.upstream_url.as_ref().is_some_and(Option::is_some) {
        problems.add(ProblemCode::Invalid, "upstreamUrl", "a MOCK answers from the document and calls nobody: leave it out");
    }
    if cmd.headers.as_ref().is_some_and(|headers| !headers.is_empty()) {
        problems.add(ProblemCode::Invalid, "headers", "a MOCK has no upstream that they could be sent to: leave them out");
    }
}

fn headers(ctx: &Domain, stored: &UpstreamHeaders, given: &[Header], problems: &mut Problems) -> UpstreamHeaders {
    if given.len() > upstream::MAX_HEADERS {
        problems.add(ProblemCode::LimitReached, "headers", format!("at most {} headers can be added", upstream::MAX_HEADERS));
        return stored.clone();
    }
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for (i, header) in given.iter().enumerate() {
        let Some(name) = problems.take(upstream::header_name(&format!("headers.{i}.name"), &header.name)) else { continue };
        if !seen.insert(name.to_ascii_lowercase()) {
            problems.add(ProblemCode::Invalid, &format!("headers.{i}.name"), format!("{name} stands twice in the list"));
            continue;
        }
        if let Some(value) = problems.take(content(ctx, stored, header, &format!("headers.{i}.value"))) {
            kept.push(UpstreamHeader { name, value });
        }
    }
    UpstreamHeaders(kept)
}

fn content(ctx: &Domain, stored: &UpstreamHeaders, header: &Header, path: &str) -> Result<HeaderContent, Problem> {
    let value = header.value.expose_secret();
    if !header.secret {
        return upstream::header_value(path, value).map(HeaderContent::Plain);
    }
    let sealed = stored.iter().find(|old| old.name.eq_ignore_ascii_case(&header.name)).map(|old| &old.value);
    if value.is_empty()
        && let Some(kept @ HeaderContent::Sealed(_)) = sealed
    {
        return Ok(kept.clone());
    }
    let value = upstream::header_value(path, value)?;
    Ok(HeaderContent::Sealed(ctx.keys.seal(&ctx.env, Purpose::UpstreamHeader, &value)))
}

fn names(headers: &UpstreamHeaders) -> Vec<&str> {
    headers.iter().map(|header| header.name.as_str()).collect()
}

/// The names whose sealed value is another one now: the audit log says that it changed, and nothing of what it is.
fn replaced<'a>(before: &UpstreamHeaders, after: &'a UpstreamHeaders) -> Option<Vec<&'a str>> {
    let is_new = |header: &&UpstreamHeader| matches!(header.value, HeaderContent::Sealed(_)) && !before.contains(header);
    let names: Vec<_> = after.iter().filter(is_new).map(|header| header.name.as_str()).collect();
    (!names.is_empty()).then_some(names)
}
