//! The samples as they stand in `config/samples`: applied as people do, run on their schedules, and computed again.

use std::path::Path;
use std::process::Command;

use aggregator_tests::folder;
use aggregator_tests::process::Process;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

/// Days of flights, and flights of each.
const DAYS: u64 = 3;
const FLIGHTS: u64 = 48;
/// Airports that have a state, and such that have none.
const AIRPORTS: u64 = 238;
const NOWHERE: u64 = 2;

/// Data in the shape of the open data that `make demo` fetches.
fn write_data(project: &Project) {
    let states = ["CA", "NY", "TX", "WA"];
    let airport = |number: u64| format!("A{number:03}");
    let mut airports = "iata,name,city,state,country,latitude,longitude\n".to_owned();
    for (number, state) in (0..AIRPORTS + NOWHERE).zip(states.iter().cycle()) {
        let state = if number < AIRPORTS { *state } else { "NA" };
        airports += &format!(
            "{},Airport {number},City {number},{state},USA,{}.5,-{}.25\n",
            airport(number),
            number % 90,
            number % 180
        );
    }
    let mut flights: Vec<Value> = Vec::new();
    for day in 1..=DAYS {
        for number in 0..FLIGHTS {
            flights.push(json!({
                "date": format!("2001/01/{day:02} {:02}:{:02}", number % 24, number % 60),
                // Some leave early, and some late.
                "delay": i64::try_from((number * 7 + day * 11) % 60).expect("a small number") - 15,
                "distance": 100 + number,
                "origin": airport((number * 5 + day) % AIRPORTS),
                "destination": airport((number * 3) % AIRPORTS),
            }));
        }
    }
    let data = ".demo/npm/node_modules/vega-datasets/data";
    project.write(&format!("{data}/airports.csv"), &airports);
    project.write(&format!("{data}/flights-20k.json"), &Value::from(flights).to_string());
}

/// Runs a script of the demo's for the project's folder.
fn script(project: &Project, name: &str, before: &[&str], after: &[&str]) -> String {
    let mut command = Command::new(folder::workspace().join("scripts/demo").join(name));
    command.args(before).arg(project.path(".demo")).args(after);
    let output = command.output().expect("Python is installed");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout.into_owned()
}

fn apply(project: &Project, files: &[&Path]) -> String {
    let arguments = files.iter().flat_map(|file| ["--filename".to_owned(), file.display().to_string()]);
    project.namespace.kubectl(["apply".to_owned()].into_iter().chain(arguments))
}

/// The runs of a Pipeline, the oldest first.
fn runs(project: &Project, pipeline: &str) -> Vec<Value> {
    let all = project.list("pipelineruns").into_iter();
    let mut runs: Vec<Value> = all.filter(|run| run["spec"]["pipelineRef"]["name"] == pipeline).collect();
    runs.sort_by_key(|run| run["metadata"]["name"].as_str().map(str::to_owned));
    runs
}

/// The rows that a node of a run has read.
fn read(run: &Value, node: &str) -> Option<u64> {
    run["status"]["nodes"].as_array()?.iter().find(|it| it["name"] == node)?["read"].as_u64()
}

#[test]
fn the_samples_run_on_their_schedules_and_deliver_what_python_computes() {
    let project = Project::of_samples();
    write_data(&project);
    script(&project, "prepare", &["start"], &[]);
    let serve = folder::workspace().join("scripts/demo/serve");
    let _server = Process::start(&serve, [project.path(".demo")], &project.path("serve.log"));
    let (connectors, secret) = (project.path(".demo/connectors.yaml"), project.path(".demo/secret.yaml"));
    eventually("the Connector of the HTTP API", || (connectors.exists() && secret.exists()).then_some(()));

    // As `make control-plane` prints it.
    let samples = folder::workspace().join("config/samples");
    apply(&project, &[&samples.join("00-namespace.yaml"), &connectors, &secret]);
    let applied = apply(&project, &[&samples]);
    for object in ["namespace/demo", "schedule.aggregator.dev/flights", "pipeline.aggregator.dev/worst-days"] {
        assert!(applied.contains(object), "{applied}");
    }
    for connector in ["flight-drops", "reference-db", "states-api"] {
        let connector = format!("connector/{connector}");
        project.namespace.kubectl(["wait", &connector, "--for=condition=Ready", "--timeout=120s"]);
    }
    let wait = ["wait", "transformation/clean-flight", "--for=condition=TestsPassed", "--timeout=120s"];
    project.namespace.kubectl(wait);

    let first = eventually("a first run of flights", || runs(&project, "flights").into_iter().next());
    let first = project.ended(first["metadata"]["name"].as_str().expect("a name"));
    assert_eq!(first["status"]["phase"], "Succeeded", "{first}");
    let nodes = ["flights", "airports"].map(|node| read(&first, node));
    assert_eq!(nodes, [Some((DAYS - 1) * FLIGHTS), Some(AIRPORTS + NOWHERE)], "{first}");
    // How many there are changes with Debian's list; there are at least the states.
    assert!(read(&first, "subdivisions") >= Some(50), "{first}");
    assert_eq!(first["status"]["totals"]["rejected"], NOWHERE, "{first}");
    let lists = eventually("a run of worst-days", || runs(&project, "worst-days").into_iter().next());
    assert_eq!(lists["metadata"]["labels"]["aggregator.dev/schedule"], "worst-days");
    let lists = project.ended(lists["metadata"]["name"].as_str().expect("a name"));
    assert_eq!(lists["status"]["phase"], "Succeeded", "{lists}");

    // A file has arrived: the next fire reads it, and nothing twice.
    script(&project, "prepare", &["next-day"], &[]);
    eventually("a run that reads the new file", || {
        runs(&project, "flights").iter().any(|run| read(run, "flights") == Some(FLIGHTS)).then_some(())
    });
    let suspend = r#"{"spec":{"suspend":true}}"#;
    project.namespace.kubectl(["patch", "schedule", "flights", "--type=merge", "--patch", suspend]);
    let flights = eventually("no run of flights", || {
        let flights = project.get("schedule", "flights");
        let suspended = flights["status"]["conditions"][0]["reason"] == "Suspended";
        (suspended && flights["status"]["counts"]["active"] == 0).then_some(flights)
    });
    let all = runs(&project, "flights");
    assert_eq!(flights["status"]["counts"]["started"], all.len(), "no run was let go yet: {flights}");
    let sum: u64 = all.iter().filter_map(|run| read(run, "flights")).sum();
    assert_eq!(sum, DAYS * FLIGHTS, "{all:?}");
    eventually("a run of worst-days for each run of flights", || {
        let schedule = project.get("schedule", "worst-days");
        let counts = &schedule["status"]["counts"];
        (counts["started"] == all.len() && counts["active"] == 0).then_some(())
    });
    for run in all.iter().chain(&runs(&project, "worst-days")) {
        assert_eq!(run["status"]["phase"], "Succeeded", "{run}");
        assert_eq!(run["status"]["ledger"]["balanced"], true, "{run}");
    }

    let verified = script(&project, "verify", &[], &[&all.len().to_string()]);
    let rows = format!("rows for {} flights, and {NOWHERE} rejected airports a run", DAYS * FLIGHTS);
    assert!(verified.starts_with("verified: ") && verified.contains(&rows), "{verified}");
}
