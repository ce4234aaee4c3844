//! What sinks of the modes Merge and SCD2 make of rows: deletes, versions, and rows that do not come any more.

use std::collections::HashSet;
use std::sync::Arc;

use aggregator_crds::pipeline::{MissingRows, Scd2Columns, SyncMode, Write, WriteMode};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_expr::{LogicalPlan, LogicalPlanBuilder};

use super::Compiler;
use crate::graph::Deletes;
use crate::sql::{Scope, Table, Text, settle};
use crate::types;

impl Compiler<'_> {
    /// Which rows of a Merge delete their key, and which columns stay. The outer None: something is wrong, and was told.
    pub(super) fn deletes(
        &mut self,
        write: &Write,
        from: &str,
        schema: &SchemaRef,
        key: &[String],
        path: &str,
    ) -> Option<Option<Deletes>> {
        let Some(delete) = write.delete.as_ref().filter(|_| write.mode == WriteMode::Merge) else { return Some(None) };
        let mut sound = true;
        for (number, column) in delete.markers.iter().enumerate() {
            let field = format!("{path}.write.delete.markers[{number}]");
            sound &= self.has_column(column, schema, &field);
            if key.contains(column) {
                let message = format!("the target cannot do without the key column `{column}`");
                self.fail("Conflict", message, "name columns that only say whether a row is deleted", &field);
                sound = false;
            }
        }
        let field = format!("{path}.write.delete.where");
        let text = Text { sql: &delete.predicate, path: &field };
        let tables = [Table { name: from.to_owned(), node: from.to_owned(), schema: Some(Arc::clone(schema)) }];
        let scope = Scope { tables: &tables, params: &self.params, locator: &self.pipeline.locator };
        let explained = |error| scope.explain(text, &error);
        let planned = tables[0].scan().map_err(explained).and_then(|scan| {
            let holds = scope.row_condition(text, &scan)?;
            let plan =
                LogicalPlanBuilder::from(scan).project([holds.alias("deletes")]).and_then(LogicalPlanBuilder::build);
            plan.and_then(settle).map_err(explained)
        });
        match planned {
            Ok((LogicalPlan::Projection(projection), _)) if sound && projection.expr.len() == 1 => {
                let stays = |at: &usize| !delete.markers.contains(schema.field(*at).name());
                let keep = (0..schema.fields().len()).filter(stays).collect();
                Some(Some(Deletes { holds: projection.expr[0].clone().unalias(), keep }))
            }
            Ok(_) => None,
            Err(problems) => {
                self.diagnostics.extend(problems);
                None
            }
        }
    }

    /// Rows that do not come any more may only be taken for deleted when all rows come.
    pub(super) fn missing(&mut self, write: &Write, from: &str, path: &str) {
        let (verb, field) = match write.missing {
            None | Some(MissingRows::Keep) => return,
            Some(MissingRows::Delete) => ("deleted", format!("{path}.write.missing")),
            Some(MissingRows::Close) => ("closed", format!("{path}.write.missing")),
        };
        for source in self.sources_of(from) {
            let message = format!(
                "`{source}` is read incrementally: rows that did not change would be missing, and be {verb} in the target"
            );
            let help = format!("read `{source}` whole with `sync: {{mode: FullRefresh}}`, or write `missing: Keep`");
            self.fail("Conflict", message, help, &field);
        }
        if self.pipeline.object.spec.rejects.is_some() {
            let message = format!("a row that is rejected would be missing, and be {verb} in the target");
            let help = "take `rejects` out, so that the first wrong row fails the run, or write `missing: Keep`";
            self.fail("Conflict", message, help, &field);
        }
    }

    /// The incremental sources whose rows reach a node, in the order of the manifest.
    fn sources_of(&self, node: &str) -> Vec<String> {
        let spec = &self.pipeline.object.spec;
        let mut reached: HashSet<&str> = HashSet::from([node]);
        let mut open = vec![node];
        while let Some(name) = open.pop() {
            let inputs = spec.transforms.iter().filter(|transform| transform.name == name);
            open.extend(
                inputs.flat_map(|transform| &transform.from).map(String::as_str).filter(|it| reached.insert(it)),
            );
        }
        let incremental = |mode: SyncMode| mode == SyncMode::Incremental;
        let sources = spec.sources.iter().filter(|source| {
            reached.contains(source.name.as_str()) && source.sync.as_ref().is_some_and(|sync| incremental(sync.mode))
        });
        sources.map(|source| source.name.clone()).collect()
    }

    /// The columns of versions. The outer None: something is wrong, and was told.
    pub(super) fn history(
        &mut self,
        write: &Write,
        schema: &SchemaRef,
        key: &[String],
        path: &str,
    ) -> Option<Option<Scd2Columns>> {
        if write.mode != WriteMode::Scd2 {
            return Some(None);
        }
        let columns = write.scd2.clone().unwrap_or_default();
        let path = format!("{path}.write.scd2");
        let mut sound = true;
        let own =
            [("validFrom", &columns.valid_from), ("validTo", &columns.valid_to), ("isCurrent", &columns.is_current)];
        for (field, name) in own {
            let becomes_it = field == "validFrom" && columns.effective_from.as_ref() == Some(name);
            if schema.column_with_name(name).is_some() && !becomes_it {
                let message = format!("the rows have a column `{name}`, which the sink fills in by itself");
                let help = format!("name another one with `scd2: {{{field}: …}}`, or take the column out of the rows");
                // The field may be left to its default.
                self.fail(
                    "Conflict",
                    message,
                    help,
                    if write.scd2.is_some() { &path } else { path.trim_end_matches(".scd2") },
                );
                sound = false;
            }
        }
        if let Some(column) = &columns.effective_from {
            let field = format!("{path}.effectiveFrom");
            sound &= self.has_column(column, schema, &field);
            if key.contains(column) {
                let message = format!("`{column}` is part of the key, so a key would have one version only");
                self.fail("Conflict", message, "name the row by the other columns", &field);
                sound = false;
            }
            if let Some((_, found)) = schema.column_with_name(column)
                && !matches!(found.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
            {
                let message = format!("`{column}` is {} and says no time", types::name(found.data_type()));
                self.fail("TypeMismatch", message, "cast it to a time in a mapping, or choose another column", &field);
                sound = false;
            }
        }
        sound.then_some(Some(columns))
    }
}
