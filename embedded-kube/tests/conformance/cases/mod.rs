//! The cases, by what they are about.

mod applying;
mod changes;
mod client;
mod creation;
mod custom;
mod definitions;
mod deletion;
mod describe;
mod discovery;
mod events;
mod jobs;
mod lists;
mod logs;
mod namespaces;
mod objects;
mod ours;
mod parts;
mod patches;
mod pods;
mod refusals;
mod rights;
mod tables;
mod unsupported;
mod waits;
mod watches;

use crate::case::Case;

/// Every case, by family.
pub(crate) fn families() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("objects", objects::cases()),
        ("lists", lists::cases()),
        ("watches", watches::cases()),
        ("patches", patches::cases()),
        ("applying", applying::cases()),
        ("parts", parts::cases()),
        ("deletion", deletion::cases()),
        ("namespaces", namespaces::cases()),
        ("definitions", definitions::cases()),
        ("custom", custom::cases()),
        ("discovery", discovery::cases()),
        ("tables", tables::cases()),
        ("describe", describe::cases()),
        ("creation", creation::cases()),
        ("changes", changes::cases()),
        ("waits", waits::cases()),
        ("pods", pods::cases()),
        ("logs", logs::cases()),
        ("jobs", jobs::cases()),
        ("events", events::cases()),
        ("rights", rights::cases()),
        ("refusals", refusals::cases()),
        ("client", client::cases()),
        ("ours", ours::cases()),
        ("unsupported", unsupported::cases()),
    ]
}
