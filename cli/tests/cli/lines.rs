//! A road to PostgreSQL that breaks: cut after so many bytes, silent, closed, or with a server that is gone meanwhile. A run
//! goes through all the same, or it says what happened; the next one makes up for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_tests::postgres::Postgres;
use aggregator_tests::proxy::{Direction, Fault, Mode as Road, Proxy};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::aggregator::Said;
use crate::delivery::{Mode, Sync};
use crate::outcome::{Outcome, truthful};
use crate::pair::{RUN, Round, Shape, Sink, Source, World};
use crate::postgres::Database;
use crate::rows::same;

/// The bytes of the answer to COMMIT, and of the question.
const COMMIT: [(Direction, u64); 2] = [(Direction::ToServer, 12), (Direction::ToClient, 18)];
/// How often the last message is aimed at.
const TRIES: u32 = 10;
/// How long a run may take that has to find out by itself that nobody answers.
const FOUND_OUT: Duration = Duration::from_secs(20);

/// A world whose runs reach PostgreSQL by way of a proxy.
struct Detour {
    world: World,
    proxy: Proxy,
    _runtime: Runtime,
    /// What each run began with, and what came.
    round: u64,
    shown: Vec<String>,
}

impl Detour {
    fn new(source: Source, sink: Sink, mode: Mode) -> Self {
        let world = World::new(source, sink, mode);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let port = world.database().port();
        let proxy = runtime.block_on(Proxy::start(port));
        // Encrypted bytes could be cut as well, but not at places that are known.
        world.edit(&format!("port: {port},"), &format!("port: {}, tls: {{mode: Disable}},", proxy.port()));
        let mut detour = Self { world, proxy, _runtime: runtime, round: 0, shown: Vec::new() };
        detour.world.fill(Round(0));
        detour.world.place.ok(RUN);
        detour.shown = detour.world.shape.apply(&[], Round(0));
        same(&format!("{}, undisturbed", detour.world.name), &detour.world.visible(), &detour.shown);
        detour
    }

    /// The bytes that pass in each direction while a run is whole.
    fn measure(&mut self) -> [(Direction, u64); 2] {
        let applied = self.next();
        self.proxy.count();
        self.world.place.ok(RUN);
        self.shown = applied;
        [Direction::ToServer, Direction::ToClient].map(|direction| (direction, self.proxy.passed(direction)))
    }

    /// New rows come; gives what a run is to make of them.
    fn next(&mut self) -> Vec<String> {
        self.round += 1;
        self.world.fill(Round(self.round));
        self.world.shape.apply(&self.shown, Round(self.round))
    }

    /// A run that meets a fault. Says whether it has committed all the same, and how it ended; None when it had come to its
    /// end before.
    fn meet(&mut self, fault: Fault, applied: &[String]) -> Option<(bool, Said)> {
        let name = format!("{}, {fault:?}", self.world.name);
        let hits = self.proxy.hits();
        self.proxy.set_fault(fault);
        let said = self.world.place.say(RUN);
        let met = self.proxy.hits() - hits;
        self.proxy.count();
        if fault.mode != Road::Hang {
            self.world.settle();
        }
        let between = self.world.visible();
        let committed = between == applied;
        if !committed {
            same(&name, &between, &self.shown);
        }
        assert!(met == 1 || (met == 0 && committed), "{name}: it was met {met} times: {}{}", said.stdout, said.stderr);
        (met == 1).then_some((committed, said))
    }

    /// The run after that, on a road that is whole.
    fn make_up(&mut self, name: &str, applied: Vec<String>, committed: bool) {
        let report = self.world.place.json(RUN.trim_end_matches(" --output json"));
        assert_eq!(report["ledger"]["balanced"], true, "{name}: {report}");
        let decided = committed || report["completedEarlierAttempt"] == Value::Bool(true);
        self.shown = if decided { self.world.shape.again(&applied, Round(self.round)) } else { applied };
        same(&format!("{name}, the next run"), &self.world.visible(), &self.shown);
    }

    /// Cuts the road there, and lets the next run make up for it. None when the run had come to its end before.
    fn cut(&mut self, direction: Direction, after: u64) -> Option<Outcome> {
        let applied = self.next();
        let fault = Fault { direction, after, mode: Road::Refuse };
        let name = format!("{}, {fault:?}", self.world.name);
        let Some((committed, said)) = self.meet(fault, &applied) else {
            self.shown = applied;
            return None;
        };
        let outcome = Outcome::of(&name, &said, committed);
        self.make_up(&name, applied, committed);
        Some(outcome)
    }
}

/// Cuts the road in each direction at so many places, which are spread evenly, and within the last message. Gives how often
/// a commit was made whose answer was lost.
fn cut(source: Source, sink: Sink, mode: Mode, places: u64) -> usize {
    let mut detour = Detour::new(source, sink, mode);
    let mut cuts = Vec::new();
    for (number, (direction, last)) in COMMIT.into_iter().enumerate() {
        let length = detour.measure()[number].1;
        for place in 0..places {
            let after = length * place / places;
            let cut = detour.cut(direction, after);
            cuts.push(cut.unwrap_or_else(|| panic!("{}: {after} of {length} bytes were not sent", detour.world.name)));
        }
        // Some bytes more or less are sent each time, as numbers have more digits.
        detour.proxy.skip_logins(true);
        let answer = sink == Sink::Postgres && direction == Direction::ToClient;
        let fits = |cut: &Outcome| !answer || *cut == Outcome::Unanswered;
        let mut seen = Vec::new();
        let ending = (0..TRIES).find_map(|_| {
            let length = detour.measure()[number].1;
            let found = detour.cut(direction, length - last / 2);
            seen.push((length, found));
            found.filter(fits)
        });
        detour.proxy.skip_logins(false);
        cuts.push(
            ending.unwrap_or_else(|| panic!("{}, {direction:?}: the end was not met: {seen:?}", detour.world.name)),
        );
    }
    let count = |wanted: Outcome| cuts.iter().filter(|cut| **cut == wanted).count();
    println!(
        "{}: {} cuts, of which {} were told, {} of a commit, and {} did no harm",
        detour.world.name,
        cuts.len(),
        count(Outcome::Told),
        count(Outcome::Unanswered),
        count(Outcome::Recovered)
    );
    assert!(count(Outcome::Told) as u64 > places, "{}: {cuts:?}", detour.world.name);
    count(Outcome::Unanswered)
}

#[test]
fn cut_while_files_go_into_postgres() {
    for (mode, places) in [(Mode::Append, 25), (Mode::Overwrite, 12), (Mode::Upsert, 25)] {
        let unanswered = cut(Source::File, Sink::Postgres, mode, places);
        assert!(unanswered > 0, "{mode:?}: no cut came between a commit and its answer");
    }
}

#[test]
fn cut_while_postgres_goes_into_files() {
    for (mode, places) in [(Mode::Append, 25), (Mode::Overwrite, 12)] {
        // The commit is that of the files, which no cut concerns.
        let unanswered = cut(Source::Postgres, Sink::File, mode, places);
        assert_eq!(unanswered, 0, "{mode:?}");
    }
}

/// Bytes are swallowed from one on: only the run's own patience ends it. What it leaves behind at the server, which has heard
/// of no end, does not hold up the next one.
#[test]
fn silent_in_the_middle() {
    let into: (_, _, &[f64]) = (Source::File, Sink::Postgres, &[0.1, 0.6, 0.95]);
    let out: (_, _, &[f64]) = (Source::Postgres, Sink::File, &[0.5]);
    for ((source, sink, shares), mode) in [(into, Mode::Upsert), (out, Mode::Append)] {
        let mut detour = Detour::new(source, sink, mode);
        let manifests = std::fs::read_to_string(detour.world.place.file("m/pipeline.yaml")).expect("manifests");
        for (direction, length) in detour.measure() {
            for share in shares {
                let applied = detour.next();
                let fault = Fault { direction, after: (length as f64 * share) as u64, mode: Road::Hang };
                let name = format!("{}, {fault:?} of {length}", detour.world.name);
                detour.world.edit("tls: {", "connectTimeout: 2s, statementTimeout: 2s, tls: {");
                let started = Instant::now();
                let met = detour.meet(fault, &applied);
                let (committed, said) = met.unwrap_or_else(|| panic!("{name}: it was not met"));
                assert!(started.elapsed() < FOUND_OUT, "{name}: {:?}", started.elapsed());
                truthful(&name, &said);
                detour.world.place.write("m/pipeline.yaml", &manifests);
                let started = Instant::now();
                detour.make_up(&name, applied, committed);
                assert!(started.elapsed() < FOUND_OUT, "{name}: the next run waited for {:?}", started.elapsed());
            }
        }
    }
}

#[test]
fn closed_and_open_again() {
    for (source, sink) in [(Source::File, Sink::Postgres), (Source::Postgres, Sink::File)] {
        let mut detour = Detour::new(source, sink, Mode::Append);
        let applied = detour.next();
        detour.proxy.set(Road::Refuse);
        let (said, name) = (detour.world.place.say(RUN), detour.world.name.clone());
        assert!(detour.proxy.hits() > 0, "{name}");
        assert_eq!(truthful(&name, &said)["error"]["reason"], "Unreachable", "{name}");
        same(&name, &detour.world.visible(), &detour.shown);
        detour.proxy.set(Road::Forward);
        detour.make_up(&name, applied, false);
    }
}

#[test]
fn a_server_that_restarts_or_crashes_meanwhile() {
    let server = Arc::new(Postgres::start());
    for (source, sink) in [(Source::File, Sink::Postgres), (Source::Postgres, Sink::File)] {
        let shape = Shape { source, sink, mode: Mode::Overwrite, sync: Sync::FullRefresh, many: false };
        let world = World::with(shape, Some(Database::on(Arc::clone(&server))));
        world.fill(Round(0));
        world.place.ok(RUN);
        let mut before = shape.apply(&[], Round(0));
        let points: &[&str] = if sink == Sink::Postgres { &["fenced", "staged", "commit"] } else { &["fenced"] };
        let tries = points.iter().flat_map(|point| [(*point, true), (*point, false)]);
        for (number, (point, crash)) in (1..).zip(tries) {
            let (round, name) = (Round(number), format!("{}, at `{point}`, crash: {crash}", world.name));
            world.fill(round);
            let mut running = world.place.start_with(RUN, &[("AGGREGATOR_STOP_AT", point)]);
            assert!(running.until_stopped(), "{name}: the run ended without it");
            if crash {
                server.kill();
                server.start_again();
            } else {
                server.restart();
            }
            running.signal(Signal::SIGCONT);
            let said = running.wait();
            let applied = shape.apply(&before, round);
            if sink == Sink::Postgres {
                truthful(&name, &said);
                same(&name, &world.visible(), &before);
            } else if said.code() != Some(0) {
                // A source may be opened only after that.
                truthful(&name, &said);
                same(&name, &world.visible(), &before);
            }
            let report = world.place.json(RUN.trim_end_matches(" --output json"));
            assert_eq!(report["ledger"]["balanced"], true, "{name}: {report}");
            same(&format!("{name}, the next run"), &world.visible(), &applied);
            before = applied;
        }
    }
}
