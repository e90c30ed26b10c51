//! Reading narrow rows by the million. A page of them comes as one JSON text, turned into what is kept as it is read: a row by
//! itself costs more on its way through the driver than what is in it.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use entities::{
    columns::Strings,
    enums::{AuthMethod, CredentialStatus, Environment, PipelinePhase, SubscriptionStatus},
    id::{
        ClientId, CredentialId, CredentialSecretId, PlanId, PolicyId, ProductId, ProfileId, SubscriptionId, TeamId, TierId,
        TokenId,
    },
};
use sea_orm::{
    ActiveEnum, ConnectionTrait, DatabaseBackend, DbErr, Statement,
    sea_query::{ColumnRef, Expr, ExprTrait, Func, IntoColumnRef, Order, Query, SelectStatement},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use uuid::Uuid;

use crate::rules::view::{Outside, Scopes};

/// Rows that are read at once.
const PAGE: u64 = 10_000;

/// A query whose columns can be written as JSON. They are read in the order in which they are named.
pub(super) struct Reading {
    pub select: SelectStatement,
    backend: DatabaseBackend,
    columns: usize,
}

impl Reading {
    pub fn of(db: &impl ConnectionTrait) -> Self {
        Self { select: Query::select(), backend: db.get_database_backend(), columns: 0 }
    }

    pub fn ids<C: IntoColumnRef>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.add(columns, |backend, column| match backend {
            DatabaseBackend::Postgres => column.cast_as("text"),
            _ => Func::cust("hex").arg(column).into(),
        })
    }

    /// Texts, enums, and lists as JSON.
    pub fn texts<C: IntoColumnRef>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.add(columns, |backend, column| match backend {
            DatabaseBackend::Postgres => column.cast_as("text"),
            _ => column,
        })
    }

    pub fn flags<C: IntoColumnRef>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.add(columns, |_, column| column)
    }

    pub fn times<C: IntoColumnRef>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.add(columns, |backend, column| match backend {
            DatabaseBackend::Postgres => Expr::cust_with_expr("(extract(epoch from $1) * 1000000)::bigint", column),
            _ => column,
        })
    }

    pub fn bytes<C: IntoColumnRef>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.add(columns, |backend, column| match backend {
            DatabaseBackend::Postgres => Expr::cust_with_expr("encode($1, 'hex')", column),
            _ => Func::cust("hex").arg(column).into(),
        })
    }

    fn add<C: IntoColumnRef>(
        mut self,
        columns: impl IntoIterator<Item = C>,
        written: impl Fn(DatabaseBackend, Expr) -> Expr,
    ) -> Self {
        for column in columns {
            self.select.expr_as(written(self.backend, Expr::col(column)), format!("c{}", self.columns));
            self.columns += 1;
        }
        self
    }

    /// How many rows there are.
    fn count(&self) -> Statement {
        let rows = self.backend.build(&self.select);
        Statement { sql: format!("select count(*) from ({}) as rows", rows.sql), ..rows }
    }

    /// The rows after an id as one text.
    fn page(&self, id: &ColumnRef, after: Option<Uuid>) -> Statement {
        let mut rows = self.select.clone();
        if let Some(after) = after {
            rows.and_where(Expr::col(id.clone()).gt(after));
        }
        let rows = self.backend.build(rows.order_by(id.clone(), Order::Asc).limit(PAGE));
        let columns = (0..self.columns).map(|column| format!("c{column}")).collect::<Vec<_>>().join(", ");
        let text = match self.backend {
            DatabaseBackend::Postgres => format!("json_agg(json_build_array({columns}))::text"),
            _ => format!("json_group_array(json_array({columns}))"),
        };
        Statement { sql: format!("select {text} from ({}) as page", rows.sql), ..rows }
    }
}

/// Reads all rows of a query, page by page along a unique id, so that never more than a page is held twice.
pub(super) async fn all<T>(
    db: &impl ConnectionTrait,
    reading: Reading,
    id: impl IntoColumnRef,
    mut read: impl FnMut(&mut Columns<'_>) -> Option<T>,
) -> Result<Vec<T>, DbErr> {
    let id: ColumnRef = id.into_column_ref();
    let reading = reading.ids([id.clone()]);
    let (mut rows, mut last) = (Vec::new(), None::<Uuid>);
    loop {
        let found = db.query_one_raw(reading.page(&id, last)).await?;
        let text: Option<String> = found.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
        let before = rows.len();
        let page = Page(|mut columns: Columns<'_>| {
            rows.push(read(&mut columns)?);
            last = Some(columns.take()?);
            Some(())
        });
        serde_json::Deserializer::from_str(text.as_deref().unwrap_or("[]"))
            .deserialize_seq(page)
            .map_err(|error| DbErr::Type(error.to_string()))?;
        if ((rows.len() - before) as u64) < PAGE {
            return Ok(rows);
        }
        if before == 0 {
            let all = db.query_one_raw(reading.count()).await?.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
            rows.reserve_exact(all.and_then(|all| usize::try_from(all).ok()).unwrap_or(0).saturating_sub(rows.len()));
        }
    }
}

/// A page's rows, each handed on before the next is looked at.
struct Page<F>(F);

impl<'de, F: FnMut(Columns<'de>) -> Option<()>> Visitor<'de> for Page<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<Vec<Field<'de>>>()? {
            (self.0)(Columns(row.into_iter())).ok_or_else(|| A::Error::custom("a column is not what it should be"))?;
        }
        Ok(())
    }
}

/// One row's columns, from the first on.
pub(super) struct Columns<'a>(std::vec::IntoIter<Field<'a>>);

impl Columns<'_> {
    /// `None` for what cannot be read as this type.
    pub fn take<T: Column>(&mut self) -> Option<T> {
        T::read(self.0.next()?)
    }
}

pub(super) enum Field<'a> {
    Null,
    Flag(bool),
    Number(i64),
    Text(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Field<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a flag, a whole number or a text")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Field::Null)
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Field::Flag(flag))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Field::Number(number))
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                i64::try_from(number).map(Field::Number).map_err(E::custom)
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// What a column can be read as.
pub(super) trait Column: Sized {
    fn read(field: Field<'_>) -> Option<Self>;
}

impl<T: Column> Column for Option<T> {
    fn read(field: Field<'_>) -> Option<Self> {
        match field {
            Field::Null => Some(None),
            // What SQLite's hex() makes of null.
            Field::Text(text) if text.is_empty() => Some(None),
            field => T::read(field).map(Some),
        }
    }
}

impl Column for bool {
    fn read(field: Field<'_>) -> Option<Self> {
        match field {
            Field::Flag(flag) => Some(flag),
            Field::Number(number) => Some(number != 0),
            _ => None,
        }
    }
}

impl Column for DateTime<Utc> {
    fn read(field: Field<'_>) -> Option<Self> {
        match field {
            Field::Number(micros) => DateTime::from_timestamp_micros(micros),
            Field::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

macro_rules! columns_from_text {
    ($($type:ty: |$text:ident| $read:expr;)*) => {$(
        impl Column for $type {
            fn read(field: Field<'_>) -> Option<Self> {
                let Field::Text($text) = field else { return None };
                $read
            }
        }
    )*};
}

columns_from_text! {
    String: |text| Some(text.into_owned());
    Uuid: |text| Uuid::try_parse(&text).ok();
    Strings: |text| serde_json::from_str(&text).ok();
    Vec<u8>: |text| {
        let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        text.as_bytes().chunks(2).map(digits).collect()
    };
}

macro_rules! columns_of {
    (ids $($id:ident)*; enums $($enum:ident)*) => {
        columns_from_text! {
            $($id: |text| Uuid::try_parse(&text).ok().map($id);)*
            $($enum: |text| $enum::try_from_value(&text.into_owned()).ok();)*
        }
    };
}

columns_of! {
    ids ClientId CredentialId CredentialSecretId PlanId PolicyId ProductId ProfileId SubscriptionId TeamId TierId TokenId;
    enums AuthMethod CredentialStatus Environment PipelinePhase SubscriptionStatus
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
    outside: HashSet<Arc<Outside>>,
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

    pub fn outside(&mut self, outside: Outside) -> Arc<Outside> {
        if let Some(known) = self.outside.get(&outside) {
            return known.clone();
        }
        let outside = Arc::new(outside);
        self.outside.insert(outside.clone());
        outside
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
