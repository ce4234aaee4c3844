//! Source nodes: their streams, columns and cursors.

use std::sync::Arc;
use std::time::Duration;

use aggregator_crds::Connector;
use aggregator_crds::connector::ConnectorType;
use aggregator_crds::pipeline::{Source, Sync, SyncMode};
use arrow::datatypes::{DataType, SchemaRef};

use super::{Compiler, Known};
use crate::catalogue::Stream;
use crate::declared::{self, Declared};
use crate::graph::{Node, NodeKind, SourceColumn, SourceNode};
use crate::lineage::Origin;
use crate::manifest::Located;
use crate::streams::connector_type;
use crate::{suggest, types};

impl Compiler<'_> {
    pub(super) fn source(&mut self, index: usize) {
        let source = &self.pipeline.object.spec.sources[index];
        let path = format!("spec.sources[{index}]");
        let connector = self.connector(&source.connector, &format!("{path}.connector"));
        let name = match (&source.stream, &source.streams) {
            (Some(stream), None) => stream,
            (None, Some(_)) => return self.streams(source, &path),
            // The Pipeline's own rules say so.
            (Some(_), Some(_)) | (None, None) => return,
        };
        let Some(connector) = connector else { return };
        let kind = &connector.object.spec.connector_type;
        let sync = source.sync.clone().unwrap_or_default();
        let lag = self.sync(&sync, kind, &path);
        let Some((stream, schema)) = self.stream(connector, name, &path) else { return };
        let key = match &sync.key {
            Some(key) => key.clone(),
            None => stream.primary_key.clone(),
        };
        let mut sound = true;
        for (number, column) in sync.key.iter().flatten().enumerate() {
            sound &= self.has_column(column, &schema, &format!("{path}.sync.key[{number}]"));
        }
        if let Some(cursor) = &sync.cursor {
            sound &= self.cursor(cursor, &sync, &schema, &path);
        }
        let Ok(lag) = lag else { return };
        if !sound {
            return;
        }
        let origins: Vec<Origin> = schema
            .fields()
            .iter()
            .map(|field| {
                let column = SourceColumn { node: source.name.clone(), column: field.name().clone() };
                Origin { columns: [column.clone()].into(), copy: Some(column) }
            })
            .collect();
        let kind = NodeKind::Source(SourceNode {
            connector: source.connector.clone(),
            stream: name.clone(),
            sync: sync.mode,
            cursor: if sync.mode == SyncMode::Incremental { sync.cursor } else { None },
            lag,
            key,
        });
        let lineage = super::step::lineage(&schema, &origins);
        let node = Node { name: source.name.clone(), inputs: Vec::new(), schema, lineage, kind };
        self.nodes.push(Known { node, origins, rows_of: Some(source.name.clone()) });
    }

    /// Many streams: each of them is compiled by itself when a run has found them.
    fn streams(&mut self, source: &Source, path: &str) {
        let spec = &self.pipeline.object.spec;
        let help = "make a Pipeline of its own for the other sources: each stream flows on its own";
        if spec.sources.len() > 1 {
            let message = "a source of many `streams` stands alone in its Pipeline";
            self.fail("Conflict", message, help, &format!("{path}.streams"));
        }
        let meeting = spec.transforms.iter().position(|transform| transform.from.len() > 1);
        if let Some(index) = meeting {
            let message = format!(
                "`{}` reads several nodes, but each of many `streams` flows on its own",
                spec.transforms[index].name
            );
            self.fail("Conflict", message, "read one node", &format!("spec.transforms[{index}].from"));
        }
        let shared = spec.sinks.iter().position(|sink| !sink.stream.contains("${stream.name}"));
        if let Some(index) = shared {
            let message = "all of the `streams` would be written to the same place";
            let help = "say where each goes, as `raw.${stream.name}`";
            self.fail("Conflict", message, help, &format!("spec.sinks[{index}].stream"));
        }
        // A Connector that is not there is spoken of at its sink, and says nothing of tables.
        let kinds = spec.sinks.iter().map(|sink| connector_type(self.manifests, self.pipeline, &sink.connector));
        let kinds: Vec<&ConnectorType> = kinds.collect::<Option<_>>().unwrap_or_default();
        for (index, change) in source.overrides.iter().enumerate() {
            if let Some(policy) = &change.schema_policy {
                self.policy(policy, &kinds, &format!("{path}.overrides[{index}].schemaPolicy"));
            }
        }
        self.warn(
            "SchemaUnknown",
            "the streams and their columns are found when it runs",
            "columns and types behind this source are checked then",
            &format!("{path}.streams"),
        );
    }

    /// The stream and its columns, as far as a catalogue knows them.
    fn stream(&mut self, at: &Located<Connector>, name: &str, path: &str) -> Option<(Stream, SchemaRef)> {
        let (connector, kind) = (at.name.as_str(), &at.object.spec.connector_type);
        let field = format!("{path}.stream");
        let Some(catalogue) = self.catalogues.get(connector) else {
            let declared = if at.damaged.is_empty() { declared::stream(kind, name) } else { Declared::Unknown };
            match declared {
                Declared::Columns(stream) => return stream.schema().ok().map(|schema| (stream, schema)),
                Declared::Missing(names) => {
                    self.no_stream(connector, name, &names, &field);
                    return None;
                }
                Declared::Unknown => {}
            }
            let message = format!("the columns of `{name}` are not known: nothing was discovered at `{connector}`");
            self.warn(
                "SchemaUnknown",
                message,
                "columns and types behind this source are checked when it runs",
                &field,
            );
            return None;
        };
        let Some(stream) = catalogue.stream(name).cloned() else {
            // A pattern is no stream that anybody has found, and may have columns all the same.
            if let (true, Declared::Columns(stream)) = (at.damaged.is_empty(), declared::stream(kind, name)) {
                return stream.schema().ok().map(|schema| (stream, schema));
            }
            let names: Vec<String> = catalogue.streams.iter().map(|stream| stream.name.clone()).collect();
            if open_ended(name, kind) || catalogue.truncated {
                let message =
                    format!("the columns of `{name}` are not known: it is not among the streams of `{connector}`");
                self.warn(
                    "SchemaUnknown",
                    message,
                    "columns and types behind this source are checked when it runs",
                    &field,
                );
            } else {
                self.no_stream(connector, name, &names, &field);
            }
            return None;
        };
        match stream.schema() {
            Ok(schema) => Some((stream, Arc::clone(&schema))),
            Err(error) => {
                let message = format!("the catalogue of `{connector}` has a column of unknown type: {error}");
                self.fail("UnknownType", message, "discover the Connector again", &field);
                None
            }
        }
    }

    fn no_stream(&mut self, connector: &str, name: &str, names: &[String], path: &str) {
        let message = format!("`{connector}` has no stream `{name}`");
        let help = suggest::advice(name, "streams", names.iter().map(String::as_str));
        self.fail("UnknownStream", message, help, path);
    }

    /// Checks the fields of `sync` that need no columns, and reads the lag.
    fn sync(&mut self, sync: &Sync, kind: &ConnectorType, path: &str) -> Result<Option<Duration>, ()> {
        let remembers = matches!(kind, ConnectorType::File(_) | ConnectorType::S3(_));
        if sync.mode == SyncMode::Incremental && sync.cursor.is_none() && !remembers {
            let help = "add `cursor:` with a column that grows, as an update time; or write `mode: FullRefresh`";
            let message = format!("an incremental read from a `{}` Connector needs a cursor", kind.key());
            self.fail("MissingCursor", message, help, &format!("{path}.sync.mode"));
        }
        let Some(written) = &sync.lag else { return Ok(None) };
        // A lag that is no time span, or lacks a cursor, is told by the Pipeline's own rules.
        if sync.cursor.is_none() {
            return Err(());
        }
        aggregator_crds::parse_duration(written).map(Some).map_err(|_| ())
    }

    /// Checks the cursor column.
    fn cursor(&mut self, cursor: &str, sync: &Sync, schema: &SchemaRef, path: &str) -> bool {
        let field = format!("{path}.sync.cursor");
        if !self.has_column(cursor, schema, &field) {
            return false;
        }
        let Some((_, column)) = schema.column_with_name(cursor) else { return false };
        let data_type = column.data_type();
        let time = matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
        let text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if !(time || text || data_type.is_numeric()) {
            let message = format!("`{cursor}` is {} and cannot be a cursor", types::name(data_type));
            self.fail("TypeMismatch", message, "choose a column of numbers, times or text that grows", &field);
            return false;
        }
        if sync.lag.is_some() && !time {
            let message = format!("`lag` needs a cursor that is a time; `{cursor}` is {}", types::name(data_type));
            self.fail("TypeMismatch", message, "remove `lag`, or choose a time as cursor", &format!("{path}.sync.lag"));
            return false;
        }
        true
    }

    /// Whether a column that a field names exists; it is an error if not.
    pub(super) fn has_column(&mut self, name: &str, schema: &SchemaRef, path: &str) -> bool {
        if schema.column_with_name(name).is_some() {
            return true;
        }
        let help = suggest::advice(name, "columns", schema.fields().iter().map(|field| field.name().as_str()));
        self.fail("UnknownColumn", format!("there is no column `{name}`"), help, path);
        false
    }
}

/// Whether a stream may well exist without a catalogue listing it: a query, a glob.
fn open_ended(name: &str, kind: &ConnectorType) -> bool {
    let start = name.trim_start().to_ascii_lowercase();
    match kind {
        ConnectorType::File(_) | ConnectorType::S3(_) => true,
        ConnectorType::Postgres(_) | ConnectorType::Sqlite(_) => {
            start.starts_with("select") || start.starts_with("with")
        }
        ConnectorType::Http(_) | ConnectorType::Generator(_) => false,
    }
}
