//! The `aggregator` binary, run as users run it: every test looks at what it left behind.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test has no caller that could handle its failure, and says what it has tried"
)]

mod aggregator;
mod backfill;
mod between;
mod canaries;
mod cases;
mod delivery;
mod disk;
mod docs;
mod exit_codes;
mod flapping;
mod folders;
mod full;
mod given;
mod graph;
mod http;
mod incremental;
mod json;
mod kill;
mod late;
mod limits;
mod lines;
mod memory;
mod moments;
mod objects;
mod operations;
mod outcome;
mod pair;
mod points;
mod postgres;
mod primary_key;
mod progress;
mod recovery;
mod rejects;
mod report;
mod resume;
mod resume_sqlite;
mod rows;
mod s3;
mod samples;
mod schema_policy;
mod secrets;
mod shards;
mod shop;
mod signals;
mod sleepers;
mod snapshots;
mod spills;
mod stores;
mod streams;
mod telemetry;
mod terminal;
mod trips;
mod tutorial;
mod up;
mod up_kills;
