//! SQL: the query as it was written, or a mapping as one.

use aggregator_crds::Transformation;
use aggregator_crds::pipeline::{MappedColumn, Mapping, OnCastError, OtherColumns, Sql};
use arrow::datatypes::DataType;

use super::{header, not_translatable, read};
use crate::diagnostic::Diagnostic;
use crate::manifest::Located;
use crate::sql::{Scope, Text, parse_value, unknown_type};
use crate::types;

/// A query stands for itself.
pub(super) fn query(
    located: &Located<Transformation>,
    scope: &Scope<'_>,
    sql: &Sql,
) -> Result<String, Vec<Diagnostic>> {
    scope.query(Text { sql: &sql.query, path: "spec.sql.query" })?;
    Ok(format!("{}{}\n", heading(located), sql.query.trim().trim_end_matches(';')))
}

/// One column of the result, and the condition under which its row is kept.
struct Mapped {
    value: String,
    keeps: Option<String>,
    mentions: Vec<String>,
}

/// A mapping as a query.
pub(super) fn mapping(
    located: &Located<Transformation>,
    scope: &Scope<'_>,
    mapping: &Mapping,
) -> Result<String, Vec<Diagnostic>> {
    let (mut columns, mut problems) = (Vec::new(), Vec::new());
    for (index, column) in mapping.columns.iter().enumerate() {
        match map(column, index, scope) {
            Ok(mapped) => columns.push(mapped),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut items: Vec<String> = std::iter::zip(&mapping.columns, &columns)
        .map(|(column, mapped)| format!("  {} AS {}", mapped.value, quoted(&column.name)))
        .collect();
    if mapping.others == OtherColumns::Keep {
        let mut hidden: Vec<&str> =
            columns.iter().flat_map(|column| column.mentions.iter().map(String::as_str)).collect();
        hidden.sort_unstable();
        hidden.dedup();
        let list: Vec<String> = hidden.iter().map(|name| quoted(name)).collect();
        let new: Vec<String> = mapping
            .columns
            .iter()
            .filter(|column| !hidden.contains(&column.name.as_str()))
            .map(|column| quoted(&column.name))
            .collect();
        let exclude = if list.is_empty() { String::new() } else { format!(" EXCLUDE ({})", list.join(", ")) };
        let warning = if new.is_empty() {
            String::new()
        } else {
            format!("  -- Exclude those of these that the input has too: {}\n", new.join(", "))
        };
        items.push(format!("{warning}  *{exclude}"));
    }
    let mut query = format!("{}SELECT\n{}\nFROM input", heading(located), items.join(",\n"));
    let keeps: Vec<&String> = columns.iter().filter_map(|column| column.keeps.as_ref()).collect();
    if !keeps.is_empty() {
        query
            .push_str("\n-- The engine rejects rows with a value that cannot be cast; here they are left out.\nWHERE ");
        query.push_str(&keeps.into_iter().map(String::as_str).collect::<Vec<_>>().join("\n  AND "));
    }
    query.push('\n');
    Ok(query)
}

fn map(column: &MappedColumn, index: usize, scope: &Scope<'_>) -> Result<Mapped, Vec<Diagnostic>> {
    let path = format!("spec.mapping.columns[{index}]");
    let (source, mentions) = match &column.expression {
        Some(sql) => {
            let expression = scope.expression(Text { sql, path: &format!("{path}.expression") }, false)?;
            // Printed again, so that a comment at its end cannot swallow what follows.
            (expression.to_string(), read::mentions(&expression).into_iter().collect())
        }
        None => {
            let name = column.from.as_ref().unwrap_or(&column.name);
            (quoted(name), vec![name.clone()])
        }
    };
    let one = |problem: Diagnostic, field: &str| vec![problem.at(scope.locator.place(&format!("{path}.{field}")))];
    let (mut value, mut keeps, mut wanted) = (source.clone(), None, DataType::Utf8);
    if let Some(written) = &column.cast {
        wanted = types::parse(written).map_err(|error| one(unknown_type(&error), "cast"))?;
        let Some(type_name) = type_name(&wanted) else {
            let help = "cast to a signed number, Utf8, Boolean, Date32, or a Timestamp without zone or in UTC";
            return Err(one(not_translatable(&format!("the type {written}"), "SQL", help), "cast"));
        };
        value = format!("try_cast({source} AS {type_name})");
        // Everything has a text.
        let fails = !matches!(wanted, DataType::Utf8 | DataType::LargeUtf8);
        if fails && column.on_error.unwrap_or_default() == OnCastError::Reject {
            keeps = Some(format!("({source} IS NULL OR {value} IS NOT NULL)"));
        }
    }
    if let Some(text) = &column.default {
        if parse_value(text, &wanted).is_none() {
            let message = format!("the default {text:?} is not a value of type {}", types::name(&wanted));
            let problem = Diagnostic::error("BadDefault", message).help("write a value of the column's type");
            return Err(one(problem, "default"));
        }
        value = format!("coalesce({value}, {})", literal(text, &wanted));
    }
    Ok(Mapped { value, keeps, mentions })
}

fn literal(text: &str, data_type: &DataType) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    match (data_type, type_name(data_type)) {
        (DataType::Utf8 | DataType::LargeUtf8, _) | (_, None) => quoted,
        (_, Some(name)) => format!("CAST({quoted} AS {name})"),
    }
}

/// The name that SQL gives to an Arrow type; None when engines do not agree on one.
fn type_name(data_type: &DataType) -> Option<String> {
    use arrow::datatypes::TimeUnit;
    let precision = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond | TimeUnit::Nanosecond => 6,
    };
    Some(match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INTEGER".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "REAL".into(),
        DataType::Float64 => "DOUBLE PRECISION".into(),
        DataType::Utf8 | DataType::LargeUtf8 => "VARCHAR".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", precision(unit)),
        DataType::Timestamp(unit, Some(zone)) if is_utc(zone) => {
            format!("TIMESTAMP({}) WITH TIME ZONE", precision(unit))
        }
        _ => return None,
    })
}

/// Whether a zone is UTC, under any of its names.
pub(super) fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Z" | "+00:00" | "+00" | "+0000" | "Etc/UTC")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn heading(located: &Located<Transformation>) -> String {
    let params = &located.object.spec.params;
    let mut lines = header::lines(located);
    lines.push("Input: the table `input`.".to_owned());
    if !params.is_empty() {
        lines.push("Parameters, to be bound as values:".to_owned());
        lines.extend(params.iter().map(|param| format!("  {}", header::param(param, "$"))));
    }
    lines.iter().map(|line| format!("-- {line}").trim_end().to_owned() + "\n").collect()
}
