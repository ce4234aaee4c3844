//! What may come from outside, against what must always hold of it. Each target takes any bytes and panics when something
//! does not hold: `make test` replays the corpora, `make fuzz` makes more inputs up.

#![expect(clippy::panic, reason = "a target says by a panic that something does not hold")]

mod checkpoint;
mod csv;
mod http;
mod json;
mod kinds;
mod manifests;
mod options;
mod parquet;
mod patches;
mod postgres;
mod protobuf;
mod reading;
mod records;
mod requests;
mod rules;
mod selectors;

/// A target: a name, which is that of its corpus, and what is done with an input.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Takes an input; panics when something does not hold. What it gives is a word for what became of the input, so that a
    /// corpus can be asked whether it has inputs of every fate.
    pub run: fn(&[u8]) -> &'static str,
}

/// Every target.
pub const TARGETS: [Target; 13] = [
    Target { name: "manifests", run: manifests::run },
    Target { name: "csv", run: csv::run },
    Target { name: "json", run: json::run },
    Target { name: "parquet", run: parquet::run },
    Target { name: "postgres", run: postgres::run },
    Target { name: "checkpoint", run: checkpoint::run },
    Target { name: "records", run: records::run },
    Target { name: "http", run: http::run },
    Target { name: "patches", run: patches::run },
    Target { name: "selectors", run: selectors::run },
    Target { name: "rules", run: rules::run },
    Target { name: "protobuf", run: protobuf::run },
    Target { name: "requests", run: requests::run },
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
