//! File formats, which Connectors of several types share.

use super::violations;
use crate::Connector;

#[test]
fn file_format() {
    let found = violations::<Connector>(
        "Connector",
        r#"
file:
  root: in
  format:
    csv: {delimiter: ";;", quote: ";", escape: ";", comment: "é", terminator: "\n", columns: [a, "", a], encoding: utf-9, schema: {columns: []}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.csv.columns[1]: the column is empty; give the column",
            r"spec.file.format.csv.columns[2]: the column `a` is already taken by spec.file.format.csv.columns[0]; give each column once",
            r#"spec.file.format.csv.delimiter: ";;" is not one ASCII character; write one character, as `";"`, or `"\t"` for a tab"#,
            r#"spec.file.format.csv.comment: "é" is not one ASCII character; write one character, as `";"`, or `"\t"` for a tab"#,
            r"spec.file.format.csv.encoding: `utf-9` is not an encoding; use a WHATWG label, as `utf-8`, `windows-1252`, `utf-16le` or `shift_jis`",
            r"spec.file.format.csv.schema.columns: the list is empty; give at least one column, or `infer: {}`"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
file: {root: in, format: {csv: {quote: "", escape: x, delimiter: "\\t", schema: {columns: [{name: a, type: ""}, {name: a, type: Utf8}]}}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.csv.escape: there is no quote that could be escaped; set `quote`, or leave `escape` out",
            r"spec.file.format.csv.schema.columns[0].type: the type is empty; give the type",
            r"spec.file.format.csv.schema.columns[1].name: the column `a` is already taken by spec.file.format.csv.schema.columns[0].name; give each column once"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
file: {root: in, format: {csv: {escape: "\"", delimiter: ";", comment: ";", columns: []}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.csv.columns: the list is empty; give at least one column",
            r#"spec.file.format.csv.comment: ";" already is the delimiter; use another character than the delimiter"#
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r"
file: {root: in, format: {ndjson: {encoding: none, schema: {infer: {records: 0}}}}}
",
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.ndjson.encoding: `none` is not an encoding; use a WHATWG label, as `utf-8`, `windows-1252`, `utf-16le` or `shift_jis`",
            r"spec.file.format.ndjson.schema.infer.records: 0 is out of range; use 1 or more"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
file: {root: in, format: {json: {records: "data[*]"}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.file.format.json.records: `data[*]` is not a JSONPath: parser error, at character 1; write a path as RFC 9535 has it, as `$.data[*]`"
        ]
    );
}
