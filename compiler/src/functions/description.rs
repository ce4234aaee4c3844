//! What people read about a function, be it ours or DataFusion's.

use std::collections::BTreeSet;

use datafusion_expr::Documentation;
use serde::Serialize;

use super::function::{Function, Need};
use super::registry;
use crate::suggest;

/// A function, for people and for `--output json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Its name in SQL.
    pub name: String,
    /// Other names of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How it is used.
    pub kind: Kind,
    /// Whether it is one of ours, beyond DataFusion's own.
    pub ours: bool,
    /// The shelf it stands on, as `Money` or `String Functions`.
    pub category: String,
    /// What it gives.
    pub summary: String,
    /// How it is called.
    pub signature: String,
    /// Its arguments in order: name and meaning.
    pub arguments: Vec<ArgumentDescription>,
    /// What input that it cannot read gives; nothing where DataFusion does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_input: Option<String>,
    /// Expressions or sessions that show it; one text each.
    pub examples: Vec<String>,
}

/// An argument, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArgumentDescription {
    /// Its name.
    pub name: String,
    /// What it means.
    pub description: String,
}

/// How a function is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// One value per row.
    Scalar,
    /// One value per row, with a lambda among its arguments.
    HigherOrder,
    /// One value per group, or per window.
    Aggregate,
    /// One value per row, of the rows around it.
    Window,
}

/// Every function, ours first and then by kind and name.
#[must_use]
pub fn descriptions() -> Vec<Description> {
    let own: BTreeSet<&str> = registry::all().map(|function| function.name).collect();
    let mut all: Vec<Description> = registry::all().map(of_ours).collect();
    let mut builtin = Vec::new();
    for udf in registry::scalar_udfs().iter().filter(|udf| !own.contains(udf.name())) {
        builtin.push(of_builtin(udf.name(), udf.aliases(), Kind::Scalar, udf.documentation()));
    }
    for udf in registry::higher_order_udfs() {
        builtin.push(of_builtin(udf.name(), udf.aliases(), Kind::HigherOrder, udf.documentation()));
    }
    for udf in registry::aggregate_udfs() {
        builtin.push(of_builtin(udf.name(), udf.aliases(), Kind::Aggregate, udf.documentation()));
    }
    for udf in registry::window_udfs() {
        builtin.push(of_builtin(udf.name(), udf.aliases(), Kind::Window, udf.documentation()));
    }
    builtin.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    all.append(&mut builtin);
    all
}

/// The function of that name or alias, in whatever case.
#[must_use]
pub fn describe(name: &str) -> Option<Description> {
    let called = |known: &String| known.eq_ignore_ascii_case(name);
    descriptions().into_iter().find(|function| called(&function.name) || function.aliases.iter().any(called))
}

/// The name of the function that somebody may have meant.
#[must_use]
pub fn nearest(name: &str) -> Option<String> {
    let all = descriptions();
    let names = all.iter().flat_map(|function| std::iter::once(&function.name).chain(&function.aliases));
    suggest::closest(name, names.map(String::as_str)).map(str::to_owned)
}

fn of_ours(function: &'static Function) -> Description {
    let arguments = function.parameters.iter().map(|parameter| ArgumentDescription {
        name: parameter.name.to_owned(),
        description: match parameter.need {
            Need::Required => parameter.description.to_owned(),
            Need::Optional => format!("{} Optional.", parameter.description),
            Need::Repeated => format!("{} One or more.", parameter.description),
        },
    });
    Description {
        name: function.name.to_owned(),
        aliases: Vec::new(),
        kind: Kind::Scalar,
        ours: true,
        category: function.category.title().to_owned(),
        summary: function.summary.to_owned(),
        signature: function.signature(),
        arguments: arguments.collect(),
        bad_input: Some(function.bad_input.to_owned()),
        examples: function.examples.iter().map(|example| format!("{} → {}", example.sql, example.result)).collect(),
    }
}

fn of_builtin(name: &str, aliases: &[String], kind: Kind, documentation: Option<&Documentation>) -> Description {
    let arguments = documentation.and_then(|documentation| documentation.arguments.as_ref()).into_iter().flatten();
    Description {
        name: name.to_owned(),
        aliases: aliases.to_vec(),
        kind,
        ours: false,
        category: documentation.map_or("Other", |documentation| documentation.doc_section.label).to_owned(),
        summary: documentation.map(|documentation| documentation.description.trim().to_owned()).unwrap_or_default(),
        signature: documentation
            .map_or_else(|| format!("{name}(…)"), |documentation| documentation.syntax_example.clone()),
        arguments: arguments
            .map(|(name, description)| ArgumentDescription { name: name.clone(), description: description.clone() })
            .collect(),
        bad_input: None,
        examples: documentation.and_then(|documentation| documentation.sql_example.clone()).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_described_whole() {
        let money = describe("MONEY_AMOUNT").expect("known");
        assert!(money.ours);
        assert_eq!(money.signature, "money_amount(text Utf8 [, decimal_mark Utf8]) → Decimal128(38, 4)");
        assert!(money.examples.contains(&"money_amount('€1.234,56') → 1234.5600".to_owned()));
        assert_eq!(money.arguments.len(), 2);
        assert!(money.bad_input.is_some_and(|bad| bad.starts_with("NULL")));
    }

    #[test]
    fn those_of_datafusion_are_found_by_name_and_alias() {
        let length = describe("length").expect("an alias");
        assert_eq!((length.name.as_str(), length.kind, length.ours), ("character_length", Kind::Scalar, false));
        assert!(!length.summary.is_empty() && !length.arguments.is_empty());
        assert_eq!(describe("sum").map(|sum| sum.kind), Some(Kind::Aggregate));
        assert_eq!(describe("row_number").map(|number| number.kind), Some(Kind::Window));
        assert_eq!(describe("no_such_function"), None);
        assert_eq!(nearest("Money_amout").as_deref(), Some("money_amount"));
        assert_eq!(nearest("no_such_function"), None);
    }
}
