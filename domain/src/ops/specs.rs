//! Publishing documents as versions, and which versions and endpoints are there for partners.

mod comparison;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use entities::{
    columns::{Environments, ScopeAlternatives, Strings},
    endpoint,
    enums::{EndpointStatus, Environment, SpecStatus},
    id::{EndpointId, ProductId, SpecVersionId},
    product, spec_document,
    spec_version::{self, Column, Entity, Model},
};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};

use super::products::{changed, load};
use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    documents::pack,
    error::Problems,
    keyring::sha256,
    outbox::TellOfSpec,
    read::specs::blocking,
    rules::{
        openapi::{self, Document, Fault, Imported, Operation},
        policy::StaffRight,
        spec_changes::{identity, name},
        spec_version::{self as versions, Route, Version},
        text,
    },
    tx::retrying,
};

const RELEASE_NOTES_MAX: usize = 20_000;
/// Rows of one statement: 14 values each, and SQLite takes 32,766 values, PostgreSQL 65,535.
const CHUNK: usize = 1_000;
/// What lists show of an operation's summary, in characters; the whole stands in the document.
const SUMMARY_MAX: usize = 300;

#[derive(Debug, Clone)]
pub struct PublishSpec {
    pub product: ProductId,
    /// OpenAPI 3 in JSON or YAML.
    pub document: Arc<str>,
    /// `None`: as the document says.
    pub version: Option<String>,
    /// Empty where `None`.
    pub path_prefix: Option<String>,
    /// All environments where `None`.
    pub served_by: Option<Vec<Environment>>,
    pub release_notes: Option<String>,
    /// Whether operations that are new become visible and callable at once.
    pub publish_endpoints: bool,
}

/// A document that was read and packed, before anything is locked.
struct Prepared {
    /// Without the document's text, which is in `document`.
    imported: Imported,
    document: Arc<Document>,
    packed: Vec<u8>,
    digest: String,
}

/// Makes a document the current version. It takes its path prefix over in the environments that serve it; a version that is
/// served nowhere after that is RETIRED, the others stay SUPPORTED.
pub async fn publish(ctx: &Domain, actor: &Actor, cmd: PublishSpec) -> Result<(Model, product::Model)> {
    require_staff(actor, StaffRight::Edit)?;
    load(&ctx.db, cmd.product).await?;
    let document = Arc::clone(&cmd.document);
    let prepared = blocking(move || prepare(&document)).await?;
    let new = checked(&cmd, &prepared)?;
    retrying(async || {
        let comparison = comparison::of(ctx, &new, &prepared.document).await?;
        let tx = Tx::begin(ctx).await?;
        let product = load(tx.db(), cmd.product).await?;
        let all = of_product(tx.db(), product.id).await?;
        if all.iter().any(|other| other.version == new.version) {
            let message = format!("version {} is published already: give another version", new.version);
            return Err(DomainError::refused(ProblemCode::Taken, "version", message));
        }
        if versions::before(&all, &new.path_prefix, &new.served_by) != comparison.previous {
            return Err(DomainError::Conflict);
        }
        let spec = Model { id: ctx.env.id(), published_at: tx.now(), ..new.clone() };
        let known = published_before(&tx, &all, &spec).await?;
        let changes = versions::publish(&all, &spec.path_prefix, &spec.served_by);
        let full: Vec<_> =
            prepared.imported.operations.iter().map(|o| (&o.method, format!("{}{}", spec.path_prefix, o.path))).collect();
        let routes = full.iter().map(|(method, path)| Route { method, path });
        comparison::refuse_doubled(&tx, &with(&all, &changes), &version(spec.clone()), "pathPrefix", routes).await?;
        store(&tx, changes).await?;
        Entity::insert(spec.clone().into_active_model()).exec_without_returning(tx.db()).await?;
        let body = spec_document::ActiveModel { spec_id: Set(spec.id), body: Set(prepared.packed.clone()) };
        spec_document::Entity::insert(body).exec_without_returning(tx.db()).await?;
        comparison.store(&tx, spec.id).await?;
        insert_endpoints(&tx, &spec, &prepared.imported.operations, |operation| match cmd.publish_endpoints {
            true => EndpointStatus::Published,
            // What partners call already must not go away because its successor's news are held back.
            false if known.contains(&identity(&name(&operation.method, &operation.path))) => EndpointStatus::Published,
            false => EndpointStatus::Draft,
        })
        .await?;
        let product = changed(&tx, product).await?;
        if comparison.previous.is_some() {
            tx.enqueue(TellOfSpec { spec: spec.id }).await?;
        }
        let entry = Audit::of(actor, Action::SpecPublished, spec.id)
            .set("product", product.id)
            .set("version", &spec.version)
            .set("pathPrefix", &spec.path_prefix)
            .set("servedBy", &spec.served_by)
            .set("digest", &spec.digest)
            .set("breaking", comparison.breaking)
            .set("endpoints", prepared.imported.operations.len());
        tx.commit(entry).await?;
        Ok((spec, product))
    })
    .await
}

fn prepare(document: &str) -> Result<Prepared> {
    let mut imported = openapi::read(document).map_err(refused)?;
    let packed = pack(&imported.json)?;
    let digest = sha256(document).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = std::mem::take(&mut imported.json);
    let document = Arc::new(Document::index(text).map_err(DomainError::internal)?);
    Ok(Prepared { imported, document, packed, digest })
}

fn refused(faults: Vec<Fault>) -> DomainError {
    let problem = |fault: &Fault| Problem::new(ProblemCode::Invalid, "document", fault.to_string());
    DomainError::Refused(faults.iter().map(problem).collect())
}

/// The version to be; its id and time are given when it is written.
fn checked(cmd: &PublishSpec, prepared: &Prepared) -> Result<Model> {
    let mut problems = Problems::default();
    let name = cmd.version.as_deref().unwrap_or(&prepared.imported.version);
    let version = problems.take(versions::name("version", name));
    let path_prefix = problems.take(versions::path_prefix("pathPrefix", cmd.path_prefix.as_deref().unwrap_or_default()));
    let served_by: BTreeSet<_> = cmd.served_by.as_deref().unwrap_or(&Environment::ALL).iter().copied().collect();
    if served_by.is_empty() {
        problems.add(ProblemCode::Required, "servedBy", "name an environment, or leave it out for all");
    }
    let notes = problems.take(text::prose("releaseNotes", cmd.release_notes.as_deref(), RELEASE_NOTES_MAX));
    problems.into_result()?;
    Ok(Model {
        id: SpecVersionId(uuid::Uuid::nil()),
        product_id: cmd.product,
        version: version.unwrap_or_default(),
        openapi: prepared.imported.openapi.clone(),
        status: SpecStatus::Current,
        path_prefix: path_prefix.unwrap_or_default(),
        served_by: Environments(served_by.into_iter().collect()),
        release_notes: notes.flatten(),
        digest: prepared.digest.clone(),
        published_at: chrono::DateTime::UNIX_EPOCH,
        told_at: None,
    })
}

async fn of_product(db: &impl ConnectionTrait, product: ProductId) -> Result<Vec<Version>> {
    let rows = Entity::find().filter(Column::ProductId.eq(product)).all(db).await?;
    Ok(rows.into_iter().map(version).collect())
}

fn version(row: Model) -> Version {
    Version { id: row.id, version: row.version, status: row.status, path_prefix: row.path_prefix, served_by: row.served_by.0 }
}

/// The versions as they are after a change.
fn with(all: &[Version], changes: &[Version]) -> Vec<Version> {
    let after = |old: &Version| changes.iter().find(|new| new.id == old.id).unwrap_or(old).clone();
    all.iter().map(after).collect()
}

/// What calls the published endpoints of the versions match whose prefix the new one has: a parameter may be called otherwise.
async fn published_before(tx: &Tx<'_>, all: &[Version], spec: &Model) -> Result<HashSet<String>> {
    use endpoint::Column as E;
    let is_before = |old: &&Version| old.path_prefix == spec.path_prefix && old.status != SpecStatus::Retired;
    let before: Vec<_> = all.iter().filter(is_before).map(|old| old.id.0).collect();
    let rows: Vec<(String, String)> = endpoint::Entity::find()
        .filter(E::SpecId.is_in(before))
        .filter(E::Status.eq(EndpointStatus::Published))
        .select_only()
        .columns([E::Method, E::DocumentPath])
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(rows.iter().map(|(method, path)| identity(&name(method, path))).collect())
}

async fn store(tx: &Tx<'_>, changed: Vec<Version>) -> Result<()> {
    for version in changed {
        let row = spec_version::ActiveModel {
            id: Unchanged(version.id),
            status: Set(version.status),
            served_by: Set(Environments(version.served_by)),
            ..Default::default()
        };
        Entity::update(row).exec(tx.db()).await?;
    }
    Ok(())
}

async fn insert_endpoints(
    tx: &Tx<'_>,
    spec: &Model,
    operations: &[Operation],
    status: impl Fn(&Operation) -> EndpointStatus,
) -> Result<()> {
    for (chunk, operations) in operations.chunks(CHUNK).enumerate() {
        let rows = operations.iter().enumerate().map(|(i, operation)| {
            let position = i32::try_from(chunk * CHUNK + i).unwrap_or(i32::MAX);
            row(tx.ctx().env.id(), spec, position, operation, status(operation))
        });
        endpoint::Entity::insert_many(rows).exec_without_returning(tx.db()).await?;
    }
    Ok(())
}

fn row(id: EndpointId, spec: &Model, position: i32, operation: &Operation, status: EndpointStatus) -> endpoint::ActiveModel {
    let path = format!("{}{}", spec.path_prefix, operation.path);
    let summary: Option<String> = operation.summary.as_ref().map(|text| text.chars().take(SUMMARY_MAX).collect());
    let parts = [operation.method.as_str(), &path].into_iter().chain(operation.operation_id.as_deref()).chain(summary.as_deref());
    let search_text = parts.chain(operation.tags.iter().map(String::as_str)).collect::<Vec<_>>().join(" ").to_lowercase();
    endpoint::ActiveModel {
        id: Set(id),
        product_id: Set(spec.product_id),
        spec_id: Set(spec.id),
        position: Set(position),
        method: Set(operation.method.clone()),
        path: Set(path),
        document_path: Set(operation.path.clone()),
        operation_id: Set(operation.operation_id.clone()),
        summary: Set(summary),
        tags: Set(Strings(operation.tags.clone())),
        scopes: Set(ScopeAlternatives(operation.scopes.clone())),
        deprecated: Set(operation.deprecated),
        status: Set(status),
        search_text: Set(search_text),
    }
}

/// Makes a version current, supported or retired, and says where it is served.
pub async fn set_status(
    ctx: &Domain,
    actor: &Actor,
    id: SpecVersionId,
    status: SpecStatus,
    served_by: Option<Vec<Environment>>,
) -> Result<product::Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let spec = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("version"))?;
        let product = load(tx.db(), spec.product_id).await?;
        let all = of_product(tx.db(), product.id).await?;
        let changes = versions::set_status(&all, id, status, served_by.as_deref())?;
        let after = changes.iter().find(|version| version.id == id);
        if let Some(after) = after {
            let own = routes_of(&tx, id).await?;
            let routes = own.iter().map(|(method, path)| Route { method, path });
            comparison::refuse_doubled(&tx, &with(&all, &changes), after, "servedBy", routes).await?;
        }
        let after = after.map(|version| version.served_by.clone());
        let entry = Audit::of(actor, Action::SpecStatusSet, id).change("status", spec.status, status).change(
            "servedBy",
            &spec.served_by.0,
            after.unwrap_or_default(),
        );
        store(&tx, changes).await?;
        let product = changed(&tx, product).await?;
        tx.commit(entry).await?;
        Ok(product)
    })
    .await
}

async fn routes_of(tx: &Tx<'_>, spec: SpecVersionId) -> Result<Vec<(String, String)>> {
    use endpoint::Column as E;
    let own = endpoint::Entity::find().filter(E::SpecId.eq(spec)).select_only().columns([E::Method, E::Path]);
    Ok(own.into_tuple().all(tx.db()).await?)
}

/// Shows an endpoint to partners and lets them call it, or holds it back.
pub async fn set_endpoint_status(ctx: &Domain, actor: &Actor, id: EndpointId, status: EndpointStatus) -> Result<product::Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let row = endpoint::Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("endpoint"))?;
        if row.status == status {
            return Err(DomainError::refused(ProblemCode::AlreadyDone, "status", "the endpoint has this status already"));
        }
        let product = load(tx.db(), row.product_id).await?;
        let entry = Audit::of(actor, Action::EndpointStatusSet, id)
            .set("endpoint", format!("{} {}", row.method, row.path))
            .change("status", row.status, status);
        let mut row = row.into_active_model();
        row.status = Set(status);
        endpoint::Entity::update(row).exec(tx.db()).await?;
        let product = changed(&tx, product).await?;
        tx.commit(entry).await?;
        Ok(product)
    })
    .await
}
