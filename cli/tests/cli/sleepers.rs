//! An attempt that is stopped at a named point, is taken for dead, and wakes up when another one has done its work: it
//! commits nothing, and says so.

use aggregator_worker::points::OF_A_RUN;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::delivery::Mode;
use crate::pair::{RUN, Round, Sink, Source, World};
use crate::rows::same;

/// The lock that the sleeper holds. Who takes over shares the state and finds another one, as after a network that has
/// forgotten it.
const LOCK: &str = "state/test.move.lock";

/// Lets a run stop at each of the points; gives how many of them another run took over.
fn overtaken(sink: Sink, mode: Mode, points: &[&'static str]) {
    let world = World::new(Source::File, sink, mode);
    world.fill(Round(0));
    world.place.ok("run -f m --state state");
    let mut before = mode.apply(&[], Round(0));
    for (number, point) in (1..).zip(points) {
        let (name, round) = (format!("{sink:?}, stopped at `{point}`"), Round(number));
        world.fill(round);
        let mut sleeper = world.place.start_with(RUN, &[("AGGREGATOR_STOP_AT", point)]);
        assert!(sleeper.until_stopped(), "{name}: the run ended without it");
        same(&format!("{name}, asleep"), &world.visible(), &before);
        world.place.remove(LOCK);
        let applied = mode.apply(&before, round);
        let report = world.place.json(RUN.trim_end_matches(" --output json"));
        assert_eq!((&report["resumed"], &report["ledger"]["balanced"]), (&true.into(), &true.into()), "{report}");
        same(&format!("{name}, taken over"), &world.visible(), &applied);
        // As often as it stops, it is woken.
        let said = loop {
            sleeper.signal(Signal::SIGCONT);
            if !sleeper.until_stopped() {
                break sleeper.wait();
            }
        };
        same(&format!("{name}, awake"), &world.visible(), &applied);
        assert_eq!(said.code(), Some(1), "{name}: {}{}", said.stdout, said.stderr);
        let told: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.stdout));
        let reason = told["error"]["reason"].as_str().expect("a reason");
        // A server that was told to forget the sleeper has broken its connection.
        let broken = sink == Sink::Postgres && matches!(reason, "Transient" | "Unreachable");
        assert!(reason == "Fenced" || broken, "{name}: {told}");
        before = applied;
    }
}

/// All points before the commit.
fn before_the_commit() -> Vec<&'static str> {
    let all: Vec<&str> = OF_A_RUN.into_iter().take_while(|point| *point != "committed").collect();
    assert_eq!(all.last(), Some(&"committing"));
    all
}

#[test]
fn into_files() {
    overtaken(Sink::File, Mode::Append, &before_the_commit());
    overtaken(Sink::File, Mode::Overwrite, &before_the_commit());
}

#[test]
fn into_objects() {
    overtaken(Sink::S3, Mode::Append, &before_the_commit());
    overtaken(Sink::S3, Mode::Overwrite, &before_the_commit());
}

#[test]
fn into_postgres() {
    overtaken(Sink::Postgres, Mode::Append, &before_the_commit());
    overtaken(Sink::Postgres, Mode::Upsert, &before_the_commit());
}

#[test]
fn into_sqlite() {
    // From the staging on it holds the lock of the file, which nobody can take from a process that is stopped.
    let points: Vec<&str> = before_the_commit().into_iter().take_while(|point| *point != "staged").collect();
    overtaken(Sink::Sqlite, Mode::Append, &points);
}
