//! Generated code, compared with checked-in texts: `UPDATE_GOLDEN=1 cargo test --test suite codegen` writes them.

use aggregator_compiler::codegen::{Target, codegen};
use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::manifest::{ManifestText, Manifests};
use aggregator_tests::golden::golden;

use crate::fixture::files;

const TARGETS: [(Target, &str); 3] =
    [(Target::Sql, "sql"), (Target::Pandas, "pandas.py"), (Target::Polars, "polars.py")];

fn parse(file: &str, text: String) -> Manifests {
    let (manifests, diagnostics) = Manifests::parse(&[ManifestText { file: file.into(), text }]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    manifests
}

#[test]
fn code_is_as_checked_in() {
    let names = files("codegen", "yaml");
    assert!(names.len() >= 7, "{names:?}");
    let mut differences = Vec::new();
    for path in names {
        let manifests = parse("step.yaml", std::fs::read_to_string(&path).expect("a manifest"));
        let located = manifests.transformations().next().expect("a Transformation");
        for (target, ending) in TARGETS {
            let code =
                codegen(located, target).unwrap_or_else(|problems| panic!("{}: {}", path.display(), shown(&problems)));
            differences.extend(golden(&path.with_extension(ending), &code));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn shown(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What is said of a mapping with one expression, or of a query.
fn refused(step: &str, target: Target) -> Vec<Diagnostic> {
    let text =
        format!("apiVersion: aggregator.dev/v1alpha1\nkind: Transformation\nmetadata: {{name: s}}\nspec:\n  {step}\n");
    let manifests = parse("s.yaml", text);
    codegen(manifests.transformations().next().expect("a Transformation"), target).expect_err(step)
}

#[test]
fn what_has_no_translation_is_named_with_its_place_and_a_way_out() {
    for (step, named) in [
        (r#"mapping: {columns: [{name: x, expression: "md5(a)"}]}"#, "md5("),
        (r#"mapping: {columns: [{name: x, expression: "a ~ 'b'"}]}"#, "~"),
        (r#"mapping: {columns: [{name: x, expression: "a = NULL"}]}"#, "NULL"),
        (r#"mapping: {columns: [{name: x, expression: "at + INTERVAL '1 day'"}]}"#, "Interval"),
        (r#"mapping: {columns: [{name: x, from: a, cast: "Timestamp(Microsecond, Europe/Berlin)"}]}"#, "Europe/Berlin"),
        (r#"mapping: {columns: [{name: x, from: a, cast: "Decimal128(10, 2)"}]}"#, "Decimal128(10, 2)"),
        (r#"mapping: {columns: [{name: x, expression: "1"}]}"#, "reads no column"),
        (r#"sql: {query: "SELECT a FROM input ORDER BY a"}"#, "ORDER BY"),
        (r#"sql: {query: "SELECT i.a FROM input i JOIN input j ON i.a = j.a"}"#, "join"),
        (r#"sql: {query: "SELECT a, row_number() OVER (ORDER BY a) AS n FROM input"}"#, "row_number()"),
        (r#"sql: {query: "SELECT median(a) AS m FROM input"}"#, "median("),
        (r#"sql: {query: "SELECT upper(a) AS a FROM input GROUP BY a"}"#, "GROUP BY a"),
    ] {
        for (target, name) in [(Target::Pandas, "pandas"), (Target::Polars, "Polars")] {
            let problems = refused(step, target);
            assert_eq!(problems.len(), 1, "{step}: {}", shown(&problems));
            let problem = &problems[0];
            assert_eq!(problem.code, "NotTranslatable", "{problem}");
            assert!(problem.message.contains(named) && problem.message.contains(name), "{step}: {problem}");
            assert!(problem.help.is_some() && problem.place.is_some(), "{problem}");
        }
    }
}

#[test]
fn mistakes_of_the_transformation_are_told_all_together() {
    let step =
        r#"mapping: {columns: [{name: x, expression: "nonsense(a)"}, {name: z, from: a, cast: Int32, default: soon}]}"#;
    for (target, _) in TARGETS {
        let codes: Vec<&str> = refused(step, target).iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["UnknownFunction", "BadDefault"], "{target:?}");
    }
    let problems = refused(r#"sql: {query: "DROP TABLE input"}"#, Target::Sql);
    assert_eq!(problems[0].code, "Sandbox", "{}", shown(&problems));
}
