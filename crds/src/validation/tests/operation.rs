//! Operations of a Pipeline's transforms, and Transformations.

use super::violations;
use crate::{Pipeline, Transformation};

#[test]
fn operation() {
    let found = violations::<Pipeline>(
        "Pipeline",
        r#"sources: [{name: s, connector: c, stream: t}]
sinks: [{name: k, from: s, connector: c, stream: u}]

transforms:
  - {name: t1, from: [], sql: {query: " "}}
  - {name: t2, from: [a, a], sql: {query: q}}
  - {name: t3, from: [a, b], filter: {where: ""}}
  - {name: t4, from: [a], join: {keys: []}}
  - {name: t5, from: [a, a], join: {keys: [{left: "", right: rr}], select: [x, x]}}
  - {name: t6, from: [a], union: {}}
  - {name: t7, from: [a], union: {distinct: true}}
  - {name: t8, from: [a], mapping: {columns: []}}
  - {name: t9, from: [a], mapping: {columns: [{name: x, from: a, expression: b}, {name: x, onError: SetNull}, {name: z, cast: Int32, onError: Default}]}}
  - {name: t10, from: [a], deduplicate: {key: [], orderBy: []}}
  - {name: t11, from: [a], deduplicate: {key: [x, x], orderBy: [{column: t}, {column: t}]}}
  - {name: t12, from: [a], aggregate: {measures: []}}
  - {name: t13, from: [a], aggregate: {groupBy: [""], measures: [{name: nn, expression: ""}, {name: nn, expression: count(*)}]}}
  - {name: t14, from: [a], unnest: {column: "", as: ""}}
  - {name: t15, from: [a], mask: {columns: []}}
  - {name: t16, from: [a], mask: {columns: [{name: x, method: Hash, keep: 2}, {name: x, method: Redact, salt: s}]}}
  - {name: t17, from: [a], validate: {rules: []}}
  - {name: t18, from: [a], validate: {rules: [{name: r, expression: x}, {name: r, expression: ""}]}}
  - {name: t19, from: [""], transformation: {ref: Clean_It, params: {a-b: x}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.transforms[0].from: `sql` has no input; give at least one",
            r"spec.transforms[0].sql.query: the query is empty; give the query",
            r"spec.transforms[1].from[1]: the input `a` is already taken by spec.transforms[1].from[0]; give each input once",
            r"spec.transforms[2].from: `filter` has 2 inputs; give exactly one",
            r"spec.transforms[2].filter.where: the expression is empty; give the expression",
            r"spec.transforms[3].from: `join` has one input; give two, the left one first",
            r"spec.transforms[3].join.keys: the list is empty; give at least one pair of columns, as `{left: id, right: id}`",
            r"spec.transforms[4].join.keys[0].left: the column is empty; give the column",
            r"spec.transforms[4].join.select[1]: the item `x` is already taken by spec.transforms[4].join.select[0]; give each item once",
            r"spec.transforms[5].from: `union` has one input; give at least two",
            r"spec.transforms[7].mapping.columns: the list is empty; give at least one column",
            r"spec.transforms[8].mapping.columns[0]: the column has both `from` and `expression`; keep `from` for a copy, or `expression` for a computation",
            r"spec.transforms[8].mapping.columns[1].onError: there is no cast that could fail; set `cast`, or leave `onError` out",
            r"spec.transforms[8].mapping.columns[2].onError: the column has no default; set `default`, or use `onError: SetNull`",
            r"spec.transforms[8].mapping.columns[1].name: the column `x` is already taken by spec.transforms[8].mapping.columns[0].name; give each column once",
            r"spec.transforms[9].deduplicate.key: the list is empty; give at least one column",
            r"spec.transforms[9].deduplicate.orderBy: the list is empty; give the columns that say which row comes first",
            r"spec.transforms[10].deduplicate.key[1]: the column `x` is already taken by spec.transforms[10].deduplicate.key[0]; give each column once",
            r"spec.transforms[10].deduplicate.orderBy[1].column: the column `t` is already taken by spec.transforms[10].deduplicate.orderBy[0].column; give each column once",
            r"spec.transforms[11].aggregate.measures: the list is empty; give at least one measure, as `{name: rows, expression: count(*)}`",
            r"spec.transforms[12].aggregate.groupBy[0]: the expression is empty; give the expression",
            r"spec.transforms[12].aggregate.measures[0].expression: the expression is empty; give the expression",
            r"spec.transforms[12].aggregate.measures[1].name: the column `nn` is already taken by spec.transforms[12].aggregate.measures[0].name; give each column once",
            r"spec.transforms[13].unnest.column: the column is empty; give the column",
            r"spec.transforms[13].unnest.as: the name is empty; give the name",
            r"spec.transforms[14].mask.columns: the list is empty; give at least one column",
            r"spec.transforms[15].mask.columns[0].keep: `keep` is not used by the method Hash; use the method Partial, or leave `keep` out",
            r"spec.transforms[15].mask.columns[1].salt: `salt` is not used by the method Redact; use the method Hash, or leave `salt` out",
            r"spec.transforms[15].mask.columns[1].name: the column `x` is already taken by spec.transforms[15].mask.columns[0].name; give each column once",
            r"spec.transforms[16].validate.rules: the list is empty; give at least one rule",
            r"spec.transforms[17].validate.rules[1].expression: the expression is empty; give the expression",
            r"spec.transforms[17].validate.rules[1].name: the rule `r` is already taken by spec.transforms[17].validate.rules[0].name; give each rule once",
            r"spec.transforms[18].from[0]: the node is empty; give the node",
            r"spec.transforms[18].transformation.ref: `Clean_It` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.transforms[18].transformation.params.a-b: `a-b` cannot name a parameter; use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL"
        ]
    );
}

#[test]
fn transformation() {
    let found = violations::<Transformation>(
        "Transformation",
        r#"
params: [{name: p, type: Utf8}, {name: d, type: Utf8, default: x}]
sql: {query: ""}
tests:
  - {name: a, params: {q: x}, rows: [], expect: {}}
  - {name: a, params: {p: x}, rows: [], expect: {rejects: [{reason: ""}]}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.sql.query: the query is empty; give the query",
            r"spec.tests[0].params.q: the Transformation has no parameter `q`; declare it in `spec.params`, or take it out",
            r"spec.tests[0].params: the parameter `p` has no value; set `p` here, or give it a default in `spec.params`",
            r"spec.tests[0].expect: the test expects nothing; say what comes out, as `rows: […]`, `rejects: […]` or both",
            r"spec.tests[1].expect.rejects[0].reason: the reason is empty; give the reason",
            r"spec.tests[1].name: the test `a` is already taken by spec.tests[0].name; give each test once"
        ]
    );
    let found = violations::<Transformation>(
        "Transformation",
        r"
mapping: {columns: []}
",
    );
    assert_eq!(found, [r"spec.mapping.columns: the list is empty; give at least one column"]);
}
