//! The mode SCD2, on both databases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aggregator_crds::pipeline::{MissingRows, Scd2Columns, WriteMode};
use aggregator_tests::random::Random;
use aggregator_worker::connector::{Attempt, Connector, ErrorKind, SinkRequest, Staged, WriteOptions};
use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};

use crate::both::Both;
use crate::rows::{attempt, batch, into, of_one_run, positions, split, write};

/// A row: its key, its values, and the second from which it holds.
type Row<'a> = (i64, Option<&'a str>, Option<f64>, i64);

fn rows(rows: &[Row<'_>]) -> RecordBatch {
    let seconds = rows.iter().map(|(.., second)| second * 1_000_000);
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("city", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1)))),
        ("rate", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.2)))),
        ("changed", Arc::new(TimestampMicrosecondArray::from_iter_values(seconds).with_timezone("UTC"))),
    ])
}

/// Rows without a time of their own.
fn timeless(of: &[(i64, &str)]) -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(of.iter().map(|(id, _)| *id)))),
        ("city", Arc::new(StringArray::from_iter_values(of.iter().map(|(_, city)| *city)))),
    ])
}

fn scd2(rows: &RecordBatch, effective: Option<&str>, missing: MissingRows) -> SinkRequest {
    let request = into("people", rows, WriteMode::Scd2, &["id"]);
    let history = Scd2Columns { effective_from: effective.map(str::to_owned), ..Scd2Columns::default() };
    SinkRequest { write: WriteOptions { history: Some(history), missing, ..request.write }, ..request }
}

async fn written(connector: &dyn Connector, epoch: u64, of: &RecordBatch) -> Staged {
    let request = scd2(of, Some("changed"), MissingRows::Keep);
    write(connector, request, epoch, std::slice::from_ref(of)).await.expect("written")
}

fn counts(staged: &Staged) -> (u64, u64, u64) {
    (staged.written, staged.deduplicated, staged.effects.closed)
}

impl Both {
    /// All versions: the seconds from and to, whether it is current, and the values.
    async fn history(&self) -> Vec<String> {
        let (from, to) = if self.name == "postgres" {
            ("extract(epoch FROM valid_from)::bigint", "extract(epoch FROM valid_to)::bigint")
        } else {
            ("unixepoch(valid_from)", "unixepoch(valid_to)")
        };
        let current = "CASE WHEN is_current THEN 'now' ELSE 'then' END";
        self.texts(&format!(
            "SELECT id || ' ' || {from} || '-' || coalesce(CAST({to} AS text), '') || ' ' || {current} || ' ' || \
             coalesce(city, '∅') FROM people ORDER BY id, valid_from"
        ))
        .await
    }
}

#[tokio::test]
async fn a_change_closes_the_version_before_it_and_an_equal_row_changes_nothing() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        let first = rows(&[(1, Some("Kiel"), Some(1.5), 10), (2, None, None, 10)]);
        let mut sink = connector.sink(scd2(&first, Some("changed"), MissingRows::Close)).await.expect("a sink");
        let plan: Vec<String> = sink.plan().await.expect("a plan").into_iter().map(|change| change.action).collect();
        let table = both.table("people");
        assert!(plan.contains(&format!("create table {table} (6 columns, key id, valid_from)")), "{plan:?}");
        assert_eq!(
            plan[plan.len() - 4..],
            [
                format!("end versions of {table} whose id does not come any more"),
                format!("end versions of {table} that changed, by id"),
                format!("correct versions of {table} of the same time"),
                format!("add versions to {table}"),
            ]
        );
        drop(sink);
        assert_eq!(counts(&written(connector, 1, &first).await), (2, 0, 0), "{}", both.name);
        assert_eq!(both.history().await, ["1 10- now Kiel", "2 10- now ∅"]);
        // The same again, and later: null is equal to null, and a later time alone is no change.
        assert_eq!(counts(&written(connector, 2, &first).await), (0, 2, 0), "{}", both.name);
        let later = rows(&[(1, Some("Kiel"), Some(1.5), 20), (2, None, None, 30)]);
        let staged = written(connector, 3, &later).await;
        assert_eq!((counts(&staged), staged.effects.unchanged), ((0, 2, 0), 2), "{}", both.name);
        assert_eq!(both.history().await, ["1 10- now Kiel", "2 10- now ∅"]);
        // A value becomes null, and null a value.
        let change = rows(&[(1, Some("Kiel"), None, 40), (2, Some("Ulm"), None, 40), (3, Some("Jena"), None, 40)]);
        assert_eq!(counts(&written(connector, 4, &change).await), (3, 0, 2), "{}", both.name);
        assert_eq!(
            both.history().await,
            ["1 10-40 then Kiel", "1 40- now Kiel", "2 10-40 then ∅", "2 40- now Ulm", "3 40- now Jena"]
        );
    }
}

#[tokio::test]
async fn several_versions_in_one_run_are_put_in_the_order_of_their_times() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        let many = rows(&[
            (1, Some("C"), None, 30),
            (1, Some("A"), None, 10),
            (1, Some("A"), None, 15),
            (1, Some("wrong"), None, 20),
            (1, Some("B"), None, 20),
            (1, Some("A"), None, 40),
        ]);
        // One of two rows of the same time is dropped, and a repetition changes nothing.
        assert_eq!(counts(&written(connector, 1, &many).await), (4, 2, 0), "{}", both.name);
        let expected = ["1 10-20 then A", "1 20-30 then B", "1 30-40 then C", "1 40- now A"];
        assert_eq!(both.history().await, expected);
        written(connector, 2, &many).await;
        assert_eq!(both.history().await, expected, "{}: the same rows again", both.name);
    }
}

#[tokio::test]
async fn a_late_row_takes_its_place_in_history_and_one_of_the_same_time_corrects() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        written(connector, 1, &rows(&[(1, Some("A"), None, 10), (1, Some("C"), None, 30)])).await;
        // Between two versions, before all, and a repetition of what held then already.
        let late = rows(&[(1, Some("B"), None, 20), (1, Some("Z"), None, 5), (1, Some("A"), None, 12)]);
        assert_eq!(counts(&written(connector, 2, &late).await), (2, 1, 1), "{}", both.name);
        let expected = ["1 5-10 then Z", "1 10-20 then A", "1 20-30 then B", "1 30- now C"];
        assert_eq!(both.history().await, expected);
        let correction = rows(&[(1, Some("X"), None, 20), (1, Some("Y"), None, 30)]);
        assert_eq!(counts(&written(connector, 3, &correction).await), (2, 0, 0), "{}", both.name);
        assert_eq!(both.history().await, ["1 5-10 then Z", "1 10-20 then A", "1 20-30 then X", "1 30- now Y"]);
    }
}

/// In whatever order and in whatever pieces rows come, the history is the same when no two neighbours are equal.
#[tokio::test]
async fn the_history_does_not_depend_on_the_order_of_arrival() {
    let cities = ["A", "B", "C", "D", "E", "F", "G", "H"];
    let facts: Vec<Row<'_>> = (0..40)
        .map(|number| (number % 5, Some(cities[usize::try_from(number / 5).expect("small")]), None, 100 - number))
        .collect();
    for both in Both::fresh().await {
        let connector = &*both.connector;
        let shuffled: Vec<Row<'_>> = (0..40).map(|number| facts[number * 17 % 40]).collect();
        for (number, piece) in shuffled.chunks(7).enumerate() {
            let staged = written(connector, number as u64 + 1, &rows(piece)).await;
            assert_eq!(staged.written, piece.len() as u64);
        }
        let mut expected = Vec::new();
        for id in 0..5 {
            let mut own: Vec<&Row<'_>> = facts.iter().filter(|fact| fact.0 == id).collect();
            own.sort_by_key(|fact| fact.3);
            for (at, fact) in own.iter().enumerate() {
                let city = fact.1.unwrap_or_default();
                expected.push(match own.get(at + 1) {
                    Some(next) => format!("{id} {}-{} then {city}", fact.3, next.3),
                    None => format!("{id} {}- now {city}", fact.3),
                });
            }
        }
        assert_eq!(both.history().await, expected, "{}", both.name);
    }
}

#[tokio::test]
async fn keys_that_do_not_come_are_closed_and_may_come_back() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        let all = |rows: &[(i64, &str)]| timeless(rows);
        let close = |rows: &RecordBatch| scd2(rows, None, MissingRows::Close);
        let run = async |epoch: u64, of: &RecordBatch| {
            write(connector, close(of), epoch, std::slice::from_ref(of)).await.expect("written")
        };
        assert_eq!(counts(&run(1, &all(&[(1, "A"), (2, "B")])).await), (2, 0, 0), "{}", both.name);
        let staged = run(2, &all(&[(1, "A")])).await;
        assert_eq!((counts(&staged), staged.effects.missing), ((0, 1, 0), 1), "{}", both.name);
        let shape = "SELECT id || ' ' || city || CASE WHEN is_current THEN ' now' ELSE ' then' END || \
                     CASE WHEN valid_to IS NULL THEN '' WHEN valid_to > valid_from THEN ' closed' ELSE ' wrong' END \
                     FROM people ORDER BY id, valid_from";
        assert_eq!(both.texts(shape).await, ["1 A now", "2 B then closed"]);
        // It comes back as it was: that is a new version, because it did not hold in between.
        let staged = run(3, &all(&[(1, "A"), (2, "B")])).await;
        assert_eq!(counts(&staged), (1, 1, 0), "{}", both.name);
        assert_eq!(both.texts(shape).await, ["1 A now", "2 B then closed", "2 B now"]);
        let staged = run(4, &all(&[(2, "C"), (2, "D")])).await;
        assert_eq!((counts(&staged), staged.effects.missing), ((1, 1, 1), 1), "{}", both.name);
        assert_eq!(both.texts(shape).await, ["1 A then closed", "2 B then closed", "2 B then closed", "2 D now"]);
        let gaps = "SELECT count(*) || '' FROM people a JOIN people b ON a.id = b.id AND a.valid_to = b.valid_from";
        assert_eq!(both.texts(gaps).await, ["1"], "only the change from B to D has no gap");
    }
}

#[tokio::test]
async fn a_row_without_key_or_time_is_rejected_and_so_is_one_that_the_table_refuses() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        let kind = if both.name == "postgres" { "timestamptz" } else { "TIMESTAMP WITH TIME ZONE" };
        both.execute(&format!(
            "CREATE TABLE people (id bigint NOT NULL, city varchar(9) CHECK (city <> 'bad'), rate double precision, \
             valid_from {kind} NOT NULL, valid_to {kind}, is_current boolean NOT NULL, PRIMARY KEY (id, valid_from))"
        ))
        .await;
        written(connector, 1, &rows(&[(1, Some("A"), None, 10)])).await;
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from(vec![None, Some(2), Some(1), Some(1), Some(1)]))),
            ("city", Arc::new(StringArray::from(vec!["x", "y", "bad", "B", "C"]))),
            ("rate", Arc::new(Float64Array::from(vec![None, None, None, Some(1.0), Some(2.0)]))),
            (
                "changed",
                Arc::new(
                    TimestampMicrosecondArray::from(vec![
                        Some(1),
                        None,
                        Some(20_000_000),
                        Some(20_000_000),
                        Some(30_000_000),
                    ])
                    .with_timezone("UTC"),
                ),
            ),
        ];
        let broken = batch(columns);
        let request = SinkRequest { rejects: true, ..scd2(&broken, Some("changed"), MissingRows::Keep) };
        let staged = write(connector, request, 2, std::slice::from_ref(&broken)).await.expect("written");
        // Of the two rows of second 20 the later one is kept, so the bad one is never tried.
        assert_eq!((counts(&staged), staged.rejects.len()), ((2, 1, 1), 2), "{}", both.name);
        assert_eq!(both.history().await, ["1 10-20 then A", "1 20-30 then B", "1 30- now C"]);
        assert!(staged.rejects[0].message.contains("the key is null"), "{:?}", staged.rejects);
        assert!(staged.rejects[1].message.contains("from when the row holds"), "{:?}", staged.rejects);

        let broken = rows(&[
            (1, Some("D"), None, 40),
            (1, Some("bad"), None, 50),
            (1, Some("E"), None, 60),
            (4, Some("bad"), None, 9),
        ]);
        let strict = scd2(&broken, Some("changed"), MissingRows::Keep);
        let error = write(connector, strict.clone(), 3, std::slice::from_ref(&broken)).await.expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Refused, "{}", both.name);
        let lenient = SinkRequest { rejects: true, ..strict };
        let staged = write(connector, lenient, 4, std::slice::from_ref(&broken)).await.expect("written");
        assert_eq!((counts(&staged), staged.rejects.len()), ((2, 0, 2), 2), "{}", both.name);
        assert_eq!(both.history().await[3..], ["1 40-60 then D", "1 60- now E"].map(str::to_owned));
        assert_eq!(both.history().await[2], "1 30-40 then C");
    }
}

#[tokio::test]
async fn a_table_that_is_there_must_have_the_columns_and_an_index_and_days_will_do() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        let some = timeless(&[(1, "A")]);
        both.execute("CREATE TABLE people (id bigint, city text)").await;
        let error = connector.sink(scd2(&some, None, MissingRows::Keep)).await.err().expect("no columns");
        assert!(error.detail.contains("needs the column `valid_from`"), "{error}");
        both.execute("ALTER TABLE people ADD COLUMN valid_from date; ALTER TABLE people ADD COLUMN valid_to date; ALTER TABLE people ADD COLUMN is_current boolean").await;
        let error = connector.sink(scd2(&some, None, MissingRows::Keep)).await.err().expect("no index");
        assert!(error.detail.starts_with("mode SCD2 needs a unique index on (\"id\", \"valid_from\")"), "{error}");
        both.execute(&error.remedy.expect("a remedy")).await;
        let days = |of: &[(i64, &str, i32)]| {
            batch(vec![
                ("id", Arc::new(Int64Array::from_iter_values(of.iter().map(|row| row.0)))),
                ("city", Arc::new(StringArray::from_iter_values(of.iter().map(|row| row.1)))),
                ("valid_from", Arc::new(Date32Array::from_iter_values(of.iter().map(|row| row.2)))),
            ])
        };
        let first = days(&[(1, "A", 0), (1, "B", 31)]);
        let request = scd2(&first, Some("valid_from"), MissingRows::Keep);
        let staged = write(connector, request, 1, std::slice::from_ref(&first)).await.expect("written");
        assert_eq!(counts(&staged), (2, 0, 0), "{}", both.name);
        let all = "SELECT city || ' ' || CAST(valid_from AS text) || ' ' || coalesce(CAST(valid_to AS text), '∅') \
                   FROM people ORDER BY valid_from";
        assert_eq!(both.texts(all).await, ["A 1970-01-01 1970-02-01", "B 1970-02-01 ∅"]);
        // Of the day of the run; a second change of that day corrects the first.
        for (epoch, city) in [(2, "C"), (3, "D")] {
            let today = timeless(&[(1, city)]);
            let request = scd2(&today, None, MissingRows::Keep);
            let staged = write(connector, request, epoch, std::slice::from_ref(&today)).await.expect("written");
            assert_eq!(staged.written, 1, "{} {city}", both.name);
        }
        assert_eq!(both.texts("SELECT city FROM people ORDER BY valid_from").await, ["A", "B", "D"]);
    }
}

#[tokio::test]
async fn times_of_any_fraction_keep_their_order() {
    for both in Both::fresh().await {
        let micros = [0, 500_000, 500_001, 1_000_000, 1_000_001];
        let of = batch(vec![
            ("id", Arc::new(Int64Array::from_iter_values(micros.iter().map(|_| 1)))),
            ("city", Arc::new(StringArray::from_iter_values(micros.iter().map(|micro| format!("c{micro}"))))),
            ("changed", Arc::new(TimestampMicrosecondArray::from_iter_values(micros.iter().rev().copied()))),
        ]);
        let request = scd2(&of, Some("changed"), MissingRows::Keep);
        let staged = write(&*both.connector, request, 1, std::slice::from_ref(&of)).await.expect("written");
        assert_eq!(counts(&staged), (5, 0, 0), "{}", both.name);
        let order = "SELECT city FROM people ORDER BY valid_from";
        assert_eq!(both.texts(order).await, ["c1000001", "c1000000", "c500001", "c500000", "c0"]);
        assert_eq!(both.texts("SELECT city FROM people WHERE is_current").await, ["c0"], "{}", both.name);
    }
}

#[tokio::test]
async fn all_attempts_of_a_run_begin_at_the_same_time_and_only_one_commits() {
    // The identity of a run that began on the first of March 2026.
    let run = "019ca6e2-1c00-7000-8000-000000000000";
    let of = |epoch| Attempt { run: run.into(), epoch };
    assert_eq!(of(1).run_began(), of(9).run_began());
    assert_eq!(of(1).run_began().as_millisecond(), 0x019c_a6e2_1c00);
    for both in Both::fresh().await {
        let some = timeless(&[(1, "A"), (2, "B")]);
        let sink = async || both.connector.sink(scd2(&some, None, MissingRows::Close)).await.expect("a sink");
        let mut died = sink().await;
        died.fence(&of(1)).await.expect("fenced");
        died.write(some.clone()).await.expect("written");
        assert_eq!(died.stage().await.expect("staged").written, 2);
        drop(died);
        let mut next = sink().await;
        next.fence(&of(2)).await.expect("fenced");
        next.write(some.clone()).await.expect("written");
        assert_eq!(next.stage().await.expect("staged").written, 2);
        next.commit(&positions(1)).await.expect("committed");
        let from = if both.name == "postgres" {
            "SELECT DISTINCT (extract(epoch FROM valid_from) * 1000)::bigint::text FROM people"
        } else {
            "SELECT DISTINCT CAST(unixepoch(valid_from, 'subsec') * 1000 AS integer) || '' FROM people"
        };
        assert_eq!(both.texts(from).await, [of(1).run_began().as_millisecond().to_string()], "{}", both.name);
        // A clock that went back: the change comes after what it changes all the same.
        let changed = timeless(&[(1, "Z"), (2, "B")]);
        let mut back = both.connector.sink(scd2(&changed, None, MissingRows::Close)).await.expect("a sink");
        back.fence(&Attempt { run: "019ca6e2-1bff-7000-8000-000000000000".into(), epoch: 3 }).await.expect("fenced");
        back.write(changed).await.expect("written");
        assert_eq!(counts(&back.stage().await.expect("staged")), (1, 1, 1));
        back.commit(&positions(2)).await.expect("committed");
        let order = "SELECT city || CASE WHEN is_current THEN ' now' ELSE ' then' END FROM people WHERE id = 1 ORDER BY valid_from";
        assert_eq!(both.texts(order).await, ["A then", "Z now"], "{}", both.name);
    }
}

#[tokio::test]
async fn splits_of_an_attempt_that_died_are_put_in_order_with_those_of_the_next_one() {
    for both in Both::fresh().await {
        let connector = &*both.connector;
        let first = rows(&[(1, Some("C"), None, 30), (2, Some("X"), None, 10)]);
        let second = rows(&[(1, Some("A"), None, 10), (1, Some("C"), None, 40)]);
        for (epoch, kept, piece) in [(1, None, &first), (2, Some(0), &second)] {
            let mut sink = connector.sink(scd2(piece, Some("changed"), MissingRows::Keep)).await.expect("a sink");
            sink.fence(&of_one_run(epoch)).await.expect("fenced");
            sink.keep(&kept.into_iter().collect::<BTreeSet<u64>>(), true).await.expect("kept");
            sink.write(piece.clone()).await.expect("written");
            sink.flush().await.expect("sent");
            sink.save(&split(epoch - 1)).await.expect("saved");
            if epoch == 2 {
                let staged = sink.stage().await.expect("staged");
                assert_eq!((staged.written, staged.deduplicated), (3, 1));
                assert_eq!((staged.effects.unchanged, staged.effects.closed), (1, 0));
                sink.commit(&positions(1)).await.expect("committed");
            }
        }
        assert_eq!(both.history().await, ["1 10-30 then A", "1 30- now C", "2 10- now X"]);
        let mut late = connector.sink(scd2(&first, Some("changed"), MissingRows::Keep)).await.expect("a sink");
        assert_eq!(late.fence(&attempt(2)).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    }
}

/// From 0 to below the end.
fn number(random: &mut Random, end: usize) -> i64 {
    i64::try_from(random.below(end)).expect("a small number")
}

/// What should be: for each key, from when what holds; None after an end.
type Model = BTreeMap<i64, BTreeMap<i64, Option<&'static str>>>;

/// Takes rows in as the documentation says; gives how many were written, and how many changed nothing or were dropped.
fn take(model: &mut Model, rows: &[(i64, &'static str, i64)]) -> (u64, u64) {
    let kept: BTreeMap<(i64, i64), &'static str> = rows.iter().map(|(id, city, at)| ((*id, *at), *city)).collect();
    let mut written = 0;
    for ((id, at), city) in &kept {
        let history = model.entry(*id).or_default();
        // What held until then; a version of the very time is corrected.
        let there = history.get(at).copied().flatten();
        let before = history.range(..=at).next_back().and_then(|(_, city)| *city);
        if there.or(before) != Some(*city) {
            history.insert(*at, Some(city));
            written += 1;
        }
    }
    (written, rows.len() as u64 - written)
}

fn shown(model: &Model) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, history) in model {
        let events: Vec<_> = history.iter().collect();
        for (number, (at, city)) in events.iter().enumerate() {
            let Some(city) = city else { continue };
            lines.push(match events.get(number + 1) {
                Some((next, _)) => format!("{id} {at}-{next} then {city}"),
                None => format!("{id} {at}- now {city}"),
            });
        }
    }
    lines
}

#[tokio::test]
async fn random_histories_are_those_of_a_plain_model() {
    let seeded = Random::seeded("random_histories_are_those_of_a_plain_model");
    for both in Both::fresh().await {
        let (mut random, mut model) = (seeded.clone(), Model::new());
        let mut gaps = 0;
        for epoch in 1..=25 {
            let count = 1 + random.below(12);
            let some: Vec<(i64, &'static str, i64)> = (0..count)
                .map(|_| {
                    let city = *random.pick(&["A", "B", "C"]);
                    (number(&mut random, 3), city, 10 + number(&mut random, 60))
                })
                .collect();
            let of: Vec<Row<'_>> = some.iter().map(|(id, city, at)| (*id, Some(*city), None, *at)).collect();
            let (expected, dropped) = take(&mut model, &some);
            let staged = written(&*both.connector, epoch, &rows(&of)).await;
            assert_eq!((staged.written, staged.deduplicated), (expected, dropped), "{} {epoch}: {some:?}", both.name);
            assert_eq!(both.history().await, shown(&model), "{} {epoch}: {some:?}", both.name);
            // Now and then somebody ends the current version of a key.
            let (id, after) = (number(&mut random, 3), 1 + number(&mut random, 8));
            let last =
                model.get(&id).and_then(|history| history.last_key_value()).map(|(at, city)| (*at, city.is_some()));
            if let (true, Some((from, true))) = (random.below(2) == 0, last) {
                let end = from + after;
                gaps += 1;
                model.get_mut(&id).expect("there").insert(end, None);
                let to = if both.name == "postgres" {
                    format!("to_timestamp({end})")
                } else {
                    format!("strftime('%Y-%m-%dT%H:%M:%S.000000Z', {end}, 'unixepoch')")
                };
                both.execute(&format!(
                    "UPDATE people SET valid_to = {to}, is_current = false WHERE id = {id} AND valid_to IS NULL"
                ))
                .await;
            }
        }
        assert!(gaps > 0, "no version was ever ended, so gaps were not tried");
    }
}
