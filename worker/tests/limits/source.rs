//! Content that is made while it is read, so that it can be larger than anything one would keep.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aggregator_worker::connector::{Buffers, ConnectorError, ErrorKind};
use aggregator_worker::format::{Input, ReadPlan, format_by_name, open};
use arrow::datatypes::{DataType, Field, Schema};

/// A beginning, and then one byte for so long.
struct Long {
    head: &'static [u8],
    filler: u8,
    left: u64,
}

impl Read for Long {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if !self.head.is_empty() {
            return self.head.read(buffer);
        }
        let count = buffer.len().min(usize::try_from(self.left).unwrap());
        buffer[..count].fill(self.filler);
        self.left -= count as u64;
        Ok(count)
    }
}

/// Reads a file of that name that begins so and goes on with one byte for 1 GiB, until it fails; gives the error and the bytes
/// that were taken before.
pub(crate) fn fails(name: &str, head: &'static [u8], filler: u8) -> (ConnectorError, u64) {
    let input = Input::Stream(Box::new(Long { head, filler, left: 1 << 30 }));
    let plan = ReadPlan {
        schema: Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)])),
        known: None,
        location: name.into(),
        rejects: true,
        batch_rows: 1000,
        threads: 1,
        buffers: Buffers::default(),
        constants: Vec::new(),
        from: None,
    };
    let taken = Arc::<AtomicU64>::default();
    let format = format_by_name(name).unwrap();
    let error = match open(input, name, &format, plan, &taken) {
        Err(error) => error,
        Ok(mut reader) => loop {
            match reader.next_block() {
                Ok(Some(block)) => assert!(block.batch.num_rows() <= 1, "{block:?}"),
                Ok(None) => panic!("{name} was read to its end"),
                Err(error) => break error,
            }
        },
    };
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    (error, taken.load(Ordering::Relaxed))
}
