//! What stands between the marks of each section.

use std::num::NonZeroUsize;
use std::time::Duration;

use aggregator_tests::control_plane::Release;
use serde_json::Value;

use crate::table::{Table, seconds, shown as time, spread, spread_of, sum, text as field, values, verdict, with};

/// What is asked of the model: so many states of each kind, in so many seconds.
const STATES: u64 = 500_000;
const SECONDS: f64 = 30.0;
/// How soon ten years are to be made up for, in milliseconds.
const MILLISECONDS: f64 = 50.0;

/// What stands between the marks of a section.
pub(crate) fn text(section: &str, lines: &[&Value]) -> String {
    let text = match section {
        "model" => model(lines),
        "downtime" => downtime(lines),
        "chaos" => chaos(lines),
        "workloads" => workloads(lines),
        "faults" => faults(lines),
        "watches" => watches(lines),
        "leaders" => leaders(lines),
        "kills" => kills(lines),
        "points" => points(lines),
        "stores" => stores(lines),
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

/// How far the model was walked through: each kind a row, and each of its scenes one.
fn model(lines: &[&Value]) -> String {
    let states_asked = format!("at least {STATES}");
    let seconds_asked = format!("at most {SECONDS} s");
    let mut kinds = Table::new(&["kind", "scenes", "unique states", &states_asked, "seconds", &seconds_asked]);
    let mut scenes = Table::new(&["scene", "unique states", "are all that there are", "depth", "plans", "seconds"]);
    for kind in values(lines, "kind") {
        let own = with(lines, "kind", kind);
        let (states, took) = (sum(&own, "states"), seconds(&own, "seconds"));
        let (count, shown_states, shown_time) = (own.len().to_string(), states.to_string(), format!("{took:.1}"));
        let (many, soon) = (verdict(states >= STATES), verdict(took <= SECONDS));
        kinds.row(&[kind, &count, &shown_states, many, &shown_time, soon]);
        for scene in own {
            let columns = ["scene", "states", "all", "depth", "plans", "seconds"];
            scenes.row(&columns.map(|column| shown(&scene[column])));
        }
    }
    format!("{}\n{}", kinds.text(), scenes.text())
}

/// How soon a Schedule is answered that nobody has looked at for ten years.
fn downtime(lines: &[&Value]) -> String {
    let asked = format!("at most {MILLISECONDS} ms");
    let mut table = Table::new(&["fires that were missed", "the longest look", &asked, "build"]);
    for line in lines {
        let took = line["milliseconds"].as_f64().unwrap_or(f64::INFINITY);
        let build = if line["optimised"] == true { "optimised" } else { "that of the tests" };
        let (fires, longest) = (shown(&line["fires"]), format!("{took:.1} ms"));
        table.row(&[fires.as_str(), &longest, verdict(took <= MILLISECONDS), build]);
    }
    table.text()
}

/// How soon all was well again: each thing that was done a row.
fn chaos(lines: &[&Value]) -> String {
    let mut table = Table::new(&["what was touched", "well again after"]);
    let mut times = Vec::with_capacity(lines.len());
    for line in lines {
        let took = Duration::from_secs_f64(line["recoveredSeconds"].as_f64().unwrap_or_default());
        table.row(&[words(field(line, "what")), time(took)]);
        times.push(took);
    }
    let [median, most, longest] = spread_of(&times);
    format!("{}\nOf {}: median {median}, p99 {most}, longest {longest}.\n", table.text(), times.len())
}

fn workloads(lines: &[&Value]) -> String {
    let mut table =
        Table::new(&["workload", "control plane", "writes of the operator", "fields that are not compared"]);
    for (_, plane, lines) in planes(lines) {
        for workload in values(&lines, "workload") {
            let last = with(&lines, "workload", workload).pop();
            let [writes, masks] =
                ["writes", "masks"].map(|field| last.map(|line| shown(&line[field])).unwrap_or_default());
            table.row(&[workload, plane, &writes, &masks]);
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

/// Runs that were killed at random moments: each source and sink a row.
fn kills(lines: &[&Value]) -> String {
    let mut table = Table::new(&["from", "to", "write mode", "kills", "after the commit was decided", "a run takes"]);
    for line in ordered(lines, "sink") {
        let took = time(Duration::from_millis(line["milliseconds"].as_u64().unwrap_or_default()));
        let [kills, decided] = ["kills", "decided"].map(|figure| shown(&line[figure]));
        let [source, sink, mode] = ["source", "sink", "mode"].map(|name| field(line, name));
        table.row(&[source, sink, mode, &kills, &decided, &took]);
    }
    let [kills, decided] = ["kills", "decided"].map(|figure| sum(lines, figure).to_string());
    table.row(&["all", "", "", &kills, &decided, ""]);
    table.text()
}

/// Runs that were killed at named points: each sink a row.
fn points(lines: &[&Value]) -> String {
    let mut table = Table::new(&["to", "worlds", "kills", "points that were hit"]);
    for line in ordered(lines, "sink") {
        let [worlds, kills, points] = ["worlds", "hit", "points"].map(|figure| shown(&line[figure]));
        table.row(&[field(line, "sink"), &worlds, &kills, &points]);
    }
    table.text()
}

/// Runs whose store has failed: each run a row, and each way to fail one.
fn stores(lines: &[&Value]) -> String {
    let lines = ordered(lines, "run");
    let mut runs = Table::new(&["a run", "requests", "cases"]);
    for run in values(&lines, "run") {
        let own = with(&lines, "run", run);
        let requests = own.last().map(|line| shown(&line["requests"])).unwrap_or_default();
        runs.row(&[run, &requests, &sum(&own, "cases").to_string()]);
    }
    let ends = ["the run went through", "it failed", "it failed, and its commit stands"];
    let mut faults = Table::new(&["what went wrong", "cases", ends[0], ends[1], ends[2]]);
    let every = std::iter::once(("all", lines.clone()));
    let each = values(&lines, "fault").into_iter().map(|fault| (fault, with(&lines, "fault", fault)));
    for (fault, own) in each.chain(every) {
        let [cases, recovered, told, unanswered] =
            ["cases", "recovered", "told", "unanswered"].map(|figure| sum(&own, figure).to_string());
        faults.row(&[fault, &cases, &recovered, &told, &unanswered]);
    }
    format!("{}\n{}", runs.text(), faults.text())
}

/// The lines in the order of a field: tests that run side by side note theirs as they end.
fn ordered<'a>(lines: &[&'a Value], name: &str) -> Vec<&'a Value> {
    let mut lines = lines.to_vec();
    lines.sort_by_key(|&line| field(line, name));
    lines
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
