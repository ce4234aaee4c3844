//! What stands between the marks of each section.

use std::num::NonZeroUsize;

use aggregator_tests::control_plane::Release;
use serde_json::Value;

use crate::table::{Table, spread, sum, text as field, values, with};

/// What stands between the marks of a section.
pub(crate) fn text(section: &str, lines: &[&Value]) -> String {
    let text = match section {
        "workloads" => workloads(lines),
        "faults" => faults(lines),
        "watches" => watches(lines),
        "leaders" => leaders(lines),
        _ => plain(lines),
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    format!("Measured on {}, {cores} cores, Kubernetes {}.\n\n{text}", date(), Release::chosen().minor())
}

fn date() -> String {
    jiff::Zoned::now().date().to_string()
}

/// The control planes that there are lines of, with words for them.
fn planes<'a>(lines: &[&'a Value]) -> Vec<(&'a str, &'static str, Vec<&'a Value>)> {
    let words = |plane: &str| if plane == "real" { "a real control plane" } else { "the embedded cluster" };
    values(lines, "plane").into_iter().map(|plane| (plane, words(plane), with(lines, "plane", plane))).collect()
}

fn workloads(lines: &[&Value]) -> String {
    let mut table = Table::new(&["workload", "control plane", "writes of the operator"]);
    for (_, plane, lines) in planes(lines) {
        for workload in values(&lines, "workload") {
            let last = with(&lines, "workload", workload).pop();
            let writes = last.map(|line| line["writes"].to_string()).unwrap_or_default();
            table.row(&[workload, plane, &writes]);
        }
    }
    table.text()
}

/// What went wrong with writes: each way a row.
fn faults(lines: &[&Value]) -> String {
    let mut text = String::new();
    for (_, plane, lines) in planes(lines) {
        let (workloads, faults) = (values(&lines, "workload"), values(&lines, "fault"));
        let mut writes: Vec<(&str, &str)> =
            lines.iter().map(|line| (field(line, "workload"), field(line, "write"))).collect();
        writes.sort_unstable();
        writes.dedup();
        text += &format!(
            "On {plane}: {} cases, of {} writes of {} workloads and {} ways to go wrong.\n\n",
            lines.len(),
            writes.len(),
            workloads.len(),
            faults.len()
        );
        let lost = "time lost: median";
        let mut table =
            Table::new(&["what went wrong", "cases", "hit", lost, "p99", "longest", "to the end, at the longest"]);
        let every = std::iter::once(("all", lines.clone()));
        let each = faults.iter().map(|fault| (*fault, with(&lines, "fault", fault)));
        for (fault, own) in each.chain(every) {
            let [median, most, longest] = spread(&own, "lostMs");
            let [_, _, end] = spread(&own, "recoveredMs");
            let (cases, hit) = (own.len().to_string(), sum(&own, "hit").to_string());
            table.row(&[fault, &cases, &hit, &median, &most, &longest, &end]);
        }
        text += &table.text();
        text.push('\n');
    }
    text
}

/// What went wrong with watches: each way a row.
fn watches(lines: &[&Value]) -> String {
    let mut text = String::new();
    for (_, plane, lines) in planes(lines) {
        text += &format!("On {plane}: {} cases, of {} workloads.\n\n", lines.len(), values(&lines, "workload").len());
        let mut table =
            Table::new(&["what went wrong", "cases", "hit", "to the end: median", "p99", "longest", "most writes"]);
        for fault in values(&lines, "fault") {
            let own = with(&lines, "fault", fault);
            let [median, most, longest] = spread(&own, "recoveredMs");
            let writes = own.iter().filter_map(|line| line["writes"].as_u64()).max().unwrap_or(0).to_string();
            let (cases, hit) = (own.len().to_string(), sum(&own, "hit").to_string());
            table.row(&[fault, &cases, &hit, &median, &most, &longest, &writes]);
        }
        text += &table.text();
        text.push('\n');
    }
    text
}

/// How operators take over from each other: each way a row.
fn leaders(lines: &[&Value]) -> String {
    let mut table = Table::new(&[
        "what was done",
        "control plane",
        "rounds",
        "until another one acts: median",
        "p99",
        "longest",
        "runs",
        "Jobs too many",
        "rows too many",
    ]);
    for (_, plane, lines) in planes(lines) {
        for what in values(&lines, "what") {
            let own = with(&lines, "what", what);
            let [median, most, longest] = spread(&own, "takeoverMs");
            let rounds = own.len().to_string();
            let [runs, jobs, rows] = ["runs", "jobsTooMany", "rowsTooMany"].map(|field| sum(&own, field).to_string());
            table.row(&[what, plane, &rounds, &median, &most, &longest, &runs, &jobs, &rows]);
        }
    }
    table.text()
}

/// A line a row, and a field a column.
fn plain(lines: &[&Value]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for line in lines {
        for field in line.as_object().into_iter().flat_map(|fields| fields.keys()) {
            if field != "section" && !columns.contains(&field.as_str()) {
                columns.push(field);
            }
        }
    }
    let heads: Vec<String> = columns.iter().map(|column| words(column)).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(&heads);
    for line in lines {
        let cells: Vec<String> = columns.iter().map(|column| shown(&line[*column])).collect();
        table.row(&cells);
    }
    table.text()
}

/// A field's name as words: `recoveredSeconds` is `recovered seconds`.
fn words(field: &str) -> String {
    let mut words = String::new();
    for letter in field.chars() {
        if letter.is_uppercase() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) if number.is_f64() => format!("{:.1}", number.as_f64().unwrap_or_default()),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(field, value)| format!("{field} {}", shown(value))).collect();
            fields.join(", ")
        }
    }
}
