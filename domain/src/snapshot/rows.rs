//! Reading narrow rows by the million: columns by position, page by page, turned into what is kept as they come.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{
    ConnectionTrait, DbErr, QueryResult, TryGetable,
    sea_query::{ColumnRef, Expr, ExprTrait, IntoColumnRef, Order, SelectStatement},
};
use uuid::Uuid;

use crate::rules::view::Scopes;

/// Rows that are read at once.
const PAGE: u64 = 10_000;

/// One row's columns, from the first on.
pub(super) struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl Columns<'_> {
    pub fn take<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let value = self.row.try_get_by_index(self.next)?;
        self.next += 1;
        Ok(value)
    }
}

/// Reads all rows of a query, page by page along a unique id, so that never more than a page is held twice.
pub(super) async fn all<T>(
    db: &impl ConnectionTrait,
    mut query: SelectStatement,
    id: impl IntoColumnRef,
    mut read: impl FnMut(&mut Columns<'_>) -> Result<T, DbErr>,
) -> Result<Vec<T>, DbErr> {
    let id: ColumnRef = id.into_column_ref();
    query.column(id.clone()).order_by(id.clone(), Order::Asc).limit(PAGE);
    let (mut rows, mut last) = (Vec::new(), None::<Uuid>);
    loop {
        let mut page = query.clone();
        if let Some(last) = last {
            page.and_where(Expr::col(id.clone()).gt(last));
        }
        let found = db.query_all(&page).await?;
        for row in &found {
            let mut columns = Columns { row, next: 0 };
            rows.push(read(&mut columns)?);
            last = Some(columns.take()?);
        }
        if (found.len() as u64) < PAGE {
            return Ok(rows);
        }
    }
}

/// What belongs to a key, of a list sorted by it.
pub(super) fn group<'a, K: Ord, T>(sorted: &'a [(K, T)], key: &K) -> &'a [(K, T)] {
    let from = sorted.partition_point(|(k, _)| k < key);
    let length = sorted[from..].iter().take_while(|(k, _)| k == key).count();
    &sorted[from..from + length]
}

/// Keeps one copy of what many rows share.
#[derive(Debug, Default)]
pub(super) struct Interner {
    names: HashSet<Arc<str>>,
    scopes: HashMap<Vec<String>, Scopes>,
}

impl Interner {
    pub fn name(&mut self, name: String) -> Arc<str> {
        if let Some(known) = self.names.get(name.as_str()) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.names.insert(name.clone());
        name
    }

    pub fn scopes(&mut self, mut scopes: Vec<String>) -> Scopes {
        scopes.sort_unstable();
        scopes.dedup();
        if let Some(known) = self.scopes.get(&scopes) {
            return known.clone();
        }
        let shared: Scopes = scopes.iter().map(|scope| scope.as_str().into()).collect();
        self.scopes.insert(scopes, shared.clone());
        shared
    }
}
