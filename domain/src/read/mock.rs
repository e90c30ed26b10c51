//! Answers of MOCK environments: from documents that are read when they are first asked for, never for other products.

use std::{sync::Arc, time::Duration};

use entities::{
    endpoint,
    id::{EndpointId, SpecVersionId},
};
use sea_orm::{EntityTrait, QuerySelect};

use super::specs::{self, blocking, lasting};
use crate::{
    Domain, DomainError, Result,
    documents::Mocked,
    rules::mock::{Answer, Request, Source, Unanswered},
};

/// What one answer may take.
const TIME: Duration = Duration::from_secs(2);

/// Answers a request to an endpoint that the gateway let it through to. It may wait for the database the first time.
pub async fn answer(ctx: &Domain, endpoint: EndpointId, request: Request) -> Result<Result<Answer, Unanswered>> {
    let mocked = mocked(ctx, endpoint).await?;
    let source = source(ctx, mocked.spec).await?;
    let turn = ctx.documents.turn().await;
    blocking(move || {
        let (_turn, source) = (turn, source.within(lasting(TIME)));
        let operation = source
            .operation(&mocked.document_path, &mocked.method)
            .ok_or_else(|| DomainError::internal("an endpoint's operation is missing in its document"))?;
        Ok(operation.answer(&source, &mocked.template, &request))
    })
    .await
}

async fn mocked(ctx: &Domain, id: EndpointId) -> Result<Arc<Mocked>> {
    if let Some(known) = ctx.documents.mocked(id) {
        return Ok(known);
    }
    use endpoint::Column as E;
    let row: Option<(SpecVersionId, String, String, String)> = endpoint::Entity::find_by_id(id)
        .select_only()
        .columns([E::SpecId, E::Path, E::DocumentPath, E::Method])
        .into_tuple()
        .one(&ctx.db)
        .await?;
    let (spec, template, document_path, method) = row.ok_or(DomainError::NotFound("endpoint"))?;
    let found = Arc::new(Mocked { spec, template, document_path, method });
    ctx.documents.keep_mocked(id, &found);
    Ok(found)
}

async fn source(ctx: &Domain, spec: SpecVersionId) -> Result<Arc<Source>> {
    if let Some(source) = ctx.documents.source(spec) {
        return Ok(source);
    }
    let _reading = ctx.documents.reading_source(spec).await;
    if let Some(source) = ctx.documents.source(spec) {
        return Ok(source);
    }
    let source = Arc::new(Source::new(specs::document(ctx, spec).await?));
    ctx.documents.keep_source(spec, &source);
    Ok(source)
}
