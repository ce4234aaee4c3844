//! Objects of several pieces, sent to a store that is busy or slow, or that loses or fakes an answer: the object is whole, or
//! there is none, and no piece is left.

use std::time::Duration;

use aggregator_tests::gateway::Wrong;
use aggregator_worker::connector::ErrorKind;
use arrow::array::{Int64Array, RecordBatch};
use serde_json::json;

use super::harness::{Behind, read, request, rule};

/// So many rows are three pieces of CSV.
const ROWS: i64 = 300_000;

/// The requests of an upload: its beginning, a piece, its end.
const REQUESTS: [(&str, &str); 3] = [("POST", "?uploads"), ("PUT", "partNumber="), ("POST", "?uploadId=")];

fn ids() -> Vec<i64> {
    (0..ROWS).collect()
}

impl Behind {
    async fn of_pieces() -> Self {
        Self::new(json!({"format": {"csv": {"quoting": "Always"}}})).await
    }

    /// How many requests like that were seen.
    fn count(&self, method: &str, part: &str) -> usize {
        self.gateway.seen().iter().filter(|seen| seen.starts_with(method) && seen.contains(part)).count()
    }

    /// The object must hold every row once, in their order.
    async fn holds_all(&self, what: &str) {
        let outcome = read(self.connector.as_ref(), request("out/")).await.unwrap();
        assert_eq!(outcome.end.read, ROWS.unsigned_abs(), "{what}");
        assert!(first(&outcome.batch).values().iter().copied().eq(0..ROWS), "{what}");
    }
}

fn first(batch: &RecordBatch) -> &Int64Array {
    batch.column(0).as_any().downcast_ref().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_an_upload_is_asked_again_of_a_busy_store() {
    let behind = Behind::of_pieces().await;
    let mut epoch = 0;
    for (method, part) in REQUESTS {
        for (status, code) in [(500, "InternalError"), (503, "SlowDown")] {
            epoch += 1;
            let what = format!("{method} {part} {status}");
            behind.gateway.set(rule(method, part, 0, 2, Wrong::Answer(status, code)));
            assert_eq!(behind.write(epoch, &ids()).await.unwrap(), ROWS.unsigned_abs(), "{what}");
            assert_eq!(behind.gateway.hits(), 2, "{what}");
            behind.holds_all(&what).await;
        }
    }
    assert!(behind.count("PUT", "partNumber=3") >= 6, "three pieces each");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_place_is_busy_is_written_again() {
    let behind = Behind::of_pieces().await;
    let few: Vec<i64> = (0..10).collect();
    behind.gateway.set(rule("PUT", "_aggregator/staging/", 0, 3, Wrong::Answer(409, "OperationAborted")));
    assert_eq!(behind.write(1, &few).await.unwrap(), 10);
    assert_eq!(behind.gateway.hits(), 3);
    let outcome = read(behind.connector.as_ref(), request("out/")).await.unwrap();
    assert!(first(&outcome.batch).values().iter().copied().eq(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_a_store_that_stays_busy_fails_and_leaves_no_piece() {
    let behind = Behind::of_pieces().await;
    for (number, (method, part)) in REQUESTS.into_iter().enumerate() {
        let gone = behind.count("DELETE", "uploadId=");
        behind.gateway.set(rule(method, part, 0, usize::MAX, Wrong::Answer(503, "SlowDown")));
        let busy = behind.write(number as u64 + 1, &ids()).await.unwrap_err();
        assert_eq!(busy.kind, ErrorKind::Transient, "{method} {part}: {busy}");
        assert!(busy.to_string().contains("the store answered 503 SlowDown"), "{method} {part}: {busy}");
        assert!(behind.gateway.hits() > 2, "{method} {part}: {} hits", behind.gateway.hits());
        let begun = usize::from(part != "?uploads");
        assert_eq!(behind.count("DELETE", "uploadId=") - gone, begun, "{method} {part}");
        assert_eq!(behind.lake.data().await, Vec::<String>::new(), "{method} {part}");
    }
    behind.gateway.set(rule("GET", "", 0, 0, Wrong::Lost));
    assert_eq!(behind.write(9, &ids()).await.unwrap(), ROWS.unsigned_abs());
    behind.holds_all("after all").await;
    assert_eq!(behind.lake.staged().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_whose_success_is_an_error_is_none() {
    let behind = Behind::of_pieces().await;
    // The status is sent before the store has joined the pieces; that it could not, the body says.
    let (method, part) = REQUESTS[2];
    behind.gateway.set(rule(method, part, 0, 2, Wrong::Answer(200, "InternalError")));
    assert_eq!(behind.write(1, &ids()).await.unwrap(), ROWS.unsigned_abs());
    assert_eq!(behind.gateway.hits(), 2);
    behind.holds_all("asked again").await;

    behind.gateway.set(rule(method, part, 0, usize::MAX, Wrong::Answer(200, "InternalError")));
    let refused = behind.write(2, &[1, 2, 3].repeat(100_000)).await.unwrap_err();
    assert!(refused.to_string().contains("InternalError"), "{refused}");
    assert!(behind.gateway.hits() > 2, "{} hits", behind.gateway.hits());
    assert_eq!(behind.count("DELETE", "uploadId="), 1);
    behind.holds_all("as it was").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_is_waited_for() {
    let behind = Behind::new(json!({"format": {"csv": {"quoting": "Always"}}, "timeout": "20s"})).await;
    behind.gateway.set(rule("PUT", "partNumber=", 0, 2, Wrong::Slow(Duration::from_secs(2))));
    assert_eq!(behind.write(1, &ids()).await.unwrap(), ROWS.unsigned_abs());
    assert_eq!((behind.gateway.hits(), behind.count("PUT", "partNumber=")), (2, 3), "no piece was sent twice");
    behind.holds_all("slow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_whose_answer_is_lost_is_known_by_its_object() {
    let behind = Behind::of_pieces().await;
    behind.gateway.set(rule("POST", "uploadId=", 0, 1, Wrong::Lost));
    assert_eq!(behind.write(1, &ids()).await.unwrap(), ROWS.unsigned_abs());
    assert_eq!(behind.gateway.hits(), 1);
    assert!(behind.count("POST", "uploadId=") > 1, "it was tried again, and there was no such upload any more");
    behind.holds_all("completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_fails_is_no_success_because_something_is_there_and_its_pieces_are_removed() {
    let behind = Behind::of_pieces().await;
    // What somebody else has put there, by the name that the part will have.
    let staged = "_aggregator/staging/demo%2Fdelays.lake/run-1-1/part-000000";
    behind.lake.bucket.put(staged, "foreign").await;
    behind.gateway.set(rule("POST", "uploadId=", 0, usize::MAX, Wrong::Answer(404, "NoSuchUpload")));
    let refused = behind.write(1, &ids()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Transient);
    assert!(refused.to_string().contains("the store answered 404 NoSuchUpload"), "{refused}");
    assert!(behind.gateway.hits() > 0);
    assert!(behind.count("DELETE", "uploadId=") > 0, "{:?}", behind.gateway.seen());
    assert_eq!(behind.lake.data().await, Vec::<String>::new());
}
