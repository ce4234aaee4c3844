//! SQLite tables in splits: read in one snapshot, and kept beside the target over attempts.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use aggregator_crds::pipeline::{MissingRows, WriteMode};
use aggregator_worker::connector::{
    Attempt, Connector, Division, ErrorKind, ReadSplit, Sink, SinkRequest, Source, SourceEvent, SourceRequest, Split,
    WriteOptions,
};
use arrow::array::{Int64Array, RecordBatch, StringArray};
use futures::StreamExt;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::rows::{batch, into, of_one_run, open, positions, request, rows, split};

const PEOPLE: &str = "SELECT id || ' ' || name FROM people ORDER BY id, name";

struct Lite(TempDir);

impl Lite {
    fn new(statements: &str) -> Self {
        let lite = Self(TempDir::new().expect("a folder"));
        lite.execute(statements);
        lite
    }

    fn connector(&self) -> Box<dyn Connector> {
        open(json!({"sqlite": {"path": self.0.path().join("t.db")}}))
    }

    fn database(&self) -> Connection {
        Connection::open(self.0.path().join("t.db")).expect("a file")
    }

    fn execute(&self, statements: &str) {
        self.database().execute_batch(statements).expect(statements);
    }

    fn texts(&self, query: &str) -> Vec<String> {
        let connection = self.database();
        let mut statement = connection.prepare(query).expect(query);
        statement.query_map([], |row| row.get(0)).expect(query).collect::<Result<_, _>>().expect(query)
    }

    /// The side files, with their logs.
    fn side_files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("a folder").flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().expect("text"))
            .filter(|name| name.starts_with(".aggregator-stage-"))
            .collect();
        names.sort();
        names
    }
}

fn people(rows: &[(i64, &str)]) -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)))),
        ("name", Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, name)| *name)))),
    ])
}

async fn fenced(lite: &Lite, request: SinkRequest, attempt: &Attempt) -> Box<dyn Sink> {
    let mut sink = lite.connector().sink(request).await.expect("a sink");
    sink.fence(attempt).await.expect("fenced");
    sink
}

async fn save(sink: &mut Box<dyn Sink>, number: u64, rows: &[(i64, &str)]) {
    assert_eq!(sink.write(people(rows)).await.expect("written"), []);
    sink.save(&split(number)).await.expect("saved");
}

async fn numbers(sink: &mut Box<dyn Sink>) -> Vec<u64> {
    sink.saved().await.expect("read").iter().map(|saved| saved.number).collect()
}

fn append() -> SinkRequest {
    into("people", &people(&[]), WriteMode::Append, &[])
}

const TABLE: &str = "CREATE TABLE people (id INTEGER, name TEXT)";

#[tokio::test]
async fn what_was_saved_outlives_attempts_and_is_committed_once() {
    let lite = Lite::new(TABLE);
    let mut first = fenced(&lite, append(), &of_one_run(1)).await;
    assert!(first.keeps_splits());
    assert_eq!(numbers(&mut first).await, [] as [u64; 0]);
    first.keep(&BTreeSet::new(), true).await.expect("kept");
    save(&mut first, 0, &[(1, "a"), (2, "b")]).await;
    save(&mut first, 1, &[]).await;
    save(&mut first, 2, &[(4, "d")]).await;
    // Begun and not saved.
    first.write(people(&[(9, "unsaved")])).await.expect("written");
    drop(first);

    let mut second = fenced(&lite, append(), &of_one_run(2)).await;
    assert_eq!(second.saved().await.expect("read"), [split(0), split(1), split(2)]);
    // The first one has changed at the source.
    second.keep(&BTreeSet::from([1, 2]), true).await.expect("kept");
    save(&mut second, 3, &[(1, "A")]).await;
    second.write(people(&[(9, "unsaved")])).await.expect("written");
    second.abort().await.expect("given up");

    let mut third = fenced(&lite, append(), &of_one_run(3)).await;
    assert_eq!(numbers(&mut third).await, [1, 2, 3], "aborting keeps what was saved");
    third.keep(&BTreeSet::from([1, 2, 3]), true).await.expect("kept");
    save(&mut third, 4, &[(6, "f")]).await;
    assert_eq!(third.stage().await.expect("staged").written, 3);
    assert_eq!(lite.texts(PEOPLE), [] as [&str; 0], "nothing of it is seen");
    third.commit(&positions(3)).await.expect("committed");
    assert_eq!(lite.texts(PEOPLE), ["1 A", "4 d", "6 f"]);
    assert_eq!(lite.side_files(), [] as [&str; 0]);
    let last = third.last_commit().await.expect("read").expect("a commit");
    assert_eq!((last.run.as_deref(), last.rows, last.positions), (Some("one"), 3, positions(3)));
}

#[tokio::test]
async fn an_attempt_that_was_overtaken_can_neither_save_nor_remove() {
    let lite = Lite::new(TABLE);
    let mut old = fenced(&lite, append(), &of_one_run(1)).await;
    old.keep(&BTreeSet::new(), true).await.expect("kept");
    for number in 0..3 {
        save(&mut old, number, &[(i64::try_from(number).expect("small"), "old")]).await;
    }
    old.write(people(&[(99, "old")])).await.expect("written");
    let mut asleep = fenced(&lite, append(), &of_one_run(2)).await;
    assert_eq!(numbers(&mut asleep).await, [0, 1, 2]);
    let mut new = fenced(&lite, append(), &of_one_run(3)).await;
    assert_eq!(numbers(&mut new).await, [0, 1, 2]);
    // They wake up.
    let sleepers = async |old: &mut Box<dyn Sink>, asleep: &mut Box<dyn Sink>| {
        assert_eq!(old.write(people(&[(98, "old")])).await.expect_err("overtaken").kind, ErrorKind::Fenced);
        assert_eq!(old.save(&split(3)).await.expect_err("overtaken").kind, ErrorKind::Fenced);
        for more in [true, false] {
            let kept = asleep.keep(&BTreeSet::from([0]), more).await;
            assert_eq!(kept.expect_err("overtaken").kind, ErrorKind::Fenced);
        }
    };
    sleepers(&mut old, &mut asleep).await;
    new.keep(&BTreeSet::from([0, 2]), true).await.expect("kept");
    sleepers(&mut old, &mut asleep).await;
    save(&mut new, 3, &[(7, "new")]).await;
    sleepers(&mut old, &mut asleep).await;
    old.stage().await.expect("staged");
    assert_eq!(old.commit(&positions(1)).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    old.abort().await.expect("given up");
    asleep.abort().await.expect("given up");
    assert_eq!(numbers(&mut new).await, [0, 2, 3]);
    drop(new);

    let mut last = fenced(&lite, append(), &of_one_run(4)).await;
    assert_eq!(numbers(&mut last).await, [0, 2, 3]);
    last.keep(&BTreeSet::from([0, 2, 3]), true).await.expect("kept");
    assert_eq!(last.stage().await.expect("staged").written, 3);
    last.commit(&positions(4)).await.expect("committed");
    assert_eq!(lite.texts(PEOPLE), ["0 old", "2 old", "7 new"]);
    assert_eq!(lite.side_files(), [] as [&str; 0]);
}

#[tokio::test]
async fn the_side_file_alone_refuses_an_attempt_that_looked_at_the_target_before() {
    let lite = Lite::new(TABLE);
    let mut old = fenced(&lite, append(), &of_one_run(1)).await;
    old.keep(&BTreeSet::new(), true).await.expect("kept");
    save(&mut old, 0, &[(1, "old")]).await;
    let new = fenced(&lite, append(), &of_one_run(2)).await;
    // As if the old attempt had looked just before the new one came.
    lite.execute("UPDATE _aggregator_commits SET epoch = 1");
    assert_eq!(old.save(&split(1)).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    assert_eq!(old.keep(&BTreeSet::from([0]), true).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    lite.execute("UPDATE _aggregator_commits SET epoch = 2");
    drop((old, new));
    assert_eq!(numbers(&mut fenced(&lite, append(), &of_one_run(3)).await).await, [0]);
}

#[tokio::test]
async fn another_run_removes_them_and_whoever_still_writes_is_told() {
    let lite = Lite::new(TABLE);
    let mut first = fenced(&lite, append(), &of_one_run(1)).await;
    first.keep(&BTreeSet::new(), true).await.expect("kept");
    save(&mut first, 0, &[(1, "a")]).await;
    assert!(!lite.side_files().is_empty());
    let mut other = fenced(&lite, append(), &Attempt { run: "another".into(), epoch: 2 }).await;
    assert_eq!(numbers(&mut other).await, [] as [u64; 0]);
    assert_eq!(lite.side_files(), [] as [&str; 0]);
    assert_eq!(first.write(people(&[(2, "b")])).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    lite.execute("UPDATE _aggregator_commits SET epoch = 1");
    assert_eq!(first.save(&split(1)).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    lite.execute("UPDATE _aggregator_commits SET epoch = 2");
    first.abort().await.expect("given up");

    // A run that takes no splits makes no file, and one that keeps none of them leaves none.
    other.keep(&BTreeSet::new(), false).await.expect("kept");
    other.write(people(&[(3, "c")])).await.expect("written");
    assert_eq!(other.stage().await.expect("staged").written, 1);
    assert_eq!(lite.side_files(), [] as [&str; 0]);
    other.commit(&positions(2)).await.expect("committed");
    let mut third = fenced(&lite, append(), &of_one_run(3)).await;
    third.keep(&BTreeSet::new(), true).await.expect("kept");
    third.write(people(&[(4, "d")])).await.expect("written");
    third.abort().await.expect("given up");
    assert_eq!(lite.side_files(), [] as [&str; 0], "nothing was saved in it");
    assert_eq!(lite.texts(PEOPLE), ["3 c"]);
}

#[tokio::test]
async fn what_a_kill_leaves_after_the_commit_and_in_the_middle_of_a_removal_is_removed() {
    let lite = Lite::new(TABLE);
    let mut first = fenced(&lite, append(), &of_one_run(1)).await;
    first.keep(&BTreeSet::new(), true).await.expect("kept");
    save(&mut first, 0, &[(1, "a")]).await;
    first.stage().await.expect("staged");
    let files = lite.side_files();
    assert!(files.len() > 1, "{files:?}");
    let of_name = |name: &String| lite.0.path().join(name);
    let contents: Vec<Vec<u8>> = files.iter().map(|name| std::fs::read(of_name(name)).expect("a file")).collect();
    first.commit(&positions(1)).await.expect("committed");
    drop(first);
    assert_eq!(lite.side_files(), [] as [&str; 0]);
    let restore = || {
        for (name, content) in files.iter().zip(&contents) {
            std::fs::write(of_name(name), content).expect("a file");
        }
    };
    restore();
    let mut again = fenced(&lite, append(), &of_one_run(2)).await;
    assert_eq!(numbers(&mut again).await, [] as [u64; 0], "the run was committed");
    assert_eq!(lite.side_files(), [] as [&str; 0]);

    restore();
    std::fs::remove_file(of_name(&files[0])).expect("the database goes first");
    fenced(&lite, append(), &of_one_run(3)).await;
    assert_eq!(lite.side_files(), [] as [&str; 0]);
    restore();
    std::fs::write(of_name(&files[0]), vec![b'x'; 16_384]).expect("damaged");
    fenced(&lite, append(), &of_one_run(4)).await;
    assert_eq!(lite.side_files(), [] as [&str; 0]);
    assert_eq!(lite.texts(PEOPLE), ["1 a"]);
}

#[tokio::test]
async fn staging_leaves_what_was_saved_as_it_is() {
    let keyed = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'bad'));
                 INSERT INTO people VALUES (1, 'old'), (2, 'old'), (90, 'old')";
    let merge = WriteOptions {
        mode: WriteMode::Merge,
        key: vec!["id".into()],
        missing: MissingRows::Delete,
        ..WriteOptions::default()
    };
    let upsert = WriteOptions { mode: WriteMode::Upsert, key: vec!["id".into()], ..WriteOptions::default() };
    let kept_90: &[&str] = &["1 b", "2 new", "3 old", "90 old"];
    for (write, expected) in [(upsert, kept_90), (merge, &kept_90[..3])] {
        let lite = Lite::new(keyed);
        let request = || SinkRequest { write: write.clone(), rejects: true, ..append() };
        let mut sink = fenced(&lite, request(), &of_one_run(1)).await;
        sink.keep(&BTreeSet::new(), true).await.expect("kept");
        save(&mut sink, 0, &[(1, "a"), (2, "new"), (4, "bad")]).await;
        save(&mut sink, 1, &[(1, "b"), (3, "old")]).await;
        for epoch in 2..5 {
            // An attempt that dies after it has staged, two times, and one that does not.
            sink = fenced(&lite, request(), &of_one_run(epoch)).await;
            assert_eq!(numbers(&mut sink).await, [0, 1]);
            sink.keep(&BTreeSet::from([0, 1]), true).await.expect("kept");
            let staged = sink.stage().await.expect("staged");
            assert_eq!((staged.written, staged.deduplicated), (3, 1), "{write:?}");
            let raws: Vec<&str> = staged.rejects.iter().map(|reject| reject.raw.as_str()).collect();
            assert_eq!(raws, [r#"{"id":4,"name":"bad"}"#]);
            assert_eq!(lite.texts(PEOPLE), ["1 old", "2 old", "90 old"]);
        }
        sink.commit(&positions(4)).await.expect("committed");
        assert_eq!(lite.texts(PEOPLE), expected, "{write:?}");
        assert_eq!(lite.side_files(), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn rows_of_another_shape_are_not_taken_over_and_a_locked_file_is_left_alone() {
    let lite = Lite::new(TABLE);
    let mut first = fenced(&lite, append(), &of_one_run(1)).await;
    first.keep(&BTreeSet::new(), true).await.expect("kept");
    save(&mut first, 0, &[(1, "a")]).await;
    drop(first);
    let wider = batch(vec![("id", Arc::new(Int64Array::from(vec![1])))]);
    let mut other = fenced(&lite, into("people", &wider, WriteMode::Append, &[]), &of_one_run(2)).await;
    assert_eq!(numbers(&mut other).await, [] as [u64; 0]);
    assert_eq!(lite.side_files(), [] as [&str; 0]);

    let mut third = fenced(&lite, append(), &of_one_run(3)).await;
    third.keep(&BTreeSet::new(), true).await.expect("kept");
    save(&mut third, 0, &[(1, "a")]).await;
    drop(third);
    // An attempt that was stopped in the middle of a batch.
    let stopped = Connection::open(lite.0.path().join(&lite.side_files()[0])).expect("a file");
    stopped.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let mut fourth = fenced(&lite, append(), &of_one_run(4)).await;
    assert_eq!(numbers(&mut fourth).await, [] as [u64; 0]);
    fourth.keep(&BTreeSet::new(), true).await.expect("kept");
    save(&mut fourth, 0, &[(2, "b")]).await;
    fourth.stage().await.expect("staged");
    fourth.commit(&positions(4)).await.expect("committed");
    assert_eq!(lite.texts(PEOPLE), ["2 b"]);
    drop(stopped);
    fenced(&lite, append(), &of_one_run(5)).await;
    assert_eq!(lite.side_files(), [] as [&str; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn who_may_not_read_the_target_may_not_read_what_waits() {
    use std::os::unix::fs::PermissionsExt;
    let lite = Lite::new(TABLE);
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    let target = lite.0.path().join("t.db");
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).expect("set");
    let mut sink = fenced(&lite, append(), &of_one_run(1)).await;
    sink.keep(&BTreeSet::new(), true).await.expect("kept");
    save(&mut sink, 0, &[(1, "a")]).await;
    let files = lite.side_files();
    assert!(files.iter().any(|name| name.ends_with("-wal")), "{files:?}");
    for name in files {
        assert_eq!(mode(&lite.0.path().join(&name)), 0o600, "{name}");
    }
}

/// Reads splits until none is left, or so many; gives their rows, and what was read.
async fn read_splits(source: &mut Box<dyn Source>, rest: Vec<Split>, most: usize) -> (Vec<String>, Vec<ReadSplit>) {
    let (mut rest, mut found, mut read) = (VecDeque::from(rest), Vec::new(), Vec::new());
    while let Some(split) = rest.pop_front().filter(|_| read.len() < most) {
        let mut events = source.read_split(&split).await.expect("started");
        let mut count = 0;
        while let Some(event) = events.next().await {
            match event.expect("an event") {
                SourceEvent::Batch(batch) => {
                    count += batch.num_rows() as u64;
                    found.extend(rows(&batch));
                }
                SourceEvent::Rejects(rejects) => unreachable!("{rejects:?}"),
                SourceEvent::End(end) => {
                    assert_eq!(end.read, count);
                    let split = match end.cut {
                        Some(cut) => {
                            rest.push_front(cut.rest);
                            cut.read
                        }
                        None => split.clone(),
                    };
                    read.push(ReadSplit { split, read: end.read });
                }
            }
        }
    }
    (found, read)
}

async fn divide(lite: &Lite, request: SourceRequest, bytes: u64, earlier: &[ReadSplit]) -> (Box<dyn Source>, Division) {
    let mut source = lite.connector().source(request).await.expect("a source");
    let division = source.divide(bytes, earlier).await.expect("divided").expect("a table can be");
    (source, division)
}

const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT);
    WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)
    INSERT INTO notes SELECT n, 'note ' || n FROM c;
    UPDATE notes SET id = id * 1000000000 WHERE id > 15000;
    INSERT INTO notes VALUES (-9223372036854775808, 'first'), (-5, 'below'), (0, 'zero'), (9223372036854775807, 'last')";

#[tokio::test]
async fn splits_are_of_one_size_however_rowids_are_spread_and_all_of_one_snapshot() {
    let lite = Lite::new(&format!("PRAGMA journal_mode = wal; {NOTES}"));
    let all = lite.texts("SELECT id || '|' || note FROM notes ORDER BY id");
    let (mut source, division) = divide(&lite, request("notes"), 50_000, &[]).await;
    assert_eq!((division.stands.len(), division.rest.len()), (0, 1));
    assert!(division.rest[0].bytes > 300_000, "{division:?}");
    lite.execute("DELETE FROM notes WHERE id % 2 = 0; INSERT INTO notes VALUES (-7, 'late')");
    let (found, read) = read_splits(&mut source, division.rest, usize::MAX).await;
    assert_eq!(found, all);
    let sizes: Vec<u64> = read.iter().map(|split| split.split.bytes).collect();
    assert!(read.len() > 8 && sizes[..sizes.len() - 1].iter().all(|size| (50_000..60_000).contains(size)), "{sizes:?}");
    drop(source);
    // The log has grown, so all is read again.
    let (mut source, division) = divide(&lite, request("notes"), 50_000, &read).await;
    assert_eq!(division.stands, vec![false; read.len()]);
    let (found, _) = read_splits(&mut source, division.rest, usize::MAX).await;
    assert_eq!(found, lite.texts("SELECT id || '|' || note FROM notes ORDER BY id"));
}

#[tokio::test]
async fn what_was_read_stands_until_the_file_changes() {
    for journal in ["delete", "wal"] {
        let lite = Lite::new(&format!("PRAGMA journal_mode = {journal}; {NOTES}"));
        // In WAL mode the log stays as long as somebody has it open.
        let holder = lite.database();
        holder.execute_batch("INSERT INTO notes VALUES (-6, 'logged'); SELECT 1").expect("written");
        let all = lite.texts("SELECT id || '|' || note FROM notes ORDER BY id");
        let (mut source, division) = divide(&lite, request("notes"), 50_000, &[]).await;
        let (mut found, mut read) = read_splits(&mut source, division.rest, 3).await;
        drop(source);
        let (mut source, division) = divide(&lite, request("notes"), 50_000, &read).await;
        assert_eq!((division.stands, division.rest.len()), (vec![true; 3], 1), "{journal}");
        let (more, others) = read_splits(&mut source, division.rest, usize::MAX).await;
        found.extend(more);
        assert_eq!(found, all, "{journal}");
        drop(source);
        read.extend(others);
        // One in the middle is lost.
        let lost = read.remove(1);
        let (mut source, division) = divide(&lite, request("notes"), 50_000, &read).await;
        assert_eq!((division.stands, division.rest.len()), (vec![true; read.len()], 1), "{journal}");
        let (found, _) = read_splits(&mut source, division.rest, usize::MAX).await;
        assert_eq!(found.len() as u64, lost.read);
        drop(source);
        // Neither the number of pages nor of rows changes.
        holder.execute_batch("UPDATE notes SET note = 'NOTE 7' WHERE id = 7").expect("written");
        let (_, division) = divide(&lite, request("notes"), 50_000, &read).await;
        assert_eq!(division.stands, vec![false; read.len()], "{journal}");
    }
}

#[tokio::test]
async fn what_is_written_while_a_snapshot_is_taken_is_not_taken_for_it() {
    let lite = Lite::new(&format!("PRAGMA journal_mode = wal; {NOTES}"));
    let holder = lite.database();
    let (mut source, division) = divide(&lite, request("notes"), 50_000, &[]).await;
    // The splits of this snapshot are read after the change, and say what was before.
    holder.execute_batch("UPDATE notes SET note = 'NOTE 7' WHERE id = 7").expect("written");
    let (found, read) = read_splits(&mut source, division.rest, 2).await;
    assert!(found.contains(&"7|note 7".to_owned()));
    drop(source);
    let (_, division) = divide(&lite, request("notes"), 50_000, &read).await;
    assert_eq!(division.stands, [false, false]);
}

#[tokio::test]
async fn only_a_whole_table_with_rowids_is_divided_and_a_column_may_be_named_rowid() {
    let lite = Lite::new(
        "CREATE TABLE named (rowid TEXT, n INTEGER);
         WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000)
         INSERT INTO named SELECT 'r' || n, n FROM c;
         CREATE TABLE hidden (rowid TEXT, _rowid_ TEXT, oid TEXT); INSERT INTO hidden VALUES ('a', 'b', 'c');
         CREATE VIEW seen AS SELECT * FROM named; CREATE TABLE keyed (k TEXT PRIMARY KEY) WITHOUT ROWID;
         CREATE TABLE bad (rowid TEXT, n INTEGER); INSERT INTO bad (_rowid_, rowid, n) VALUES (40, 'r', 'x')",
    );
    let (mut source, division) = divide(&lite, request("named"), 20_000, &[]).await;
    let (found, read) = read_splits(&mut source, division.rest, usize::MAX).await;
    assert!(read.len() > 4, "{read:?}");
    assert_eq!(found, lite.texts("SELECT rowid || '|' || n FROM named ORDER BY n"));
    // Of one column of two, twice as much is read for a split.
    let some = SourceRequest { columns: Some(vec!["n".into()]), ..request("named") };
    let (mut source, division) = divide(&lite, some, 20_000, &[]).await;
    let (found, read) = read_splits(&mut source, division.rest, usize::MAX).await;
    assert_eq!((found.len(), found[4999].as_str()), (5000, "5000"));
    assert!(read.len() > 4, "{read:?}");
    for stream in ["hidden", "seen", "keyed", "SELECT * FROM named"] {
        let mut source = lite.connector().source(request(stream)).await.expect("a source");
        assert_eq!(source.divide(1, &[]).await.expect("asked"), None, "{stream}");
    }
    // What was divided in vain is read whole, of the same snapshot.
    let (source, division) = divide(&lite, request("named"), 1_000_000_000, &[]).await;
    assert_eq!(division.rest.len(), 1);
    assert_eq!(crate::rows::drain(source).await.expect("read").rows().len(), 5000);
    let bad = crate::rows::read(&*lite.connector(), SourceRequest { rejects: true, ..request("bad") }).await;
    let reject = bad.expect("a read").rejects.remove(0);
    assert!(reject.message.ends_with("(rowid 40)"), "{reject:?}");
    assert_eq!(reject.line, None);
}
