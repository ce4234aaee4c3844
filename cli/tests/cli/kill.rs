//! Kill -9 at random moments of a run, then the same run again: nothing is lost, nothing doubled.
//!
//! Every kill must hit a live process, and in every scenario at least one hits after rows were staged. Between the kill
//! and the next run, each target shows nothing of the run or all of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use aggregator_tests::random::Random;
use nix::sys::signal::Signal;

use crate::aggregator::{CONNECTORS, Place};
use crate::delivery::Mode;
use crate::postgres::{Database, Session};
use crate::rows::{Made, of_files, of_sqlite, same, sorted};
use crate::s3::Store;

/// What was there before; the versions differ, so that a replaced row shows.
const OLD: Made = Made { first: 0, end: 1000, version: "old" };
/// Half of the old rows again, and many more.
const NEW: Made = Made { first: 500, end: 120_500, version: "new" };
/// Rows that all come after the old ones.
const LATER: Made = Made { first: 1000, end: 120_000, version: "new" };

const RUN: &str = "run -f m --state state";

/// A world in which a run can be killed: made once, copied for each trial.
struct World {
    place: Place,
    database: Option<Database>,
    store: Option<Store>,
}

impl World {
    fn copy(&self) -> Self {
        let (place, database) = (self.place.copy(), self.database.as_ref().map(Database::copy));
        if let Some(database) = &database {
            place.write("m/db.yaml", &database.manifest());
        }
        let store = self.store.as_ref().map(Store::copy);
        if let Some(store) = &store {
            place.write("m/store.yaml", &store.manifest());
        }
        Self { place, database, store }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("a store")
    }
}

/// What is tried, and how its targets are looked at.
struct Scenario<'a> {
    name: &'a str,
    world: World,
    /// The rows that readers of each target see, sorted.
    visible: &'a dyn Fn(&World) -> Vec<Vec<String>>,
    /// Whether rows are staged now, by this process.
    staged: &'a mut dyn FnMut(&World, Option<&mut Session>, u32) -> bool,
    /// What each target must show at the end.
    expected: Vec<String>,
    kills: u32,
}

fn rows_of(lists: &[Made]) -> Vec<String> {
    sorted(lists.iter().flat_map(|made| made.lines()).collect())
}

/// What an Upsert by id makes of both.
fn upserted(old: Made, new: Made) -> Vec<String> {
    rows_of(&[Made { end: new.first, ..old }, new])
}

impl Scenario<'_> {
    fn play(mut self) {
        let name = self.name;
        let mut random = Random::seeded(name);
        let before = (self.visible)(&self.world);
        let undisturbed = self.world.copy();
        let started = Instant::now();
        undisturbed.place.ok(RUN);
        let length = started.elapsed();
        for (target, came) in (self.visible)(&undisturbed).iter().enumerate() {
            same(&format!("{name}, target {target}, undisturbed"), came, &self.expected);
        }
        let (mut hits, mut committed) = (0, 0);
        for number in 0..self.kills {
            // The last kill waits for rows to be staged, so that one at least surely hits then.
            let last = number + 1 == self.kills;
            let share = (f64::from(number) + random.share()) / f64::from(self.kills);
            let (world, staged) = self.kill(if last { None } else { Some(length.mul_f64(share)) });
            hits += u32::from(staged);
            let between = (self.visible)(&world);
            for (target, came) in between.iter().enumerate() {
                if *came == self.expected {
                    committed += 1;
                } else {
                    same(&format!("{name}, target {target}, after kill {number}"), came, &before[target]);
                }
            }
            world.place.ok(RUN);
            for (target, came) in (self.visible)(&world).iter().enumerate() {
                same(&format!("{name}, target {target}, resumed after kill {number}"), came, &self.expected);
            }
        }
        assert!(hits > 0, "{name}: no kill hit staged rows, so nothing was shown");
        println!(
            "{name}: {} kills in {length:?}, {hits} of them with rows staged, {committed} targets committed",
            self.kills
        );
    }

    /// Kills a run after a time, or as soon as rows are staged. Says whether rows were staged just before.
    fn kill(&mut self, mut after: Option<Duration>) -> (World, bool) {
        loop {
            let world = self.world.copy();
            let mut session = world.database.as_ref().map(Database::session);
            let mut running = world.place.start(RUN);
            let mut hit = false;
            if let Some(after) = after {
                std::thread::sleep(after);
                hit = !running.ended() && (self.staged)(&world, session.as_mut(), running.id());
            } else {
                let live = running.until(|id| {
                    hit = (self.staged)(&world, session.as_mut(), id);
                    hit
                });
                assert!(live, "{}: the run ended before rows were staged", self.name);
            }
            running.signal(Signal::SIGKILL);
            let said = running.wait();
            if said.signal() == Some(9) {
                return (world, hit);
            }
            // It was faster than the undisturbed one, so nothing was killed: again from the same start, and earlier.
            assert_eq!(said.code(), Some(0), "{}", said.stderr);
            after = after.map(|after| after.mul_f64(0.8));
        }
    }
}

/// Whether a file of this run lies in a staging folder below `root`, with something in it.
fn staged_files(root: &Path) -> bool {
    let mut folders = vec![root.join(".aggregator-staging")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => folders.push(entry.path()),
                Ok(data) if data.len() > 0 => return true,
                _ => {}
            }
        }
    }
    false
}

/// Whether the sink's connection is in a transaction that has sent rows.
fn copying(session: Option<&mut Session>) -> bool {
    let query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'aggregator' \
                 AND backend_xid IS NOT NULL AND query LIKE 'COPY%'";
    !session.expect("a session").rows(query).is_empty()
}

/// Whether a process has rows in a temporary database. SQLite deletes the file once it is open.
fn spilled(id: u32) -> bool {
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    files.map(|entry| entry.path()).any(|path| {
        let target = std::fs::read_link(&path).unwrap_or_default();
        target.to_string_lossy().contains("etilqs_") && std::fs::metadata(&path).is_ok_and(|data| data.len() > 0)
    })
}

/// Writes a Pipeline from one source to sinks of the form `CONNECTOR STREAM`.
fn pipeline(place: &Place, source: &str, sinks: &[&str], write: &str) {
    let mut text = format!(
        "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\n\
         spec:\n  sources: [{{name: source, {source}}}]\n  sinks:\n"
    );
    for (number, sink) in sinks.iter().enumerate() {
        let (connector, stream) = sink.split_once(' ').expect("a connector and a stream");
        text += &format!(
            "    - {{name: sink{number}, from: source, connector: {connector}, stream: {stream}, write: {{{write}}}}}\n"
        );
    }
    place.write("m/files.yaml", CONNECTORS);
    place.write("m/pipeline.yaml", &text);
}

/// What SCD2 makes of both: each version with the number of the run that began it, and how it stands. An old row that
/// comes again as it was keeps its version.
fn versions(old: Made, new: Made) -> Vec<String> {
    let (old, new) = (rows_of(&[old]), rows_of(&[new]));
    let id = |line: &String| line.split('|').next().map(str::to_owned).expect("an id");
    let new_ids: BTreeSet<String> = new.iter().map(id).collect();
    let same: BTreeSet<String> = old.iter().filter(|line| new.binary_search(line).is_ok()).cloned().collect();
    let of_old = old.iter().map(|line| match new_ids.contains(&id(line)) && !same.contains(line) {
        true => format!("{line}|1|ended by 2"),
        false => format!("{line}|1|current"),
    });
    let of_new = new.iter().filter(|line| !same.contains(*line)).map(|line| format!("{line}|2|current"));
    sorted(of_old.chain(of_new).collect())
}

/// Which rows of a Merge delete their key.
const DELETED: &str = "note LIKE 'new %' AND id % 7 = 3";

/// Whether a Merge deletes the row of that line: some of the new rows say so, of keys that are there and that are not.
fn deletes(line: &str) -> bool {
    let id: u64 = line.split('|').next().and_then(|id| id.parse().ok()).expect("an id");
    id % 7 == 3 && line.contains("|new ")
}

impl Mode {
    /// The query for the lines that readers see.
    fn query(self) -> &'static str {
        if self == Self::Scd2 {
            "SELECT concat_ws('|', id, account, amount, coalesce(note, '∅'), dense_rank() OVER (ORDER BY valid_from), \
             CASE WHEN is_current AND valid_to IS NULL THEN 'current' \
             WHEN NOT is_current AND valid_to = max(valid_from) OVER () THEN 'ended by 2' ELSE 'wrong' END) AS line \
             FROM target"
        } else {
            "SELECT concat_ws('|', id, account, amount, coalesce(note, '∅')) AS line FROM target"
        }
    }

    fn expected(self) -> Vec<String> {
        match self {
            Self::Append => rows_of(&[OLD, NEW]),
            Self::Overwrite => rows_of(&[NEW]),
            Self::Upsert => upserted(OLD, NEW),
            Self::Scd2 => versions(OLD, NEW),
            Self::Merge => upserted(OLD, NEW).into_iter().filter(|line| !deletes(line)).collect(),
        }
    }
}

/// Runs the pipeline over the old rows, then puts the new ones into the files.
fn from_files(mode: Mode, sinks: &[&str], database: Option<Database>, store: Option<Store>) -> World {
    let place = Place::new();
    // Files are told apart by name, so each is read once; an Overwrite is of everything there is.
    let sync = if mode == Mode::Overwrite { "FullRefresh" } else { "Incremental" };
    pipeline(&place, &format!("connector: in, stream: \"*.csv\", sync: {{mode: {sync}}}"), sinks, &mode.write(DELETED));
    if let Some(database) = &database {
        place.write("m/db.yaml", &database.manifest());
    }
    if let Some(store) = &store {
        place.write("m/store.yaml", &store.manifest());
    }
    place.write("in/a.csv", &OLD.csv());
    place.ok(RUN);
    if mode == Mode::Overwrite {
        place.remove("in/a.csv");
    }
    place.write("in/b.csv", &NEW.csv());
    World { place, database, store }
}

fn file_to_postgres(name: &str, mode: Mode, kills: u32) {
    let world = from_files(mode, &["db public.target"], Some(Database::new()), None);
    let scenario = Scenario {
        name,
        world,
        visible: &|world| {
            let mut session = world.database.as_ref().expect("a database").session();
            vec![session.lines(mode.query())]
        },
        staged: &mut |_, session, _| copying(session),
        expected: mode.expected(),
        kills,
    };
    scenario.play();
}

#[test]
fn file_to_postgres_append() {
    file_to_postgres("file to postgres, Append", Mode::Append, 3);
}

#[test]
fn file_to_postgres_overwrite() {
    file_to_postgres("file to postgres, Overwrite", Mode::Overwrite, 3);
}

#[test]
fn file_to_postgres_upsert() {
    file_to_postgres("file to postgres, Upsert", Mode::Upsert, 2);
}

#[test]
fn file_to_postgres_scd2() {
    file_to_postgres("file to postgres, SCD2", Mode::Scd2, 3);
}

#[test]
fn file_to_postgres_merge() {
    file_to_postgres("file to postgres, Merge", Mode::Merge, 3);
}

fn postgres_to_file(name: &str, mode: Mode, kills: u32) {
    let (place, database) = (Place::new(), Database::new());
    let sync = if mode == Mode::Append { "{mode: Incremental, cursor: id, key: [id]}" } else { "{mode: FullRefresh}" };
    pipeline(
        &place,
        &format!("connector: db, stream: public.events, sync: {sync}"),
        &["out rows/"],
        &mode.write(DELETED),
    );
    place.write("m/db.yaml", &database.manifest());
    database.execute(&format!("CREATE TABLE events AS {}", OLD.sql()));
    place.ok(RUN);
    let expected = if mode == Mode::Append {
        database.execute(&format!("INSERT INTO events {}", LATER.sql()));
        rows_of(&[OLD, LATER])
    } else {
        database.execute(&format!("TRUNCATE events; INSERT INTO events {}", NEW.sql()));
        mode.expected()
    };
    let scenario = Scenario {
        name,
        world: World { place, database: Some(database), store: None },
        visible: &|world| vec![of_files(&world.place.file("out/rows"))],
        staged: &mut |world, _, _| staged_files(&world.place.file("out")),
        expected,
        kills,
    };
    scenario.play();
}

#[test]
fn postgres_to_file_append() {
    postgres_to_file("postgres to file, Append", Mode::Append, 3);
}

#[test]
fn postgres_to_file_overwrite() {
    postgres_to_file("postgres to file, Overwrite", Mode::Overwrite, 3);
}

fn file_to_sqlite(name: &str, mode: Mode, kills: u32) {
    let scenario = Scenario {
        name,
        world: from_files(mode, &["lite target"], None, None),
        visible: &|world| {
            vec![of_sqlite(&world.place.file("out.sqlite"), "SELECT id, account, amount, note FROM target")]
        },
        staged: &mut |_, _, id| spilled(id),
        expected: mode.expected(),
        kills,
    };
    scenario.play();
}

#[test]
fn file_to_sqlite_append() {
    file_to_sqlite("file to sqlite, Append", Mode::Append, 2);
}

#[test]
fn file_to_sqlite_overwrite() {
    file_to_sqlite("file to sqlite, Overwrite", Mode::Overwrite, 2);
}

#[test]
fn file_to_sqlite_upsert() {
    file_to_sqlite("file to sqlite, Upsert", Mode::Upsert, 2);
}

#[test]
fn file_to_sqlite_merge() {
    file_to_sqlite("file to sqlite, Merge", Mode::Merge, 2);
}

fn file_to_two_folders(name: &str, mode: Mode, kills: u32) {
    let scenario = Scenario {
        name,
        world: from_files(mode, &["out one/", "out two/"], None, None),
        // Each target commits by itself, so one may show the run before the other.
        visible: &|world| ["out/one", "out/two"].map(|folder| of_files(&world.place.file(folder))).to_vec(),
        staged: &mut |world, _, _| staged_files(&world.place.file("out")),
        expected: mode.expected(),
        kills,
    };
    scenario.play();
}

#[test]
fn file_to_two_folders_append() {
    file_to_two_folders("file to two folders, Append", Mode::Append, 3);
}

#[test]
fn file_to_two_folders_overwrite() {
    file_to_two_folders("file to two folders, Overwrite", Mode::Overwrite, 3);
}

fn file_to_s3(name: &str, mode: Mode, kills: u32) {
    let scenario = Scenario {
        name,
        world: from_files(mode, &["store rows/"], None, Some(Store::new())),
        visible: &|world| vec![world.store().rows("rows/")],
        staged: &mut |world, _, _| world.store().staged(),
        expected: mode.expected(),
        kills,
    };
    scenario.play();
}

#[test]
fn file_to_s3_append() {
    file_to_s3("file to s3, Append", Mode::Append, 3);
}

#[test]
fn file_to_s3_overwrite() {
    file_to_s3("file to s3, Overwrite", Mode::Overwrite, 3);
}

fn s3_to_file(name: &str, mode: Mode, kills: u32) {
    let (place, store) = (Place::new(), Store::new());
    let sync = if mode == Mode::Append { "Incremental" } else { "FullRefresh" };
    let source = format!("connector: drops, stream: \"*.csv\", sync: {{mode: {sync}}}");
    pipeline(&place, &source, &["out rows/"], &mode.write(DELETED));
    place.write("m/store.yaml", &store.manifest());
    store.put("in/a.csv", &OLD.csv());
    place.ok(RUN);
    if mode == Mode::Overwrite {
        store.delete("in/a.csv");
    }
    store.put("in/b.csv", &NEW.csv());
    let scenario = Scenario {
        name,
        world: World { place, database: None, store: Some(store) },
        visible: &|world| vec![of_files(&world.place.file("out/rows"))],
        staged: &mut |world, _, _| staged_files(&world.place.file("out")),
        expected: mode.expected(),
        kills,
    };
    scenario.play();
}

#[test]
fn s3_to_file_append() {
    s3_to_file("s3 to file, Append", Mode::Append, 3);
}

#[test]
fn s3_to_file_overwrite() {
    s3_to_file("s3 to file, Overwrite", Mode::Overwrite, 3);
}
