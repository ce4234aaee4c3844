//! What `--output json` prints, for every command: programs rely on it, so it is checked in, in `cli/tests/golden/`.
//! What differs from run to run (times, rates, identities) is replaced by its type; all else stands as it came.

use std::collections::BTreeSet;

use aggregator_tests::folder;
use aggregator_tests::golden::golden;
use serde_json::{Value, json};

use crate::aggregator::{Place, Said};
use crate::shop::{PIPELINE, place};

/// Runs a command with `--output json`, which must end with that code.
fn said(place: &Place, arguments: &str, code: i32) -> Said {
    let said = place.say(&format!("{arguments} --output json"));
    assert_eq!(said.code(), Some(code), "{arguments}: {}\n{}", said.stdout, said.stderr);
    said
}

/// The one JSON value of a text.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Compares what a command prints with its golden file.
fn check(name: &str, place: &Place, arguments: &str, code: i32) {
    compare(name, value(&said(place, arguments, code).stdout));
}

fn compare(name: &str, mut found: Value) {
    steady(&mut found);
    let text = format!("{}\n", serde_json::to_string_pretty(&found).expect("JSON"));
    let file = folder::package().join(format!("tests/golden/{name}.json"));
    if let Some(difference) = golden(&file, &text) {
        panic!("{difference}");
    }
}

/// Replaces what differs from run to run by its type, once it is seen to be of that type.
fn steady(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(steady),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "seconds" | "rowsPerSecond" | "cpuSeconds" => measured(name, value, Value::is_f64),
                    "latencyMs" | "peakMemoryBytes" => measured(name, value, Value::is_u64),
                    "started" => {
                        let text = value.as_str().unwrap_or_else(|| panic!("`{name}` is {value}"));
                        assert!(text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
                        *value = json!("a time in UTC");
                    }
                    "run" if value.as_str().is_some_and(|run| run.len() == 36) => *value = json!("a UUID"),
                    _ => steady(value),
                }
            }
        }
        Value::String(text) => {
            // The versions of libraries stand in what a check says.
            if let Some(("SQLite", version)) = text.split_once(' ')
                && version.starts_with(|first: char| first.is_ascii_digit())
            {
                let rest = version.find(',').map_or("", |comma| &version[comma..]);
                *text = format!("SQLite (version){rest}");
            }
        }
        _ => {}
    }
}

fn measured(name: &str, value: &mut Value, is: fn(&Value) -> bool) {
    assert!(is(value) && value.as_f64().is_some_and(|number| number >= 0.0), "`{name}` is {value}");
    *value = json!("a number");
}

#[test]
fn run() {
    let place = place();
    check("run-preview", &place, "run -f . --state state --mode Preview", 0);
    check("run-dry", &place, "run -f . --state state --mode DryRun", 0);
    // The report in the file is the one that is printed.
    let printed = said(&place, "run -f . --state state --report report.json", 0).stdout;
    let kept = std::fs::read_to_string(place.file("report.json")).expect("the report");
    assert_eq!(kept.trim_end(), printed.trim_end());
    compare("run", value(&printed));
}

#[test]
fn run_that_fails() {
    let place = place();
    let text = PIPELINE.replace(", severity: Warning", "");
    place.write("turnover.yaml", &text);
    let failed = said(&place, "run -f . --state state", 4);
    assert_eq!(failed.stderr, "", "the report says it");
    compare("run-failed", value(&failed.stdout));
    place.write("turnover.yaml", &text.replace("from: [cleaned]", "from: [cleand]"));
    check("run-invalid", &place, "run -f . --state state", 2);
}

/// What ends a command before it has a result stands on standard error.
#[test]
fn error() {
    let place = place();
    let fails = |name: &str, arguments: &str, code: i32| {
        let failed = said(&place, arguments, code);
        assert_eq!(failed.stdout, "");
        compare(name, value(&failed.stderr));
    };
    fails("error", "plan -f . --pipeline nothing", 2);
    place.remove("in/orders.csv");
    fails("error-connector", "preview -f . --node orders", 1);
    place.write("turnover.yaml", &PIPELINE.replace("from: [cleaned]", "from: [cleand]"));
    fails("error-invalid", "plan -f .", 2);
}

#[test]
fn lint() {
    let place = place();
    check("lint", &place, "lint -f .", 0);
    let broken = PIPELINE.replace("from: [cleaned]", "from: [cleand]").replace("  rejects:", "  reject:");
    place.write("turnover.yaml", &broken);
    check("lint-errors", &place, "lint -f .", 2);
}

#[test]
fn plan() {
    let place = place();
    check("plan", &place, "plan -f . --state state", 0);
}

#[test]
fn preview() {
    let place = place();
    check("preview", &place, "preview -f . --node cleaned --limit 10", 0);
}

#[test]
fn test() {
    let place = place();
    place.write(
        "turnover.test.yaml",
        "pipeline: turnover
namespace: shop
tests:
  - name: a lamp
    sources:
      orders: {rows: [{id: 1, product: Lamp, quantity: 2}]}
      prices: {rows: [{product: lamp, price: 1.5}]}
    expect: {sinks: {table: [{product: lamp, sold: 2, turnover: 4.0}]}}
",
    );
    check("test", &place, "test -f .", 1);
}

#[test]
fn connectors() {
    let place = place();
    check("connectors-list", &place, "connectors list", 0);
    check("connectors-schema", &place, "connectors schema sqlite", 0);
    check("connectors-discover", &place, "connectors discover -f . --connector drops", 0);
    // Port 1 of loopback is reserved and nobody listens there.
    place.write(
        "api.yaml",
        "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: api, namespace: shop}
spec:
  http: {url: \"http://127.0.0.1:1\", retries: 0, endpoints: [{name: items, path: /items}]}
",
    );
    check("connectors-check", &place, "connectors check -f .", 3);
    check("connectors-discover-all", &place, "connectors discover -f .", 3);
}

#[test]
fn codegen() {
    check("codegen", &place(), "codegen -f . --transformation clean --to sql", 0);
}

#[test]
fn functions() {
    let place = Place::new();
    check("functions-one", &place, "functions money_amount", 0);
    let Value::Array(all) = value(&said(&place, "functions", 0).stdout) else { panic!("not a list") };
    // The texts of DataFusion's own functions change with it: one of each kind shows the shape of all.
    let mut shown = BTreeSet::new();
    let some: Vec<Value> = all
        .iter()
        .filter(|function| shown.insert((function["ours"].to_string(), function["kind"].to_string())))
        .cloned()
        .collect();
    compare("functions", Value::Array(some));
    assert!(all.len() > 250, "{}", all.len());
    for function in &all {
        let fields = function.as_object().expect("an object");
        for field in ["name", "kind", "ours", "category", "summary", "signature", "arguments", "examples"] {
            assert!(fields.contains_key(field), "{function}");
        }
    }
}

/// Every field that a golden file has is in the documentation.
#[test]
fn every_field_is_documented() {
    /// Below these, names are data.
    const DATA: [&str; 5] = ["rows", "lineage", "state", "connectors-schema.json", "run-preview.json"];
    fn fields(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
            Value::Object(named) => {
                for (name, value) in named {
                    found.insert(name.clone());
                    if !DATA.contains(&name.as_str()) || value.is_number() {
                        fields(value, found);
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder::package().join("tests/golden")).expect("the golden files") {
        let path = entry.expect("an entry").path();
        let is_json = path.extension().is_some_and(|ending| ending == "json");
        if is_json && !DATA.iter().any(|name| path.ends_with(name)) {
            fields(&value(&std::fs::read_to_string(path).expect("a file")), &mut found);
        }
    }
    assert!(found.len() > 60, "{found:?}");
    let book: String = ["cli.md", "report.md"]
        .map(|page| std::fs::read_to_string(folder::workspace().join("docs").join(page)).expect("a page"))
        .concat();
    // A field stands in code, alone or at the end of a path: `rejects.groups[]`.
    let words: BTreeSet<&str> = book
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|code| code.split(['.', ',', ' ']))
        .map(|word| word.trim_end_matches("[]"))
        .collect();
    let missing: Vec<&String> = found.iter().filter(|field| !words.contains(field.as_str())).collect();
    assert!(missing.is_empty(), "docs/cli.md and docs/report.md do not name {missing:?}");
}
