//! The report of a run as people see it: aligned, and no line longer than the terminal's.

use aggregator_tests::folder;
use aggregator_tests::golden::golden;

use crate::aggregator::{CONNECTORS, Place, Said};
use crate::rows::{execute_sqlite, of_sqlite};
use crate::shop::{PIPELINE, place};

/// Runs the shop's Pipeline as on a terminal of that many columns.
fn run(place: &Place, columns: usize) -> Said {
    let mut command = place.command(&["run", "-f", ".", "--state", "state"]);
    Said::from(command.env("COLUMNS", columns.to_string()).output().expect("the binary starts"))
}

/// The output without rates and times, which differ from run to run.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    let mut table = false;
    for line in text.lines() {
        table = if line.starts_with("NODE") { true } else { table && !line.is_empty() };
        let line = match line.rsplit_once("  ") {
            Some((kept, _)) if table => kept.trim_end().to_owned(),
            _ => match line
                .split_once(" s, the ledger")
                .and_then(|(before, after)| Some((before.rsplit_once(' ')?, after)))
            {
                Some(((before, seconds), after)) => {
                    assert!(seconds.parse::<f64>().is_ok(), "{line}");
                    format!("{before} (time) s, the ledger{after}")
                }
                None => line.to_owned(),
            },
        };
        steady.push_str(&line);
        steady.push('\n');
    }
    steady
}

fn check(name: &str, text: &str) {
    let file = folder::package().join(format!("tests/golden/{name}.txt"));
    if let Some(difference) = golden(&file, &steady(text)) {
        panic!("{difference}");
    }
}

#[test]
fn a_run_shows_its_ledger_its_broken_rules_and_samples_of_its_rejects() {
    let place = place();
    let said = run(&place, 80);
    assert_eq!(said.code(), Some(0), "{}", said.stderr);
    check("report", &said.stdout);
    place.write("turnover.yaml", &PIPELINE.replace(", severity: Warning", ""));
    place.write("in/more.csv", "id,product,quantity\n7,Lamp,1\n");
    let said = run(&place, 80);
    assert_eq!(
        said.stderr,
        "error[QualityRuleBroken]: 1 of the quality rules is broken: `all-large` (min(quantity) > 2 on `wanted`, \
         where min(quantity) is 1)\n  help: look at the rows with `aggregator preview --node NODE`; nothing was committed\n"
    );
    check("report-failed", &said.stdout);
}

#[test]
fn no_line_is_longer_than_the_terminal_and_none_steers_it() {
    let place = place();
    let long = "a long text ".repeat(30);
    place.write("in/wide.csv", &format!("id,product,quantity\n\u{1b}[31m{long},a,1\n8,{long},{long}\n"));
    place.write(
        "turnover.yaml",
        &PIPELINE.replace("min(quantity) > 2", "min(quantity) + 0 + 0 + 0 + 0 + 0 + 0 > sum(quantity) * 1 * 1 * 1 * 1"),
    );
    for columns in [80, 50] {
        let said = run(&place, columns);
        assert_eq!(said.code(), Some(0), "{}", said.stderr);
        let widest = said.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns) && widest > Some(columns - 6), "{widest:?}:\n{}", said.stdout);
        assert!(!said.stdout.contains('\u{1b}'), "{}", said.stdout);
        assert!(said.stdout.contains("[31ma long text"), "{}", said.stdout);
        assert!(said.stdout.contains("…\n"), "{}", said.stdout);
        place.remove("state");
        place.remove("out");
        crate::rows::execute_sqlite(&place.file("prices.sqlite"), "DROP TABLE _aggregator_commits");
    }
}

/// Every other reason, at every kind of node: what helps is another thing at each.
#[test]
fn what_helps_against_rejected_rows_is_told_by_reason_and_node() {
    let place = Place::new();
    let rows = [
        "{\"id\": 1, \"quantity\": \"2\"}",
        "{\"id\": 2, \"quantity\": \"many\"}",
        "{\"id\": 3,",
        "{\"id\": 4, \"quantity\": \"0\"}",
        "{\"id\": 5, \"quantity\": \"-1\"}",
        "{\"id\": 6, \"quantity\": \"700\"}",
        "{\"id\": 7, \"quantity\": \"7\"}",
    ];
    place.write("in/rows.ndjson", &rows.join("\n"));
    execute_sqlite(
        &place.file("out.sqlite"),
        "CREATE TABLE stock (id INTEGER PRIMARY KEY, quantity INTEGER CHECK (quantity <> 7))",
    );
    place.write(
        "m/m.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: source, connector: in, stream: rows.ndjson}}]
  transforms:
    - {{name: numbers, from: [source], mapping: {{columns: [{{name: id}}, {{name: quantity, cast: Int64}}]}}}}
    - name: plausible
      from: [numbers]
      validate: {{rules: [{{name: positive, expression: quantity > 0}}, {{name: small, expression: quantity < 100}}]}}
  sinks: [{{name: sink, from: plausible, connector: lite, stream: stock}}]
  rejects: {{connector: out, stream: rejects/}}
"
        ),
    );
    let mut command = place.command(&["run", "-f", "m", "--state", "state"]);
    let said = Said::from(command.env("COLUMNS", "80").output().expect("the binary starts"));
    assert_eq!(said.code(), Some(0), "{}", said.stderr);
    assert_eq!(of_sqlite(&place.file("out.sqlite"), "SELECT * FROM stock"), ["1|2"]);
    check("report-rejects", &said.stdout);
}

#[test]
fn a_dry_run_says_what_would_be_written() {
    let place = place();
    let said = place.ok("run -f . --state state --mode DryRun");
    let last = said.stdout.lines().last().expect("a line");
    assert!(
        last.starts_with("shop/turnover dry run succeeded (DryRun, attempt ")
            && last.contains("): 10 rows read, 6 would be written, 3 rejected in "),
        "{last}"
    );
    assert!(!place.file("out").exists() && !place.file("state").exists(), "something was written");
}

/// One thing is no several things, wherever it is counted.
#[test]
fn one_row_file_page_or_stream_is_told_as_one() {
    let place = place();
    place.write("in/orders.csv", "id,product,quantity\nx,Lamp,2\n1,Lamp,2\n");
    let said = place.say("preview -f . --node cleaned");
    assert_eq!(said.stderr, "1 row rejected on the way\n");
    let checked = place.ok("connectors check -f . --connector drops").stdout;
    assert!(checked.starts_with("✓ shop/drops: folder ./in, 1 entry ("), "{checked}");
    let checked = place.ok("connectors check -f . --connector prices").stdout;
    assert!(checked.contains(", 1 table or view ("), "{checked}");
    place.write("in/orders.csv", "id,product,quantity\n1,Lamp,2\n");
    execute_sqlite(&place.file("prices.sqlite"), "DELETE FROM prices");
    place.write("turnover.yaml", &PIPELINE.replace("count(*) > 0", "count(*) = 0"));
    let last = place.ok("run -f . --state state").stdout.lines().last().expect("a line").to_owned();
    assert!(last.contains("): 1 row read, 1 written, 0 rejected in "), "{last}");
    place.write("in/orders.csv", "id,product,quantity\nx,Lamp,2\n");
    place.write("turnover.yaml", &PIPELINE.replace("budget: {rows: 5}", "budget: {rows: 0}"));
    let said = place.say("run -f . --state state");
    assert!(
        said.stderr.contains("error[RejectBudgetExceeded]: 1 rejected row is over the budget of 0 rows\n"),
        "{}",
        said.stderr
    );
}
