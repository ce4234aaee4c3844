//! `docs/operations/` has every condition, reason, Event and metric of the code, and none that is not there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aggregator_crds::condition::{ConditionType, Meaning};
use aggregator_crds::reason::{Reason, Topic};
use aggregator_operator::action::Kind;
use aggregator_operator::metrics::{METRICS, Metrics, PREFIX};
use aggregator_operator::news::{EDITED, TROUBLE, USUAL, leading};
use aggregator_tests::folder;
use aggregator_tests::golden::golden_part;
use serde_json::Value;

fn page(name: &str) -> PathBuf {
    folder::workspace().join("docs/operations").join(name)
}

fn check(page: &Path, source: &str, table: &str) {
    assert_eq!(golden_part(page, source, table), None);
}

fn words(reasons: impl IntoIterator<Item = Reason>) -> String {
    let words: Vec<String> = reasons.into_iter().map(|reason| format!("`{reason}`")).collect();
    words.join(", ")
}

#[test]
fn the_pages_have_every_condition_reason_event_and_metric() {
    let reasons = page("reasons.md");
    let mut table =
        "| kind | condition | what holds when it is True | when it is not |\n|---|---|---|---|\n".to_owned();
    for Meaning { kind, condition, holds, otherwise } in ConditionType::MEANINGS {
        table += &format!("| {kind} | `{}` | {holds} | {otherwise} |\n", condition.as_str());
    }
    check(&reasons, "crds/src/condition.rs", &table);

    for topic in Topic::ALL {
        let mut table = "| reason | what it means | what to do |\n|---|---|---|\n".to_owned();
        for reason in Reason::ALL.iter().filter(|reason| reason.topic() == topic) {
            table += &format!("| `{reason}` | {} | {} |\n", reason.meaning(), reason.remedy());
        }
        check(&reasons, &format!("crds/src/reason.rs, {topic:?}"), &table);
    }

    let mut table = "| kind | condition | it is a Warning |\n|---|---|---|\n".to_owned();
    for kind in [Kind::PipelineRun, Kind::Pipeline, Kind::Schedule, Kind::Connector, Kind::Transformation] {
        let warning = match kind {
            Kind::PipelineRun => format!("when it is False for another reason than `Cancelled`; {}", words(TROUBLE)),
            _ => "when it is False".to_owned(),
        };
        table += &format!("| {} | `{}` | {warning} |\n", kind.name(), leading(kind).as_str());
        if kind == Kind::Pipeline {
            let warning = "when its class is `Positions` or `Target`: look at its message before the next run";
            table += &format!("| {} | none: a new revision was made (`{EDITED}`) | {warning} |\n", kind.name());
        }
        if kind == Kind::Schedule {
            let warning = format!("for any other reason than `{USUAL}`");
            table += &format!("| {} | none: a fire started no run | {warning} |\n", kind.name());
        }
    }
    check(&reasons, "operator/src/news.rs", &table);

    let mut table = "| metric | labels | what it counts | when to look |\n|---|---|---|---|\n".to_owned();
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = metric.help.trim_end_matches('.');
        table += &format!("| `{PREFIX}_{}` | {} | {help} | {} |\n", metric.name, labels.join(", "), metric.remedy);
    }
    check(&page("metrics.md"), "operator/src/metrics.rs", &table);
    Metrics::new().expect("each of them can be registered");
}

/// The text of every source file below a folder, without what stands below the first tests in it.
fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            into.push_str(text.split("#[cfg(test)]").next().unwrap_or_default());
        }
    }
}

/// A word of the set is no use to anybody when nobody says it: it would be documented all the same.
#[test]
fn every_reason_and_condition_is_said_somewhere() {
    let mut code = String::new();
    for part in ["operator/src", "worker/src", "cli/src"] {
        sources(&folder::workspace().join(part), &mut code);
    }
    sources(&folder::workspace().join("crds/src/connector"), &mut code);
    let said = |what: &str| {
        code.match_indices(what).any(|(at, _)| !code[at + what.len()..].starts_with(char::is_alphanumeric))
    };
    let unsaid: Vec<&Reason> = Reason::ALL.iter().filter(|reason| !said(&format!("Reason::{reason}"))).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}");
    let conditions =
        ConditionType::MEANINGS.iter().map(|meaning| format!("ConditionType::{}", meaning.condition.as_str()));
    let unsaid: Vec<String> = conditions.filter(|condition| !said(condition)).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}");
    // The other way round, the compiler sees to it: conditions are made of these words alone.
    assert!(!said("condition_type: \""), "a condition is made of a text");
}

/// Where a status has one of a few words, the page has them all, and no other.
#[test]
fn the_page_has_every_phase_and_decision() {
    let page = std::fs::read_to_string(page("reasons.md")).expect("the page");
    let decision = "/lastDecision/properties/decision/enum";
    for (kind, field, begin, end) in [
        ("pipelineruns", "/phase/enum", "The `phase` of a PipelineRun ", "The `phase` of a Pipeline "),
        ("schedules", decision, "`status.lastDecision` of a Schedule ", "`status.counts` "),
    ] {
        let definition = folder::workspace().join(format!("crds/generated/{kind}.yaml"));
        let definition = std::fs::read_to_string(definition).expect("a definition");
        let definition: Value = serde_saphyr::from_str(&definition).expect("YAML");
        let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
        let words = definition.pointer(&format!("{status}{field}")).and_then(Value::as_array).expect("words");
        let words: BTreeSet<&str> = words.iter().map(|word| word.as_str().expect("a word")).collect();
        let (_, told) = page.split_once(begin).expect(begin);
        let (told, _) = told.split_once(end).expect(end);
        let told = told.split('`').skip(1).step_by(2).filter(|word| word.starts_with(char::is_uppercase));
        assert_eq!(told.collect::<BTreeSet<&str>>(), words, "{begin}");
    }
}

/// The table of exit codes has every word that a run's error may have, and no other.
#[test]
fn the_report_has_the_exit_code_of_every_reason_that_a_worker_says() {
    let mut code = String::new();
    sources(&folder::workspace().join("worker/src/run"), &mut code);
    let mut said: Vec<&str> = code
        .match_indices("Reason::")
        .map(|(at, found)| {
            let rest = &code[at + found.len()..];
            &rest[..rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len())]
        })
        .filter(|word| Reason::of(word).is_some())
        .collect();
    let text = std::fs::read_to_string(folder::workspace().join("docs/report.md")).expect("the page");
    let table = text.split("| reason | exit code |").nth(1).expect("the table of exit codes");
    let cells =
        table.lines().skip(2).take_while(|line| line.starts_with('|')).filter_map(|line| line.split('|').nth(1));
    let mut listed: Vec<&str> =
        cells.flat_map(|cell| cell.split(',')).map(|word| word.trim().trim_matches('`')).collect();
    for words in [&mut said, &mut listed] {
        words.sort_unstable();
    }
    said.dedup();
    assert_eq!(listed, said);
}
