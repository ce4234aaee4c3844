//! The corpora: everything that was ever found, and inputs of every fate.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test has no caller that could handle its failure, and says at which input it failed"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use aggregator_fuzz::target;
use aggregator_tests::alone::is_alone;
use aggregator_tests::{figures, folder};

/// Runs all inputs of a target, and counts their fates.
fn replay(name: &str) -> BTreeMap<&'static str, usize> {
    let target = target(name).expect("a target");
    let folder = folder::package().join("corpus").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 24, "only {} inputs", files.len());
    let mut fates = BTreeMap::new();
    for file in files {
        let input = std::fs::read(&file).expect("an input");
        // Shown when it fails.
        println!("{}", file.display());
        *fates.entry((target.run)(&input)).or_default() += 1;
    }
    println!("{name}: {fates:?}");
    fates
}

/// Inputs that all end the same way would be no test.
fn expect(name: &str, wanted: &[&str]) {
    let fates = replay(name);
    for fate in wanted {
        assert!(fates.contains_key(fate), "no input of `{name}` ends as `{fate}`: {fates:?}");
    }
}

#[test]
fn manifests() {
    expect("manifests", &["no text", "broken", "nothing to say", "compiled"]);
}

#[test]
fn csv() {
    expect("csv", &["error", "nothing", "rows", "rejects", "rows and rejects"]);
}

#[test]
fn json() {
    expect("json", &["nothing", "rows", "rejects", "rows and rejects"]);
}

#[test]
fn parquet() {
    if !is_alone("parquet") {
        return;
    }
    expect("parquet", &["error", "nothing", "rows", "rejects", "rows and rejects"]);
    let most = figures::memory(std::process::id()).most;
    assert!(most < 512 << 20, "{} MiB were taken", most >> 20);
}

#[test]
fn postgres() {
    expect("postgres", &["error", "nothing", "rows", "rejects", "rows and rejects"]);
}

#[test]
fn checkpoint() {
    expect("checkpoint", &["corrupt", "no text", "none", "of others", "refused", "continued"]);
}

#[test]
fn records() {
    expect("records", &["broken", "outside", "lost", "failed", "finished", "at rest"]);
}

#[test]
fn http() {
    expect("http", &["refused", "endless", "one page", "pages"]);
}

#[test]
fn patches() {
    expect("patches", &["no object", "no patch", "refused", "nothing", "changed"]);
}

#[test]
fn selectors() {
    expect("selectors", &["refused", "everything", "selected", "left out"]);
}

#[test]
fn rules() {
    let fates = ["no text", "too long", "no rule", "no such object", "too dear", "does not hold", "holds"];
    expect("rules", &fates);
}

#[test]
fn protobuf() {
    expect("protobuf", &["broken", "of another kind", "a question", "refused", "taken"]);
}

#[test]
fn requests() {
    expect("requests", &["no request", "nothing there", "refused", "read", "watched", "wrote"]);
}
