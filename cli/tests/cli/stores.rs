//! An object store that fails at any request of a run: it is busy or down, loses an answer, breaks off, is slow, or has
//! forgotten an upload. The run goes through all the same, or it says what happened; the next one makes up for it.
//!
//! The requests of a run that nobody disturbs are counted first. Then the run is made again from the same beginning, once
//! for a request and a way for that to go wrong. `make test` takes some of these pairs, in which each way comes at the
//! beginning, in the middle and at the end of the run; a seed chooses them. `make soak` takes all (`AGGREGATOR_FAULTS=all`).
//! What came of them is noted for docs/reliability.md.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aggregator_tests::gateway::{Gateway, Rule, Wrong};
use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use aggregator_tests::wait::eventually;
use serde_json::json;

use crate::delivery::{Mode, Sync};
use crate::outcome::Outcome;
use crate::pair::{RUN, Round, Shape, Sink, Source, World};
use crate::rows::{same, sorted};

/// How long a request may take by the Connector, and how long a slow one takes.
const TIMEOUT: &str = "2s";
const LATE: Duration = Duration::from_millis(2_500);
/// How many faults are tried, unless all are: each way three times.
const SOME: usize = 15;
/// How many runs go on at a time: they wait for most of it.
const AT_ONCE: usize = 3;

/// The rows of a file that becomes an object of two pieces, and how often the text of one is repeated in it.
const WIDE: u64 = 800;
const REPEATED: usize = 2_000;

/// A way to go wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Busy,
    Down,
    Lost,
    Torn,
    Slow,
    Forgotten,
}

/// The ways in which any request may go wrong.
const ANY: [Fault; 5] = [Fault::Busy, Fault::Down, Fault::Lost, Fault::Torn, Fault::Slow];

impl Fault {
    /// As docs/reliability.md calls it.
    fn words(self) -> &'static str {
        match self {
            Self::Busy => "500, twice",
            Self::Down => "503, from then on",
            Self::Lost => "answer lost",
            Self::Torn => "connection cut in a body",
            Self::Slow => "slower than `timeout`",
            Self::Forgotten => "404 NoSuchUpload",
        }
    }

    /// From the request of that number on, this happens.
    fn rule(self, number: usize) -> Rule {
        let (times, wrong) = match self {
            Self::Busy => (2, Wrong::Answer(500, "InternalError")),
            Self::Down => (usize::MAX, Wrong::Answer(503, "SlowDown")),
            Self::Lost => (1, Wrong::Lost),
            Self::Torn => (1, Wrong::Torn),
            Self::Slow => (1, Wrong::Slow(LATE)),
            Self::Forgotten => (1, Wrong::Answer(404, "NoSuchUpload")),
        };
        Rule { method: "", part: "", skip: number, times, wrong }
    }

    /// Whether so many requests that went wrong are those that should.
    fn is_met(self, hits: usize) -> bool {
        match self {
            Self::Busy => hits == 2,
            Self::Down => hits > 0,
            Self::Lost | Self::Torn | Self::Slow | Self::Forgotten => hits == 1,
        }
    }
}

/// Which requests go wrong, and how.
fn plan(name: &str, requests: &[String]) -> Vec<(usize, Fault)> {
    let completes = |number: &usize| requests[*number].starts_with("POST") && requests[*number].contains("uploadId=");
    let forgotten = (0..requests.len()).filter(completes).map(|number| (number, Fault::Forgotten));
    if std::env::var("AGGREGATOR_FAULTS").is_ok_and(|wanted| wanted == "all") {
        let each = |number| ANY.map(|fault| (number, fault));
        return (0..requests.len()).flat_map(each).chain(forgotten).collect();
    }
    let mut random = Random::seeded(name);
    let turn = random.below(ANY.len());
    let some = (0..SOME).map(|part| {
        let number = (requests.len() * part + random.below(requests.len())) / SOME;
        (number, ANY[(turn + part) % ANY.len()])
    });
    some.chain(forgotten).collect()
}

/// A world in which a run can meet faults: made once, copied for each of them.
struct Scene {
    world: World,
    /// What readers see before the run, and after it.
    before: Vec<String>,
    after: Vec<String>,
}

impl Scene {
    /// The run before is over, and there are rows for the next one.
    fn new(world: World) -> Self {
        world.fill(Round(0));
        world.place.ok(RUN);
        world.fill(Round(1));
        let before = world.shape.apply(&[], Round(0));
        let after = world.shape.apply(&before, Round(1));
        Self { world, before, after }
    }

    /// Each round has a file or an object of its own, whose rows are added.
    fn added(source: Source, sink: Sink) -> Self {
        Self::new(World::of(Shape { source, sink, mode: Mode::Append, sync: Sync::Incremental, many: false }))
    }

    /// Each round's rows replace those before.
    fn replaced(source: Source, sink: Sink) -> Self {
        Self::new(World::new(source, sink, Mode::Overwrite))
    }

    /// The same, of one object.
    fn one_object() -> Self {
        let mut world = World::new(Source::File, Sink::S3, Mode::Overwrite);
        world.name += ", one object";
        world.edit("stream: \"rows/\"", "stream: \"rows/all.ndjson\"");
        Self::new(world)
    }

    /// An object is added that is too large for one request.
    fn pieces() -> Self {
        let mut scene = Self::added(Source::File, Sink::S3);
        scene.world.name += ", in pieces";
        scene.world.edit("splitSize: 64Ki", "splitSize: 64Mi");
        let rows: Vec<(u64, String)> = (0..WIDE).map(|id| (id, format!("{id:05}-").repeat(REPEATED))).collect();
        let csv = rows.iter().fold("id,note\n".to_owned(), |text, (id, note)| text + &format!("{id},{note}\n"));
        scene.world.place.write("in/events/001.csv", &csv);
        let lines = rows.into_iter().map(|(id, note)| format!("{id}|{note}"));
        scene.after = sorted(scene.before.iter().cloned().chain(lines).collect());
        scene
    }

    /// The same world once more, with its store behind a gateway.
    fn behind(&self, gateway: &Gateway) -> World {
        let world = self.world.copy();
        let from = format!("endpoint: {}\n", world.store().endpoint());
        world.edit(&from, &format!("endpoint: {}\n    timeout: {TIMEOUT}\n", gateway.url()));
        world
    }

    /// The requests of a run that nobody disturbs.
    fn requests(&self, gateway: &Gateway) -> Vec<String> {
        let world = self.behind(gateway);
        world.place.ok(RUN);
        same(&format!("{}, undisturbed", world.name), &world.visible(), &self.after);
        gateway.seen()
    }

    /// A run whose request of that number goes wrong, and the run after it. Says what became of the first.
    fn play(&self, gateway: &Gateway, requests: &[String], (number, fault): (usize, Fault)) -> Outcome {
        let world = self.behind(gateway);
        let name = format!("{}, {fault:?} at request {number}, as {}", world.name, requests[number]);
        gateway.set(fault.rule(number));
        let said = world.place.say(RUN);
        let hits = gateway.hits();
        // A slow request may be done when the run is over.
        eventually("the end of every request", || gateway.is_idle().then_some(()));
        gateway.set_all(Vec::new());
        assert!(fault.is_met(hits), "{name}: it was met {hits} times: {}{}", said.stdout, said.stderr);
        let between = world.visible();
        let shown = between == self.after;
        same(&name, &between, if shown || said.code() == Some(0) { &self.after } else { &self.before });
        let report = world.place.json(RUN.trim_end_matches(" --output json"));
        assert_eq!(report["ledger"]["balanced"], true, "{name}: {report}");
        same(&format!("{name}, the next run"), &world.visible(), &self.after);
        assert!(!world.store().staged(), "{name}: something that was staged is left");
        let outcome = Outcome::of(&name, &said, shown || report["completedEarlierAttempt"] == true);
        // Such a request is asked again.
        let passes = matches!(fault, Fault::Busy | Fault::Lost);
        assert!(outcome == Outcome::Recovered || !passes, "{name}: {}{}", said.stdout, said.stderr);
        outcome
    }
}

/// Plays the faults of a scene, several at a time, and notes what came of them.
fn play_all(scene: &Scene) {
    let name = &scene.world.name;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let gateway = || runtime.block_on(Gateway::start(scene.world.store().port()));
    let requests = scene.requests(&gateway());
    let plan = plan(name, &requests);
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(plan.len())));
    let worker = || {
        let gateway = gateway();
        while let Some(case) = plan.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = scene.play(&gateway, &requests, *case);
            outcomes.lock().expect("no panic in between").push((case.1, outcome));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(worker);
        }
    });
    let outcomes = outcomes.into_inner().expect("no panic in between");
    let count = |fault: Option<Fault>, wanted: Outcome| {
        let fits = |(of, outcome): &&(Fault, Outcome)| fault.is_none_or(|fault| fault == *of) && *outcome == wanted;
        outcomes.iter().filter(fits).count()
    };
    let counts = |fault| [Outcome::Recovered, Outcome::Told, Outcome::Unanswered].map(|wanted| count(fault, wanted));
    for fault in ANY.into_iter().chain([Fault::Forgotten]) {
        let [recovered, told, unanswered] = counts(Some(fault));
        let cases = recovered + told + unanswered;
        if cases > 0 {
            note(
                "stores",
                json!({
                    "run": name, "requests": requests.len(), "fault": fault.words(), "cases": cases,
                    "recovered": recovered, "told": told, "unanswered": unanswered,
                }),
            );
        }
    }
    let [recovered, told, unanswered] = counts(None);
    println!(
        "{name}: {} faults at {} requests, of which {recovered} did no harm, {told} were told, {unanswered} of a commit",
        plan.len(),
        requests.len()
    );
    assert!(recovered > 0 && told > 0, "{name}: {outcomes:?}");
}

#[test]
fn while_objects_are_added() {
    play_all(&Scene::added(Source::File, Sink::S3));
}

#[test]
fn while_objects_are_replaced() {
    play_all(&Scene::replaced(Source::File, Sink::S3));
}

#[test]
fn while_one_object_is_replaced() {
    play_all(&Scene::one_object());
}

#[test]
fn while_an_object_is_sent_in_pieces() {
    play_all(&Scene::pieces());
}

#[test]
fn while_objects_are_read() {
    play_all(&Scene::added(Source::S3, Sink::File));
    play_all(&Scene::replaced(Source::S3, Sink::File));
}
