//! Versions of documents, and documents as they are downloaded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entities::{
    endpoint,
    enums::{EndpointStatus, SpecStatus},
    id::{ProductId, SpecVersionId},
    product, spec_document, spec_version,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    catalog,
    page::{self, Page, PageRequest},
};
use crate::{
    Actor, Domain, DomainError, Result,
    documents::{pack, unpack},
    keyring::sha256,
    rules::{
        openapi::{Document, Format, Hidden},
        patience::Patience,
        visibility::Onlooker,
    },
};

/// The versions of a product that the actor was found to see, newest first, retired ones too: they tell its history.
pub async fn of_product(ctx: &Domain, product: ProductId, request: &PageRequest) -> Result<Page<spec_version::Model>> {
    let list = spec_version::Entity::find().filter(spec_version::Column::ProductId.eq(product));
    page::newest_first::<_, SpecVersionId>(ctx, list, spec_version::Column::Id, request).await
}

/// `None` for what is not there or not to be seen.
pub async fn spec(ctx: &Domain, actor: &Actor, id: SpecVersionId) -> Result<Option<spec_version::Model>> {
    let Some(found) = spec_version::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    Ok(catalog::product(ctx, actor, found.product_id).await?.map(|_| found))
}

/// A version's document with its index; unpacked once, however many ask for it at a time, and kept for a while.
pub(crate) async fn document(ctx: &Domain, spec: SpecVersionId) -> Result<Arc<Document>> {
    if let Some(document) = ctx.documents.get(spec) {
        return Ok(document);
    }
    let _reading = ctx.documents.reading(spec).await;
    if let Some(document) = ctx.documents.get(spec) {
        return Ok(document);
    }
    let stored = spec_document::Entity::find_by_id(spec).one(&ctx.db).await?;
    let stored = stored.ok_or_else(|| DomainError::internal("a version's document is missing"))?;
    let document = blocking(move || Document::index(unpack(&stored.body)?).map_err(DomainError::internal)).await?;
    let document = Arc::new(document);
    ctx.documents.keep(spec, &document);
    Ok(document)
}

/// What a download is asked for with.
#[derive(Debug, Clone)]
pub struct DownloadRequest<'a> {
    pub slug: &'a str,
    /// A version's name, or `latest` for the current one.
    pub version: &'a str,
    pub format: Format,
    /// Where the gateway is reached, without a trailing slash.
    pub gateway_url: &'a str,
}

/// A document for one reader, found but not yet made.
pub struct Download {
    spec: SpecVersionId,
    format: Format,
    server: String,
    hidden: Hidden,
    /// Stands for exactly these bytes: another document, server or set of hidden operations has another tag.
    pub tag: String,
}

/// The document of a version, for who may see its product: the gateway's address is its only server, and drafts are in it for
/// staff only.
pub async fn download(ctx: &Domain, actor: &Actor, request: &DownloadRequest<'_>) -> Result<Download> {
    use spec_version::Column as V;
    let not_found = || DomainError::NotFound("document");
    let product = catalog::product_by_slug(ctx, actor, request.slug).await?.ok_or_else(not_found)?;
    let versions = spec_version::Entity::find().filter(V::ProductId.eq(product.id));
    let one = match request.version {
        "latest" => versions.filter(V::Status.eq(SpecStatus::Current)),
        version => versions.filter(V::Version.eq(version)),
    };
    let spec = one.one(&ctx.db).await?.ok_or_else(not_found)?;
    let hidden = hidden(ctx, actor, spec.id).await?;
    let server = server(request.gateway_url, &product, &spec);
    let tag = tag(&spec, request.format, &server, &hidden);
    Ok(Download { spec: spec.id, format: request.format, server, hidden, tag })
}

impl Download {
    /// The document, gzip.
    pub async fn body(self, ctx: &Domain) -> Result<Arc<Vec<u8>>> {
        if let Some(body) = ctx.documents.download(&self.tag) {
            return Ok(body);
        }
        let _writing = ctx.documents.writing(&self.tag).await;
        if let Some(body) = ctx.documents.download(&self.tag) {
            return Ok(body);
        }
        let turn = ctx.documents.turn_of_the_portal().await;
        let document = document(ctx, self.spec).await?;
        let make = move || {
            let _turn = turn;
            let text = document.render(&self.server, &self.hidden, self.format).map_err(DomainError::internal)?;
            Ok((self.tag, Arc::new(pack(&text)?)))
        };
        let (tag, body) = blocking(make).await?;
        ctx.documents.keep_download(&tag, &body);
        Ok(body)
    }
}

/// Where calls to a version go.
pub fn server(gateway_url: &str, product: &product::Model, spec: &spec_version::Model) -> String {
    format!("{gateway_url}/{}{}", product.base_path, spec.path_prefix)
}

async fn hidden(ctx: &Domain, actor: &Actor, spec: SpecVersionId) -> Result<Hidden> {
    if catalog::onlooker(actor) == Onlooker::Staff {
        return Ok(Hidden::new());
    }
    use endpoint::Column as E;
    let drafts: Vec<(String, String)> = endpoint::Entity::find()
        .filter(E::SpecId.eq(spec))
        .filter(E::Status.eq(EndpointStatus::Draft))
        .select_only()
        .columns([E::DocumentPath, E::Method])
        .into_tuple()
        .all(&ctx.db)
        .await?;
    Ok(drafts.into_iter().map(|(path, method)| (path, method.to_ascii_lowercase())).collect())
}

fn tag(spec: &spec_version::Model, format: Format, server: &str, hidden: &Hidden) -> String {
    /// Raised when the same document would be written otherwise.
    const WRITING: u8 = 1;
    let mut hidden: Vec<_> = hidden.iter().collect();
    hidden.sort_unstable();
    let parts = (WRITING, spec.id.0, &spec.digest, format == Format::Yaml, server, hidden);
    sha256(format!("{parts:?}"))[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Work that would keep other requests waiting.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(DomainError::internal)?
}

/// From now on, by the clock of the machine: it bounds work, and decides nothing else.
pub(crate) fn lasting(time: Duration) -> Patience {
    let until = Instant::now() + time;
    Patience::until(move || Instant::now() >= until)
}
