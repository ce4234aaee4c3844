//! What SQL must not do, and names it uses that do not exist: found before planning, all at once.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Spanned,
    Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor,
};

use super::functions::function_registry;
use super::{Scope, Text};
use crate::diagnostic::Diagnostic;
use crate::suggest;

/// Everything wrong with a statement that can be told without its plan.
pub(super) fn statement(scope: &Scope<'_>, text: Text<'_>, statement: &Statement) -> Vec<Diagnostic> {
    let check = Check::new(scope, text, Allowed { queries: true, aggregates: true });
    check.walk(statement)
}

/// Everything wrong with an expression over a row that can be told without its plan.
pub(super) fn expression(scope: &Scope<'_>, text: Text<'_>, expression: &Expr, groups: bool) -> Vec<Diagnostic> {
    let check = Check::new(scope, text, Allowed { queries: false, aggregates: groups });
    check.walk(expression)
}

/// Everything wrong with an item of a `SELECT` that can be told without its plan.
pub(super) fn item(scope: &Scope<'_>, text: Text<'_>, item: &SelectItem) -> Vec<Diagnostic> {
    let check = Check::new(scope, text, Allowed { queries: false, aggregates: false });
    check.walk(item)
}

/// What may stand in a piece of SQL.
#[derive(Clone, Copy)]
struct Allowed {
    queries: bool,
    aggregates: bool,
}

struct Check<'a> {
    scope: &'a Scope<'a>,
    text: Text<'a>,
    allowed: Allowed,
    /// Names that `WITH` defines.
    defined: Vec<String>,
    problems: Vec<Diagnostic>,
}

/// What users know an identifier as, once SQL has folded it.
fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

impl<'a> Check<'a> {
    fn new(scope: &'a Scope<'a>, text: Text<'a>, allowed: Allowed) -> Self {
        Self { scope, text, allowed, defined: Vec::new(), problems: Vec::new() }
    }

    /// Everything wrong in a part of SQL. A walk that was cut short has found what there is to say.
    fn walk(mut self, part: &impl Visit) -> Vec<Diagnostic> {
        match part.visit(&mut self) {
            ControlFlow::Continue(()) | ControlFlow::Break(()) => self.problems,
        }
    }

    fn report(&mut self, code: &'static str, message: String, help: impl Into<String>, at: &impl Spanned) {
        let start = at.span().start;
        let place = self.scope.place(self.text, Some((start.line, start.column)));
        self.problems.push(Diagnostic::error(code, message).help(help).at(place));
    }

    fn refuse(&mut self, what: &str, at: &impl Spanned) {
        self.report(
            "Sandbox",
            format!("{what} is not allowed in a pipeline"),
            "a node runs exactly one SELECT over its inputs",
            at,
        );
    }

    fn function(&mut self, function: &Function) {
        // Without parentheses it may be a column that is called like a keyword.
        if matches!(function.args, FunctionArguments::None) {
            return;
        }
        let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
            let message = format!("`{}` is not a function", function.name);
            return self.report("UnknownFunction", message, "functions have no schema in front", &function.name);
        };
        let registry = function_registry();
        let name = folded(ident);
        // The planner's own: a row for each element of a list.
        if name == "unnest" {
            if !self.allowed.queries {
                let help = "it multiplies rows; use an `unnest` or `sql` node";
                self.report("NotRowWise", "`unnest` is not allowed here".to_owned(), help, &function.name);
            }
            return;
        }
        if !registry.knows(&name) {
            let help = match suggest::closest(&name, registry.names()) {
                Some(near) => format!("did you mean `{near}`? `aggregator functions` lists all"),
                None => "`aggregator functions` lists all".to_owned(),
            };
            self.report("UnknownFunction", format!("there is no function `{name}`"), help, &function.name);
        } else if function.over.is_some() && !self.allowed.queries {
            let help = "a window function looks at other rows; use it in a `sql` node";
            self.report("NotRowWise", format!("`{name}` with OVER is not allowed here"), help, &function.name);
        } else if registry.aggregate.contains_key(&name) && function.over.is_none() && !self.allowed.aggregates {
            let help = "it combines rows; use an `aggregate` or `sql` node";
            self.report(
                "NotRowWise",
                format!("the aggregate function `{name}` is not allowed here"),
                help,
                &function.name,
            );
        }
    }

    fn parameter(&mut self, value: &ValueWithSpan) {
        let Value::Placeholder(written) = &value.value else { return };
        let params = self.scope.params;
        let name = written.trim_start_matches(['$', '?', ':', '@']);
        if written.starts_with('$') && params.get(name).is_some() {
            return;
        }
        let names = || params.names();
        let help = match (names().next(), suggest::closest(name, names())) {
            (None, _) => "declare it under `spec.params`".to_owned(),
            (Some(_), Some(near)) => format!("did you mean `${near}`? parameters: {}", suggest::list(names())),
            (Some(_), None) => format!("declare it under `spec.params`; parameters: {}", suggest::list(names())),
        };
        let span = value.span;
        let place = self.scope.place(self.text, Some((span.start.line, span.start.column)));
        let problem = Diagnostic::error("UnknownParameter", format!("there is no parameter `{written}`"));
        self.problems.push(problem.help(help).at(place));
    }
}

impl Visitor for Check<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        if matches!(statement, Statement::Query(_)) {
            return ControlFlow::Continue(());
        }
        let words: Vec<String> = statement.to_string().split_whitespace().take(2).map(str::to_uppercase).collect();
        let what = match words.first().map(String::as_str) {
            Some("CREATE" | "DROP" | "ALTER") => words.join(" "),
            Some(word) => word.to_owned(),
            None => "this statement".to_owned(),
        };
        self.refuse(&what, statement);
        ControlFlow::Break(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if !self.allowed.queries {
            let help = "use a `join` or `sql` node to look at other rows";
            self.report("NotRowWise", "a subquery is not allowed here".to_owned(), help, query);
            return ControlFlow::Break(());
        }
        if let Some(with) = &query.with {
            if with.recursive {
                self.refuse("WITH RECURSIVE", with);
            }
            self.defined.extend(with.cte_tables.iter().map(|table| folded(&table.alias.name)));
        }
        if !query.locks.is_empty() {
            self.refuse("FOR UPDATE and FOR SHARE", query);
        }
        if let SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) = query.body.as_ref()
        {
            self.refuse("writing from a query", statement);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(into) = &select.into {
            self.refuse("SELECT INTO", &into.name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.refuse(&format!("the table function `{name}`"), name);
            }
            TableFactor::Table { sample: Some(_), .. } => self.refuse("TABLESAMPLE", factor),
            TableFactor::Table { name, args: None, .. } => {
                let known = |wanted: &str| {
                    self.defined.iter().any(|name| name == wanted)
                        || self.scope.tables.iter().any(|table| table.name == wanted)
                };
                let found = match name.0.as_slice() {
                    [ObjectNamePart::Identifier(ident)] => known(&folded(ident)),
                    _ => false,
                };
                if !found {
                    self.unknown_table(name);
                }
            }
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } | TableFactor::UNNEST { .. } => {}
            other => self.refuse("this kind of table", other),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            self.function(function);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        self.parameter(value);
        ControlFlow::Continue(())
    }
}

impl Check<'_> {
    fn unknown_table(&mut self, name: &ObjectName) {
        let written =
            name.0.last().and_then(ObjectNamePart::as_ident).map(|ident| ident.value.clone()).unwrap_or_default();
        let inputs = || self.scope.tables.iter().map(|table| table.name.as_str());
        let help = match inputs().find(|input| input.eq_ignore_ascii_case(&written)) {
            Some(input) if name.0.len() == 1 => {
                format!("SQL folds names without quotes to lower case: write \"{input}\"")
            }
            _ => format!("{}; a node sees only what its `from` names", suggest::advice(&written, "inputs", inputs())),
        };
        self.report("UnknownTable", format!("`{name}` is not an input of this node"), help, name);
    }
}
