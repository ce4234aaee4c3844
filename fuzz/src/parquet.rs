//! Parquet files. All of the input is the file.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Once};

use aggregator_crds::connector::{FileFormat, ParquetFormat};
use aggregator_worker::connector::Buffers;
use aggregator_worker::format::{Input, Place, Ranges, ReadPlan, SchemaProbe, open};
use arrow::array::{Array, RecordBatch};
use bytes::Bytes;

use crate::reading::{Outcome, fate, joined, plan, told};

const BATCH_ROWS: usize = 7;
/// What is read: a few bytes may say that there are billions of rows, or of values in their lists.
const MOST_ROWS: u64 = 1000;
const MOST_BYTES: usize = 16 << 20;
/// The most that a column of a batch may take. A row has 64 MiB of one, and buffers grow by doubling.
const MAX_COLUMN: usize = 256 << 20;

/// A file, and one that is fetched in ranges, give the same, and so do batches of any size and a read that goes on behind the
/// first of them; no batch is large, and what breaks in the library is told as the file's fault.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let file = Bytes::copy_from_slice(input);
    let whole = || Input::Bytes(file.clone());
    let ranges = || Input::Ranges(Arc::new(Fetched(file.clone())));
    let found = quietly(|| read(whole, BATCH_ROWS, None));
    let fetched = quietly(|| read(ranges, BATCH_ROWS, None));
    let (outcome, next) = match (found, fetched) {
        (Ok((outcome, next)), Ok((fetched, _))) => {
            assert_eq!(fetched, outcome, "in ranges");
            (outcome, next)
        }
        // In other words where the end of the file is met.
        (Err(_), Err(_)) => return "error",
        (found, fetched) => panic!("{:?}, and in ranges {:?}", found.err(), fetched.err()),
    };
    // What is broken may show in one way and not in the other.
    if let Ok((single, _)) = quietly(|| read(whole, 1, None)) {
        same(&single.rows, &outcome.rows, "one row a batch");
    }
    if let Some((place, good)) = next
        && let Ok((rest, _)) = quietly(|| read(whole, BATCH_ROWS, Some(place)))
    {
        same(&rest.rows, &outcome.rows.slice(good, outcome.rows.num_rows() - good), "gone on");
    }
    fate(&Ok(outcome))
}

/// The rows that both have: one may have been read further.
fn same(one: &RecordBatch, other: &RecordBatch, how: &str) {
    let rows = one.num_rows().min(other.num_rows());
    assert_eq!(one.slice(0, rows), other.slice(0, rows), "{how}");
}

/// Where the second batch begins: the place, and how many good rows are before it.
type Next = Option<(Place, usize)>;

fn read(input: impl Fn() -> Input, batch_rows: usize, from: Option<Place>) -> Result<(Outcome, Next), String> {
    let (format, buffers) = (FileFormat::Parquet(ParquetFormat::default()), Buffers::beside(0));
    let mut probe = SchemaProbe::within(buffers);
    probe.look(input(), "input", &format, "input", u64::MAX).map_err(told)?;
    let schema = probe.schema(&format).map_err(told)?;
    let plan = ReadPlan { buffers, from, ..plan(&schema, batch_rows) };
    let mut reader = open(input(), "input", &format, plan, &Arc::<AtomicU64>::default()).map_err(told)?;
    let (mut blocks, mut next, mut rows, mut bytes) = (Vec::new(), None, 0, 0);
    while rows < MOST_ROWS
        && bytes < MOST_BYTES
        && let Some(block) = reader.next_block().map_err(told)?
    {
        for column in block.batch.columns() {
            let size = column.get_array_memory_size();
            assert!(size <= MAX_COLUMN, "a column of {size} bytes");
            bytes += size;
        }
        if blocks.is_empty() {
            next = reader.place().map_err(told)?.map(|place| (place, block.batch.num_rows()));
        }
        rows += block.read;
        blocks.push(block);
    }
    Ok((joined(blocks, &schema, batch_rows), next))
}

/// A file that is fetched in ranges.
struct Fetched(Bytes);

impl Ranges for Fetched {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn fetch(&self, range: Range<u64>) -> io::Result<Bytes> {
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let found = range.filter(|(start, end)| start <= end && *end <= self.0.len());
        found.map(|(start, end)| self.0.slice(start..end)).ok_or_else(|| io::Error::other("nothing is there"))
    }
}

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
    /// The panic that was met last while reading, and whether it is in code of ours: such a one stays.
    static PANIC: RefCell<Option<(bool, String)>> = const { RefCell::new(None) };
}

/// Reads. The library panics at some of what is broken, which its reader catches: the engine, which ends at any panic, hears of
/// those alone that are not caught, or are in code of ours.
fn quietly<T>(read: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !READING.get() {
                return before(panic);
            }
            let ours = panic.location().is_some_and(|place| place.file().starts_with("worker/"));
            PANIC.with_borrow_mut(|met| {
                if !matches!(met, Some((true, _))) {
                    *met = Some((ours, panic.to_string()));
                }
            });
        }));
    });
    PANIC.set(None);
    READING.set(true);
    let done = catch_unwind(AssertUnwindSafe(read));
    READING.set(false);
    match (done, PANIC.take()) {
        (Ok(done), None | Some((false, _))) => done,
        (_, met) => panic!("{}", met.map_or_else(String::new, |(_, told)| told)),
    }
}
