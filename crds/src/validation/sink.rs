//! Sink nodes.

use super::path::Path;
use super::report::Report;
use crate::pipeline::{KeyColumns, Sink, Write, WriteMode};

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
        let mode = mode_name(write.mode);
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
        match &write.delete {
            Some(delete) if write.mode == WriteMode::Merge => {
                self.filled(&path.field("delete").field("where"), "the expression", &delete.predicate);
            }
            Some(_) => {
                let help = "use the mode Merge, or leave `delete` out";
                self.add(&path.field("delete"), format!("`delete` is not used by the mode {mode}"), help);
            }
            None if write.mode == WriteMode::Merge => {
                let help = "say which rows delete, as `delete: {where: op = 'd'}`, or use the mode Upsert";
                self.add(&path.field("delete"), "the mode Merge needs to know deleted rows", help);
            }
            None => {}
        }
        if let Some(columns) = &write.scd2 {
            let path = path.field("scd2");
            if write.mode != WriteMode::Scd2 {
                let help = "use the mode SCD2, or leave `scd2` out";
                self.add(&path, format!("`scd2` is not used by the mode {mode}"), help);
            }
            self.filled(&path.field("validFrom"), "the column", &columns.valid_from);
            self.filled(&path.field("validTo"), "the column", &columns.valid_to);
            if columns.valid_from == columns.valid_to {
                let message = format!("`{}` already is the column of `validFrom`", columns.valid_to);
                self.add(&path.field("validTo"), message, "name two different columns");
            }
        }
    }
}

fn mode_name(mode: WriteMode) -> &'static str {
    match mode {
        WriteMode::Append => "Append",
        WriteMode::Overwrite => "Overwrite",
        WriteMode::Upsert => "Upsert",
        WriteMode::Merge => "Merge",
        WriteMode::Scd2 => "SCD2",
    }
}
