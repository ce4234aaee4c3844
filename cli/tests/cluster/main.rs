//! The operator on a control plane, the real one or the embedded one: objects in, runs out.

mod arrivals;
mod audit;
mod chaos;
mod client;
mod commands;
mod connectors;
mod edits;
mod ends;
mod fields;
mod fires;
mod install;
mod leaders;
mod modes;
mod operators;
mod project;
mod runs;
mod samples;
mod schedules;
mod shards;
mod story;
mod telemetry;
mod transformations;
mod under;
mod walks;
mod webhooks;
mod zombies;
