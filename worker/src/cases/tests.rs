//! Rows in and rows out of operations, as a user's test gives them.

use aggregator_compiler::manifest::{ManifestText, Manifests, PipelineTests};
use sha2::{Digest, Sha256};

use super::test_pipeline;
use crate::run::Resources;

const HEAD: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: files, namespace: test}
spec: {file: {root: .}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: rows, namespace: test}
spec:
";

/// What is different at the sink `out` of a Pipeline with these sources, that reads the last of these transforms.
async fn differences(spec: &str, sources: &str, expected: &str) -> Vec<String> {
    let text = |file: &str, text: String| ManifestText { file: file.into(), text };
    let sink = "  sinks: [{name: out, from: made, connector: files, stream: out.csv}]\n";
    let (manifests, problems) = Manifests::parse(&[text("rows.yaml", format!("{HEAD}{spec}{sink}"))]);
    assert!(problems.is_empty(), "{problems:?}");
    let tests = format!(
        "pipeline: rows\nnamespace: test\ntests:\n  - name: rows\n    sources:\n{sources}    expect: {{sinks: {{out: {expected}}}}}\n"
    );
    let tests = PipelineTests::parse(&text("rows.test.yaml", tests)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let results = test_pipeline(&manifests, &tests, &Resources::of_this_machine()).await;
    results.into_iter().flat_map(|result| result.differences).collect()
}

async fn gives(spec: &str, sources: &str, expected: &str) {
    assert_eq!(differences(spec, sources, expected).await, Vec::<String>::new(), "{spec}");
}

const JOINED: &str = "  sources:
    - {name: orders, connector: files, stream: orders.csv}
    - {name: shops, connector: files, stream: shops.csv}
  transforms:
    - {name: made, from: [orders, shops], join: {type: TYPE, keys: [{left: shop, right: code}]}}
";

/// Two orders of one shop, two shops of one code, one of each that has no partner, and a null on either side.
const SHOPS: &str = "      orders:
        rows:
          - {id: 1, shop: a}
          - {id: 2, shop: a}
          - {id: 3, shop: x}
          - {id: 4, shop: null}
      shops:
        rows:
          - {code: a, town: Oslo}
          - {code: a, town: Bergen}
          - {code: z, town: Rome}
          - {code: null, town: nowhere}
";

#[tokio::test]
async fn every_type_of_join_has_its_rows() {
    let pairs = [
        "{id: 1, shop: a, code: a, town: Oslo}",
        "{id: 1, shop: a, code: a, town: Bergen}",
        "{id: 2, shop: a, code: a, town: Oslo}",
        "{id: 2, shop: a, code: a, town: Bergen}",
    ];
    let left = ["{id: 3, shop: x, code: null, town: null}", "{id: 4, shop: null, code: null, town: null}"];
    let right = ["{id: null, shop: null, code: z, town: Rome}", "{id: null, shop: null, code: null, town: nowhere}"];
    for (kind, expected) in [
        ("Inner", pairs.to_vec()),
        ("Left", [&pairs[..], &left].concat()),
        ("Right", [&pairs[..], &right].concat()),
        ("Full", [&pairs[..], &left, &right].concat()),
        // Once each, however many partners there are; and none of the right's columns.
        ("LeftSemi", vec!["{id: 1, shop: a}", "{id: 2, shop: a}"]),
        ("LeftAnti", vec!["{id: 3, shop: x}", "{id: 4, shop: null}"]),
    ] {
        gives(&JOINED.replace("TYPE", kind), SHOPS, &format!("[{}]", expected.join(", "))).await;
    }
    // What is compared counts rows: one of several equal ones that is missing is told.
    let fewer = differences(&JOINED.replace("TYPE", "Right"), SHOPS, &format!("[{}]", pairs.join(", "))).await;
    assert_eq!(
        fewer,
        ["sink `out`: unexpected: {code: \"z\", town: \"Rome\"}", "sink `out`: unexpected: {town: \"nowhere\"}"]
    );
}

/// Of columns with one name, the left one stays: of a row that only the right has, it is empty.
#[tokio::test]
async fn a_full_join_by_one_name_keeps_the_left_column_unless_select_says_otherwise() {
    let spec = JOINED.replace("TYPE", "Full").replace("left: shop", "left: code");
    let sources = "      orders: {rows: [{id: 1, code: a}]}\n      shops: {rows: [{code: z, town: Rome}]}\n";
    gives(&spec, sources, "[{id: 1, code: a, town: null}, {id: null, code: null, town: Rome}]").await;
    let spec = spec.replace("code}]}", "code}], select: [\"coalesce(orders.code, shops.code) AS code\", town]}");
    gives(&spec, sources, "[{code: a, town: null}, {code: z, town: Rome}]").await;
}

#[tokio::test]
async fn a_masked_column_is_the_digest_of_its_salt_and_value_in_every_run() {
    let spec = "  sources: [{name: people, connector: files, stream: people.csv}]
  transforms:
    - name: made
      from: [people]
      mask: {columns: [{name: mail, method: Hash, salt: pepper}, {name: number, method: Hash}]}
";
    let sources = "      people:
        rows:
          - {id: 1, mail: ada@example.org, number: 7}
          - {id: 2, mail: ada@example.org, number: 70}
          - {id: 3, mail: bo@example.org, number: null}
          - {id: 4, mail: null, number: 7}
          - {id: 5, mail: \"\", number: 7}
";
    let hash = |text: &str| {
        let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("\"{digest}\"")
    };
    // One by hand, so that not everything is computed the same way.
    assert_eq!(hash("7"), "\"7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451\"");
    let (ada, bo, none) = (hash("pepperada@example.org"), hash("pepperbo@example.org"), hash("pepper"));
    let (seven, seventy) = (hash("7"), hash("70"));
    let expected = format!(
        "[{{id: 1, mail: {ada}, number: {seven}}}, {{id: 2, mail: {ada}, number: {seventy}}}, {{id: 3, mail: {bo}, number: null}}, \
          {{id: 4, mail: null, number: {seven}}}, {{id: 5, mail: {none}, number: {seven}}}]"
    );
    gives(spec, sources, &expected).await;
    gives(spec, sources, &expected).await;
    let other = differences(&spec.replace("pepper", "salt"), sources, &expected).await;
    assert!(other.iter().any(|line| line.contains(&hash("saltada@example.org"))), "{other:?}");
}

#[tokio::test]
async fn the_first_row_of_a_key_is_the_first_in_the_order() {
    let spec = "  sources: [{name: offers, connector: files, stream: offers.csv}]
  transforms:
    - {name: made, from: [offers], deduplicate: {key: [item], orderBy: [ORDER], keep: KEEP}}
";
    let sources = "      offers:
        rows:
          - {item: lamp, price: 30, shop: b}
          - {item: lamp, price: 10, shop: c}
          - {item: lamp, price: 10, shop: a}
          - {item: lamp, price: null, shop: d}
          - {item: desk, price: null, shop: e}
          - {item: null, price: 2, shop: f}
          - {item: null, price: 1, shop: g}
";
    let rest = "{item: desk, price: null, shop: e}";
    for (order, keep, lamp, none) in [
        ("{column: price}, {column: shop}", "First", "price: 10, shop: a", "price: 1, shop: g"),
        ("{column: price}, {column: shop, direction: Descending}", "First", "price: 10, shop: c", "price: 1, shop: g"),
        ("{column: price, direction: Descending}", "First", "price: 30, shop: b", "price: 2, shop: f"),
        ("{column: price}", "Last", "price: 30, shop: b", "price: 2, shop: f"),
        ("{column: price, direction: Descending}, {column: shop}", "Last", "price: 10, shop: c", "price: 1, shop: g"),
    ] {
        let spec = spec.replace("ORDER", order).replace("KEEP", keep);
        gives(&spec, sources, &format!("[{{item: lamp, {lamp}}}, {{item: null, {none}}}, {rest}]")).await;
    }
}
