//! One made-up stream, read from the manifest.

use std::collections::HashSet;

use aggregator_compiler::catalogue::Stream;
use aggregator_compiler::declared::generated;
use aggregator_crds::connector::GeneratedStream;

use super::column::Column;
use crate::connector::{ConnectorError, ErrorKind, Result};

/// One made-up stream.
#[derive(Clone, Debug)]
pub(super) struct GeneratedRows {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<Column>,
    /// As a catalogue shows it.
    pub described: Stream,
}

impl GeneratedRows {
    /// Reads what the manifest says.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a column cannot be made.
    pub(super) fn parse(seed: u64, spec: &GeneratedStream) -> Result<Self> {
        let mut names = HashSet::new();
        let columns = spec
            .columns
            .iter()
            .map(|column| {
                let made = if names.insert(column.name.as_str()) {
                    Column::parse(seed, &spec.name, spec.rows, column)
                } else {
                    Err("the name stands twice".to_owned())
                };
                made.map_err(|detail| {
                    let operation = format!("read column `{}` of generated stream `{}`", column.name, spec.name);
                    ConnectorError::new(ErrorKind::Config, operation, detail)
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { name: spec.name.clone(), rows: spec.rows, columns, described: generated(spec) })
    }
}
