//! The Transformation: a step that many pipelines use, with tests of its own.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::pipeline::{Mapping, Param, Sql};

/// A step that many pipelines use, with tests of its own.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aggregator.dev",
    version = "v1alpha1",
    kind = "Transformation",
    plural = "transformations",
    shortname = "axform",
    category = "aggregator",
    doc = "A step that many Pipelines use, with tests of its own.",
    namespaced,
    status = "TransformationStatus",
    derive = "PartialEq",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Tests", type_ = "string", json_path = ".status.conditions[?(@.type==\"TestsPassed\")].status"),
    printcolumn(name = "Used By", type_ = "string", json_path = ".status.usedBy[0]"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::choice::open)]
pub struct TransformationSpec {
    /// What this step does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Values that a use of the step sets; `$name` in expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub params: Vec<Param>,
    /// What it does: exactly one of `sql` (its input is the table `input`) and `mapping`.
    #[serde(flatten)]
    pub step: Step,
    /// Rows in, rows out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub tests: Vec<TestCase>,
}

/// What a Transformation does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// A query over the table `input`.
    Sql(Sql),
    /// New columns from old ones, row by row.
    Mapping(Mapping),
}

/// One test: rows in, rows out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestCase {
    /// What is shown, for people.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Values of the step's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// The input, as objects of column and value. Columns that are text, numbers and truth values are told from the values.
    pub rows: Vec<TestRow>,
    /// The types of input columns that the values do not tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, String>,
    /// What must come out.
    pub expect: Expectation,
}

/// A row: column and value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TestRow(pub serde_json::Map<String, serde_json::Value>);

impl JsonSchema for TestRow {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TestRow".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// What must come out of a test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// The rows, in any order. Absent: not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<TestRow>>,
    /// The rejected rows, in order. Absent: there must be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<Vec<ExpectedReject>>,
}

/// A rejected row that must come out of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedReject {
    /// The column at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The reason, as `CastFailed` or `RuleBroken`.
    pub reason: String,
}

/// How the tests of a Transformation ended: the worker's last words, from which its status is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestsOutcome {
    /// How many passed.
    pub passed: u64,
    /// How many did not.
    pub failed: u64,
    /// The first that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FailedTest>,
}

/// A test that did not pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedTest {
    /// Its name.
    pub name: String,
    /// What was not as expected.
    pub difference: String,
}

/// What is known of the step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransformationStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Valid`, `TestsPassed`, and `Reconciling` or `Stalled` while it is so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Pipelines that use it, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}
