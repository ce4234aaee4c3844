//! Every mistake of a query, where planning tells the first: what is told is taken out, and the rest planned again.

use std::collections::HashSet;
use std::ops::ControlFlow;

use arrow::datatypes::SchemaRef;
use datafusion_expr::LogicalPlan;
use datafusion_sql::sqlparser::ast::{self, Expr, Select, SelectItem, Spanned, Value, VisitMut, VisitorMut};

use super::{Scope, Text, settle};
use crate::diagnostic::Diagnostic;

/// The most mistakes that are looked for in one query.
const MOST: usize = 20;
/// Mistakes in one name, which say nothing about the others.
const ALONE: [&str; 4] = ["UnknownColumn", "AmbiguousColumn", "UnknownFunction", "UnknownParameter"];

impl Scope<'_> {
    /// The plan of a query with its final types; None when the columns of an input are not known.
    ///
    /// # Errors
    /// Every mistake that is not the consequence of another.
    pub(crate) fn planned(&self, text: Text<'_>) -> Result<Option<(LogicalPlan, SchemaRef)>, Vec<Diagnostic>> {
        let (mut statement, mut told) = self.statement(text)?;
        let known = self.tables.iter().all(|table| table.schema.is_some());
        if !known {
            return if told.is_empty() { Ok(None) } else { Err(told) };
        }
        while told.len() < MOST && told.iter().all(|problem| ALONE.contains(&problem.code)) {
            self.take_out(&mut statement, text, &told);
            let error = match self.plan_query(statement.clone()).and_then(settle) {
                Ok(planned) if told.is_empty() => return Ok(Some(planned)),
                Ok(_) => break,
                Err(error) => error,
            };
            let found = self.explain(text, &error);
            let news = found.iter().all(|problem| ALONE.contains(&problem.code) && !told.contains(problem));
            if !told.is_empty() && !news {
                break;
            }
            told.extend(found);
        }
        Err(told)
    }

    /// Puts NULL where there is a name that was told.
    fn take_out(&self, statement: &mut ast::Statement, text: Text<'_>, told: &[Diagnostic]) {
        let places = told.iter().filter_map(|problem| problem.place.as_ref());
        let places: HashSet<(u32, u32)> = places.map(|place| (place.line, place.column)).collect();
        if !places.is_empty() {
            let ControlFlow::Continue(()) = statement.visit(&mut TakeOut { scope: self, text, places });
        }
    }
}

struct TakeOut<'a> {
    scope: &'a Scope<'a>,
    text: Text<'a>,
    places: HashSet<(u32, u32)>,
}

impl TakeOut<'_> {
    fn told(&self, expr: &Expr) -> bool {
        let names =
            matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Function(_) | Expr::Value(_));
        let start = expr.span().start;
        let place = self.scope.place(self.text, Some((start.line, start.column)));
        names && self.places.contains(&(place.line, place.column))
    }
}

impl VisitorMut for TakeOut<'_> {
    type Break = std::convert::Infallible;

    /// A column keeps its name, so that others can go on using it.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let name = match expr {
                Expr::Identifier(name) => Some(name.clone()),
                Expr::CompoundIdentifier(names) => names.last().cloned(),
                _ => None,
            };
            if let Some(alias) = name.filter(|_| self.told(expr)) {
                *item = SelectItem::ExprWithAlias { expr: nothing(), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if self.told(expr) {
            *expr = nothing();
        }
        ControlFlow::Continue(())
    }
}

fn nothing() -> Expr {
    Expr::Value(Value::Null.into())
}
