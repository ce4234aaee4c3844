//! Fires while the operator is killed again and again: each is one run, and none is left out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aggregator_operator::names;
use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use aggregator_tests::wait::eventually;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::client::Client;
use crate::project::Project;

/// How many Schedules fire once a second, which is as often as one may.
const SCHEDULES: usize = 8;
/// How often the operator is killed, if there is time for it.
const KILLS: usize = 25;
const LEAST_KILLS: usize = 5;
const LONGEST: Duration = Duration::from_secs(35);

/// Its runs end as soon as they are seen, and take no Pod: there is no node `row`.
const BROKEN: &str = "
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: broken}
spec:
  sources: [{name: rows, connector: in, stream: \"*.csv\"}]
  sinks: [{name: kept, from: row, connector: out, stream: rows/}]
";

fn time(text: &Value) -> Timestamp {
    text.as_str().and_then(|text| text.parse().ok()).expect("a time")
}

fn fire(run: &Value) -> Timestamp {
    time(&run["metadata"]["annotations"]["aggregator.dev/fire"])
}

fn started(client: &Client, schedule: &str) -> u64 {
    let schedule = client.get("Schedule", schedule).expect("a Schedule");
    schedule["status"]["counts"]["started"].as_u64().unwrap_or(0)
}

/// The names of the runs that there must be of a Schedule of every second, by their fires: told from nothing but when it was
/// made, and up to when everything is decided.
fn due(schedule: &Value) -> BTreeMap<Timestamp, String> {
    let text = |field: &str| schedule["metadata"][field].as_str().expect(field);
    let (name, uid) = (text("name"), text("uid"));
    let (made, until) = (time(&schedule["metadata"]["creationTimestamp"]), time(&schedule["status"]["decidedUntil"]));
    let fires = (0..).map(|seconds| made + SignedDuration::from_secs(seconds)).take_while(|fire| *fire <= until);
    fires.map(|fire| (fire, names::run(name, uid, "interval", fire, ""))).collect()
}

#[test]
fn each_second_is_one_run_however_often_the_operator_is_killed() {
    let mut project = Project::new();
    project.copy_files("move", "{}");
    project.namespace.apply(BROKEN);
    let client = Client::of(&project);
    eventually("a Pipeline that cannot run", || {
        let broken = client.get("Pipeline", "broken")?;
        (broken["status"]["conditions"][0]["reason"] == "Invalid").then_some(())
    });
    let schedules: Vec<String> = (0..SCHEDULES).map(|number| format!("every-{number}")).collect();
    let spec = json!({
        "pipelineRef": {"name": "broken"}, "interval": {"every": "1s"}, "concurrencyPolicy": "Allow",
        // What came due while there was no operator is made up for, and nothing is forgotten.
        "missedRuns": {"policy": "All", "max": 1000}, "failedRunsHistoryLimit": 1000,
    });
    for name in &schedules {
        client.apply("Schedule", name, &spec);
    }

    let mut random = Random::seeded("each_second_is_one_run_however_often_the_operator_is_killed");
    let (begun, mut kills) = (Instant::now(), 0);
    while kills < KILLS && begun.elapsed() < LONGEST {
        let watched = random.pick(&schedules);
        let before = started(&client, watched);
        eventually("a fire", || (started(&client, watched) > before).then_some(()));
        // It dies while it starts runs, at any moment of a second.
        std::thread::sleep(Duration::from_millis(u64::try_from(random.below(600)).expect("a short time")));
        project.kill();
        kills += 1;
        project.start();
    }
    let last = Timestamp::now();

    // Each Schedule is read before the runs: these may be of later fires, too.
    let mut fires = 0;
    for name in &schedules {
        let schedule = eventually("what was due is decided", || {
            let schedule = client.get("Schedule", name)?;
            let until: Timestamp = schedule["status"]["decidedUntil"].as_str()?.parse().expect("a time");
            (until >= last).then_some(schedule)
        });
        let (due, until) = (due(&schedule), time(&schedule["status"]["decidedUntil"]));
        let runs = client.list("PipelineRun", &format!("aggregator.dev/schedule={name}"));
        let mut found: Vec<(Timestamp, String)> = runs
            .iter()
            .map(|run| (fire(run), run["metadata"]["name"].as_str().expect("a name").to_owned()))
            .filter(|(fire, _)| *fire <= until)
            .collect();
        found.sort();
        let due: Vec<(Timestamp, String)> = due.into_iter().collect();
        assert_eq!(found, due, "the runs of {name}, and the fires that there were: {schedule}");
        let counts = &schedule["status"]["counts"];
        let said = ["started", "skipped", "missed"].map(|count| counts[count].as_u64().unwrap_or(0));
        assert_eq!(said, [due.len() as u64, 0, 0], "{schedule}");
        fires += due.len();
    }
    println!("{fires} fires, {kills} kills, in {:?}", begun.elapsed());
    note(
        "fires",
        json!({"of": "processes", "fires": fires, "runs": fires, "kills": kills, "doubled": 0, "unrecorded": 0}),
    );
    assert!(kills >= LEAST_KILLS, "the operator was killed {kills} times");
    assert!(fires >= SCHEDULES * 20, "{fires} fires");
    for number in 1..=kills + 1 {
        let log = std::fs::read_to_string(project.path(&format!("operator-{number}.log"))).expect("a log");
        assert!(!log.contains("panicked"), "{log}");
    }
}
