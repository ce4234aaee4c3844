//! SQL as users write it: read, refused where it reaches too far, planned over the inputs of one node.
//!
//! The dialect is DataFusion's own. Names without quotes are folded to lower case, as in PostgreSQL; `"Delay"` in
//! quotes is taken as it stands.

mod check;
mod explain;
mod functions;
mod mistakes;
mod params;
mod plan;
mod tables;

use datafusion_sql::sqlparser::ast;
use datafusion_sql::sqlparser::dialect::GenericDialect;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::Token;

pub(crate) use params::{Given, Missing, Params, parse as parse_value, unknown_type};
pub(crate) use plan::{quoted, settle};
pub(crate) use tables::Table;

use crate::diagnostic::{Diagnostic, Place};
use crate::manifest::Locator;

/// What one piece of SQL may see, and where it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// The inputs.
    pub(crate) tables: &'a [Table],
    /// The parameters.
    pub(crate) params: &'a Params,
    /// The object that holds the SQL.
    pub(crate) locator: &'a Locator,
}

/// One piece of SQL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// The SQL.
    pub(crate) sql: &'a str,
    /// Its field.
    pub(crate) path: &'a str,
}

impl Scope<'_> {
    /// The place of a span inside SQL; of its start without one.
    fn place(&self, text: Text<'_>, at: Option<(u64, u64)>) -> Place {
        match at {
            Some((line, column)) if line > 0 && column > 0 => {
                let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
                self.locator.inside(text.path, narrow(line), narrow(column))
            }
            _ => self.locator.place(text.path),
        }
    }

    /// Reads a query: exactly one `SELECT`. With it comes what is wrong with it: it must read inputs only, and call
    /// functions and name parameters that exist.
    fn statement(&self, text: Text<'_>) -> Result<(ast::Statement, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut statements = parser(text.sql)
            .and_then(|mut parser| parser.parse_statements())
            .map_err(|error| vec![self.syntax(text, &error)])?;
        let statement = match (statements.pop(), statements.len()) {
            (Some(statement), 0) => statement,
            (None, _) => {
                let problem = Diagnostic::error("NotAQuery", "there is no query").help("write one SELECT");
                return Err(vec![problem.at(self.place(text, None))]);
            }
            (Some(_), more) => {
                let problem = Diagnostic::error("NotAQuery", format!("there are {} statements", more + 1))
                    .help("a node runs exactly one SELECT; make a node of each");
                return Err(vec![problem.at(self.place(text, None))]);
            }
        };
        let problems = check::statement(self, text, &statement);
        Ok((statement, problems))
    }

    /// Reads a query in which nothing is wrong that can be told without its plan.
    pub(crate) fn query(&self, text: Text<'_>) -> Result<ast::Statement, Vec<Diagnostic>> {
        let (statement, problems) = self.statement(text)?;
        if problems.is_empty() { Ok(statement) } else { Err(problems) }
    }

    /// Reads one expression over the columns of a row; `groups` allows aggregate functions in it.
    pub(crate) fn expression(&self, text: Text<'_>, groups: bool) -> Result<ast::Expr, Vec<Diagnostic>> {
        let expression = self.whole(text, |parser| parser.parse_expr())?;
        let problems = check::expression(self, text, &expression, groups);
        if problems.is_empty() { Ok(expression) } else { Err(problems) }
    }

    /// Reads one item of a `SELECT`: an expression with or without a name, or `*`.
    pub(crate) fn item(&self, text: Text<'_>) -> Result<ast::SelectItem, Vec<Diagnostic>> {
        let item = self.whole(text, |parser| parser.parse_select_item())?;
        let problems = check::item(self, text, &item);
        if problems.is_empty() { Ok(item) } else { Err(problems) }
    }

    /// `SELECT 1 FROM input`, to be filled with parsed parts.
    pub(crate) fn read_whole_input(&self) -> Result<ast::Statement, Vec<Diagnostic>> {
        let table = self.tables.first().map(|table| table.name.replace('"', "\"\"")).unwrap_or_default();
        let sql = format!("SELECT 1 FROM \"{table}\"");
        let text = Text { sql: &sql, path: "spec" };
        parser(&sql).and_then(|mut parser| parser.parse_statement()).map_err(|error| vec![self.syntax(text, &error)])
    }

    /// Reads all of a text.
    fn whole<T>(
        &self,
        text: Text<'_>,
        read: impl Fn(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<T, Vec<Diagnostic>> {
        parser(text.sql)
            .and_then(|mut parser| {
                let read = read(&mut parser)?;
                match parser.peek_token().token {
                    Token::EOF => Ok(read),
                    _ => parser.expected("the end of the expression", parser.peek_token()),
                }
            })
            .map_err(|error| vec![self.syntax(text, &error)])
    }

    fn syntax(&self, text: Text<'_>, error: &ParserError) -> Diagnostic {
        let (message, at) = explain::syntax(error);
        let help = "look at brackets, quotes and commas here and before";
        Diagnostic::error("SqlSyntax", message).help(help).at(self.place(text, at))
    }
}

fn parser(sql: &str) -> Result<Parser<'_>, ParserError> {
    Parser::new(&GenericDialect {}).try_with_sql(sql)
}
