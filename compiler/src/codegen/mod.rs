//! Transformations as code for other engines: SQL, pandas, Polars. The code gives the rows that the engine gives.

mod header;
mod python;
mod read;
mod sql;

use aggregator_crds::Transformation;
use aggregator_crds::transformation::Step;

use crate::diagnostic::Diagnostic;
use crate::manifest::Located;
use crate::sql::{Missing, Params, Scope, Table};

/// What code is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One query over the table `input`.
    Sql,
    /// A Python module with a function over a pandas frame.
    Pandas,
    /// A Python module with a function over a Polars frame.
    Polars,
}

/// The code of a Transformation.
///
/// # Errors
/// Everything that is wrong with it; `NotTranslatable` for each expression that the target has no faithful words for.
pub fn codegen(located: &Located<Transformation>, target: Target) -> Result<String, Vec<Diagnostic>> {
    let invalid = crate::compile::violations(located);
    if !invalid.is_empty() {
        return Err(invalid);
    }
    let spec = &located.object.spec;
    // Values play no part in the code; that they are of their types does.
    let params = Params::bind(&spec.params, &std::collections::BTreeMap::new(), Missing::Null, &located.locator)?;
    let table = Table { name: "input".into(), node: "input".into(), schema: None };
    let tables = [table];
    let scope = Scope { tables: &tables, params: &params, locator: &located.locator };
    match (target, &spec.step) {
        (Target::Sql, Step::Sql(query)) => sql::query(located, &scope, query),
        (Target::Sql, Step::Mapping(mapping)) => sql::mapping(located, &scope, mapping),
        (Target::Pandas, step) => python::module(located, &scope, step, python::Dialect::Pandas),
        (Target::Polars, step) => python::module(located, &scope, step, python::Dialect::Polars),
    }
}

/// Something that a target has no faithful words for.
fn not_translatable(what: &str, target: &str, help: &str) -> Diagnostic {
    Diagnostic::error("NotTranslatable", format!("{what} has no faithful translation to {target}")).help(help)
}
