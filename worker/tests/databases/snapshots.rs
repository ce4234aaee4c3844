//! All sources of a run see one state of their database, whoever writes meanwhile.

use std::time::Duration;

use aggregator_worker::connector::{CursorWindow, Source, SourceEvent, SourceRequest};
use futures::StreamExt;

use crate::both::Both;
use crate::rows::{drain, request, rows};

const TABLES: &str = "CREATE TABLE a (n bigint, at timestamp); CREATE TABLE b (n bigint, at timestamp); \
                      INSERT INTO a VALUES (1, '2020-01-01 00:00:00'); INSERT INTO b VALUES (1, '2020-01-01 00:00:00')";
const MORE: &str = "INSERT INTO a VALUES (2, '2021-01-01 00:00:00'); INSERT INTO b VALUES (2, '2021-01-01 00:00:00')";

async fn fresh() -> [Both; 2] {
    let all = Both::fresh().await;
    for place in &all {
        if place.name == "sqlite" {
            // Otherwise nobody could write while somebody reads.
            place.texts("PRAGMA journal_mode = WAL").await;
        }
        place.execute(TABLES).await;
    }
    all
}

async fn source(place: &Both, table: &str, together: usize) -> Box<dyn Source> {
    let request = SourceRequest { columns: Some(vec!["n".into()]), together, ..request(&place.table(table)) };
    place.connector.source(request).await.expect(table)
}

/// What two sources give when somebody writes after the first one has begun.
async fn read_both(place: &Both, together: usize) -> (Vec<String>, Vec<String>) {
    let (a, b) = (source(place, "a", together).await, source(place, "b", together).await);
    let mut first = a.read().await.expect("a");
    place.execute(MORE).await;
    let second = drain(b).await.expect("b").rows();
    let mut found = Vec::new();
    while let Some(event) = first.next().await {
        if let SourceEvent::Batch(batch) = event.expect("a") {
            found.extend(rows(&batch));
        }
    }
    (found, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_are_read_together_see_one_state() {
    for place in fresh().await {
        let (a, b) = read_both(&place, 2).await;
        assert_eq!((a, b), (vec!["1".to_owned()], vec!["1".to_owned()]), "{}", place.name);
        // The next run sees what is there then.
        let (a, b) = read_both(&place, 2).await;
        assert_eq!((a.len(), b.len()), (2, 2), "{}", place.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_by_themselves_see_what_is_there_when_they_begin() {
    for place in fresh().await {
        let (a, b) = read_both(&place, 1).await;
        assert_eq!((a.len(), b.len()), (1, 2), "{}: the writes came between the two", place.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_divided_is_read_in_the_same_state() {
    for place in fresh().await {
        let (mut a, b) = (source(&place, "a", 2).await, source(&place, "b", 2).await);
        assert!(a.divide(1 << 30, &[]).await.expect("a").is_some(), "{}", place.name);
        place.execute(MORE).await;
        // In one go, since there is too little to divide: each waits for the other.
        let (a, b) = tokio::join!(drain(a), drain(b));
        assert_eq!((a.expect("a").rows().len(), b.expect("b").rows().len()), (1, 1), "{}", place.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_horizon_is_before_the_one_state() {
    let place = Both::postgres().await;
    place.execute("CREATE TABLE a (at timestamptz); CREATE TABLE b (at timestamptz)").await;
    let lagging = |table: &str| {
        let window =
            CursorWindow { column: "at".into(), lower: None, upper: None, lag: Some(Duration::from_millis(1)) };
        SourceRequest { window: Some(window), together: 2, ..request(&place.table(table)) }
    };
    place.execute("INSERT INTO a VALUES ('2020-01-01'); INSERT INTO b VALUES ('2020-01-01')").await;
    let a = place.connector.source(lagging("a")).await.expect("a");
    let b = place.connector.source(lagging("b")).await.expect("b");
    let (a, b) = tokio::join!(drain(a), drain(b));
    assert_eq!(a.expect("a").rows(), ["2020-01-01T00:00:00Z"]);
    assert_eq!(b.expect("b").rows(), ["2020-01-01T00:00:00Z"]);
}
