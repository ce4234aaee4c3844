//! An attempt that is stopped at a named point, is taken for dead, and wakes up when another one has done its work: it
//! commits nothing, and says so. Nor does it hold up the other one, whatever it has locked.

use std::time::{Duration, Instant};

use aggregator_worker::points::OF_A_RUN;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::delivery::Mode;
use crate::pair::{OF_TABLES, RUN, Round, Sink, Source, World};
use crate::postgres::Database;
use crate::rows::same;

/// The lock that the sleeper holds. Who takes over shares the state and finds another one, as after a network that has
/// forgotten it.
const LOCK: &str = "state/test.move.lock";
/// How long the one that takes over may take: less than a server may be silent, as when it waits for a lock.
const UNHINDERED: Duration = Duration::from_secs(20);

/// Lets a run stop at each of the points; another one takes over.
fn overtaken(world: &World, points: &[&'static str]) {
    world.fill(Round(0));
    world.place.ok("run -f m --state state");
    let mut before = world.shape.apply(&[], Round(0));
    for (number, point) in (1..).zip(points) {
        let (name, round) = (format!("{}, stopped at `{point}`", world.name), Round(number));
        world.fill(round);
        let mut sleeper = world.place.start_with(RUN, &[("AGGREGATOR_STOP_AT", point)]);
        assert!(sleeper.until_stopped(), "{name}: the run ended without it");
        // Readers of a table that an Overwrite has emptied wait until it commits, and no others.
        let emptied = world.shape.mode == Mode::Overwrite && *point != "written";
        let waits = |database: &Database| database.session().has_to_wait("SELECT FROM target");
        if world.database.as_ref().is_some_and(waits) {
            assert!(emptied, "{name}: readers have to wait");
        } else {
            assert!(!emptied || world.database.is_none(), "{name}: readers need not wait");
            same(&format!("{name}, asleep"), &world.visible(), &before);
        }
        world.place.remove(LOCK);
        let applied = world.shape.apply(&before, round);
        let started = Instant::now();
        let report = world.place.json(RUN.trim_end_matches(" --output json"));
        assert!(started.elapsed() < UNHINDERED, "{name}: it had to wait for {:?}", started.elapsed());
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
        assert_eq!(told["error"]["reason"], "Fenced", "{name}: {told}");
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
    for mode in [Mode::Append, Mode::Overwrite] {
        overtaken(&World::new(Source::File, Sink::File, mode), &before_the_commit());
    }
}

#[test]
fn into_objects() {
    for mode in [Mode::Append, Mode::Overwrite] {
        overtaken(&World::new(Source::File, Sink::S3, mode), &before_the_commit());
    }
}

#[test]
fn into_postgres_in_pieces() {
    let points = [before_the_commit(), vec!["commit"]].concat();
    for mode in [Mode::Append, Mode::Upsert] {
        overtaken(&World::new(Source::File, Sink::Postgres, mode), &points);
    }
}

/// Everything is one transaction, which is open, and holds locks, from the first row on.
#[test]
fn into_postgres_in_one_go() {
    for mode in OF_TABLES {
        let world = World::new(Source::File, Sink::Postgres, mode);
        world.edit("splitSize: 64Ki", "splitSize: 10Mi");
        world.edit("port: ", "statementTimeout: 30s, port: ");
        overtaken(&world, &["written", "staged", "committing", "commit"]);
    }
}

/// The first run creates the table in its transaction, so the next one would wait for it to be there.
#[test]
fn into_a_table_of_postgres_that_is_not_there_yet() {
    for point in ["staged", "commit"] {
        let world = World::new(Source::File, Sink::Postgres, Mode::Append);
        world.edit("splitSize: 64Ki", "splitSize: 10Mi");
        world.edit("port: ", "statementTimeout: 30s, port: ");
        world.fill(Round(0));
        let mut sleeper = world.place.start_with(RUN, &[("AGGREGATOR_STOP_AT", point)]);
        assert!(sleeper.until_stopped(), "{point}: the run ended without it");
        world.place.remove(LOCK);
        let started = Instant::now();
        world.place.ok(RUN);
        assert!(started.elapsed() < UNHINDERED, "{point}: it had to wait for {:?}", started.elapsed());
        sleeper.signal(Signal::SIGCONT);
        let said = sleeper.wait();
        assert!(said.code() == Some(1) && said.stdout.contains("Fenced"), "{point}: {}{}", said.stdout, said.stderr);
        same(point, &world.visible(), &world.shape.apply(&[], Round(0)));
    }
}

#[test]
fn into_sqlite() {
    // From the staging on it holds the lock of the file, which nobody can take from a process that is stopped.
    let points: Vec<&str> = before_the_commit().into_iter().take_while(|point| *point != "staged").collect();
    overtaken(&World::new(Source::File, Sink::Sqlite, Mode::Append), &points);
}

/// What is committed stays, whoever has taken over since: an attempt that says so is right.
#[test]
fn one_that_is_overtaken_after_its_commit_has_succeeded() {
    let world = World::new(Source::File, Sink::File, Mode::Overwrite);
    world.fill(Round(0));
    let mut sleeper = world.place.start_with(RUN, &[("AGGREGATOR_STOP_AT", "committed")]);
    assert!(sleeper.until_stopped(), "the run ended without it");
    let applied = world.shape.apply(&[], Round(0));
    same("asleep", &world.visible(), &applied);
    world.place.remove(LOCK);
    let report = world.place.json(RUN.trim_end_matches(" --output json"));
    assert_eq!(report["completedEarlierAttempt"], true, "{report}");
    sleeper.signal(Signal::SIGCONT);
    let said = sleeper.wait();
    assert_eq!(said.code(), Some(0), "{}{}", said.stdout, said.stderr);
    let told: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.stdout));
    assert_eq!((&told["error"], &told["ledger"]["balanced"]), (&Value::Null, &true.into()), "{told}");
    same("awake", &world.visible(), &applied);
}
