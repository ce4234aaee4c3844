//! Quality rules: what must hold over all rows of a node.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_sql::sqlparser::ast::{Ident, SelectItem};

use super::Compiler;
use crate::graph::{NodeKind, QualityCheck};
use crate::operation::select;
use crate::sql::{Scope, Table, Text, settle};
use crate::suggest;

impl Compiler<'_> {
    pub(super) fn quality(&mut self) -> Vec<QualityCheck> {
        let pipeline = self.pipeline;
        let rules = &pipeline.object.spec.quality;
        let mut checks = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let path = format!("spec.quality[{index}]");
            let spec = &pipeline.object.spec;
            let nodes: Vec<&str> = spec
                .sources
                .iter()
                .map(|node| node.name.as_str())
                .chain(spec.transforms.iter().map(|node| node.name.as_str()))
                .chain(spec.sinks.iter().map(|node| node.name.as_str()))
                .collect();
            if !nodes.contains(&rule.node.as_str()) {
                let help = suggest::advice(&rule.node, "nodes", nodes.iter().copied());
                self.fail("UnknownInput", format!("there is no node `{}`", rule.node), help, &format!("{path}.node"));
                continue;
            }
            // A sink's rows are those of the node it reads.
            let read = spec.sinks.iter().find(|sink| sink.name == rule.node).map_or(&rule.node, |sink| &sink.from);
            let known = self.known(read).filter(|known| !matches!(known.node.kind, NodeKind::Sink(_)));
            let schema = known.map(|known| Arc::clone(&known.node.schema));
            let tables = [Table { name: read.clone(), node: read.clone(), schema }];
            let field = format!("{path}.expression");
            let text = Text { sql: &rule.expression, path: &field };
            let scope = Scope { tables: &tables, params: &self.params, locator: &pipeline.locator };
            let planned = scope.expression(text, true).and_then(|expr| {
                if tables[0].schema.is_none() {
                    return Ok(None);
                }
                let item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', "holds") };
                let statement = select(&scope, vec![item], Vec::new())?;
                let (plan, schema) =
                    scope.plan_query(statement).and_then(settle).map_err(|error| scope.explain(text, &error))?;
                match schema.field(0).data_type() {
                    DataType::Boolean => Ok(Some(plan)),
                    other => Err(vec![scope.not_boolean(text, other)]),
                }
            });
            match planned {
                Ok(Some(plan)) => checks.push(QualityCheck {
                    name: rule.name.clone(),
                    node: read.clone(),
                    expression: rule.expression.clone(),
                    severity: rule.severity,
                    plan,
                }),
                Ok(None) => {}
                Err(problems) => self.diagnostics.extend(problems),
            }
        }
        checks
    }
}
