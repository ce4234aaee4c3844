//! Splits that a run keeps over its attempts.

use std::collections::BTreeSet;

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{Attempt, ErrorKind, SavedSplit, Sink, Split};
use aggregator_worker::ledger::Ledger;
use serde_json::json;

use super::harness::{Lake, batch, positions};
use super::writing::mode;

fn saved(number: u64, rows: &[i64]) -> SavedSplit {
    SavedSplit {
        number,
        source: "flights".into(),
        split: Split { state: json!(rows), bytes: 10 },
        rest: None,
        schemas: "s".into(),
        ledger: Ledger::default(),
    }
}

fn of(epoch: u64) -> Attempt {
    Attempt { run: "run".into(), epoch }
}

async fn fenced(lake: &Lake, epoch: u64) -> Box<dyn Sink> {
    let mut sink = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Overwrite)).await;
    sink.fence(&of(epoch)).await.unwrap();
    sink
}

async fn save(sink: &mut Box<dyn Sink>, number: u64, rows: &[i64]) {
    sink.write(batch(rows)).await.unwrap();
    sink.save(&saved(number, rows)).await.unwrap();
}

async fn numbers(sink: &mut Box<dyn Sink>) -> Vec<u64> {
    let mut numbers: Vec<u64> = sink.saved().await.unwrap().into_iter().map(|split| split.number).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_saved_outlives_attempts_and_is_committed_once() {
    let lake = Lake::new(Some(json!({"parquet": {}})));
    lake.write("out/", &batch(&[90]), mode(WriteMode::Append), 1).await;
    let mut first = fenced(&lake, 2).await;
    assert!(first.keeps_splits());
    assert_eq!(numbers(&mut first).await, Vec::<u64>::new());
    first.keep(&BTreeSet::new(), true).await.unwrap();
    save(&mut first, 0, &[1, 2]).await;
    save(&mut first, 1, &[4]).await;
    // Begun and not saved.
    first.write(batch(&[5])).await.unwrap();
    drop(first);

    let mut second = fenced(&lake, 3).await;
    assert_eq!(second.saved().await.unwrap(), [saved(0, &[1, 2]), saved(1, &[4])]);
    // The first one has changed at the source.
    second.keep(&BTreeSet::from([1]), true).await.unwrap();
    save(&mut second, 2, &[1, 2, 3]).await;
    second.abort().await.unwrap();

    let mut third = fenced(&lake, 4).await;
    assert_eq!(numbers(&mut third).await, [1, 2], "aborting keeps what was saved; what was not kept is forgotten");
    third.keep(&BTreeSet::from([1, 2]), true).await.unwrap();
    save(&mut third, 3, &[6]).await;
    let staged = third.stage().await.unwrap();
    assert_eq!(staged.written, 5);
    assert_eq!(lake.read("out/").await.unwrap().ids(), ["90"], "nothing of it is seen");
    third.commit(&positions(4)).await.unwrap();
    assert_eq!(lake.read("out/").await.unwrap().ids(), ["1", "2", "3", "4", "6"]);
    assert_eq!(lake.staged().await, Vec::<String>::new(), "nothing is left of any attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_overtaken_saves_nothing_that_counts_and_takes_nothing_away() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let mut first = fenced(&lake, 1).await;
    first.keep(&BTreeSet::new(), true).await.unwrap();
    save(&mut first, 0, &[1]).await;
    let mut asleep = fenced(&lake, 2).await;
    assert_eq!(numbers(&mut asleep).await, [0]);
    let mut second = fenced(&lake, 3).await;
    assert_eq!(numbers(&mut second).await, [0]);
    second.keep(&BTreeSet::from([0]), true).await.unwrap();
    // They wake up.
    first.write(batch(&[2])).await.unwrap();
    assert_eq!(first.save(&saved(1, &[2])).await.unwrap_err().kind, ErrorKind::Fenced);
    assert_eq!(asleep.keep(&BTreeSet::new(), true).await.unwrap_err().kind, ErrorKind::Fenced);
    first.abort().await.unwrap();
    asleep.abort().await.unwrap();
    // One whose look was before and whose write was after the successor's list was made.
    let old = "_aggregator/staging/demo%2Fdelays.lake/run-1";
    let late = lake.bucket.get(&format!("{old}/split-000000.json")).await;
    let late = String::from_utf8(late).unwrap().replace("\"number\":0", "\"number\":1");
    lake.bucket.put(&format!("{old}/split-000001.json"), late).await;

    save(&mut second, 1, &[7]).await;
    drop(second);
    let mut third = fenced(&lake, 4).await;
    assert_eq!(third.saved().await.unwrap(), [saved(0, &[1]), saved(1, &[7])]);
    third.keep(&BTreeSet::from([0, 1]), true).await.unwrap();
    assert_eq!(third.stage().await.unwrap().written, 2);
    third.commit(&positions(4)).await.unwrap();
    assert_eq!(lake.read("out/").await.unwrap().ids(), ["1", "7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_run_takes_over_without_them() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let mut first = fenced(&lake, 1).await;
    first.keep(&BTreeSet::new(), true).await.unwrap();
    save(&mut first, 0, &[1]).await;
    drop(first);
    let mut other = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await;
    other.fence(&Attempt { run: "another".into(), epoch: 2 }).await.unwrap();
    assert_eq!(numbers(&mut other).await, Vec::<u64>::new());
    assert_eq!(lake.staged().await, Vec::<String>::new());
}
