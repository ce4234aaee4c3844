//! What single texts mean: names of objects, durations, quantities, percentages.

use serde_json::{Value, json};

use crate::validation::{Validate, parse_bytes, parse_duration, parse_percent, parse_quantity};
use crate::{Connector, Schedule, Transformation};

#[test]
fn names_of_objects() {
    let named = |metadata: Value| -> Vec<String> {
        let document = json!({
            "apiVersion": "aggregator.dev/v1alpha1",
            "kind": "Schedule",
            "metadata": metadata,
            "spec": { "pipelineRef": { "name": "p" }, "interval": { "every": "1h" } },
        });
        serde_json::from_value::<Schedule>(document).unwrap().validate().iter().map(ToString::to_string).collect()
    };
    assert_eq!(named(json!({ "name": "x".repeat(41) })), Vec::<String>::new());
    assert_eq!(named(json!({ "name": "x".repeat(42) })), ["metadata.name: the name has 42 characters; use at most 41"]);
    assert_eq!(named(json!({ "generateName": "x-" })), Vec::<String>::new());
    assert_eq!(named(json!({})), ["metadata.name: the object has no name; give it a name"]);
    assert_eq!(
        named(json!({ "name": "a..b" })),
        [
            "metadata.name: `a..b` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last"
        ]
    );
}

#[test]
fn durations() {
    let seconds = |text: &str| parse_duration(text).ok().map(|duration| duration.as_secs_f64());
    for (text, expected) in [
        ("10s", 10.0),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("500ms", 0.5),
        ("7d", 604_800.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
    ] {
        assert_eq!(seconds(text), Some(expected), "{text}");
    }
    for text in ["", "10", "soon", "-10s", "10s ago", "1mo", "1y", "1h 30m", "PT", "m10", "99999999999999h"] {
        assert_eq!(seconds(text), None, "{text}");
    }
    assert_eq!(
        parse_duration("soon").unwrap_err().to_string(),
        "`soon` is not a duration: write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`"
    );
}

#[test]
fn quantities_and_percentages() {
    for (text, bytes) in [
        ("512Mi", 512 << 20),
        ("2Gi", 2 << 30),
        ("1.5Ki", 1536),
        ("128974848", 128_974_848),
        ("129e6", 129_000_000),
        ("129M", 129_000_000),
        ("500m", 1),
        ("1Ei", 1 << 60),
        ("0", 0),
    ] {
        assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
    }
    for text in ["", "Mi", "512MB", "512 Mi", "-1", "+-1", "1.2.3", "1e", "e3", "1_000", "99999Ei", "NaN"] {
        assert!(parse_bytes(text).is_err(), "{text}");
    }
    assert_eq!(parse_quantity("1500m").unwrap().to_string(), "1.5");
    for (text, percent) in [
        ("0", Some(0.0)),
        ("0.5", Some(0.5)),
        ("100", Some(100.0)),
        ("100.1", None),
        ("-1", None),
        ("5%", None),
        ("nan", None),
    ] {
        assert_eq!(parse_percent(text).ok(), percent, "{text}");
    }
}

#[test]
fn control_characters_stand_in_no_field_that_is_not_data() {
    let found = |kind: &str, spec: &str| match kind {
        "Connector" => super::violations::<Connector>(kind, spec),
        _ => super::violations::<Transformation>(kind, spec),
    };
    let nul = r#"{description: "a\0b", secretName: "x", file: {root: "da\u0007ta", format: {csv: {delimiter: "\u0001", nullValues: ["\0"], columns: ["a\tb", "c\u0085"]}}}}"#;
    assert_eq!(
        found("Connector", nul),
        [
            "spec.description: the text holds the control character U+0000; take it out",
            "spec.file.root: the text holds the control character U+0007; take it out",
            "spec.file.format.csv.columns[1]: the text holds the control character U+0085; take it out",
        ]
    );
    let headers = r#"{http: {url: "https://a.example", endpoints: [{name: a, path: /, query: {"a\0": b}}]}}"#;
    assert_eq!(
        found("Connector", headers),
        ["spec.http.endpoints[0].query[\"a\\0\"]: the text holds the control character U+0000; take it out"]
    );
    // Rows of tests are data, and the text of a query has lines.
    let step = r#"{sql: {query: "SELECT *\n\tFROM input"}, tests: [{name: a, rows: [{a: "\0"}], expect: {rows: [{a: "\0"}]}}]}"#;
    assert_eq!(found("Transformation", step), Vec::<String>::new());
    let query = r#"{sql: {query: "SELECT '\0'"}}"#;
    assert_eq!(
        found("Transformation", query),
        ["spec.sql.query: the text holds the control character U+0000; take it out"]
    );
}

#[test]
fn durations_that_kubernetes_cannot_count_are_too_long() {
    let every = |text: &str| {
        super::violations::<Schedule>("Schedule", &format!("{{pipelineRef: {{name: p}}, interval: {{every: {text}}}}}"))
    };
    assert_eq!(every("36500d"), Vec::<String>::new());
    assert_eq!(every("36501d"), ["spec.interval.every: `36501d` is too long; use 36500d or less"]);
}
