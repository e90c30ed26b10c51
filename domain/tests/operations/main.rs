//! Operations on a real database: a SQLite file, and PostgreSQL where `PORTICO_TEST_DATABASE_URL` names one.

mod fixture;
mod visibility;
