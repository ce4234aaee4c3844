//! What a local store of checkpoints may hold: any text in place of positions.

use std::sync::Arc;
use std::sync::LazyLock;

use aggregator_worker::checkpoint::{CheckpointError, CheckpointStore, LocalStore, Positions, RunKind};
use aggregator_worker::connector::{ErrorKind, Position};
use aggregator_worker::cursor::{CursorTracker, Known, window};
use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

const PIPELINE: &str = "demo/p";

/// One store for all inputs: making one takes longer than using it.
static PLACE: LazyLock<(tempfile::TempDir, tokio::runtime::Runtime)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let store = LocalStore::new(folder.path());
    runtime.block_on(store.positions(PIPELINE)).expect("no checkpoints");
    runtime.block_on(store.begin(PIPELINE, RunKind::Incremental, "plan", 0)).expect("an attempt");
    (folder, runtime)
});

/// What is stored gives an error that names the Pipeline, or positions that are the same when they are stored and read again; a
/// cursor is continued, or refused with a remedy.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let (folder, runtime) = &*PLACE;
    let database = rusqlite::Connection::open(folder.path().join("checkpoints.sqlite")).expect("the store");
    database.execute_batch("PRAGMA synchronous = OFF").expect("a setting");
    let record = [br#"{"positions":"#, input, b"}"].concat();
    let statement = "INSERT OR REPLACE INTO pipelines (pipeline, record) VALUES (?1, CAST(?2 AS TEXT))";
    database.execute(statement, rusqlite::params![PIPELINE, record]).expect("stored");
    let store = LocalStore::new(folder.path());
    let positions = match runtime.block_on(store.positions(PIPELINE)) {
        Ok(positions) => positions,
        Err(CheckpointError::Corrupt { pipeline, .. }) => {
            assert_eq!(pipeline, PIPELINE);
            return "corrupt";
        }
        Err(CheckpointError::Database { path, .. }) => {
            assert!(path.contains("checkpoints.sqlite"), "{path}");
            assert!(std::str::from_utf8(input).is_err(), "text is readable");
            return "no text";
        }
        Err(error) => unreachable_error(&error),
    };
    let again: Positions = serde_json::from_str(&serde_json::to_string(&positions).expect("JSON")).expect("positions");
    assert_eq!(again, positions, "stored and read again");
    let mut fate = if positions.is_empty() { "none" } else { "of others" };
    for position in positions.values() {
        if continues(position) {
            fate = "continued";
        } else if position.kind == "cursor" && fate != "continued" {
            fate = "refused";
        }
    }
    fate
}

fn unreachable_error(error: &CheckpointError) -> ! {
    unreachable!("{error}")
}

/// Whether a cursor goes on from there.
fn continues(position: &Position) -> bool {
    let schema =
        Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]));
    let tracker = window("flights", "id", None, Some(position), None).and_then(|window| {
        let known = Known { from: Some(position.clone()), to: None };
        CursorTracker::new("flights", &schema, &window, &[], known, jiff::Timestamp::UNIX_EPOCH)
    });
    let mut tracker = match tracker {
        Ok(tracker) => tracker,
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Config, "{error}");
            assert!(error.operation.contains("flights"), "{error}");
            assert!(error.remedy.as_ref().is_some_and(|remedy| !remedy.is_empty()), "{error}");
            return false;
        }
    };
    let ids = vec![None, Some(i64::MIN), Some(0), Some(7), Some(i64::MAX)];
    let columns: [arrow::array::ArrayRef; 2] =
        [Arc::new(Int64Array::from(ids)), Arc::new(StringArray::from(vec![Some("a"); 5]))];
    let batch = RecordBatch::try_new(schema, columns.to_vec()).expect("a batch");
    let tracked = tracker.track(&batch).expect("a batch of the schema");
    let accounted = tracked.batch.num_rows() as u64 + tracked.outside + tracked.seen + tracked.rejects.len() as u64;
    assert_eq!(accounted, 5, "every row is accounted for");
    let next = tracker.position().expect("a position");
    assert!(window("flights", "id", None, Some(&next), None).is_ok(), "its own position is continued: {next:?}");
    true
}
