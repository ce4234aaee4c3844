//! Every file of `config/examples/` parses into its kind, is valid, and is written back with nothing lost or changed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the functions beside the tests are tests too")]

use std::fmt::Debug;

use aggregator_crds::{
    Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation, Validate, Violation, json_schema,
};
use aggregator_tests::folder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The documents of all files, with where they stand.
fn documents() -> Vec<(String, Value)> {
    let folder = folder::workspace().join("config/examples");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        for (index, document) in documents.into_iter().enumerate() {
            found.push((format!("{name}, document {index}"), document));
        }
    }
    found
}

/// What parsing and writing back makes of a document, and what validation says of it.
fn round_trip(place: &str, document: &Value) -> (Value, Vec<Violation>) {
    fn through<Object>(place: &str, document: &Value) -> (Value, Vec<Violation>)
    where
        Object: DeserializeOwned + Serialize + PartialEq + Debug + Validate,
    {
        let object: Object =
            serde_path_to_error::deserialize(document).unwrap_or_else(|error| panic!("{place}: {error}"));
        let written = serde_json::to_value(&object).unwrap();
        let again: Object = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(again, object, "{place}");
        (written, object.validate())
    }
    match document["kind"].as_str().unwrap() {
        "Connector" => through::<Connector>(place, document),
        "Pipeline" => through::<Pipeline>(place, document),
        "Transformation" => through::<Transformation>(place, document),
        "Schedule" => through::<Schedule>(place, document),
        "PipelineRun" => through::<PipelineRun>(place, document),
        "Checkpoint" => through::<Checkpoint>(place, document),
        other => panic!("{place}: unknown kind {other}"),
    }
}

/// Every path of `original` whose value is missing or different in `written`.
fn lost(original: &Value, written: &Value, path: &str, found: &mut Vec<String>) {
    match (original, written) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                match after.get(key) {
                    Some(other) => lost(value, other, &format!("{path}.{key}"), found),
                    None => found.push(format!("{path}.{key} is missing")),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (value, other)) in before.iter().zip(after).enumerate() {
                lost(value, other, &format!("{path}[{index}]"), found);
            }
        }
        _ if original == written => {}
        _ => found.push(format!("{path}: {original} became {written}")),
    }
}

#[test]
fn every_example_is_read_whole() {
    let documents = documents();
    let mut kinds: Vec<&str> = documents.iter().map(|(_, document)| document["kind"].as_str().unwrap()).collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        ["Connector", "Pipeline", "Transformation", "Schedule", "PipelineRun"],
        "all kinds a user writes"
    );
    for (place, document) in &documents {
        let (written, violations) = round_trip(place, document);
        assert_eq!(violations, [], "{place}");
        let mut found = Vec::new();
        lost(document, &written, "", &mut found);
        assert_eq!(found, Vec::<String>::new(), "{place}");
    }
}

#[test]
fn every_example_fits_the_schema_of_its_kind() {
    for (place, document) in documents() {
        let schema = json_schema(document["kind"].as_str().unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mistakes: Vec<String> =
            validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert_eq!(mistakes, Vec::<String>::new(), "{place}");
    }
}

#[test]
fn the_defaults_of_the_types_are_those_of_the_schemas() {
    for (place, document) in documents() {
        let (written, _) = round_trip(&place, &document);
        let mut defaulted = document.clone();
        apply_defaults(&json_schema(document["kind"].as_str().unwrap()).unwrap(), &mut defaulted);
        let mut found = Vec::new();
        lost(&defaulted, &written, "", &mut found);
        lost(&written, &defaulted, "", &mut found);
        assert_eq!(found, Vec::<String>::new(), "{place}");
    }
}

/// Does what a kube-apiserver does with `default`.
fn apply_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                if let (None, Some(default)) = (fields.get(key), property.get("default")) {
                    fields.insert(key.clone(), default.clone());
                }
                if let Some(field) = fields.get_mut(key) {
                    apply_defaults(property, field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| apply_defaults(&schema["items"], item)),
        _ => {}
    }
}

#[test]
fn two_choices_and_unknown_fields_are_refused_when_read() {
    let cases = [
        ("Connector", r#"{"sqlite": {"path": "a"}, "file": {"root": "b"}}"#, "spec: unknown field `file`"),
        ("Connector", r#"{"sqlite": {"path": "a"}, "descriptoin": "c"}"#, "spec: unknown field `descriptoin`"),
        (
            "Schedule",
            r#"{"pipelineRef": {"name": "p"}, "interval": {"every": "1h"}, "webhook": {}}"#,
            "spec: unknown field `webhook`",
        ),
        ("Transformation", r#"{"sql": {"query": "q"}, "mapping": {"columns": []}}"#, "spec: unknown field `mapping`"),
    ];
    for (kind, spec, message) in cases {
        let document = serde_json::json!({
            "apiVersion": "aggregator.dev/v1alpha1",
            "kind": kind,
            "metadata": { "name": "a" },
            "spec": serde_json::from_str::<Value>(spec).unwrap(),
        });
        let error = match kind {
            "Connector" => serde_path_to_error::deserialize::<_, Connector>(&document).unwrap_err().to_string(),
            "Schedule" => serde_path_to_error::deserialize::<_, Schedule>(&document).unwrap_err().to_string(),
            _ => serde_path_to_error::deserialize::<_, Transformation>(&document).unwrap_err().to_string(),
        };
        assert_eq!(error, message);
        let validator = jsonschema::validator_for(&json_schema(kind).unwrap()).unwrap();
        let chosen_twice = message != "spec: unknown field `descriptoin`";
        assert_eq!(validator.is_valid(&document), !chosen_twice, "{spec}");
    }
}
