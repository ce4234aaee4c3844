//! The database connectors against a real PostgreSQL server and real SQLite files; every test compares content.

mod faults;
mod postgres;
mod refusals;
mod rows;
mod sqlite;
mod writing;
