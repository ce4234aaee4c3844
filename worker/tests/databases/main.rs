//! The database connectors against a real PostgreSQL server and real SQLite files; every test compares content.

mod both;
mod faults;
mod merging;
mod postgres;
mod refusals;
mod rows;
mod shapes;
mod snapshots;
mod splits;
mod sqlite;
mod versions;
mod writing;
