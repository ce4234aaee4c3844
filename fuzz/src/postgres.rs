//! The binary COPY. The first line has the letters of the columns, as [`decode_copy`] reads them; `x` means that the header is
//! part of the input, a number is the size of the pieces it comes in.

use aggregator_worker::fuzzing::{Copied, decode_copy};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use crate::options;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const BATCH_ROWS: usize = 4;

/// However the bytes are cut, they give the same rows and rejects, or the same error; a row gives what it gives alone; what is kept
/// of them is not much more than they are.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let (columns, body) = options::split(input);
    let columns: String = columns.chars().take(32).collect();
    let whole = if columns.contains('x') { body.to_vec() } else { [HEADER, body].concat() };
    let copied = decode(&columns, &whole, whole.len().max(1), true);
    let size = options::number(&columns).unwrap_or(7).clamp(1, 64 * 1024);
    assert_eq!(decode(&columns, &whole, size, true), copied, "in pieces of {size} bytes");
    let strict = decode(&columns, &whole, size, false);
    let Ok(copied) = copied else {
        assert!(strict.is_err(), "rejects make no difference to broken bytes");
        return "error";
    };
    assert_eq!(strict.is_ok(), copied.rejects.is_empty(), "a bad row is an error without rejects");
    let rows: usize = copied.batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(copied.read, (rows + copied.rejects.len()) as u64, "what was read is a row or a reject");
    let kept: usize = copied.batches.iter().map(RecordBatch::get_array_memory_size).sum();
    let batches = copied.batches.len() + 1;
    assert!(kept <= batches * (columns.len() + 1) * 4096 + 64 * whole.len(), "{kept} bytes of {}", whole.len());
    alone(&columns, &whole, &copied);
    match (rows, copied.rejects.len()) {
        (0, 0) => "nothing",
        (_, 0) => "rows",
        (0, _) => "rejects",
        (_, _) => "rows and rejects",
    }
}

fn decode(columns: &str, bytes: &[u8], size: usize, rejects: bool) -> Result<Copied, String> {
    decode_copy(columns, bytes.chunks(size), BATCH_ROWS, rejects).map_err(|error| {
        assert!(error.operation.contains("public.t") && !error.detail.is_empty(), "{error}");
        error.to_string()
    })
}

/// Each row in a COPY of its own.
fn alone(columns: &str, whole: &[u8], copied: &Copied) {
    let Some(first) = copied.batches.first() else { return };
    let schema = first.schema();
    let (mut batches, mut rejects) = (Vec::new(), Vec::new());
    for row in tuples(whole) {
        let single = [HEADER, row, &[0xff, 0xff]].concat();
        let one = decode(columns, &single, single.len(), true).expect("a row that was read before");
        batches.extend(one.batches);
        rejects.extend(one.rejects.into_iter().map(|reject| (reject.column, reject.message, reject.raw)));
    }
    let together = concat_batches(&schema, &copied.batches).expect("batches of one schema");
    assert_eq!(concat_batches(&schema, &batches).expect("batches of one schema"), together, "row by row");
    let told = copied.rejects.iter().map(|reject| (reject.column.clone(), reject.message.clone(), reject.raw.clone()));
    assert_eq!(rejects, told.collect::<Vec<_>>(), "row by row");
}

/// The rows of a COPY that was read to its end.
fn tuples(whole: &[u8]) -> Vec<&[u8]> {
    let word =
        |at: usize| whole.get(at..at + 4).map_or(0, |word| i32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    let mut at = 19 + word(15).cast_unsigned() as usize;
    let mut found = Vec::new();
    while let Some(count) = whole.get(at..at + 2).map(|count| i16::from_be_bytes([count[0], count[1]])) {
        if count < 0 {
            break;
        }
        let begin = at;
        at += 2;
        for _ in 0..count {
            at += 4 + usize::try_from(word(at)).unwrap_or_default();
        }
        found.push(&whole[begin..at]);
    }
    found
}
