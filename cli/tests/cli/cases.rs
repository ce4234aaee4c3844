//! Mistakes in `*.test.yaml` files: each at its place, with what would be right.

use crate::aggregator::{CONNECTORS, Place};

const PIPELINE: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: sales, namespace: test}
spec:
  sources: [{name: orders, connector: in, stream: orders.csv}]
  transforms: [{name: large, from: [orders], filter: {where: quantity > 1}}]
  sinks: [{name: list, from: large, connector: out, stream: list/}]
";

const GOOD: &str = "pipeline: sales
namespace: test
tests:
  - name: small ones stay behind
    sources:
      orders:
        rows:
          - {product: lamp, quantity: 2}
          - {product: desk, quantity: 1}
    expect:
      sinks:
        list: [{product: lamp, quantity: 2}]
";

fn place(tests: &str) -> Place {
    let place = Place::new();
    place.write("m.yaml", &format!("{CONNECTORS}{PIPELINE}"));
    place.write("m.test.yaml", tests);
    place
}

/// A test that cannot be what its author meant fails, with these words below its name.
fn fails(from: &str, to: &str, told: &str) {
    let tests = GOOD.replace(from, to);
    assert_ne!(tests, GOOD);
    let said = place(&tests).say("test -f m.yaml");
    let subject = if from == "pipeline: sales" { "test/sale" } else { "test/sales" };
    let subject = if from == "namespace: test" { "tests/sales" } else { subject };
    assert_eq!(
        (said.code(), said.stdout.as_str()),
        (Some(1), format!("✗ Pipeline {subject}: small ones stay behind\n{told}0 passed, 1 failed\n").as_str()),
        "{}",
        said.stderr
    );
}

#[test]
fn a_test_of_what_is_not_there_says_where_it_says_so_and_what_there_is() {
    let said = place(GOOD).say("test -f m.yaml");
    assert_eq!(said.stdout, "✓ Pipeline test/sales: small ones stay behind\n1 passed, 0 failed\n", "{}", said.stderr);
    fails(
        "pipeline: sales",
        "pipeline: sale",
        "    m.test.yaml:1:11: error[UnknownPipeline]: there is no Pipeline test/sale among the manifests\n      \
           at tests pipeline\n      help: did you mean `sales`? Pipelines in the namespace test: sales\n",
    );
    fails(
        "namespace: test",
        "namespace: tests",
        "    m.test.yaml:2:12: error[UnknownPipeline]: there is no Pipeline tests/sales among the manifests\n      \
           at tests namespace\n      help: write `namespace: test`, where there is one of that name\n",
    );
    fails(
        "      orders:",
        "      order:",
        "    m.test.yaml:6:7: error[UnknownNode]: the Pipeline test/sales has no source `order`\n      \
           at tests tests[0].sources.order\n      help: did you mean `orders`? sources: orders\n    \
         m.test.yaml:5:5: error[MissingRows]: the source `orders` has no rows in this test\n      \
           at tests tests[0].sources\n      help: add `orders: {rows: []}` for none\n",
    );
    fails(
        "        list:",
        "        lists:",
        "    m.test.yaml:12:9: error[UnknownNode]: the Pipeline test/sales has no sink `lists`\n      \
           at tests tests[0].expect.sinks.lists\n      help: did you mean `list`? sinks: list\n",
    );
}

#[test]
fn rows_that_do_not_fit_are_told_with_the_value_and_its_place() {
    fails(
        "          - {product: desk, quantity: 1}\n",
        "          - {product: desk, quantity: few}\n        types: {quantity: Int64}\n",
        "    m.test.yaml:9:39: error[WrongRows]: column `quantity`: \"few\" does not fit Int64\n      \
           at tests tests[0].sources.orders.rows[1].quantity\n      \
           help: write a value of that type, or another type under `types`\n",
    );
    fails(
        "quantity: 1}",
        "quantity: {pieces: 1}}",
        "    m.test.yaml:9:29: error[WrongRows]: column `quantity`: {\"pieces\":1} is of another kind than in the rows before\n      \
           at tests tests[0].sources.orders.rows[1].quantity\n      help: give each column values of one kind\n",
    );
    let said = place(&GOOD.replace("    expect:", "        types: {quantity: Int}\n    expect:")).say("test -f m.yaml");
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    assert!(
        said.stdout.contains(
            "m.test.yaml:10:27: error[WrongRows]: column `quantity`: `Int` is not a type; write an Arrow type"
        ),
        "{}",
        said.stdout
    );
}

/// Every mistake of form of every file at once, and no test is run.
#[test]
fn keys_that_nobody_knows_are_told_all_at_once() {
    let tests = GOOD
        .replace("    sources:", "    source:")
        .replace("quantity: 2}]", "quantity: 2}]\n      reject: []")
        .replace("namespace: test", "namespace: test\nnamespace: test");
    let place = place(&tests);
    place.write(
        "more.test.yaml",
        "pipeline: sales\ntests:\n  - {name: a, sources: {}, expect: {rejects: [{reason: CastFaild}]}}\n",
    );
    place.write("none.test.yaml", "# nothing\n");
    place.write("open.test.yaml", "pipeline: [\n");
    place.write("second.test.yaml", &format!("{GOOD}---\n{GOOD}"));
    let said = place.say("test -f m.yaml");
    assert_eq!((said.code(), said.stdout.as_str()), (Some(2), ""), "{}", said.stderr);
    let expected = [
        "m.test.yaml:3:1: error[DuplicateKey]: this key stands twice in one mapping\n  at tests namespace\n  \
         help: remove one of them, or merge their values\n",
        "m.test.yaml:14:7: error[UnknownField]: `reject` is not a field here\n",
        "m.test.yaml:6:5: error[UnknownField]: `source` is not a field here\n",
        "more.test.yaml:3:56: error[WrongShape]: `CastFaild` is not a value of this field\n",
        "none.test.yaml:1:1: error[NoObject]: this file holds no tests\n",
        "open.test.yaml:1:11: error[YamlSyntax]: this is not YAML",
        "second.test.yaml:14:1: error[SecondDocument]: this file holds a second document, and tests are one\n",
    ];
    for part in expected {
        assert!(said.stderr.contains(part), "{part}\n---\n{}", said.stderr);
    }
    for help in [
        "help: did you mean `sources`? fields: name, params, sources, expect\n",
        "help: did you mean `rejects`? fields: sinks, rejects\n",
        "help: did you mean `CastFailed`? one of: Malformed, FieldCount, CastFailed, NullValue, RuleBroken, WriteRefused\n",
    ] {
        assert!(said.stderr.contains(help), "{help}\n---\n{}", said.stderr);
    }
    assert!(
        said.stderr.ends_with(
            "error[Invalid]: the tests hold 7 errors\n  help: mend what is listed above; docs/testing.md shows how tests are written\n"
        ),
        "{}",
        said.stderr
    );
}
