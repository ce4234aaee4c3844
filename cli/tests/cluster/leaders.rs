//! Operators that take over from each other, again and again, while runs are made: no attempt has two Jobs, no row is written
//! twice, and nobody waits for long. AGGREGATOR_ROUNDS says how often; in several namespaces at a time, because who takes over
//! mostly waits.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aggregator_tests::control_plane::Plane;
use aggregator_tests::process::Process;
use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use aggregator_tests::wait::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::project::Project;

/// Says how many rounds there are.
const VARIABLE: &str = "AGGREGATOR_ROUNDS";
/// How many there are without it.
const ROUNDS: usize = 20;
/// In how many namespaces at a time.
const LANES: usize = 5;
/// How many rows each run moves.
const ROWS: usize = 3;
/// How soon another operator acts: 15 s until the hold has run out, 2 s until the next look.
const SOON: Duration = Duration::from_secs(20);

/// What is done to the operator that acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Killed,
    /// It is stopped until another one acts, and goes on then.
    Stopped,
    /// Its Lease is deleted.
    Robbed,
    /// Both are ended, and two others begin at the same moment.
    Together,
}

impl Blow {
    const ALL: [Self; 4] = [Self::Killed, Self::Stopped, Self::Robbed, Self::Together];

    fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped for longer than the Lease, and woken up",
            Self::Robbed => "the Lease is deleted",
            Self::Together => "two begin at the same moment",
        }
    }
}

/// A namespace with two operators, of which one acts.
struct Lane {
    project: Project,
    random: Random,
    /// Where each Job is told that is seen: its UID, and its name.
    jobs: PathBuf,
    _watch: Process,
    runs: usize,
}

fn signal(process: &Process, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(process.id()).expect("a process id")), signal).expect("a signal");
}

fn has_acted(operator: &Process) -> bool {
    operator.log(usize::MAX).contains("the operator acts")
}

impl Lane {
    fn new(number: usize) -> Self {
        let project = Project::leased(2);
        project.copy_files("move", "{}");
        let jobs = project.path("jobs");
        let told = r#"--output=jsonpath={.metadata.uid} {.metadata.name}{"\n"}"#;
        let watch = project.namespace.start_kubectl(["get", "jobs", "--watch", told], &jobs);
        let random = Random::seeded("leaders").of(number);
        let mut lane = Self { project, random, jobs, _watch: watch, runs: 0 };
        lane.rests();
        lane
    }

    /// Two operators are alive, and one of them acts.
    fn rests(&mut self) {
        let operators = &mut self.project.operators;
        eventually("one operator that acts", || {
            operators.retain_mut(|operator| !operator.ended());
            let acting = operators.iter().filter(|operator| has_acted(operator)).count();
            (acting == 1).then_some(())
        });
        while self.project.operators.len() < 2 {
            self.project.start();
        }
    }

    /// The place of the one that acts.
    fn acting(&self) -> usize {
        self.project.operators.iter().position(has_acted).expect("one of them acts")
    }

    /// Waits until another operator than that one acts.
    fn succeeded(&self, old: Option<u32>) {
        eventually("another operator that acts", || {
            let mut others = self.project.operators.iter().filter(|operator| Some(operator.id()) != old);
            others.any(has_acted).then_some(())
        });
    }

    /// Somebody asks for a run. Gives its name.
    fn ask(&mut self) -> String {
        self.runs += 1;
        let name = format!("run-{}", self.runs);
        let rows = (0..ROWS).map(|row| format!("{},{name}\n", self.runs * ROWS + row));
        let rows: String = std::iter::once("id,name\n".to_owned()).chain(rows).collect();
        self.project.write(&format!("in/{name}.csv"), &rows);
        self.project.run(&name, "move");
        name
    }

    /// The Jobs that were seen: their UIDs, and their names.
    fn seen(&self) -> BTreeSet<(String, String)> {
        let seen = std::fs::read_to_string(&self.jobs).unwrap_or_default();
        let pairs = seen.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(uid, name)| (uid.to_owned(), name.to_owned())).collect()
    }

    /// Waits until a run has a Job.
    fn has_job(&self, run: &str) {
        eventually("a Job", || self.seen().into_iter().any(|(_, name)| name == run).then_some(()));
    }

    /// Does that to the operators, with a run that is asked for shortly before or after. Gives how long it took until another
    /// one acted, where that can be told: a run that was there before may have been taken care of before.
    fn strikes(&mut self, blow: Blow) -> Option<Duration> {
        let before = self.random.percent(50);
        let early = before.then(|| self.ask());
        // Some runs have come far by then, and others have hardly begun.
        let a_while = u64::try_from(self.random.below(400)).expect("milliseconds");
        std::thread::sleep(Duration::from_millis(a_while));
        let begun = Instant::now();
        let (run, took) = match blow {
            Blow::Killed => {
                let acting = self.acting();
                // Who is dropped is killed.
                drop(self.project.operators.remove(acting));
                let run = early.unwrap_or_else(|| self.ask());
                self.succeeded(None);
                (run, begun.elapsed())
            }
            Blow::Stopped => {
                let acting = self.acting();
                let stopped = self.project.operators[acting].id();
                signal(&self.project.operators[acting], Signal::SIGSTOP);
                let run = early.unwrap_or_else(|| self.ask());
                self.succeeded(Some(stopped));
                let took = begun.elapsed();
                signal(&self.project.operators[acting], Signal::SIGCONT);
                let woken = &mut self.project.operators[acting];
                eventually("the end of the one that was woken up", || woken.ended().then_some(()));
                (run, took)
            }
            Blow::Robbed => {
                self.project.namespace.kubectl(["delete", "lease", "aggregator"]);
                let begun = Instant::now();
                let run = early.unwrap_or_else(|| self.ask());
                self.has_job(&run);
                (run, begun.elapsed())
            }
            Blow::Together => {
                self.project.stop();
                let run = early.unwrap_or_else(|| self.ask());
                let begun = Instant::now();
                self.project.start();
                self.project.start();
                self.has_job(&run);
                (run, begun.elapsed())
            }
        };
        let ended = self.project.ended(&run);
        assert_eq!(ended["status"]["phase"], "Succeeded", "{blow:?}: {ended}");
        assert_eq!(ended["status"]["totals"]["written"], ROWS, "{blow:?}: {ended}");
        assert!(took <= SOON, "{blow:?}: another operator acted after {took:?}");
        self.rests();
        (!before || matches!(blow, Blow::Killed | Blow::Stopped)).then_some(took)
    }

    /// How many Jobs, and how many rows, there are too many.
    fn too_many(&self) -> (usize, usize) {
        // What the API server notes of a request may miss one whose sender was killed before the answer; what was watched may
        // miss none. Connectors are checked by Jobs, too, and may be checked again.
        let made = self.project.requests("operator").into_iter();
        let made = made.filter(|request| (request.verb.as_str(), request.resource.as_str()) == ("create", "jobs"));
        let noted = made.filter(|request| request.code == 201).count();
        let seen = eventually("every Job that was made", || Some(self.seen()).filter(|seen| seen.len() >= noted));
        let jobs = seen.iter().filter(|(_, name)| !name.contains("-check-")).count();
        assert!(jobs >= self.runs, "{jobs} Jobs of {} runs", self.runs);
        let mut rows = self.project.lines("out");
        let all = rows.len();
        rows.dedup();
        assert_eq!(rows.len(), self.runs * ROWS, "rows are missing");
        (jobs - self.runs, all - rows.len())
    }
}

/// Rounds in a namespace of its own.
#[expect(clippy::print_stdout, reason = "the test's own output")]
fn rounds(number: usize, rounds: usize, plane: &str) {
    let mut lane = Lane::new(number);
    let mut took = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let blow = Blow::ALL[(number + round) % Blow::ALL.len()];
        took.push((blow, lane.strikes(blow)));
    }
    let (jobs, rows) = lane.too_many();
    for (blow, took) in &took {
        println!("{}: {took:?}", blow.name());
        let took = took.map(|took| u64::try_from(took.as_millis()).expect("milliseconds"));
        // What is too many cannot be told of one round.
        let line = json!({
            "plane": plane, "what": blow.name(), "takeoverMs": took, "runs": 1,
            "jobsTooMany": jobs, "rowsTooMany": rows,
        });
        note("leaders", line);
    }
    assert_eq!((jobs, rows), (0, 0), "Jobs and rows too many");
}

#[test]
fn whoever_takes_over_makes_no_second_job_and_no_row_twice() {
    let all = std::env::var(VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let plane = match Plane::chosen() {
        Plane::Real => "real",
        Plane::Embedded => "embedded",
    };
    std::thread::scope(|scope| {
        for number in 0..LANES {
            scope.spawn(move || rounds(number, all.div_ceil(LANES), plane));
        }
    });
}
