//! The file: what it says of itself, imports, the function, and the functions that it calls.

use std::collections::BTreeSet;

use aggregator_crds::Transformation;
use aggregator_crds::pipeline::Param;
use arrow::datatypes::DataType;

use super::code::{self, Code};
use super::dialect::Dialect;
use crate::codegen::{header, not_translatable};
use crate::diagnostic::Diagnostic;
use crate::manifest::Located;
use crate::sql::{Scope, parse_value};
use crate::types;

/// A part of a frame.
pub(super) enum Item {
    /// A column of that name.
    Column(String, Code),
    /// The input's columns.
    All {
        /// The ones left out.
        but: Vec<String>,
    },
}

/// Functions that generated code may call; each is copied only where it is.
const PANDAS: &str = include_str!("runtime/pandas.py");
const POLARS: &str = include_str!("runtime/polars.py");

/// Names that a parameter cannot have in Python or in the module.
const TAKEN: [&str; 42] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield", "df", "pd", "pl", "pa", "pc", "re",
    "datetime",
];

/// The name that a parameter has in Python.
pub(super) fn argument(name: &str) -> String {
    if TAKEN.contains(&name) || name.starts_with('_') { format!("{name}_") } else { name.to_owned() }
}

/// The parameters of the function.
pub(super) fn signature(params: &[Param], scope: &Scope<'_>, dialect: Dialect) -> Result<Vec<String>, Vec<Diagnostic>> {
    let (mut arguments, mut problems) = (Vec::new(), Vec::new());
    for (index, param) in params.iter().enumerate() {
        let data_type = types::parse(&param.data_type).ok();
        let python = data_type.as_ref().and_then(python_type);
        let default = match (&param.default, &data_type) {
            (Some(text), Some(data_type)) => parse_value(text, data_type).as_ref().and_then(code::literal).map(Some),
            _ => Some(None),
        };
        let (Some(python), Some(default)) = (python, default) else {
            let help = "use a number, Utf8, Boolean, Date32 or Timestamp(Microsecond)";
            let problem = not_translatable(&format!("a parameter of type {}", param.data_type), dialect.name(), help);
            problems.push(problem.at(scope.locator.place(&format!("spec.params[{index}].type"))));
            continue;
        };
        let default = default.map(|code| format!(" = {}", code.text)).unwrap_or_default();
        arguments.push(format!("{}: {python}{default}", argument(&param.name)));
    }
    if problems.is_empty() { Ok(arguments) } else { Err(problems) }
}

fn python_type(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        integer if integer.is_integer() => "int",
        DataType::Float32 | DataType::Float64 => "float",
        DataType::Utf8 | DataType::LargeUtf8 => "str",
        DataType::Boolean => "bool",
        DataType::Date32 => "datetime.date",
        DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _) => "datetime.datetime",
        _ => return None,
    })
}

/// The whole file.
pub(super) fn write(
    located: &Located<Transformation>,
    dialect: Dialect,
    signature: &[String],
    body: &[String],
) -> String {
    let frame = dialect.either("pd.DataFrame", "pl.DataFrame");
    let arguments = if signature.is_empty() { String::new() } else { format!(", *, {}", signature.join(", ")) };
    let mut function = format!(
        "def transform(df: {frame}{arguments}) -> {frame}:\n    \"\"\"The rows that the Transformation makes of `df`.\"\"\"\n"
    );
    if dialect == Dialect::Pandas {
        function.push_str(
            "    df = pa.Table.from_pandas(df, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype)\n",
        );
    }
    for line in body.iter().flat_map(|statement| statement.lines()) {
        function.push_str(&format!("    {line}\n"));
    }
    let mut parts = vec![function];
    parts.extend(called(dialect.either(PANDAS, POLARS), &parts[0]));
    let code = parts.join("\n\n");
    let mut imports = Vec::new();
    imports.extend(code.contains("datetime.").then_some("import datetime"));
    imports.extend(code.contains("re.fullmatch(").then_some("import re"));
    if !imports.is_empty() {
        imports.push("");
    }
    match dialect {
        Dialect::Pandas => imports.extend(["import pandas as pd", "import pyarrow as pa"]),
        Dialect::Polars => imports.push("import polars as pl"),
    }
    imports.extend(code.contains("pc.").then_some("import pyarrow.compute as pc"));
    format!("{}{}\n\n\n{code}", docstring(located), imports.join("\n"))
}

fn docstring(located: &Located<Transformation>) -> String {
    let mut lines = header::lines(located);
    let params = &located.object.spec.params;
    if !params.is_empty() {
        lines.extend([String::new(), "Parameters:".to_owned()]);
        lines.extend(params.iter().map(|param| format!("    {}", header::param(param, ""))));
    }
    let text = lines.join("\n").replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"\"\"{text}\n\"\"\"\n\n")
}

/// The functions of a source that code calls, directly or not, in the source's order.
fn called(source: &str, code: &str) -> Vec<String> {
    let functions: Vec<(&str, &str)> = source
        .split("\n\n\n")
        .filter_map(|function| Some((function.strip_prefix("def ")?.split_once('(')?.0, function)))
        .collect();
    let calls = |code: &str| -> Vec<&str> {
        functions.iter().map(|(name, _)| *name).filter(|name| code.contains(&format!("{name}("))).collect()
    };
    let (mut found, mut open) = (BTreeSet::new(), calls(code));
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(functions.iter().filter(|(known, _)| *known == name).flat_map(|(_, function)| calls(function)));
        }
    }
    functions
        .iter()
        .filter(|(name, _)| found.contains(name))
        .map(|(_, function)| format!("{}\n", function.trim_end()))
        .collect()
}
