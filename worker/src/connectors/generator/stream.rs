//! One made-up stream, read from the manifest.

use std::collections::HashSet;

use aggregator_compiler::catalogue::Stream;
use aggregator_crds::connector::GeneratedStream;
use arrow::datatypes::{Field, Schema};

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
        Ok(Self { name: spec.name.clone(), rows: spec.rows, columns })
    }

    /// The stream as a catalogue shows it. A sequence without nulls names its rows.
    pub(super) fn describe(&self) -> Stream {
        let fields: Vec<Field> = self.columns.iter().map(|column| column.field.clone()).collect();
        let key = self.columns.iter().find(|column| column.names_rows()).map(|column| column.field.name().clone());
        Stream {
            primary_key: key.into_iter().collect(),
            estimated_rows: Some(self.rows),
            ..Stream::from_schema(&self.name, &Schema::new(fields))
        }
    }
}
