//! The report of a run as people see it: aligned, and no line longer than the terminal's.

use aggregator_tests::folder;
use aggregator_tests::golden::golden;

use crate::aggregator::{Place, Said};
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
