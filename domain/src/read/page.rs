//! Pages of long lists, by key and not by offset. A cursor is the id of the row it stands at.

use entities::id::TypedId;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, Func},
};

use uuid::Uuid;

use crate::{Domain, DomainError, ProblemCode, Result};

pub const DEFAULT_PAGE: u64 = 20;
pub const MAX_PAGE: u64 = 100;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
    /// Counting costs a query: only when somebody looks at it.
    pub with_total: bool,
}

/// A part of a list, in the list's order.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub has_next_page: bool,
    pub has_previous_page: bool,
    /// Of the whole list; `None` unless asked for.
    pub total: Option<u64>,
}

/// A page request that was found to make sense.
#[derive(Debug, Clone, Copy)]
pub struct Window<I> {
    pub limit: u64,
    pub backward: bool,
    pub after: Option<I>,
    pub before: Option<I>,
}

impl PageRequest {
    /// Checks sizes and cursors: 1 to 100 rows, `first` or `last` but not both, cursors of this list's kind.
    pub fn window<I: TypedId>(&self) -> Result<Window<I>> {
        let invalid = |path: &str, message: String| DomainError::refused(ProblemCode::Invalid, path, message);
        let (path, asked, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(invalid("first", "give first or last, not both".to_owned())),
            (None, Some(last)) => ("last", Some(last), true),
            (first, None) => ("first", first, false),
        };
        let limit = match asked {
            None => DEFAULT_PAGE,
            Some(n) => u64::try_from(n)
                .ok()
                .filter(|n| (1..=MAX_PAGE).contains(n))
                .ok_or_else(|| invalid(path, format!("{path} must be from 1 to {MAX_PAGE}")))?,
        };
        let cursor = |path: &str, text: &Option<String>| {
            let refused = |_| invalid(path, format!("{path} is not a cursor of this list"));
            text.as_deref().map(str::parse::<I>).transpose().map_err(refused)
        };
        Ok(Window { limit, backward, after: cursor("after", &self.after)?, before: cursor("before", &self.before)? })
    }
}

impl<T> Page<T> {
    /// From rows read with one more than the limit, in the direction of reading.
    pub fn from_read<I>(mut rows: Vec<T>, window: &Window<I>, total: Option<u64>) -> Self {
        let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let (has_next_page, has_previous_page) = if window.backward {
            rows.reverse();
            (window.before.is_some(), more)
        } else {
            (more, window.after.is_some())
        };
        Self { rows, has_next_page, has_previous_page, total }
    }

    /// Of a list that the viewer sees nothing of.
    pub fn empty(page: &PageRequest) -> Self {
        Self { rows: Vec::new(), has_next_page: false, has_previous_page: false, total: page.with_total.then_some(0) }
    }

    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(change).collect(),
            has_next_page: self.has_next_page,
            has_previous_page: self.has_previous_page,
            total: self.total,
        }
    }
}

/// A page of a list that is ordered by its id, newest first (ids are UUIDv7).
pub async fn newest_first<E, I>(ctx: &Domain, list: Select<E>, id: E::Column, page: &PageRequest) -> Result<Page<E::Model>>
where
    E: EntityTrait<Model: ModelTrait + Sync + Send>,
    I: TypedId,
{
    let window = page.window::<I>()?;
    let total = if page.with_total { Some(list.clone().count(&ctx.db).await?) } else { None };
    let mut read = list;
    if let Some(after) = window.after {
        read = read.filter(id.lt(after.uuid()));
    }
    if let Some(before) = window.before {
        read = read.filter(id.gt(before.uuid()));
    }
    read = if window.backward { read.order_by_asc(id) } else { read.order_by_desc(id) };
    let rows = read.limit(window.limit + 1).all(&ctx.db).await?;
    Ok(Page::from_read(rows, &window, total))
}

/// A page of a list in the order of its names, upper and lower case alike, and of ids where names are equal. A cursor is
/// looked up in the list itself: it stands for nothing that the list would not show.
pub async fn by_name<E, I>(
    ctx: &Domain,
    list: Select<E>,
    (name, id): (E::Column, E::Column),
    page: &PageRequest,
) -> Result<Page<E::Model>>
where
    E: EntityTrait<Model: ModelTrait + Sync + Send>,
    I: TypedId,
{
    let window = page.window::<I>()?;
    let total = if page.with_total { Some(list.clone().count(&ctx.db).await?) } else { None };
    let folded = || Expr::expr(Func::lower(Expr::col(name.as_column_ref())));
    let mut read = list.clone();
    for (path, cursor, forward) in [("after", window.after, true), ("before", window.before, false)] {
        let Some(cursor) = cursor.map(TypedId::uuid) else { continue };
        let there = list.clone().filter(id.eq(cursor)).select_only().column_as(folded(), "name").into_tuple::<String>();
        let Some(place) = there.one(&ctx.db).await? else {
            return Err(DomainError::refused(ProblemCode::Invalid, path, format!("{path} is not a cursor of this list")));
        };
        let name = folded();
        let beyond = match forward {
            true => {
                Condition::any().add(name.clone().gt(place.clone())).add(Condition::all().add(name.eq(place)).add(id.gt(cursor)))
            }
            false => {
                Condition::any().add(name.clone().lt(place.clone())).add(Condition::all().add(name.eq(place)).add(id.lt(cursor)))
            }
        };
        read = read.filter(beyond);
    }
    let direction = if window.backward { sea_orm::Order::Desc } else { sea_orm::Order::Asc };
    let rows = read.order_by(folded(), direction.clone()).order_by(id, direction).limit(window.limit + 1).all(&ctx.db).await?;
    Ok(Page::from_read(rows, &window, total))
}

/// How many rows a list has; `None` beyond `most`, which is as far as it counts.
pub async fn count_up_to<E: EntityTrait>(ctx: &Domain, list: Select<E>, id: E::Column, most: u64) -> Result<Option<u64>> {
    // `count` drops a limit: the ids themselves are read.
    let ids: Vec<Uuid> = list.select_only().column(id).limit(most + 1).into_tuple().all(&ctx.db).await?;
    Ok(u64::try_from(ids.len()).ok().filter(|count| *count <= most))
}
