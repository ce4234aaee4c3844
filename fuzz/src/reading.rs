//! Everything that a reader gives out, in one piece, and what must hold of it.

use std::sync::Arc;

use aggregator_worker::connector::{Buffers, ConnectorError, Reject, Result};
use aggregator_worker::format::{Block, BlockReader, Place, ReadPlan};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// What was read: the same however the input was cut.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) rows: RecordBatch,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) read: u64,
}

/// A schema of nullable columns, but for those whose name ends with `!`, which is no part of it.
pub(crate) fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|(name, data_type)| Field::new(name.trim_end_matches('!'), data_type.clone(), !name.ends_with('!')));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How these columns are read, in batches of so many rows.
pub(crate) fn plan(schema: &SchemaRef, batch_rows: usize) -> ReadPlan {
    ReadPlan {
        schema: Arc::clone(schema),
        known: None,
        location: "input".into(),
        rejects: true,
        batch_rows,
        threads: 1,
        buffers: Buffers::default(),
        constants: Vec::new(),
        from: None,
    }
}

/// Reads to the end.
pub(crate) fn all(
    reader: Result<Box<dyn BlockReader>>,
    schema: &SchemaRef,
    batch_rows: usize,
) -> std::result::Result<Outcome, String> {
    let mut reader = reader.map_err(told)?;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block().map_err(told)? {
        blocks.push(block);
    }
    Ok(joined(blocks, schema, batch_rows))
}

/// Reads to the end, each part by a reader of its own that goes on where the one before has stopped. The first part has one
/// block, and each one more than that before it.
pub(crate) fn in_parts(
    open: impl Fn(Option<Place>) -> Result<Box<dyn BlockReader>>,
    schema: &SchemaRef,
    batch_rows: usize,
) -> std::result::Result<Outcome, String> {
    let (mut blocks, mut from, mut least) = (Vec::new(), None, 1);
    'parts: loop {
        let mut reader = open(from).map_err(told)?;
        let mut taken = 0;
        while let Some(block) = reader.next_block().map_err(told)? {
            blocks.push(block);
            taken += 1;
            if taken >= least
                && let Some(place) = reader.place().map_err(told)?
            {
                assert_ne!(from, Some(place), "a part has no end");
                (from, least) = (Some(place), least + 1);
                continue 'parts;
            }
        }
        return Ok(joined(blocks, schema, batch_rows));
    }
}

/// What blocks have, one after the other.
pub(crate) fn joined(blocks: Vec<Block>, schema: &SchemaRef, batch_rows: usize) -> Outcome {
    let (mut batches, mut rejects, mut read) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        assert!(block.batch.num_rows() <= batch_rows, "a batch of {} rows", block.batch.num_rows());
        batches.push(block.batch);
        rejects.extend(block.rejects);
        read += block.read;
    }
    let rows = concat_batches(schema, &batches).expect("batches of one schema");
    assert_eq!(read, (rows.num_rows() + rejects.len()) as u64, "what was read is a row or a reject");
    Outcome { rows, rejects, read }
}

/// An error's text, once it says what and where.
pub(crate) fn told(error: ConnectorError) -> String {
    assert!(error.operation.contains("input"), "the place is not named: {error}");
    assert!(!error.detail.is_empty(), "nothing is said: {error}");
    format!("{:?}: {error}", error.kind)
}

/// The word for a reading.
pub(crate) fn fate(outcome: &std::result::Result<Outcome, String>) -> &'static str {
    match outcome {
        Err(_) => "error",
        Ok(outcome) if outcome.read == 0 => "nothing",
        Ok(outcome) if outcome.rejects.is_empty() => "rows",
        Ok(outcome) if outcome.rows.num_rows() == 0 => "rejects",
        Ok(_) => "rows and rejects",
    }
}
