//! File formats and declared columns, which several Connectors share.

use encoding_rs::Encoding;

use super::path::Path;
use super::report::Report;
use crate::connector::{CsvFormat, FileFormat, StreamSchema};

impl Report {
    pub(super) fn file_format(&mut self, path: &Path, format: &FileFormat) {
        match format {
            FileFormat::Csv(csv) => {
                let path = path.field("csv");
                self.csv(&path, csv);
                self.text_format(&path, &csv.encoding, csv.schema.as_ref());
            }
            FileFormat::Ndjson(ndjson) => {
                self.text_format(&path.field("ndjson"), &ndjson.encoding, ndjson.schema.as_ref());
            }
            FileFormat::Json(json) => {
                let path = path.field("json");
                self.json_path(&path.field("records"), &json.records);
                self.text_format(&path, &json.encoding, json.schema.as_ref());
            }
            FileFormat::Parquet(parquet) => {
                self.range(&path.field("parquet").field("rowGroupRows"), parquet.row_group_rows, 1, u64::MAX);
            }
        }
    }

    fn text_format(&mut self, path: &Path, encoding: &str, schema: Option<&StreamSchema>) {
        if Encoding::for_label(encoding.as_bytes()).is_none() {
            self.add(
                &path.field("encoding"),
                format!("`{encoding}` is not an encoding"),
                "use a WHATWG label, as `utf-8`, `windows-1252`, `utf-16le` or `shift_jis`",
            );
        }
        if let Some(schema) = schema {
            self.stream_schema(&path.field("schema"), schema);
        }
    }

    pub(super) fn stream_schema(&mut self, path: &Path, schema: &StreamSchema) {
        match schema {
            StreamSchema::Infer(infer) => {
                self.range(&path.field("infer").field("records"), infer.records, 1, u64::MAX);
            }
            StreamSchema::Columns(columns) => {
                let path = path.field("columns");
                if columns.is_empty() {
                    self.add(&path, "the list is empty", "give at least one column, or `infer: {}`");
                }
                for (index, column) in columns.iter().enumerate() {
                    self.filled(&path.index(index).field("name"), "the name", &column.name);
                    self.filled(&path.index(index).field("type"), "the type", &column.data_type);
                }
                let names = columns.iter().map(|column| column.name.as_str());
                self.unique("column", names.enumerate().map(|(index, name)| (path.index(index).field("name"), name)));
            }
        }
    }

    fn csv(&mut self, path: &Path, csv: &CsvFormat) {
        if let Some(columns) = &csv.columns {
            self.names(&path.field("columns"), "column", columns);
        }
        let quote = Some(&csv.quote).filter(|quote| !quote.is_empty());
        let characters = [
            ("delimiter", Some(&csv.delimiter)),
            ("quote", quote),
            ("escape", csv.escape.as_ref()),
            ("comment", csv.comment.as_ref()),
            ("terminator", csv.terminator.as_ref()),
        ];
        let mut taken: Vec<(u8, &str)> = Vec::new();
        for (field, text) in characters.into_iter().filter_map(|(field, text)| Some((field, text?))) {
            let path = path.field(field);
            let Some(byte) = one_ascii_character(text) else {
                let message = format!("{text:?} is not one ASCII character");
                self.add(&path, message, "write one character, as `\";\"`, or `\"\\t\"` for a tab");
                continue;
            };
            // An escape may be the quote itself: that is what doubling a quote means.
            match taken.iter().find(|(other, of)| *other == byte && !(field == "escape" && *of == "quote")) {
                Some((_, of)) => {
                    let message = format!("{text:?} already is the {of}");
                    self.add(&path, message, format!("use another character than the {of}"));
                }
                None => taken.push((byte, field)),
            }
        }
        if csv.quote.is_empty() && csv.escape.is_some() {
            self.add(
                &path.field("escape"),
                "there is no quote that could be escaped",
                "set `quote`, or leave `escape` out",
            );
        }
    }
}

/// The byte of a field that holds one ASCII character; a tab may be spelled `\t`.
fn one_ascii_character(text: &str) -> Option<u8> {
    match text {
        "\\t" => Some(b'\t'),
        _ => match text.as_bytes() {
            [byte] => Some(*byte),
            _ => None,
        },
    }
}
