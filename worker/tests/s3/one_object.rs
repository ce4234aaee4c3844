//! One object of a fixed name: written in one go or joined from pieces that several attempts have saved.

use std::collections::BTreeSet;

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{Attempt, ErrorKind, SavedSplit, Sink, Split};
use aggregator_worker::ledger::Ledger;
use serde_json::json;

use super::harness::{Lake, attempt, batch, positions};
use super::writing::mode;

const NAMES: [&str; 5] = ["out/one.csv", "out/one.csv.gz", "out/one.ndjson.zst", "out/one.json", "out/one.parquet"];

async fn fenced(lake: &Lake, name: &str, epoch: u64) -> Box<dyn Sink> {
    let mut sink = lake.sink(name, batch(&[]).schema(), mode(WriteMode::Overwrite)).await;
    sink.fence(&Attempt { run: "run".into(), epoch }).await.unwrap();
    sink
}

async fn save(sink: &mut Box<dyn Sink>, number: u64, rows: &[i64]) {
    sink.write(batch(rows)).await.unwrap();
    let split = Split { state: json!(rows), bytes: 10 };
    let (source, schemas, ledger) = ("flights".into(), "s".into(), Ledger::default());
    sink.save(&SavedSplit { number, source, split, rest: None, schemas, ledger }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_replaced_as_a_whole() {
    for name in NAMES {
        let lake = Lake::plain();
        lake.bucket.put("out/beside.csv", "kept").await;
        for (epoch, rows) in [(1, vec![1, 2, 3]), (2, vec![]), (3, vec![7])] {
            let plan = lake.sink(name, batch(&[]).schema(), mode(WriteMode::Overwrite)).await.plan().await.unwrap();
            let verb = if epoch == 1 { "create" } else { "replace" };
            let expected = format!("{verb} object s3://{}/{name} (", lake.bucket.name);
            assert!(plan.len() == 1 && plan[0].action.starts_with(&expected), "{plan:?}");
            let written = lake.write(name, &batch(&rows), mode(WriteMode::Overwrite), epoch).await;
            assert_eq!(written, rows.len() as u64);
            assert_eq!(lake.data().await, ["out/beside.csv", name], "{name}");
            let expected: Vec<String> = rows.iter().map(ToString::to_string).collect();
            if !rows.is_empty() {
                assert_eq!(lake.read(name).await.unwrap().ids(), expected, "{name}");
            }
        }
        assert_eq!(lake.staged().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_several_attempts_become_what_one_would_have_written() {
    for name in NAMES {
        let lake = Lake::plain();
        lake.write(name, &batch(&[90]), mode(WriteMode::Overwrite), 1).await;
        let mut first = fenced(&lake, name, 2).await;
        first.keep(&BTreeSet::new(), true).await.unwrap();
        save(&mut first, 0, &[1, 2]).await;
        save(&mut first, 1, &[3]).await;
        first.write(batch(&[4])).await.unwrap();
        drop(first);

        let mut second = fenced(&lake, name, 3).await;
        assert_eq!(second.saved().await.unwrap().len(), 2);
        second.keep(&BTreeSet::from([0, 1]), true).await.unwrap();
        save(&mut second, 2, &[4, 5]).await;
        let staged = second.stage().await.unwrap();
        assert_eq!(staged.written, 5, "{name}");
        assert_eq!(lake.read(name).await.unwrap().ids(), ["90"], "nothing of it is seen");
        second.commit(&positions(3)).await.unwrap();
        let outcome = lake.read(name).await.unwrap();
        let order: Vec<String> = outcome.rows().iter().map(|row| row[0].clone()).collect();
        assert_eq!(order, ["1", "2", "3", "4", "5"], "{name}: in the order of the splits");
        assert_eq!(lake.data().await, [name]);
        assert_eq!(lake.staged().await, Vec::<String>::new(), "nothing is left of any attempt");

        let whole = lake.another(None);
        whole.write(name, &batch(&[1, 2, 3, 4, 5]), mode(WriteMode::Overwrite), 1).await;
        if name.ends_with(".csv") || name.ends_with(".json") {
            assert_eq!(lake.bucket.get(name).await, whole.bucket.get(name).await, "{name}: to the byte");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_cannot_be_appended_to_and_has_no_partitions() {
    let lake = Lake::plain();
    lake.write("out/one.csv", &batch(&[1]), mode(WriteMode::Append), 1).await;
    let mut sink = lake.sink("out/one.csv", batch(&[]).schema(), mode(WriteMode::Append)).await;
    let refused = sink.fence(&attempt(2)).await.expect_err("it is there");
    assert_eq!(refused.kind, ErrorKind::Config);
    let remedy = refused.remedy.expect("a remedy");
    assert!(remedy.contains("`out/`") && remedy.contains("Overwrite"), "{remedy}");
    assert_eq!(lake.read("out/one.csv").await.unwrap().ids(), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_overtaken_does_not_replace_it() {
    let lake = Lake::plain();
    let mut old = fenced(&lake, "out/one.csv", 1).await;
    old.write(batch(&[1])).await.unwrap();
    old.stage().await.unwrap();
    let mut new = fenced(&lake, "out/one.csv", 2).await;
    new.write(batch(&[2])).await.unwrap();
    new.stage().await.unwrap();
    new.commit(&positions(2)).await.unwrap();
    let refused = old.commit(&positions(1)).await.expect_err("overtaken");
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
    assert_eq!(lake.read("out/one.csv").await.unwrap().ids(), ["2"]);
}
