//! Sink nodes: how rows meet what is there, and by which key.

use std::collections::HashMap;
use std::sync::Arc;

use aggregator_crds::connector::ConnectorType;
use aggregator_crds::pipeline::{ChangePolicy, KeyColumns, SchemaPolicy, Write, WriteMode};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::{Compiler, Known};
use crate::graph::{Lineage, Node, NodeKind, SinkNode};

impl Compiler<'_> {
    pub(super) fn sink(&mut self, index: usize) {
        let sink = &self.pipeline.object.spec.sinks[index];
        let path = format!("spec.sinks[{index}]");
        let before = self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let connector = self.target(&sink.connector, &format!("{path}.connector"));
        let write = sink.write.clone().unwrap_or_default();
        if let Some(connector) = connector {
            self.mode(&write, &connector.object.spec.connector_type, &path);
        }
        if connector.is_some_and(|connector| !has_files(&connector.object.spec.connector_type)) {
            self.alone(index, &path);
        }
        if let (Some(policy), Some(connector)) = (&sink.schema_policy, connector) {
            self.policy(policy, &[&connector.object.spec.connector_type], &format!("{path}.schemaPolicy"));
        }
        if sink.stream.contains("${") && self.pipeline.object.spec.sources.iter().all(|source| source.streams.is_none())
        {
            let help = "write the name of the stream";
            self.fail("Conflict", "`${stream.name}` is for sources of many `streams`", help, &format!("{path}.stream"));
        }
        let Some(known) = self.known(&sink.from) else {
            self.missing(&write, &sink.from, &path);
            return;
        };
        let (schema, lineage, origins) = (known.node.schema.clone(), known.node.lineage.clone(), known.origins.clone());
        let rows_of = known.rows_of.clone();
        let key = self.key(&write, &sink.from, &path);
        for (number, column) in write.partition_by.iter().enumerate() {
            self.has_column(column, &schema, &format!("{path}.write.partitionBy[{number}]"));
        }
        if !write.partition_by.is_empty()
            && schema.fields().iter().all(|field| write.partition_by.contains(field.name()))
        {
            let help = "leave at least one column for the files";
            self.fail("Conflict", "`partitionBy` takes every column", help, &format!("{path}.write.partitionBy"));
        }
        self.missing(&write, &sink.from, &path);
        let of_key = key.clone().unwrap_or_default();
        let deletes = self.deletes(&write, &sink.from, &schema, &of_key, &path);
        let history = self.history(&write, &schema, &of_key, &path);
        let after = self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let (Some(key), Some(deletes), Some(history)) = (key, deletes, history) else { return };
        if before != after || connector.is_none() {
            return;
        }
        let (schema, lineage) = match &deletes {
            Some(deletes) => without_markers(&schema, lineage, &deletes.keep),
            None => (schema, lineage),
        };
        let kind = NodeKind::Sink(SinkNode {
            connector: sink.connector.clone(),
            stream: sink.stream.clone(),
            mode: write.mode,
            key,
            partition_by: write.partition_by,
            deletes,
            missing: write.missing.unwrap_or_default(),
            history,
            policy: sink.schema_policy.clone().unwrap_or_default(),
        });
        let node = Node { name: sink.name.clone(), inputs: vec![sink.from.clone()], schema, lineage, kind };
        self.nodes.push(Known { node, origins, rows_of });
    }

    /// Two sinks that commit one after the other cannot share a table: the second would wait for the first, or meet a
    /// table that was not there when it looked.
    fn alone(&mut self, index: usize, path: &str) {
        let sinks = &self.pipeline.object.spec.sinks;
        let (sink, table) = (&sinks[index], table(&sinks[index].stream));
        let rejects = self.pipeline.object.spec.rejects.as_ref();
        let with_rejects = rejects.is_some_and(|it| it.connector == sink.connector && self::table(&it.stream) == table);
        let first = sinks[..index]
            .iter()
            .find(|other| other.connector == sink.connector && self::table(&other.stream) == table);
        let other = match first {
            Some(first) => format!("the sink `{}`", first.name),
            None if with_rejects => "the rejects".to_owned(),
            None => return,
        };
        let message = format!("{other} and this sink write the same table `{}`", sink.stream);
        let help = "bring the rows together in a `union` and write them with one sink";
        self.fail("Conflict", message, help, &format!("{path}.stream"));
    }

    /// Whether a Connector of that type can write so.
    fn mode(&mut self, write: &Write, kind: &ConnectorType, path: &str) {
        let field = format!("{path}.write.mode");
        let files = has_files(kind);
        match write.mode {
            WriteMode::Append | WriteMode::Overwrite => {}
            WriteMode::Upsert | WriteMode::Merge | WriteMode::Scd2 if files => {
                let verb = match write.mode {
                    WriteMode::Merge => "merge rows",
                    WriteMode::Scd2 => "keep versions",
                    _ => "Upsert",
                };
                let message = format!("`{}` Connectors cannot {verb}: files are added or replaced whole", kind.key());
                self.fail("WriteMode", message, "write `mode: Append` or `mode: Overwrite`", &field);
            }
            WriteMode::Upsert | WriteMode::Merge | WriteMode::Scd2 => {}
        }
        if !write.partition_by.is_empty() && !files {
            let message = format!("`partitionBy` makes folders; a `{}` Connector has none", kind.key());
            self.fail("Conflict", message, "remove it", &format!("{path}.write.partitionBy"));
        }
    }

    /// Whether Connectors of these types can do what the policy wants, those that have tables.
    pub(super) fn policy(&mut self, policy: &SchemaPolicy, kinds: &[&ConnectorType], path: &str) {
        if let Some(kind) = kinds.first().filter(|_| kinds.iter().all(|kind| has_files(kind))) {
            if *policy != SchemaPolicy::default() {
                let message =
                    format!("a `{}` Connector has no table whose shape could differ from the rows'", kind.key());
                self.fail("Conflict", message, "remove it", path);
            }
            return;
        }
        for (field, change) in [("columns", policy.columns), ("dataType", policy.data_type)] {
            if change == Some(ChangePolicy::DiscardRow) && self.pipeline.object.spec.rejects.is_none() {
                let message =
                    "`DiscardRow` rejects rows, and this Pipeline keeps no rejects: the first one would fail the run";
                let help = "say where they go with `rejects`, or write `Freeze` or `DiscardValue`";
                self.fail("Conflict", message, help, &format!("{path}.{field}"));
            }
        }
        let sqlite = kinds.iter().any(|kind| matches!(kind, ConnectorType::Sqlite(_)));
        if sqlite && policy.data_type == Some(ChangePolicy::Evolve) {
            let help = "write `Freeze`, `DiscardRow` or `DiscardValue`";
            self.fail("Conflict", "SQLite cannot change the type of a column", help, &format!("{path}.dataType"));
        }
    }

    /// The columns that name a row; None when that is wrong, and was told.
    fn key(&mut self, write: &Write, from: &str, path: &str) -> Option<Vec<String>> {
        match &write.key {
            None => Some(Vec::new()),
            Some(KeyColumns::Columns(columns)) => {
                let schema: SchemaRef = self.known(from)?.node.schema.clone();
                let mut sound = true;
                for (number, column) in columns.iter().enumerate() {
                    sound &= self.has_column(column, &schema, &format!("{path}.write.key[{number}]"));
                }
                sound.then(|| columns.clone())
            }
            Some(KeyColumns::PrimaryKey(_)) => self.primary_key(from, &format!("{path}.write.key")),
        }
    }

    /// The source's primary key under the names its columns have here.
    fn primary_key(&mut self, from: &str, path: &str) -> Option<Vec<String>> {
        let known = self.known(from)?;
        let Some(source) = known.rows_of.clone() else {
            let message = format!("the rows of `{from}` are no longer those of one source; they have no primary key");
            self.fail("MissingKey", message, "name the key's columns: `key: [column]`", path);
            return None;
        };
        let primary = match self.known(&source).map(|source| &source.node.kind) {
            Some(NodeKind::Source(node)) => {
                self.catalogues.get(&node.connector)?.stream(&node.stream)?.primary_key.clone()
            }
            _ => return None,
        };
        if primary.is_empty() {
            let message = format!("the stream of `{source}` has no primary key");
            self.fail("MissingKey", message, "name the key's columns: `key: [column]`", path);
            return None;
        }
        let known = self.known(from)?;
        let columns = std::iter::zip(known.node.schema.fields(), &known.origins);
        let copies: HashMap<&str, &str> = columns
            .filter_map(|(field, origin)| {
                let copy = origin.copy.as_ref().filter(|copy| copy.node == source)?;
                Some((copy.column.as_str(), field.name().as_str()))
            })
            .collect();
        let here: Result<Vec<String>, &String> = primary
            .iter()
            .map(|column| copies.get(column.as_str()).map(|name| (*name).to_owned()).ok_or(column))
            .collect();
        match here {
            Ok(key) => Some(key),
            Err(lost) => {
                let message = format!(
                    "the key column `{lost}` of `{source}` is not among the columns of `{from}` as it was read"
                );
                self.fail("MissingKey", message, "carry it along unchanged, or name the key: `key: [column]`", path);
                None
            }
        }
    }
}

/// Whether what is written there are files, and no tables.
pub(crate) fn has_files(kind: &ConnectorType) -> bool {
    matches!(kind, ConnectorType::File(_) | ConnectorType::S3(_))
}

/// The columns that go to the sink.
fn without_markers(schema: &SchemaRef, mut lineage: Lineage, keep: &[usize]) -> (SchemaRef, Lineage) {
    let fields: Vec<FieldRef> = keep.iter().map(|at| Arc::clone(&schema.fields()[*at])).collect();
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    lineage.retain(|column, _| schema.column_with_name(column).is_some());
    (Arc::new(schema), lineage)
}

/// A table's name without the schema that is meant anyway.
fn table(stream: &str) -> &str {
    stream.strip_prefix("public.").or_else(|| stream.strip_prefix("main.")).unwrap_or(stream)
}
