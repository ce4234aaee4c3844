//! `*.test.yaml` files: the tests of a Pipeline, and where in the file each of them stands.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aggregator_crds::transformation::{ExpectedReject, TestRow};
use serde::Deserialize;
use serde_json::json;

use super::located::{Located, Locator};
use super::position;
use super::read::{duplicate, syntax, values, without_values};
use super::structure::Structure;
use super::{ManifestText, Manifests};
use crate::diagnostic::Diagnostic;
use crate::reject::RejectReason;
use crate::suggest;

/// A `*.test.yaml` file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineTests {
    /// The Pipeline's name.
    pub pipeline: String,
    /// The Pipeline's namespace.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// The tests.
    pub tests: Vec<PipelineCase>,
}

fn default_namespace() -> String {
    "default".into()
}

/// One test of a Pipeline.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineCase {
    /// What is shown, for people.
    pub name: String,
    /// Values of the Pipeline's parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// The rows of each source node.
    pub sources: BTreeMap<String, SourceRows>,
    /// What must come out.
    pub expect: PipelineExpectation,
}

/// Rows of a source node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceRows {
    /// The rows, as objects of column and value.
    pub rows: Vec<TestRow>,
    /// The types of columns that the values do not tell, as `Timestamp(Microsecond, UTC)`.
    #[serde(default)]
    pub types: BTreeMap<String, String>,
}

/// What must come out of a Pipeline.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineExpectation {
    /// The rows at each sink, in any order. A sink that is not named is not looked at.
    #[serde(default)]
    pub sinks: BTreeMap<String, Vec<TestRow>>,
    /// The rejected rows. Absent: there must be none.
    #[serde(default)]
    pub rejects: Option<Vec<ExpectedReject>>,
}

impl PipelineTests {
    /// Reads a `*.test.yaml` file.
    ///
    /// # Errors
    /// Everything that is wrong with its shape, each with its place.
    pub fn parse(file: &ManifestText) -> Result<Located<Self>, Vec<Diagnostic>> {
        let (documents, error) = position::documents(&file.text);
        if let Some(error) = error {
            return Err(vec![syntax(&file.file, error)]);
        }
        let mut documents = documents.into_iter().filter(|document| !document.empty);
        let Some(document) = documents.next() else {
            let place = Locator::unread(&file.file, OBJECT).place("");
            return Err(vec![Diagnostic::error("NoObject", "this file holds no tests").help(HELP).at(place)]);
        };
        let value = values(&document);
        let locator = Locator {
            file: file.file.as_str().into(),
            object: OBJECT.to_owned(),
            prefix: String::new(),
            positions: Arc::new(document.positions),
        };
        let mut found: Vec<Diagnostic> =
            document.duplicates.iter().map(|(path, place)| duplicate(path, *place, &locator)).collect();
        if let Some(second) = documents.next() {
            let place = locator.at("", second.positions.first());
            let message = "this file holds a second document, and tests are one";
            found.push(Diagnostic::error("SecondDocument", message).help("put it into a file of its own").at(place));
        }
        let Ok(value) = value else {
            found.push(without_values(&locator));
            return Err(found);
        };
        let wrong = shape().map(|shape| shape.check(&value, &locator)).unwrap_or_default();
        found.extend(wrong.into_iter().filter_map(|finding| finding.diagnostic));
        let parsed: Result<Self, _> = serde_path_to_error::deserialize(value);
        match parsed {
            Ok(object) if found.is_empty() => {
                let (namespace, name) = (object.namespace.clone(), object.pipeline.clone());
                Ok(Located { object, file: file.file.clone(), namespace, name, damaged: Vec::new(), locator })
            }
            // The shape's own sentences say it better, when there are any.
            Err(error) if found.is_empty() => {
                let place = locator.place(&error.path().to_string());
                Err(vec![Diagnostic::error("WrongShape", error.inner().to_string()).at(place)])
            }
            _ => Err(found),
        }
    }
}

impl Located<PipelineTests> {
    /// What a test names that is not there: the Pipeline, a source, a sink. Nothing when all of it is.
    #[must_use]
    pub fn unknown(&self, manifests: &Manifests, index: usize) -> Vec<Diagnostic> {
        let Some(pipeline) = manifests.pipeline(&self.namespace, &self.name) else {
            return vec![self.unknown_pipeline(manifests)];
        };
        let Some(case) = self.object.tests.get(index) else { return Vec::new() };
        let spec = &pipeline.object.spec;
        let sources: Vec<&str> = spec.sources.iter().map(|source| source.name.as_str()).collect();
        let sinks: Vec<&str> = spec.sinks.iter().map(|sink| sink.name.as_str()).collect();
        let mut found = Vec::new();
        let mut named = |field: &str, what: &str, names: Vec<&String>, known: &[&str]| {
            for name in names.into_iter().filter(|name| !known.contains(&name.as_str())) {
                let place = self.locator.key(&position::child(&format!("tests[{index}].{field}"), name));
                let message = format!("the Pipeline {}/{} has no {what} `{name}`", self.namespace, self.name);
                let help = suggest::advice(name, &format!("{what}s"), known.iter().copied());
                found.push(Diagnostic::error("UnknownNode", message).help(help).at(place));
            }
        };
        named("sources", "source", case.sources.keys().collect(), &sources);
        named("expect.sinks", "sink", case.expect.sinks.keys().collect(), &sinks);
        for source in sources.iter().filter(|source| !case.sources.contains_key(**source)) {
            found.push(
                Diagnostic::error("MissingRows", format!("the source `{source}` has no rows in this test"))
                    .help(format!("add `{source}: {{rows: []}}` for none"))
                    .at(self.locator.key(&format!("tests[{index}].sources"))),
            );
        }
        found
    }

    fn unknown_pipeline(&self, manifests: &Manifests) -> Diagnostic {
        let message = format!("there is no Pipeline {}/{} among the manifests", self.namespace, self.name);
        let known: Vec<(&str, &str)> =
            manifests.pipelines().map(|located| (located.namespace.as_str(), located.name.as_str())).collect();
        let elsewhere: Vec<&str> =
            known.iter().filter(|(_, name)| *name == self.name).map(|(namespace, _)| *namespace).collect();
        let (path, help) = if let [namespace, ..] = elsewhere.as_slice() {
            ("namespace", format!("write `namespace: {namespace}`, where there is one of that name"))
        } else {
            let within = known.iter().filter(|(namespace, _)| *namespace == self.namespace).map(|(_, name)| *name);
            let what = format!("Pipelines in the namespace {}", self.namespace);
            ("pipeline", suggest::advice(&self.name, &what, within))
        };
        Diagnostic::error("UnknownPipeline", message).help(help).at(self.place(path))
    }
}

/// What a test is called in a place.
const OBJECT: &str = "tests";

const HELP: &str = "write `pipeline:`, `namespace:` and `tests:`, as docs/testing.md shows";

/// The shape of a file.
fn shape() -> Option<&'static Structure> {
    static SHAPE: OnceLock<Option<Structure>> = OnceLock::new();
    let rows = json!({
        "type": "array",
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "description": "The rows, as objects of column and value.",
    });
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let reasons = RejectReason::ALL.map(RejectReason::as_str);
    let make = || {
        Structure::closed(json!({
            "type": "object",
            "required": ["pipeline", "tests"],
            "properties": {
                "pipeline": { "type": "string", "minLength": 1, "description": "The Pipeline's name." },
                "namespace": { "type": "string", "minLength": 1 },
                "tests": { "type": "array", "minItems": 1, "description": "The tests.", "items": {
                    "type": "object",
                    "required": ["name", "sources", "expect"],
                    "properties": {
                        "name": { "type": "string", "description": "What is shown, for people." },
                        "params": texts,
                        "sources": {
                            "type": "object",
                            "description": "The rows of each source node.",
                            "additionalProperties": {
                                "type": "object", "required": ["rows"], "properties": { "rows": rows, "types": texts },
                            },
                        },
                        "expect": {
                            "type": "object",
                            "description": "What must come out.",
                            "properties": {
                                "sinks": { "type": "object", "additionalProperties": rows },
                                "rejects": { "type": "array", "items": {
                                    "type": "object",
                                    "required": ["reason"],
                                    "properties": {
                                        "column": { "type": "string" },
                                        "reason": { "type": "string", "enum": reasons, "description": "Why." },
                                    },
                                }},
                            },
                        },
                    },
                }},
            },
        }))
    };
    SHAPE.get_or_init(make).as_ref()
}
