//! Random walks: people make, edit and delete objects, children go, operators die, sleep and come back, and rows keep coming.
//! A model knows what must come of it. `SEED` repeats a walk, and AGGREGATOR_ACTIONS makes it longer.

mod action;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aggregator_operator::names;
use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use aggregator_tests::wait::eventually;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use self::model::{Operator, Pipe, Run, Schedule};
use crate::client::Client;
use crate::project::Project;

/// How many actions there are: 500 if that is not set.
const VARIABLE: &str = "AGGREGATOR_ACTIONS";
/// How many of them lie between two times that everything is compared.
const BETWEEN: usize = 50;
/// How many Pipelines there are.
const PIPES: usize = 4;
/// The longest pause after an action, in milliseconds: what it meets is part of the walk.
const PAUSE: usize = 80;
/// How long nothing may have been written until it is said that nothing is written any more.
const REST: Duration = Duration::from_secs(3);

/// A walk: the cluster, and what must be there.
struct Walk {
    project: Project,
    client: Client,
    random: Random,
    pipes: Vec<Pipe>,
    schedules: BTreeMap<String, Schedule>,
    /// Runs whose ends have not been looked at, by name, and those that were deleted and must go.
    runs: BTreeMap<String, Run>,
    deleted: BTreeSet<String>,
    /// Schedules' runs whose ends have been looked at.
    known: BTreeSet<String>,
    /// The last runs that were asked for.
    recent: Vec<String>,
    operator: Operator,
    made: usize,
    /// How often what was done.
    actions: BTreeMap<&'static str, usize>,
    /// How many runs have ended how.
    ends: BTreeMap<String, usize>,
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

/// Whether a run has its end.
fn is_over(run: &Value) -> bool {
    ["True", "False"].contains(&run["status"]["conditions"][0]["status"].as_str().unwrap_or_default())
}

impl Walk {
    fn new(random: Random) -> Self {
        let project = Project::new();
        let client = Client::of(&project);
        let pipes = (0..PIPES).map(Pipe::new).collect();
        let mut walk = Self {
            project,
            client,
            random,
            pipes,
            schedules: BTreeMap::new(),
            runs: BTreeMap::new(),
            deleted: BTreeSet::new(),
            known: BTreeSet::new(),
            recent: Vec::new(),
            operator: Operator::Acts,
            made: 0,
            actions: BTreeMap::new(),
            ends: BTreeMap::new(),
        };
        walk.client.apply("Connector", "out", &json!({"file": {"root": "out", "format": {"ndjson": {}}}}));
        for pipe in 0..PIPES {
            walk.write_rows(pipe);
            walk.mend(pipe);
        }
        walk
    }

    /// One more number, which nothing else has.
    fn number(&mut self) -> usize {
        self.made += 1;
        self.made
    }

    /// The operator acts from now on, whatever was done to it.
    fn let_it_act(&mut self) {
        match self.operator {
            Operator::Acts => {}
            Operator::Sleeps => self.project.signal(Signal::SIGCONT),
            Operator::IsDead => self.project.start(),
        }
        self.operator = Operator::Acts;
    }

    /// The runs of people come to their ends, and everything is what it must be.
    fn compare(&mut self) {
        self.let_it_act();
        let (client, runs, deleted) = (&self.client, &self.runs, &self.deleted);
        let all = eventually("the ends of all runs", || {
            let all = client.list("PipelineRun", "");
            let ended = {
                let over: BTreeSet<&str> = all.iter().filter(|run| is_over(run)).map(name_of).collect();
                runs.keys().all(|run| over.contains(run.as_str()))
            };
            let gone = !all.iter().any(|run| deleted.contains(name_of(run)));
            (ended && gone).then_some(all)
        });
        for run in all.iter().filter(|run| is_over(run)) {
            self.look_at_the_end(run);
        }
        self.deleted.clear();
        for schedule in self.schedules.keys() {
            self.look_at_the_schedule(schedule);
        }
        for pipe in &self.pipes {
            let rows = self.delivered(pipe);
            assert!(rows.is_subset(&pipe.rows), "{}: rows that nobody has written: {rows:?}", pipe.name);
        }
        self.look_at_children();
        // What was wrong and is mended is an excuse until the operator has seen that.
        for pipe in self.pipes.iter().filter(|pipe| pipe.there) {
            eventually(&format!("a look at {}", pipe.name), || {
                let object = self.client.get("Pipeline", &pipe.name)?;
                (object["status"]["observedGeneration"] == object["metadata"]["generation"]).then_some(())
            });
        }
        for pipe in &mut self.pipes {
            pipe.excuses = pipe.wrong();
        }
    }

    /// A run has ended in one of the ways in which it may.
    fn look_at_the_end(&mut self, object: &Value) {
        let name = name_of(object);
        let (phase, reason) = (&object["status"]["phase"], &object["status"]["conditions"][0]["reason"]);
        let run = match self.runs.remove(name) {
            Some(run) => run,
            None if self.known.contains(name) || object["metadata"]["ownerReferences"].is_null() => return,
            // A Schedule has made it, and may have replaced it.
            None => {
                self.known.insert(name.to_owned());
                let pipeline = object["spec"]["pipelineRef"]["name"].as_str().expect("a name");
                let pipe = self.pipes.iter().position(|pipe| pipe.name == pipeline).expect("a Pipeline");
                Run { cancelled: true, ..Run::of(pipe) }
            }
        };
        let pipe = &self.pipes[run.pipe];
        let right = match phase.as_str().unwrap_or_default() {
            "Succeeded" => true,
            "Cancelled" => run.cancelled,
            "Failed" => {
                let reason = reason.as_str().unwrap_or_default();
                pipe.excuses.contains(reason) || (run.without_plan && reason == "PlanMissing")
            }
            _ => false,
        };
        assert!(right, "{name} may not end so: {run:?}, {:?}: {object}", pipe.excuses);
        *self.ends.entry(phase.as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }

    /// What a Schedule says that it has started is there, and each fire is one run.
    fn look_at_the_schedule(&self, name: &str) {
        let model = &self.schedules[name];
        let schedule = self.client.get("Schedule", name).expect("a Schedule");
        let uid = schedule["metadata"]["uid"].as_str().expect("a UID");
        assert_eq!(uid, model.uid, "{name} is another one");
        let Some(until) = schedule["status"]["decidedUntil"].as_str() else { return };
        let until: Timestamp = until.parse().expect("a time");
        let runs = self.client.list("PipelineRun", &format!("aggregator.dev/schedule={name}"));
        let mut made = 0;
        for run in runs.iter().filter(|run| run["metadata"]["ownerReferences"][0]["uid"] == uid) {
            let fire = run["metadata"]["annotations"]["aggregator.dev/fire"].as_str().expect("a fire");
            let fire: Timestamp = fire.parse().expect("a time");
            assert_eq!(name_of(run), names::run(name, uid, "interval", fire, ""));
            made += u64::from(fire <= until);
        }
        let started = schedule["status"]["counts"]["started"].as_u64().unwrap_or(0);
        // An edit begins anew: what was made just before it, three at most, may have nobody who notes it.
        assert!(started <= made, "{started} of {made} runs: {schedule}");
        let unnoted = made - started;
        assert!(unnoted <= 3 * model.edits, "{started} of {made} runs are known to have started: {schedule}");
    }

    /// The rows that a Pipeline has delivered: each once.
    fn delivered(&self, pipe: &Pipe) -> BTreeSet<usize> {
        let mut rows = BTreeSet::new();
        for line in self.project.lines(&format!("out/{}", pipe.name)) {
            let row: Value = serde_json::from_str(&line).expect("JSON");
            let id = row["id"].as_u64().and_then(|id| usize::try_from(id).ok()).expect("a number");
            assert!(rows.insert(id), "{}: the row {id} was delivered twice", pipe.name);
        }
        rows
    }

    /// Children have their owners, and no run has more Jobs than attempts.
    fn look_at_children(&self) {
        let (client, project) = (&self.client, &self.project);
        eventually("no child without its owner", || {
            let kinds = ["PipelineRun", "Connector", "Pipeline", "Schedule", "Transformation"];
            let owners = kinds.map(|kind| client.list(kind, "")).concat();
            let owners: BTreeSet<&str> = owners.iter().filter_map(|it| it["metadata"]["uid"].as_str()).collect();
            let managed = "app.kubernetes.io/managed-by=aggregator";
            let children = ["Job", "ConfigMap"].map(|kind| client.list(kind, managed)).concat();
            let orphan = |child: &Value| {
                let owner = child["metadata"]["ownerReferences"][0]["uid"].as_str();
                owner.is_none_or(|owner| !owners.contains(owner))
            };
            (!children.iter().any(orphan)).then_some(())
        });
        let mut jobs: BTreeMap<String, u64> = BTreeMap::new();
        for job in client.list("Job", "aggregator.dev/run") {
            let run = job["metadata"]["ownerReferences"][0]["name"].as_str().expect("an owner").to_owned();
            *jobs.entry(run).or_default() += 1;
        }
        for run in client.list("PipelineRun", "").iter().filter(|run| is_over(run)) {
            let jobs = jobs.get(name_of(run)).copied().unwrap_or(0);
            let attempts = run["status"]["attempt"].as_u64().unwrap_or(0);
            assert!(jobs <= attempts, "{jobs} Jobs for {attempts} attempts: {run}\n{}", project.log());
        }
    }

    /// Nothing is done to anybody any more: all rows are delivered, and nothing is written.
    fn come_to_rest(&mut self) {
        self.let_it_act();
        for (name, schedule) in &mut self.schedules {
            self.client.merge("Schedule", name, &json!({"spec": {"suspend": true}})).expect("a Schedule");
            schedule.edits += 1;
        }
        for pipe in 0..PIPES {
            self.mend(pipe);
        }
        let client = &self.client;
        for schedule in self.schedules.keys() {
            eventually("a Schedule that is suspended", || {
                let schedule = client.get("Schedule", schedule)?;
                (schedule["status"]["conditions"][0]["reason"] == "Suspended").then_some(())
            });
        }
        for pipe in &self.pipes {
            eventually(&format!("{} to be ready", pipe.name), || {
                let object = client.get("Pipeline", &pipe.name)?;
                let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
                (seen && object["status"]["conditions"][0]["reason"] == "Compiled").then_some(())
            });
        }
        self.compare();
        for pipe in 0..PIPES {
            self.run(pipe, "Incremental");
        }
        self.compare();
        eventually("no run that goes on", || {
            let all = self.client.list("PipelineRun", "");
            all.iter().all(is_over).then_some(())
        });
        for pipe in &self.pipes {
            assert_eq!(self.delivered(pipe), pipe.rows, "{}: each row once", pipe.name);
        }
        let written = || {
            let requests = self.project.requests("operator");
            requests.iter().filter(|request| !["get", "list", "watch"].contains(&request.verb.as_str())).count()
        };
        eventually("rest", || {
            let before = written();
            std::thread::sleep(REST);
            (written() == before).then_some(())
        });
    }
}

#[test]
fn whatever_is_done_each_row_is_delivered_once_and_each_end_is_true() {
    let actions = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let actions = actions.map_or(500, |text| text.parse::<usize>().expect("a number of actions"));
    let begun = Instant::now();
    let mut walk = Walk::new(Random::seeded("whatever_is_done_each_row_is_delivered_once_and_each_end_is_true"));
    for number in 1..=actions {
        let said = walk.act();
        println!("{number}: {said}");
        let pause = walk.random.below(PAUSE);
        std::thread::sleep(Duration::from_millis(u64::try_from(pause).expect("a short time")));
        if number % BETWEEN == 0 {
            walk.compare();
        }
    }
    walk.come_to_rest();
    let rows: usize = walk.pipes.iter().map(|pipe| pipe.rows.len()).sum();
    let took = begun.elapsed();
    println!("{actions} actions in {took:?}: {:?}; {rows} rows, {:?}", walk.actions, walk.ends);
    note(
        "walks",
        json!({
            "actions": actions, "seconds": took.as_secs_f64(), "done": walk.actions, "rows": rows, "ends": walk.ends,
            "mismatches": 0,
        }),
    );
    assert!(walk.ends.get("Succeeded").is_some_and(|runs| *runs > actions / 25), "{:?}", walk.ends);
}
