//! DataFusion's errors in plain sentences.

use datafusion_common::{Column, DataFusionError, SchemaError};
use datafusion_sql::sqlparser::parser::ParserError;

use super::{Scope, Text};
use crate::diagnostic::Diagnostic;
use crate::suggest;

/// A place inside SQL: line and column, from 1.
type At = Option<(u64, u64)>;

/// What is wrong with the syntax, and where.
pub(super) fn syntax(error: &ParserError) -> (String, At) {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.as_str(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply",
    };
    let (message, at) = match message.rsplit_once(" at Line: ") {
        Some((message, at)) => (message, numbers(at)),
        None => (message, None),
    };
    let message = message
        .trim_start_matches("sql parser error: ")
        .replace("Expected: ", "expected ")
        .replace("found: EOF", "found the end");
    (format!("this is not SQL: {}", message.replace("found: ", "found ")), at)
}

fn numbers(at: &str) -> At {
    let (line, column) = at.split_once(", Column: ")?;
    Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
}

impl Scope<'_> {
    /// Diagnostics for an error of planning.
    pub(crate) fn explain(&self, text: Text<'_>, error: &DataFusionError) -> Vec<Diagnostic> {
        if let DataFusionError::Collection(errors) = error.find_root() {
            return errors.iter().flat_map(|error| self.explain(text, error)).collect();
        }
        let at =
            error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| (span.start.line, span.start.column));
        let place = self.place(text, at);
        let diagnostic = match error.find_root() {
            DataFusionError::SchemaError(error, _) => schema(error),
            root => general(&root.strip_backtrace()),
        };
        vec![diagnostic.at(place)]
    }
}

fn schema(error: &SchemaError) -> Diagnostic {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields),
        SchemaError::AmbiguousReference { field } => {
            Diagnostic::error("AmbiguousColumn", format!("`{}` is a column of more than one input", field.name))
                .help(format!("write the input in front, as `input.{}`", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Diagnostic::error("DuplicateColumn", format!("two columns are named `{name}`"))
                .help(format!("give one another name: `{name} AS other`"))
        }
    }
}

/// A column that does not exist, with those that do.
pub(crate) fn unknown_column(field: &Column, valid: &[Column]) -> Diagnostic {
    let name = &field.name;
    let message = match &field.relation {
        Some(relation) => format!("`{relation}` has no column `{name}`"),
        None => format!("there is no column `{name}`"),
    };
    let diagnostic = Diagnostic::error("UnknownColumn", message);
    let near = valid.iter().filter(|known| field.relation.is_none() || known.relation == field.relation);
    let names: Vec<&str> = near.map(|known| known.name.as_str()).collect();
    let names = if names.is_empty() { valid.iter().map(|known| known.name.as_str()).collect() } else { names };
    match names.iter().find(|known| known.eq_ignore_ascii_case(name) && **known != name) {
        Some(known) => {
            diagnostic.help(format!("SQL folds names without quotes to lower case; put it in quotes: \"{known}\""))
        }
        None => diagnostic.help(suggest::advice(name, "columns", names)),
    }
}

/// Everything else: DataFusion's own words, without its furniture.
fn general(message: &str) -> Diagnostic {
    let mut message = message.trim();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "Schema error: ",
        "This feature is not implemented: ",
        "Internal error: ",
        "type_coercion",
        "caused by",
    ] {
        message = message.strip_prefix(prefix).unwrap_or(message).trim_start();
    }
    let first = message.split("\n\n").next().unwrap_or(message);
    let first = first.split("This issue was likely caused by").next().unwrap_or(first).trim();
    if let Some(diagnostic) = known(first) {
        return diagnostic;
    }
    let lower = first.to_lowercase();
    let code = if ["coerce", "type", "comparison operation", "cast"].iter().any(|word| lower.contains(word)) {
        "TypeMismatch"
    } else if lower.contains("group by") {
        "NotGrouped"
    } else {
        "BadSql"
    };
    let help = match code {
        "TypeMismatch" => "make the types agree, as with CAST(x AS BIGINT)",
        "NotGrouped" => "add the column to GROUP BY, or put an aggregate function such as max() around it",
        _ => "",
    };
    Diagnostic::error(code, format!("this cannot be planned: {first}")).help(help)
}

/// The errors that users meet most, in plain words.
fn known(message: &str) -> Option<Diagnostic> {
    let cast = "make the types agree, as with CAST(x AS BIGINT)";
    if let Some(rest) = message.strip_prefix("Cannot coerce arithmetic expression ") {
        let (left, operator, right) = operation(rest.strip_suffix(" to valid types").unwrap_or(rest))?;
        let message = format!("`{operator}` cannot combine {left} with {right}");
        return Some(Diagnostic::error("TypeMismatch", message).help(cast));
    }
    if let Some(rest) = message.strip_prefix("Cannot infer common argument type for comparison operation ") {
        let (left, operator, right) = operation(rest)?;
        let message = format!("`{operator}` cannot compare {left} with {right}");
        return Some(Diagnostic::error("TypeMismatch", message).help(cast));
    }
    if let Some(rest) = message.strip_prefix("Function '")
        && let Some((name, rest)) = rest.split_once('\'')
        && rest.contains("but received")
    {
        let received = rest.split("but received ").nth(1)?;
        let found = match received.split_once("DataType: ") {
            Some((_, found)) => found.split(')').next()?,
            None => received.split(['.', ',']).next()?,
        };
        let message = format!("`{name}` cannot be used on {found}");
        return Some(Diagnostic::error("TypeMismatch", message).help(cast));
    }
    if message.contains("must be in GROUP BY") || message.contains("must appear in the GROUP BY clause") {
        let column = message.split("column \"").nth(1)?.split('"').next()?;
        let message = format!("`{column}` is neither in GROUP BY nor inside an aggregate function");
        let help = "add it to GROUP BY, or put an aggregate function such as max() around it";
        return Some(Diagnostic::error("NotGrouped", message).help(help));
    }
    None
}

/// `Utf8 + Int32`, taken apart; types may hold spaces.
fn operation(text: &str) -> Option<(&str, &str, &str)> {
    const OPERATORS: [&str; 14] = ["<=", ">=", "!=", "=", "<", ">", "+", "-", "*", "/", "%", "||", "AND", "OR"];
    OPERATORS.into_iter().find_map(|operator| {
        let (left, right) = text.split_once(&format!(" {operator} "))?;
        Some((left.trim(), operator, right.trim()))
    })
}
