//! A door for fuzzing: the binary COPY of a server that may be any.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};

use super::decode::Decoder;
use super::types::Wire;
use crate::connector::{Reject, Result};

/// What was decoded.
#[derive(Debug, PartialEq)]
pub struct Copied {
    /// The good rows.
    pub batches: Vec<RecordBatch>,
    /// The bad ones.
    pub rejects: Vec<Reject>,
    /// The rows met.
    pub read: u64,
}

/// Decodes pieces of a binary COPY with a column `c0`, `c1`, … for each letter of `columns`: `b` bool, `h` int2, `i` int4,
/// `k` int8, `f` float4, `g` float8, `n` numeric(10,2), `m` numeric(38,0), `t` text, `u` uuid, `y` bytea, `d` date, `e` time,
/// `s` timestamp, `z` timestamptz; each `l` before makes an array of it. Other letters mean nothing.
///
/// # Errors
/// When the bytes are no COPY of such columns, or end too early.
pub fn decode_copy<'a>(
    columns: &str,
    pieces: impl Iterator<Item = &'a [u8]>,
    batch_rows: usize,
    rejects: bool,
) -> Result<Copied> {
    let wires = wires(columns);
    let fields = wires.iter().enumerate();
    let fields: Vec<Field> = fields.map(|(at, wire)| Field::new(format!("c{at}"), wire.arrow(), true)).collect();
    let mut decoder = Decoder::new(Arc::new(Schema::new(fields)), &wires, batch_rows, "public.t", rejects);
    let mut decoded = Vec::new();
    for piece in pieces {
        decoder.feed(piece, &mut decoded)?;
    }
    decoded.extend(decoder.finish()?);
    let mut copied = Copied { batches: Vec::new(), rejects: Vec::new(), read: decoder.read };
    for part in decoded {
        copied.batches.push(part.batch);
        copied.rejects.extend(part.rejects);
    }
    Ok(copied)
}

fn wires(columns: &str) -> Vec<Wire> {
    let (mut wires, mut lists) = (Vec::new(), 0);
    for letter in columns.chars() {
        let wire = match letter {
            'b' => Wire::Bool,
            'h' => Wire::Int2,
            'i' => Wire::Int4,
            'k' => Wire::Int8,
            'f' => Wire::Float4,
            'g' => Wire::Float8,
            'n' => Wire::Numeric { precision: 10, scale: 2 },
            'm' => Wire::Numeric { precision: 38, scale: 0 },
            't' => Wire::Text,
            'u' => Wire::Uuid,
            'y' => Wire::Bytea,
            'd' => Wire::Date,
            'e' => Wire::Time,
            's' => Wire::Timestamp,
            'z' => Wire::TimestampTz,
            'l' => {
                lists += 1;
                continue;
            }
            _ => continue,
        };
        // An array of a domain over an array is a list of lists; what is deeper does not differ from it.
        let depth = std::mem::take(&mut lists).min(2);
        wires.push((0..depth).fold(wire, |wire, _| Wire::List(Box::new(wire))));
    }
    wires
}
