//! Sink nodes.

use super::path::Path;
use super::report::Report;
use crate::pipeline::{KeyColumns, MissingRows, Scd2Columns, Sink, Write, WriteMode};

impl Report {
    pub(super) fn sink(&mut self, path: &Path, sink: &Sink) {
        self.filled(&path.field("from"), "the node", &sink.from);
        self.object_name(&path.field("connector"), &sink.connector);
        let stream = path.field("stream");
        self.filled(&stream, "the stream", &sink.stream);
        self.placeholders(&stream, &sink.stream, |word| word == "stream.name", "use `${stream.name}`, or plain text");
        if let Some(write) = &sink.write {
            self.write(&path.field("write"), write);
        }
    }

    fn write(&mut self, path: &Path, write: &Write) {
        let mode = write.mode;
        let by_key = matches!(write.mode, WriteMode::Upsert | WriteMode::Merge | WriteMode::Scd2);
        match &write.key {
            None if by_key => self.add(
                &path.field("key"),
                format!("the mode {mode} needs a key"),
                "name the columns that tell rows apart, as `key: [id]`, or write `key: PrimaryKey`",
            ),
            Some(_) if !by_key => self.add(
                &path.field("key"),
                format!("`key` is not used by the mode {mode}"),
                "use the mode Upsert, Merge or SCD2, or leave `key` out",
            ),
            Some(KeyColumns::Columns(columns)) => self.names(&path.field("key"), "column", columns),
            Some(KeyColumns::PrimaryKey(_)) | None => {}
        }
        let folders = path.field("partitionBy");
        self.optional_names(&folders, "column", &write.partition_by);
        if by_key && !write.partition_by.is_empty() {
            let help = "use the mode Append or Overwrite, or leave `partitionBy` out";
            self.add(&folders, format!("`partitionBy` is for files, and the mode {mode} is not"), help);
        }
        self.delete(path, write);
        self.missing(path, write);
        if let Some(columns) = &write.scd2 {
            let path = path.field("scd2");
            if write.mode != WriteMode::Scd2 {
                let help = "use the mode SCD2, or leave `scd2` out";
                self.add(&path, format!("`scd2` is not used by the mode {mode}"), help);
            }
            self.version_columns(&path, columns);
        }
    }

    fn delete(&mut self, path: &Path, write: &Write) {
        match &write.delete {
            Some(delete) if write.mode == WriteMode::Merge => {
                let path = path.field("delete");
                self.filled(&path.field("where"), "the expression", &delete.predicate);
                let markers = path.field("markers");
                self.optional_names(&markers, "column", &delete.markers);
                if let Some(KeyColumns::Columns(key)) = &write.key
                    && let Some(column) = delete.markers.iter().find(|column| key.contains(column))
                {
                    let help = "name columns that only say whether a row is deleted";
                    self.add(&markers, format!("the target cannot do without the key column `{column}`"), help);
                }
            }
            Some(_) => {
                let help = "use the mode Merge, or leave `delete` out";
                let mode = write.mode;
                self.add(&path.field("delete"), format!("`delete` is not used by the mode {mode}"), help);
            }
            None if write.mode == WriteMode::Merge && write.missing != Some(MissingRows::Delete) => {
                let help = "say which rows delete, as `delete: {where: op = 'd'}`, write `missing: Delete` if rows that do \
                            not come any more are deleted, or use the mode Upsert";
                self.add(&path.field("delete"), "the mode Merge needs to know deleted rows", help);
            }
            None => {}
        }
    }

    fn missing(&mut self, path: &Path, write: &Write) {
        let (Some(missing), path) = (write.missing, path.field("missing")) else { return };
        match (write.mode, missing) {
            (WriteMode::Merge, MissingRows::Keep | MissingRows::Delete)
            | (WriteMode::Scd2, MissingRows::Keep | MissingRows::Close) => {}
            (WriteMode::Merge, MissingRows::Close) => {
                let help = "write `Delete` or `Keep`; the mode SCD2 closes versions";
                self.add(&path, "a Merge keeps no versions that could be closed", help);
            }
            (WriteMode::Scd2, MissingRows::Delete) => {
                let help = "write `Close` or `Keep`; the mode Merge deletes rows";
                self.add(&path, "the mode SCD2 keeps history, and deletes nothing", help);
            }
            (mode, _) => {
                let help = "use the mode Merge or SCD2, or leave `missing` out";
                self.add(&path, format!("`missing` is not used by the mode {mode}"), help);
            }
        }
    }

    fn version_columns(&mut self, path: &Path, columns: &Scd2Columns) {
        let named =
            [("validFrom", &columns.valid_from), ("validTo", &columns.valid_to), ("isCurrent", &columns.is_current)];
        for (number, (field, name)) in named.iter().enumerate() {
            self.filled(&path.field(field), "the column", name);
            if let Some((first, _)) = named[..number].iter().find(|(_, other)| other == name) {
                let message = format!("`{name}` already is the column of `{first}`");
                self.add(&path.field(field), message, "name three different columns");
            }
        }
        if let Some(column) = &columns.effective_from {
            let path = path.field("effectiveFrom");
            self.filled(&path, "the column", column);
            if *column == columns.valid_to || *column == columns.is_current {
                let message = format!("`{column}` is a column that the sink fills in");
                self.add(&path, message, "name the column of the rows that says from when they hold");
            }
        }
    }
}
