//! What all tables share: how indexes and references are named, how an enum is stored.

use sea_orm_migration::{prelude::*, schema};

pub fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).to_owned()
}

/// A stored enum: short text.
pub fn kind(name: &'static str) -> ColumnDef {
    schema::string_len(name, 24)
}

pub fn kind_null(name: &'static str) -> ColumnDef {
    schema::string_len_null(name, 24)
}

pub fn references(table: &'static str, column: &'static str, to: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create().name(format!("{table}_{column}_fk")).from(table, column).to(to, "id").to_owned()
}

pub fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create().name(format!("{table}_{}", columns.join("_"))).table(table).to_owned();
    for column in columns {
        index.col(*column);
    }
    index
}

pub fn unique(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(table, columns).unique().to_owned()
}
