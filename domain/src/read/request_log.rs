//! The log of calls: a team's own, or for staff all of it; newest first. Ids are UUIDv7, so that a time is a bound on the id and
//! every page is read along one index.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    client,
    enums::{DenialReason, Environment},
    id::{ClientId, ProductId, RequestId, RequestLogId, TeamId},
    request_log::{self, Column, Entity},
};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, LikeExpr},
};
use uuid::Uuid;

use super::page::{Page, PageRequest, count_up_to};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result,
    access::{allowed, may, require_member, require_somebody, require_staff},
    rules::{
        decision::{self, Explanation},
        policy::{MemberRight, StaffRight},
    },
};

/// Beyond this many a total is not counted.
pub(super) const MOST_COUNTED: u64 = 10_000;
/// Bytes of a path that the log keeps.
pub const PATH_KEPT: usize = 2048;
/// How far an id's time and its row's may lie apart.
pub(super) const SLACK: TimeDelta = TimeDelta::seconds(5);

/// Whose calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    OfTeam(TeamId),
    OfClient(ClientId),
    /// Everybody's, for staff; narrowed by what is given.
    All {
        team: Option<TeamId>,
        client: Option<ClientId>,
        product: Option<ProductId>,
    },
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub environment: Option<Environment>,
    pub status: Option<i32>,
    /// 2 for 200 to 299.
    pub status_class: Option<i32>,
    pub method: Option<String>,
    /// What the path starts with.
    pub path: Option<String>,
    pub denial: Option<DenialReason>,
    /// From this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Until just before this moment.
    pub to: Option<DateTime<Utc>>,
    pub request_id: Option<String>,
}

/// A page of calls, newest first. The total is `None` where it was not asked for or is above 10,000.
pub async fn page(
    ctx: &Domain,
    actor: &Actor,
    calls: Calls,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<request_log::Model>> {
    let list = filtered(of(ctx, actor, calls).await?, filter)?;
    let window = page.window::<RequestLogId>()?;
    let total = if page.with_total { count_up_to(ctx, list.clone(), Column::Id, MOST_COUNTED).await? } else { None };
    let mut read = list;
    if let Some(after) = window.after {
        read = read.filter(Column::Id.lt(after));
    }
    if let Some(before) = window.before {
        read = read.filter(Column::Id.gt(before));
    }
    read = if window.backward { read.order_by_asc(Column::Id) } else { read.order_by_desc(Column::Id) };
    let rows = read.limit(window.limit + 1).all(&ctx.db).await?;
    Ok(Page::from_read(rows, &window, total))
}

/// What was decided on a call and why; `None` where there is no such call that this viewer may know of. A call that nobody was
/// recognised in is nobody's: staff alone see it, since whoever knows its id need not be who called. Why an upstream gave no answer
/// is for staff too: it names hosts of the provider's network.
pub async fn decision(ctx: &Domain, actor: &Actor, request_id: &str) -> Result<Option<(request_log::Model, Explanation)>> {
    require_somebody(actor)?;
    let Ok(RequestId(id)) = request_id.parse() else { return Ok(None) };
    let Some(mut row) = Entity::find_by_id(RequestLogId(id)).one(&ctx.db).await? else { return Ok(None) };
    let seen = match row.team_id {
        Some(team) => allowed(&ctx.db, actor, team, MemberRight::ReadLogs).await?,
        None => may(actor, None, MemberRight::ReadLogs),
    };
    if !seen {
        return Ok(None);
    }
    if decision::names_inside_hosts(&row) && require_staff(actor, StaffRight::ReadLogs).is_err() {
        row.denial_detail = None;
    }
    let told = decision::explain(&row);
    Ok(Some((row, told)))
}

/// A call by its id in the log, as `decision` shows it.
pub async fn by_id(ctx: &Domain, actor: &Actor, id: RequestLogId) -> Result<Option<request_log::Model>> {
    match decision(ctx, actor, &RequestId(id.0).to_string()).await {
        Err(DomainError::Unauthenticated | DomainError::SecondFactorRequired(_)) => Ok(None),
        found => Ok(found?.map(|(row, _)| row)),
    }
}

async fn of(ctx: &Domain, actor: &Actor, calls: Calls) -> Result<Select<Entity>> {
    Ok(match calls {
        Calls::OfTeam(team) => {
            require_member(&ctx.db, actor, team, MemberRight::ReadLogs).await?;
            Entity::for_team(team)
        }
        Calls::OfClient(id) => {
            let team: Option<TeamId> =
                client::Entity::find_by_id(id).select_only().column(client::Column::TeamId).into_tuple().one(&ctx.db).await?;
            let team = team.ok_or(DomainError::NotFound("client"))?;
            require_member(&ctx.db, actor, team, MemberRight::ReadLogs).await.map_err(|error| match error {
                DomainError::NotFound(_) => DomainError::NotFound("client"),
                other => other,
            })?;
            // Calls that claimed the client while it belonged to nobody else: the team is checked too.
            Entity::find().filter(Column::ClientId.eq(id)).filter(Column::TeamId.eq(team))
        }
        Calls::All { team, client, product } => {
            require_staff(actor, StaffRight::ReadLogs)?;
            let mut list = Entity::find();
            if let Some(team) = team {
                list = list.filter(Column::TeamId.eq(team));
            }
            if let Some(client) = client {
                list = list.filter(Column::ClientId.eq(client));
            }
            if let Some(product) = product {
                list = list.filter(Column::ProductId.eq(product));
            }
            list
        }
    })
}

fn filtered(mut list: Select<Entity>, filter: &Filter) -> Result<Select<Entity>> {
    if let Some(environment) = filter.environment {
        list = list.filter(Column::Environment.eq(environment));
    }
    if let Some(status) = filter.status {
        list = list.filter(Column::Status.eq(status));
    }
    if let Some(class) = filter.status_class {
        if !(1..=5).contains(&class) {
            return Err(DomainError::refused(ProblemCode::Invalid, "filter.statusClass", "statusClass must be from 1 to 5"));
        }
        list = list.filter(Column::Status.gte(class * 100)).filter(Column::Status.lt((class + 1) * 100));
    }
    if let Some(method) = &filter.method {
        list = list.filter(Column::Method.eq(method.to_ascii_uppercase()));
    }
    if let Some(path) = filter.path.as_deref().filter(|path| !path.is_empty()) {
        // A longer one is the start of no path that is kept, and patterns end somewhere (on SQLite at 50,000 bytes).
        if path.len() > PATH_KEPT {
            return Ok(list.filter(Expr::val(1).eq(2)));
        }
        let escaped: String =
            path.chars().flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c])).collect();
        list = list.filter(Column::Path.into_expr().like(LikeExpr::new(format!("{escaped}%")).escape('\\')));
    }
    if let Some(denial) = filter.denial {
        list = list.filter(Column::Denial.eq(denial));
    }
    if let Some(from) = filter.from {
        list = list.filter(Column::Id.gte(RequestLogId(first_id(from - SLACK)))).filter(Column::At.gte(from));
    }
    if let Some(to) = filter.to {
        list = list.filter(Column::Id.lt(RequestLogId(first_id(to + SLACK)))).filter(Column::At.lt(to));
    }
    if let Some(id) = &filter.request_id {
        let RequestId(id) = id.parse().map_err(|error: entities::id::NotAnId| {
            DomainError::refused(ProblemCode::Invalid, "filter.requestId", error.to_string())
        })?;
        list = list.filter(Column::Id.eq(RequestLogId(id)));
    }
    Ok(list)
}

/// The smallest id that a row of this moment can have.
pub(crate) fn first_id(at: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}
