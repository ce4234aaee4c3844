//! Expressions read without knowing the input's columns: every name they mention is taken for one.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion_common::{DFSchema, TableReference};
use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast::{self, Visit, Visitor};

use crate::diagnostic::Diagnostic;
use crate::sql::{Scope, Text};

/// The name that an identifier means.
pub(super) fn name(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The columns that a piece of SQL mentions.
pub(super) fn mentions(part: &impl Visit) -> BTreeSet<String> {
    let mut found = Mentions::default();
    match part.visit(&mut found) {
        ControlFlow::Continue(()) | ControlFlow::Break(()) => found.0,
    }
}

#[derive(Default)]
struct Mentions(BTreeSet<String>);

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &ast::Expr) -> ControlFlow<()> {
        match expression {
            ast::Expr::Identifier(ident) => _ = self.0.insert(name(ident)),
            ast::Expr::CompoundIdentifier(parts) => self.0.extend(parts.last().map(name)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The planned expression over a table called `alias`, with its parameters open. The columns' types are not known: that
/// some type makes sense of the expression is enough.
pub(super) fn plan(
    scope: &Scope<'_>,
    text: Text<'_>,
    expression: ast::Expr,
    alias: &str,
) -> Result<Expr, Vec<Diagnostic>> {
    let names = mentions(&expression);
    let over = |data_type: DataType| {
        let fields: Vec<Field> = names.iter().map(|name| Field::new(name, data_type.clone(), true)).collect();
        let schema = DFSchema::try_from_qualified_schema(TableReference::bare(alias), &Schema::new(fields))?;
        scope.plan_unbound(expression.clone(), &schema)
    };
    over(DataType::Null)
        .or_else(|error| over(DataType::Int64).map_err(|_| error))
        .or_else(|error| over(DataType::Utf8).map_err(|_| error))
        .map_err(|error| scope.explain(text, &error))
}
