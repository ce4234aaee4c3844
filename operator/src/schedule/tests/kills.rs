//! Thousands of fires, while the operator is killed between its writes, answers are lost, caches are behind, and clocks are put
//! forward and back: each fire is one run, or one that is recorded as not started, and never both.

use std::collections::BTreeMap;

use aggregator_crds::run::CancelMode;
use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use jiff::SignedDuration;
use kube::ResourceExt;

use super::*;
use crate::conditions::seconds;
use crate::{labels, names};

/// How many fires are decided one by one in each story, how often the operator is killed, and how often clocks are changed.
const FIRES: u64 = 400;
const KILLS: u64 = 100;
const CHANGES: u64 = 100;

/// After so many seconds a cache has caught up: sooner than its own writes are forgotten (`expectations.rs`).
const BEHIND: i64 = 9;
/// How long a write is waited for whose answer is lost, as in `execute.rs`.
const PATIENCE: i64 = 30;

/// What the API server keeps, and what has happened to it.
struct Server {
    schedule: Arc<Schedule>,
    runs: Vec<Arc<PipelineRun>>,
    version: u64,
    /// The fires of all runs that were ever made, by their names: two of one name are one fire that was doubled.
    made: BTreeMap<String, Vec<Timestamp>>,
}

impl Server {
    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// Does a write; false when it is refused.
    fn takes(&mut self, action: &Action, now: Timestamp) -> bool {
        match action {
            Action::Create { kind: Kind::PipelineRun, object: asked } => {
                let mut run: PipelineRun = object(asked.clone());
                let name = run.name_any();
                if self.runs.iter().any(|there| there.name_any() == name) {
                    // It has the same owner: it is as good as made.
                    return true;
                }
                let fire = run.annotations()[labels::FIRE].parse::<Timestamp>().expect("a time");
                self.made.entry(name).or_default().push(fire);
                let version = self.next_version();
                run.metadata.uid = Some(format!("uid-{version}"));
                run.metadata.resource_version = Some(version);
                run.metadata.creation_timestamp = Some(object(json!(seconds(now).to_string())));
                self.runs.push(Arc::new(run));
            }
            Action::Merge { target, .. } => {
                self.version += 1;
                let Some(run) = self.runs.iter_mut().find(|run| run.uid().as_ref() == Some(&target.uid)) else {
                    return false;
                };
                Arc::make_mut(run).spec.cancel = Some(CancelMode::Immediate);
            }
            Action::Delete { target, .. } if target.kind == Kind::PipelineRun => {
                self.version += 1;
                self.runs.retain(|run| run.uid().as_ref() != Some(&target.uid));
            }
            Action::Status { target, status } => {
                if target.resource_version != self.schedule.metadata.resource_version {
                    return false;
                }
                let version = self.next_version();
                let schedule = Arc::make_mut(&mut self.schedule);
                let said: ScheduleStatus = object(status.clone());
                let before = schedule.status.as_ref().and_then(|before| before.decided_until);
                assert!(before <= said.decided_until, "what was decided is open again: {before:?}, {said:?}");
                schedule.status = Some(said);
                schedule.metadata.resource_version = Some(version);
            }
            other => panic!("{other}"),
        }
        true
    }

    /// Runs that go on come to their ends, some of them.
    fn goes_on(&mut self, random: &mut Random, now: Timestamp) {
        for run in &mut self.runs {
            if crate::run::is_over(run) || !random.percent(40) {
                continue;
            }
            let well = random.percent(80) && run.spec.cancel.is_none();
            Arc::make_mut(run).status = Some(object(json!({
                "completionTime": seconds(now).to_string(),
                "conditions": [{"type": "Succeeded", "status": if well { "True" } else { "False" }, "reason": "X"}],
            })));
            self.version += 1;
        }
    }
}

/// A cache: which version of the server it has seen, and when it has caught up.
#[derive(Clone, Copy)]
struct Seen {
    version: u64,
    at: i64,
    /// What it must have seen before its object is looked at again.
    expected: u64,
}

/// An operator, from its start to its death: its two caches, and what they hold.
struct Operator {
    schedule: Arc<Schedule>,
    runs: Vec<Arc<PipelineRun>>,
    schedules_seen: Seen,
    runs_seen: Seen,
}

impl Operator {
    /// One that has just listed everything.
    fn new(server: &Server, at: i64) -> Self {
        let seen = Seen { version: server.version, at, expected: 0 };
        let (schedule, runs) = (Arc::clone(&server.schedule), server.runs.clone());
        Self { schedule, runs, schedules_seen: seen, runs_seen: seen }
    }

    /// Its watches bring what has happened, each in its own time.
    fn watches(&mut self, server: &Server, random: &mut Random, at: i64) {
        let due = |seen: &Seen, random: &mut Random| random.percent(75) || at - seen.at >= BEHIND;
        if due(&self.schedules_seen, random) {
            self.schedule = Arc::clone(&server.schedule);
            self.schedules_seen = Seen { version: server.version, at, ..self.schedules_seen };
        }
        if due(&self.runs_seen, random) {
            self.runs.clone_from(&server.runs);
            self.runs_seen = Seen { version: server.version, at, ..self.runs_seen };
        }
    }

    /// Whether it has seen its own last writes.
    fn may_look(&self) -> bool {
        [self.schedules_seen, self.runs_seen].iter().all(|seen| seen.version >= seen.expected)
    }

    fn is_behind(&self, server: &Server) -> bool {
        self.schedules_seen.version < server.version || self.runs_seen.version < server.version
    }

    /// Its write was answered.
    fn wrote(&mut self, action: &Action, version: u64) {
        let seen = match action {
            Action::Status { .. } => &mut self.schedules_seen,
            _ => &mut self.runs_seen,
        };
        seen.expected = version;
    }

    fn view(&self, of: &View) -> View {
        let mut runs = self.runs.clone();
        runs.sort_by_key(|run| (run.creation_timestamp().map(|time| time.0), run.name_any()));
        View { schedule: Arc::clone(&self.schedule), runs, ..of.clone() }
    }
}

/// What was done to the operator and its clock.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    kills: u64,
    put_forward: u64,
    put_back: u64,
    lost: u64,
    refused: u64,
    behind: u64,
}

/// A Schedule, and what happens around it.
struct Story {
    view: View,
    made: Timestamp,
    /// The seconds between two fires.
    period: i64,
    server: Server,
    operator: Operator,
    random: Random,
    /// What the clock shows, and how many seconds have really passed.
    now: Timestamp,
    passed: i64,
    done: Done,
}

impl Story {
    fn new(spec: &Value, made: &str, period: i64, random: Random) -> Self {
        let mut view = view(spec);
        let metadata = &mut Arc::make_mut(&mut view.schedule).metadata;
        metadata.creation_timestamp = Some(object(json!(made)));
        let server = Server {
            schedule: Arc::clone(&view.schedule),
            runs: Vec::new(),
            // As the fixture has it.
            version: 7,
            made: BTreeMap::new(),
        };
        let operator = Operator::new(&server, 0);
        let made: Timestamp = made.parse().expect("a time");
        Self { view, made, period, server, operator, random, now: made, passed: 0, done: Done::default() }
    }

    fn below(&mut self, seconds: i64) -> i64 {
        let end = usize::try_from(seconds).expect("a positive number");
        i64::try_from(self.random.below(end)).expect("a small number")
    }

    fn pass(&mut self, seconds: i64) {
        self.passed += seconds;
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Time goes by, and now and then somebody changes the clock.
    fn time_goes_by(&mut self) {
        let longest = if self.random.percent(70) { self.period / 3 } else { 3 * self.period / 2 };
        let seconds = 1 + self.below(longest);
        self.pass(seconds);
        if self.random.percent(4) {
            let forward = SignedDuration::from_secs(1 + self.below(200 * self.period));
            self.now += forward;
            self.done.put_forward += 1;
        } else if self.random.percent(4) {
            let back = SignedDuration::from_secs(1 + self.below(40 * self.period));
            // Nobody's clock shows a time at which the Schedule was not there yet.
            self.now = (self.now - back).max(self.made);
            self.done.put_back += 1;
        }
    }

    /// The operator looks at the Schedule, and may not come to the end of what it has to write.
    fn look(&mut self) {
        if !self.operator.may_look() {
            return;
        }
        self.done.behind += u64::from(self.operator.is_behind(&self.server));
        let plan = planned(&self.operator.view(&self.view), self.now);
        let dies = self.random.percent(12).then(|| self.random.below(plan.actions.len() + 1));
        for (number, action) in plan.actions.iter().enumerate() {
            if dies == Some(number) {
                break;
            }
            if self.random.percent(3) {
                self.done.refused += 1;
                break;
            }
            if !self.server.takes(action, self.now) {
                break;
            }
            if self.random.percent(4) {
                // It was done, and nobody was told.
                self.done.lost += 1;
                self.pass(PATIENCE);
                break;
            }
            self.operator.wrote(action, self.server.version);
        }
        if dies.is_some() {
            self.done.kills += 1;
            let away = if self.random.percent(10) { self.below(20 * self.period) } else { self.below(self.period) };
            self.pass(away);
            self.operator = Operator::new(&self.server, self.passed);
        }
    }

    fn step(&mut self) {
        self.time_goes_by();
        self.server.goes_on(&mut self.random, self.now);
        self.operator.watches(&self.server, &mut self.random, self.passed);
        self.look();
    }

    fn counts(&self) -> FireCounts {
        self.server.schedule.status.as_ref().and_then(|status| status.counts.clone()).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        let FireCounts { started, skipped, .. } = self.counts();
        let Done { kills, put_forward, put_back, .. } = self.done;
        started + skipped >= FIRES && kills >= KILLS && put_forward + put_back >= CHANGES
    }

    /// Nothing is done to the operator any more, and it comes to rest.
    fn settles(&mut self) {
        for _ in 0..10 {
            self.operator = Operator::new(&self.server, self.passed);
            let plan = planned(&self.operator.view(&self.view), self.now);
            if plan.actions.is_empty() {
                return;
            }
            for action in &plan.actions {
                assert!(self.server.takes(action, self.now), "{action}");
            }
        }
        panic!("it never comes to rest");
    }

    /// All fires that there were until what is decided, told from the clock alone.
    fn due(&self, until: Timestamp) -> Vec<Timestamp> {
        let cron = matches!(self.view.schedule.spec.trigger, aggregator_crds::schedule::Trigger::Cron(_));
        let made = self.made.as_second();
        // Whole hours between a zone and UTC change nothing of every ten minutes.
        let first = if cron { (made + self.period - 1) / self.period * self.period } else { made };
        let times = (0..).map(|number| first + number * self.period).take_while(|time| *time <= until.as_second());
        times.map(|time| Timestamp::from_second(time).expect("a time")).collect()
    }

    /// Each fire is one run, or was counted as one that has none.
    fn check(&self, said: &str) -> u64 {
        let status = self.server.schedule.status.as_ref().expect("a status");
        let due = self.due(status.decided_until.expect("something was decided"));
        let doubled: Vec<_> = self.server.made.iter().filter(|(_, fires)| fires.len() > 1).collect();
        assert!(doubled.is_empty(), "{said}: fires that were doubled: {doubled:?}");
        let mut fires: Vec<Timestamp> = self.server.made.values().flatten().copied().collect();
        fires.sort_unstable();
        let all = fires.len();
        fires.dedup();
        assert_eq!(fires.len(), all, "{said}: two runs of one fire");
        let (uid, key) = (self.view.schedule.uid().expect("a UID"), self.view.schedule.spec.trigger.key());
        for (name, of) in &self.server.made {
            assert_eq!(*name, names::run("hourly", &uid, key, of[0], ""), "{said}");
            assert!(due.binary_search(&of[0]).is_ok(), "{said}: {name} is of no fire");
        }
        let FireCounts { started, skipped, missed, .. } = self.counts();
        let runs = u64::try_from(all).expect("a few");
        assert_eq!(
            started, runs,
            "{said}: {started} are said to have started, and {runs} runs were made: {:?}",
            self.done
        );
        let recorded = started + skipped + missed;
        assert_eq!(recorded, due.len() as u64, "{said}: {started} + {skipped} + {missed}: {:?}", self.done);
        recorded
    }
}

/// What the Schedules are like, when they were made, and the seconds between two fires.
fn stories() -> Vec<(Value, &'static str, i64)> {
    let every = |more: Value| {
        let mut spec =
            json!({"interval": {"every": "1m"}, "successfulRunsHistoryLimit": 2, "failedRunsHistoryLimit": 1});
        spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        (spec, "2026-11-23T09:50:00Z", 60)
    };
    // The clocks of this zone are changed three days later.
    let cron = json!({"cron": {"expressions": ["*/10 * * * *"], "timeZone": "Europe/Berlin"},
                      "missedRuns": {"policy": "All", "max": 3}, "concurrencyPolicy": "Queue"});
    vec![
        every(json!({"concurrencyPolicy": "Allow"})),
        every(json!({"concurrencyPolicy": "Forbid", "missedRuns": {"policy": "All", "max": 5}})),
        every(json!({"concurrencyPolicy": "Queue", "missedRuns": {"policy": "Skip"}})),
        every(json!({"concurrencyPolicy": "Replace", "missedRuns": {"policy": "All", "max": 20, "maxAge": "10m"}})),
        (cron, "2026-03-26T09:53:00Z", 600),
    ]
}

#[test]
fn each_fire_is_one_run_or_one_reason_whatever_happens() {
    let random = Random::seeded("each_fire_is_one_run_or_one_reason_whatever_happens");
    let (mut fires, mut runs, mut all) = (0, 0, Done::default());
    for (number, (spec, made, period)) in stories().into_iter().enumerate() {
        let mut story = Story::new(&spec, made, period, random.of(number));
        let mut steps = 0;
        while !story.is_over() {
            story.step();
            steps += 1;
            assert!(steps < 100_000, "it takes too long: {:?}, {:?}", story.counts(), story.done);
        }
        story.settles();
        fires += story.check(&spec.to_string());
        runs += story.server.made.len();
        println!("{spec}: {steps} steps, {:?}, {:?}", story.counts(), story.done);
        let Done { kills, put_forward, put_back, lost, refused, behind } = story.done;
        for count in [kills, put_forward, put_back, lost, refused] {
            assert!(count > 0, "something was never done: {:?}", story.done);
        }
        all = Done {
            kills: all.kills + kills,
            put_forward: all.put_forward + put_forward,
            put_back: all.put_back + put_back,
            lost: all.lost + lost,
            refused: all.refused + refused,
            behind: all.behind + behind,
        };
    }
    let Done { kills, put_forward, put_back, lost, refused, behind } = all;
    note(
        "fires",
        json!({
            "of": "the shipped plan", "fires": fires, "runs": runs, "kills": kills,
            "clockPutForward": put_forward, "clockPutBack": put_back,
            "answersLost": lost, "writesRefused": refused, "cachesBehind": behind, "doubled": 0, "unrecorded": 0,
        }),
    );
    // Where fires are far apart, caches have nearly always caught up.
    assert!(behind >= 50, "{all:?}");
    assert!(runs >= 1000 && kills >= 100 && put_forward + put_back >= 100, "{runs} runs, {all:?}");
}

/// A run is made, and its operator dies before it could note that. Who comes after it makes up for the latest fire alone.
#[test]
fn a_run_that_was_made_is_not_missed_however_late_that_is_noted() {
    let view = hourly(&json!({"concurrencyPolicy": "Allow"})).then(at("09:50:01"));
    let due = planned(&view, at("10:00:00"));
    let view = view.after(&due, 1).then(at("12:00:10"));
    assert_eq!(view.runs.len(), 2, "of ten and of twelve");
    assert_eq!(view.counts(), (2, 0, 1), "that of eleven was missed, and no other");
    assert_eq!(view.last(), ("2026-11-23T13:00:00+01:00", Decision::Started, None));
    assert_eq!(planned(&view, at("12:00:11")).actions, []);
}

/// Of a catch-up, more runs have ended than are kept when their operator dies before it could note them.
#[test]
fn a_run_stays_until_it_is_noted() {
    let spec = json!({"concurrencyPolicy": "Allow", "missedRuns": {"policy": "All", "max": 5},
                      "successfulRunsHistoryLimit": 1});
    let view = hourly(&spec).then(at("09:50:01"));
    let due = planned(&view, at("14:30:00"));
    let view = view.after(&due, 1).all_end("True");
    assert_eq!(view.runs.len(), 5);
    // And the one after it dies before the last of its writes, too.
    let done = planned(&view, at("14:40:00"));
    let view = view.after(&done, 1).then(at("14:41:00"));
    assert_eq!(view.counts(), (5, 0, 0));
    let view = view.then(at("14:42:00"));
    assert_eq!((view.runs.len(), view.counts()), (1, (5, 0, 0)), "the others are let go now");
}
