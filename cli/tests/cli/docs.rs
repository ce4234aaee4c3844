//! Every example of the documentation, by the convention that CONTRIBUTING.md states.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use aggregator_tests::folder;
use aggregator_tests::page::{Block, blocks};
use serde_json::Value;

use crate::aggregator::Place;

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![folder::workspace().join("README.md")];
    for folder in ["docs", "docs/connectors", "docs/operations"] {
        let found = std::fs::read_dir(folder::workspace().join(folder))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path());
        pages.extend(found.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages.sort();
    pages
}

/// Does what the convention says. Tells what went wrong.
fn run_block(block: &Block, place: &Place) -> Result<(), String> {
    match (block.language(), block.value("file"), block.value("rows")) {
        ("yaml", Some(name), _) => {
            place.write(name, &block.text);
            if name.ends_with(".test.yaml") {
                return Ok(());
            }
            said(place, &[vec!["lint"], with_connectors(place, name)].concat()).map(drop)
        }
        ("csv" | "ndjson", Some(name), _) => {
            place.write(name, &block.text);
            Ok(())
        }
        ("ndjson", None, Some(node)) => {
            let of = block.value("of").ok_or("`of=` is missing")?;
            let command =
                [vec!["preview"], with_connectors(place, of), vec!["--node", node, "--limit", "1000", "-o", "json"]];
            let shown = said(place, &command.concat())?;
            let shown: Value = serde_json::from_str(&shown).map_err(|error| error.to_string())?;
            let wanted: Result<Vec<Value>, _> = block.text.lines().map(serde_json::from_str).collect();
            let wanted = canonical(&wanted.map_err(|error| error.to_string())?);
            let came = canonical(shown["rows"].as_array().ok_or("no rows")?);
            if came == wanted {
                Ok(())
            } else {
                Err(format!("came:\n{}\nexpected:\n{}", came.join("\n"), wanted.join("\n")))
            }
        }
        ("console", _, _) if block.is("run") => {
            for line in block.text.lines().filter_map(|line| line.strip_prefix("$ aggregator ")) {
                said(place, &line.split_whitespace().collect::<Vec<_>>())?;
            }
            Ok(())
        }
        ("yaml", None, _) => {
            let documents: Result<Vec<Value>, _> = serde_saphyr::from_multiple(&block.text);
            documents.map(drop).map_err(|error| error.to_string())
        }
        _ => Ok(()),
    }
}

/// The manifest, and the page's Connectors.
fn with_connectors<'a>(place: &Place, name: &'a str) -> Vec<&'a str> {
    let mut files = vec!["-f", name];
    if name != "connectors.yaml" && place.file("connectors.yaml").exists() {
        files.extend(["-f", "connectors.yaml"]);
    }
    files
}

fn said(place: &Place, arguments: &[&str]) -> Result<String, String> {
    let output = place.command(arguments).output().map_err(|error| error.to_string())?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(stdout.into_owned())
    } else {
        Err(format!("`aggregator {}` ended with {:?}:\n{stdout}{stderr}", arguments.join(" "), output.status.code()))
    }
}

/// Rows in an order of their own, every number as a float.
fn canonical(rows: &[Value]) -> Vec<String> {
    fn same(value: &Value) -> Value {
        match value {
            Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
            Value::Array(values) => values.iter().map(same).collect(),
            Value::Object(fields) => {
                let mut sorted: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), same(value))).collect();
                sorted.sort_by(|left, right| left.0.cmp(&right.0));
                Value::Object(sorted.into_iter().collect())
            }
            other => other.clone(),
        }
    }
    let mut lines: Vec<String> = rows.iter().map(|row| same(row).to_string()).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn every_example_of_the_documentation_holds() {
    let pages = pages();
    let next = AtomicUsize::new(0);
    let worker = || {
        let (mut problems, mut run) = (Vec::new(), 0);
        while let Some(page) = pages.get(next.fetch_add(1, Ordering::Relaxed)) {
            run += examples(page, &mut problems);
        }
        (problems, run)
    };
    let (mut problems, mut run) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        for done in workers {
            let (found, count) = done.join().expect("a worker");
            problems.extend(found);
            run += count;
        }
    });
    assert!(run > 40, "only {run} examples were found");
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// Runs the examples of a page in an empty folder. Says how many there are.
fn examples(page: &Path, problems: &mut Vec<String>) -> u32 {
    let text = std::fs::read_to_string(page).expect("a page");
    let (place, mut run) = (Place::new(), 0);
    for block in blocks(&text) {
        run += u32::from(block.words.len() > 1);
        if let Err(problem) = run_block(&block, &place) {
            let name = page.strip_prefix(folder::workspace()).unwrap_or(page).display();
            problems.push(format!("{name}:{}: {problem}", block.line));
        }
    }
    run
}
