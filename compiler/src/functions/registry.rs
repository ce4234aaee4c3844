//! All functions: ours and DataFusion's, for planning, execution and suggestions.

use std::sync::Arc;

use datafusion_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};

use super::function::Function;
use super::{calendar, email, geo, hash, json, money, network, null, parse, phone, similarity, text, url};

static TABLES: [&[Function]; 13] = [
    json::FUNCTIONS,
    parse::FUNCTIONS,
    money::FUNCTIONS,
    phone::FUNCTIONS,
    email::FUNCTIONS,
    url::FUNCTIONS,
    network::FUNCTIONS,
    text::FUNCTIONS,
    similarity::FUNCTIONS,
    geo::FUNCTIONS,
    hash::FUNCTIONS,
    calendar::FUNCTIONS,
    null::FUNCTIONS,
];

/// Our own functions, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// Our own function of that name, in whatever case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name.eq_ignore_ascii_case(name))
}

/// Every scalar function that SQL and mappings may call: DataFusion's, then ours (no name is in both).
#[must_use]
pub fn scalar_udfs() -> Vec<Arc<ScalarUDF>> {
    let mut udfs = datafusion_functions::all_default_functions();
    udfs.extend(datafusion_functions_nested::all_default_nested_functions());
    udfs.extend(all().map(Function::udf));
    udfs
}

/// Every aggregate function: DataFusion's.
#[must_use]
pub fn aggregate_udfs() -> Vec<Arc<AggregateUDF>> {
    datafusion_functions_aggregate::all_default_aggregate_functions()
}

/// Every window function beside the aggregates: DataFusion's.
#[must_use]
pub fn window_udfs() -> Vec<Arc<WindowUDF>> {
    datafusion_functions_window::all_default_window_functions()
}

/// Every function that takes a lambda, as `array_transform(list, x -> x + 1)`: DataFusion's.
#[must_use]
pub fn higher_order_udfs() -> Vec<Arc<HigherOrderUDF>> {
    datafusion_functions_nested::all_default_higher_order_functions()
}

/// The names of all functions of every kind with their aliases, sorted, each once: for "did you mean".
#[must_use]
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: &str, aliases: &[String]| {
        names.push(name.to_owned());
        names.extend(aliases.iter().cloned());
    };
    scalar_udfs().iter().for_each(|udf| add(udf.name(), udf.aliases()));
    aggregate_udfs().iter().for_each(|udf| add(udf.name(), udf.aliases()));
    window_udfs().iter().for_each(|udf| add(udf.name(), udf.aliases()));
    higher_order_udfs().iter().for_each(|udf| add(udf.name(), udf.aliases()));
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::functions::Need;

    #[test]
    fn no_name_is_taken_twice() {
        let mut taken = BTreeSet::new();
        for udf in scalar_udfs() {
            for name in std::iter::once(udf.name()).chain(udf.aliases().iter().map(String::as_str)) {
                assert!(taken.insert(name.to_owned()), "`{name}` is there twice");
            }
        }
        let others = aggregate_udfs().iter().map(|udf| udf.name().to_owned()).collect::<BTreeSet<_>>();
        for function in all() {
            assert!(!others.contains(function.name), "`{}` is an aggregate too", function.name);
        }
    }

    #[test]
    fn names_hold_every_kind() {
        let names = names();
        let every_kind = ["money_amount", "array_length", "coalesce", "sum", "row_number", "array_transform", "nvl"];
        let every_feature = ["sha256", "date_trunc", "encode", "round", "regexp_like", "upper", "strpos"];
        for name in every_kind.into_iter().chain(every_feature) {
            assert!(names.iter().any(|known| known == name), "`{name}` is missing");
        }
    }

    #[test]
    fn functions_are_told_whatever_the_case() {
        assert_eq!(find("Phone_E164").map(|function| function.name), Some("phone_e164"));
        assert!(find("phone_e165").is_none());
    }

    #[test]
    fn every_row_of_the_table_is_whole() {
        for function in all() {
            let name = function.name;
            assert!(!function.examples.is_empty(), "{name} has no example");
            for sentence in [function.summary, function.bad_input] {
                assert!(sentence.ends_with('.') || sentence.ends_with(".)"), "{name}: `{sentence}` has no end");
            }
            let used = function.examples.iter().any(|example| example.sql.contains(&format!("{name}(")));
            assert!(used, "no example of {name} calls it");
            let needs: Vec<Need> = function.parameters.iter().map(|parameter| parameter.need).collect();
            let rank = |need: &Need| [Need::Required, Need::Optional, Need::Repeated].iter().position(|it| it == need);
            assert!(needs.is_sorted_by_key(rank), "{name}: required, then optional, then repeated");
            assert!(
                !(needs.contains(&Need::Optional) && needs.contains(&Need::Repeated)),
                "{name}: ambiguous arguments"
            );
        }
    }
}
