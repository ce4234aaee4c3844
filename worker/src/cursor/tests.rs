//! Runs of the tracker over small tables: nothing new is lost, nothing known comes twice.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use arrow::datatypes::Field;

use super::*;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("at", DataType::Int64, true), Field::new("id", DataType::Utf8, false)]))
}

fn batch(rows: &[(Option<i64>, &str)]) -> RecordBatch {
    let at: Int64Array = rows.iter().map(|row| row.0).collect();
    let id = StringArray::from_iter_values(rows.iter().map(|row| row.1));
    RecordBatch::try_new(schema(), vec![Arc::new(at), Arc::new(id)]).expect("equal lengths")
}

struct Read {
    ids: Vec<String>,
    outside: u64,
    seen: u64,
    rejects: usize,
    position: Option<Position>,
}

/// Reads all batches as one run would.
fn read(from: Option<&Position>, to: Option<&Position>, key: &[&str], batches: &[RecordBatch]) -> Read {
    let window = window("s", "at", None, from, to).expect("a window");
    let key: Vec<String> = key.iter().map(ToString::to_string).collect();
    let known = Known { from: from.cloned(), to: to.cloned() };
    let mut tracker =
        CursorTracker::new("s", &schema(), &window, &key, known, jiff::Timestamp::UNIX_EPOCH).expect("a tracker");
    let mut read = Read { ids: vec![], outside: 0, seen: 0, rejects: 0, position: None };
    for batch in batches {
        let tracked = tracker.track(batch).expect("tracked");
        let ids = tracked.batch.column(1).as_any().downcast_ref::<StringArray>().expect("text").clone();
        read.ids.extend(ids.iter().flatten().map(str::to_owned));
        read.outside += tracked.outside;
        read.seen += tracked.seen;
        read.rejects += tracked.rejects.len();
    }
    read.position = tracker.position();
    read
}

#[test]
fn rows_with_the_boundary_value_that_came_late_are_read_and_known_ones_are_not() {
    let first = read(None, None, &["id"], &[batch(&[(Some(1), "a"), (Some(2), "b")]), batch(&[(Some(2), "c")])]);
    assert_eq!(first.ids, ["a", "b", "c"]);
    let second = read(
        first.position.as_ref(),
        None,
        &["id"],
        &[batch(&[(Some(1), "a"), (Some(2), "b"), (Some(2), "c"), (Some(2), "late"), (Some(3), "d")])],
    );
    assert_eq!(second.ids, ["late", "d"]);
    assert_eq!((second.outside, second.seen), (1, 2));
}

#[test]
fn a_run_that_finds_nothing_new_keeps_the_position_and_what_it_knows() {
    let first = read(None, None, &["id"], &[batch(&[(Some(2), "b")])]);
    let second = read(first.position.as_ref(), None, &["id"], &[]);
    assert_eq!(second.position, first.position);
    let third = read(second.position.as_ref(), None, &["id"], &[batch(&[(Some(2), "b"), (Some(2), "c")])]);
    assert_eq!(third.ids, ["c"]);
    let fourth = read(third.position.as_ref(), None, &["id"], &[batch(&[(Some(2), "b"), (Some(2), "c")])]);
    assert_eq!((fourth.ids.len(), fourth.seen), (0, 2), "both runs' rows are known");
}

#[test]
fn without_a_key_the_whole_row_tells_rows_apart() {
    let first = read(None, None, &[], &[batch(&[(Some(2), "b")])]);
    let second = read(first.position.as_ref(), None, &[], &[batch(&[(Some(2), "b"), (Some(2), "c")])]);
    assert_eq!(second.ids, ["c"]);
}

#[test]
fn an_unordered_stream_ends_at_its_greatest_value() {
    let first = read(None, None, &["id"], &[batch(&[(Some(9), "i"), (Some(1), "a")]), batch(&[(Some(5), "e")])]);
    let second =
        read(first.position.as_ref(), None, &["id"], &[batch(&[(Some(5), "e"), (Some(9), "i"), (Some(9), "j")])]);
    assert_eq!(second.ids, ["j"]);
}

#[test]
fn a_row_without_a_cursor_is_rejected_not_forgotten() {
    let first = read(None, None, &["id"], &[batch(&[(None, "lost"), (Some(1), "a")])]);
    assert_eq!((first.ids, first.rejects), (vec!["a".to_owned()], 1));
}

#[test]
fn a_repeated_attempt_reads_just_what_the_first_one_did() {
    let data = batch(&[(Some(1), "a"), (Some(2), "b")]);
    let first = read(None, None, &["id"], std::slice::from_ref(&data));
    let grown = batch(&[(Some(1), "a"), (Some(2), "b"), (Some(2), "tie"), (Some(3), "new")]);
    let again = read(None, first.position.as_ref(), &["id"], std::slice::from_ref(&grown));
    assert_eq!((again.ids, again.outside), (vec!["a".to_owned(), "b".to_owned()], 2));
    // The next run of both sinks starts where the first attempt ended.
    assert_eq!(read(first.position.as_ref(), None, &["id"], &[grown]).ids, ["tie", "new"]);
}

#[test]
fn large_integers_are_not_rounded() {
    let value = 9_007_199_254_740_993;
    let first = read(None, None, &["id"], &[batch(&[(Some(value), "a")])]);
    let second =
        read(first.position.as_ref(), None, &["id"], &[batch(&[(Some(value - 1), "below"), (Some(value), "b")])]);
    assert_eq!(second.ids, ["b"]);
}

#[test]
fn times_keep_their_microseconds_and_lag_holds_back_young_rows() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new(
        "at",
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        false,
    )]));
    let batch = |values: Vec<i64>| {
        let array = arrow::array::TimestampMicrosecondArray::from(values).with_timezone("UTC");
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(array)]).expect("one column")
    };
    let window = CursorWindow { column: "at".into(), lower: None, upper: None, lag: Some(Duration::from_secs(10)) };
    let now = jiff::Timestamp::from_microsecond(100_000_001).expect("in range");
    let mut tracker = CursorTracker::new("s", &schema, &window, &[], Known::default(), now).expect("a tracker");
    let tracked = tracker.track(&batch(vec![90_000_001, 90_000_002])).expect("tracked");
    assert_eq!((tracked.batch.num_rows(), tracked.outside), (1, 1));
    let position = tracker.position().expect("a position");
    let next = super::window("s", "at", None, Some(&position), None).expect("a window");
    assert_eq!(next.lower.as_deref(), Some("1970-01-01T00:01:30.000001Z"));
    let mut tracker =
        CursorTracker::new("s", &schema, &next, &[], Known { from: Some(position), to: None }, now).expect("a tracker");
    let tracked = tracker.track(&batch(vec![90_000_000, 90_000_001, 90_000_002])).expect("tracked");
    assert_eq!((tracked.batch.num_rows(), tracked.outside, tracked.seen), (1, 1, 1));
}

#[test]
fn a_checkpoint_of_another_column_is_refused_with_a_remedy() {
    let first = read(None, None, &["id"], &[batch(&[(Some(1), "a")])]);
    let error = window("s", "changed_at", None, first.position.as_ref(), None).expect_err("another column");
    assert_eq!(error.to_string(), "continue source `s`: its checkpoint is of the column `at`, not `changed_at`");
    assert!(error.remedy.is_some_and(|remedy| remedy.contains("--mode Full")));
}
