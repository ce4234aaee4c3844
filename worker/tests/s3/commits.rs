//! Commits on a real server: owners, and attempts at once.

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{Attempt, ErrorKind};
use serde_json::json;

use super::harness::{Lake, attempt, batch, positions};
use super::writing::mode;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_attempt_cannot_commit_and_what_it_staged_goes_with_the_next_run() {
    let lake = Lake::new(Some(json!({"parquet": {}})));
    lake.write("out/", &batch(&[0]), mode(WriteMode::Append), 1).await;
    let mut old = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await;
    old.fence(&attempt(2)).await.unwrap();
    old.write(batch(&[1])).await.unwrap();
    old.stage().await.unwrap();
    assert_eq!(lake.staged().await.len(), 1);
    let mut new = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await;
    new.fence(&attempt(3)).await.unwrap();
    assert_eq!(lake.staged().await, Vec::<String>::new(), "another run needs nothing of it");
    let refused = old.commit(&positions(2)).await.unwrap_err();
    // Its parts are gone, and it owns nothing any more.
    assert!(matches!(refused.kind, ErrorKind::Fenced | ErrorKind::Data), "{refused}");
    assert_eq!(lake.read("out/").await.unwrap().ids(), ["0"]);
    let again = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await.fence(&attempt(3)).await;
    assert_eq!(again.unwrap_err().kind, ErrorKind::Fenced);
    new.write(batch(&[2])).await.unwrap();
    new.stage().await.unwrap();
    new.commit(&positions(3)).await.unwrap();
    assert_eq!(lake.read("out/").await.unwrap().ids(), ["0", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_attempts_at_once_one_wins_and_readers_see_its_rows_only() {
    let lake = Lake::new(Some(json!({"ndjson": {}})));
    for round in 0..5 {
        let epochs = [2 * round + 1, 2 * round + 2];
        let mut running = Vec::new();
        for epoch in epochs {
            let mut sink = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Overwrite)).await;
            running.push(tokio::spawn(async move {
                let attempt = Attempt { run: format!("round-{round}"), epoch };
                sink.fence(&attempt).await?;
                sink.write(batch(&[i64::try_from(epoch).unwrap()])).await?;
                sink.stage().await?;
                sink.commit(&positions(epoch)).await?;
                Ok::<u64, aggregator_worker::connector::ConnectorError>(epoch)
            }));
        }
        let mut won = Vec::new();
        for attempt in running {
            match attempt.await.unwrap() {
                Ok(epoch) => won.push(epoch),
                Err(error) => assert_eq!(error.kind, ErrorKind::Fenced, "{error}"),
            }
        }
        // The older one may have been done before the newer one began.
        let last = *won.last().expect("somebody wins");
        assert_eq!(last, epochs[1], "the newest is never fenced: {won:?}");
        assert_eq!(lake.read("out/").await.unwrap().ids(), [last.to_string()]);
        assert_eq!(lake.data().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_or_giving_up_leaves_nothing_visible() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let mut dropped = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await;
    dropped.fence(&attempt(1)).await.unwrap();
    dropped.write(batch(&[1])).await.unwrap();
    dropped.stage().await.unwrap();
    drop(dropped);
    let mut given_up = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await;
    given_up.fence(&attempt(2)).await.unwrap();
    given_up.write(batch(&[2])).await.unwrap();
    given_up.stage().await.unwrap();
    assert_eq!(lake.staged().await.len(), 1);
    given_up.abort().await.unwrap();
    assert_eq!(lake.staged().await, Vec::<String>::new());
    assert_eq!(lake.data().await, Vec::<String>::new());
    assert_eq!(
        lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await.last_commit().await.unwrap().unwrap().run,
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_names_every_object_of_the_commit() {
    let lake = Lake::new(Some(json!({"csv": {"compression": "zstd"}})));
    lake.write("out/", &batch(&[1, 2, 4]), mode(WriteMode::Append), 1).await;
    let record = lake.bucket.get("_aggregator/demo%2Fdelays.lake.json").await;
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let key = lake.data().await.remove(0);
    let size = lake.bucket.get(&key).await.len();
    assert_eq!(record["files"][0]["path"], key);
    assert_eq!(record["files"][0]["size"], size);
    assert_eq!(record["files"][0]["rows"], 3);
    assert!(record["files"][0]["etag"].as_str().unwrap().len() > 10, "{record}");
    assert_eq!((&record["epoch"], &record["run"], &record["rows"]), (&json!(1), &json!("run-1"), &json!(3)));
    assert_eq!(record["positions"]["flights"]["state"], 1);
    assert_eq!(record.get("journal"), None);
}
