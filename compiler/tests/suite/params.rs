//! Parameters are values: typed, bound, never text of a query.

use aggregator_compiler::graph::NodeKind;

use crate::fixture::{compile_text, show, sql_pipeline};

fn plan(query: &str, params: &[(&str, &str)]) -> String {
    let compilation = compile_text(&sql_pipeline(query), "test", params);
    let pipeline = compilation.pipeline.unwrap_or_else(|| panic!("{}", show(&compilation.diagnostics)));
    match &pipeline.node("node").expect("the node").kind {
        NodeKind::Transform(node) => node.plan.display_indent().to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_takes_its_parameters_type() {
    assert!(plan("SELECT id FROM flights WHERE delay > $least", &[]).contains("Int32(3)"));
    assert!(plan("SELECT id FROM flights WHERE delay > $least", &[("least", "40")]).contains("Int32(40)"));
}

#[test]
fn a_value_that_looks_like_sql_stays_a_value() {
    let nasty = "x' OR 1 = 1; DROP TABLE flights --";
    let plan = plan("SELECT id FROM flights WHERE carrier = $code", &[("code", nasty)]);
    assert!(plan.contains(&format!("Utf8(\"{nasty}\")")), "{plan}");
    assert!(!plan.contains("Int64(1) = Int64(1)"), "{plan}");
}

#[test]
fn a_parameter_may_stand_in_a_subquery_and_in_a_function() {
    let query = "SELECT id, date_trunc($code, scheduled_at) AS at FROM flights WHERE delay > (SELECT max(delay) - $least FROM flights)";
    let plan = plan(query, &[("code", "day")]);
    assert!(plan.contains("Utf8(\"day\")") && plan.contains("Int32(3)"), "{plan}");
}

#[test]
fn wrong_values_are_told_by_name() {
    for (params, code, word) in [
        (&[("least", "many")][..], "BadParameter", "least"),
        (&[("leats", "4")][..], "UnknownParameter", "did you mean `least`"),
    ] {
        let compilation = compile_text(&sql_pipeline("SELECT id FROM flights"), "test", params);
        assert!(compilation.pipeline.is_none());
        let found = show(&compilation.diagnostics);
        assert!(found.contains(code) && found.contains(word), "{found}");
    }
}

#[test]
fn a_parameter_without_default_must_be_given_for_a_run() {
    let text = sql_pipeline("SELECT id FROM flights WHERE delay > $least").replace(", default: \"3\"", "");
    let compilation = compile_text(&text, "test", &[]);
    assert!(show(&compilation.diagnostics).contains("MissingParameter"), "{}", show(&compilation.diagnostics));
    assert!(compile_text(&text, "test", &[("least", "1")]).pipeline.is_some());
}
