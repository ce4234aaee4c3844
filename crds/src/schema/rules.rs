//! The CEL rules and name patterns of the CustomResourceDefinitions: what a kube-apiserver refuses by itself.
//!
//! A kube-apiserver estimates what a rule may cost at worst from the bounds of the lists around it, and refuses a
//! definition whose estimate is too high. So rules stand only in lists that are bounded, and short ones; what lies deeper
//! is left to `oneOf` and to the validation.

use serde_json::{Value, json};

/// A name of an object, as RFC 1123 has it for subdomains.
const OBJECT_NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A key of a Secret.
const SECRET_KEY: &str = "^[-._a-zA-Z0-9]+$";
/// The most items that the lists around a choice may hold together for it to get a rule of its own.
const MOST_CHOICES: u64 = 1000;

/// One rule: where it stands (`[]` is an item of a list), its CEL expression, and what is said when it does not hold.
struct Rule {
    kind: &'static str,
    path: &'static str,
    rule: &'static str,
    message: &'static str,
}

const fn rule(kind: &'static str, path: &'static str, rule: &'static str, message: &'static str) -> Rule {
    Rule { kind, path, rule, message }
}

const RULES: [Rule; 32] = [
    rule(
        "Connector",
        "spec.postgres.tls",
        "!has(self.ca) || self.mode in ['VerifyCa', 'VerifyFull']",
        "ca is only used by the modes VerifyCa and VerifyFull",
    ),
    rule(
        "Connector",
        "spec.http.endpoints[]",
        "!has(self.body) || self.method == 'Post'",
        "body is only sent by the method Post",
    ),
    rule(
        "Connector",
        "spec.http.endpoints[]",
        "!has(self.format) || has(self.format.json) || !has(self.pagination) || \
         !(has(self.pagination.nextLink) || has(self.pagination.cursor))",
        "nextLink and cursor are looked up in a JSON answer; other formats need linkHeader, page or offset",
    ),
    rule(
        "Pipeline",
        "spec",
        "!has(self.desiredState) || self.mode == 'Streaming'",
        "desiredState is only for the mode Streaming",
    ),
    rule(
        "Pipeline",
        "spec.sources[]",
        "has(self.stream) != has(self.streams)",
        "exactly one of stream, streams must be set",
    ),
    rule(
        "Pipeline",
        "spec.sources[]",
        "!has(self.overrides) || has(self.streams)",
        "overrides are only for a source with streams",
    ),
    rule("Pipeline", "spec.sources[].sync", "!has(self.lag) || has(self.cursor)", "lag needs a cursor"),
    rule("Pipeline", "spec.sources[].sync", "!has(self.fallback) || has(self.cursor)", "fallback needs a cursor"),
    rule(
        "Pipeline",
        "spec.sources[].sync",
        "!has(self.cursor) || self.mode == 'Incremental'",
        "cursor is only used by the mode Incremental",
    ),
    rule("Pipeline", "spec.transforms[]", "!has(self.join) || size(self.from) == 2", "a join has two inputs"),
    rule(
        "Pipeline",
        "spec.transforms[]",
        "has(self.sql) || has(self.union) || has(self.join) || size(self.from) == 1",
        "only sql, union and join have several inputs",
    ),
    rule(
        "Pipeline",
        "spec.sinks[].write",
        "!has(self.delete) || self.mode == 'Merge'",
        "delete is only for the mode Merge",
    ),
    rule(
        "Pipeline",
        "spec.sinks[].write",
        "self.mode != 'Merge' || has(self.delete) || (has(self.missing) && self.missing == 'Delete')",
        "the mode Merge needs delete, or missing: Delete",
    ),
    rule(
        "Pipeline",
        "spec.sinks[].write",
        "!has(self.missing) || (self.mode == 'Merge' && self.missing != 'Close') || \
         (self.mode == 'SCD2' && self.missing != 'Delete')",
        "missing is Keep or Delete for the mode Merge, and Keep or Close for SCD2",
    ),
    rule("Pipeline", "spec.sinks[].write", "!has(self.scd2) || self.mode == 'SCD2'", "scd2 is only for the mode SCD2"),
    rule(
        "Pipeline",
        "spec.sinks[].write",
        "!has(self.partitionBy) || self.mode in ['Append', 'Overwrite']",
        "partitionBy is only for the modes Append and Overwrite",
    ),
    rule("Pipeline", "spec.rejects.budget", "has(self.rows) || has(self.percent)", "a budget needs rows or percent"),
    rule("Schedule", "", "size(self.metadata.name) <= 41", "the name of a Schedule has at most 41 characters"),
    rule(
        "Schedule",
        "spec",
        "!has(self.pipelineSucceeded) || self.pipelineSucceeded.name != self.pipelineRef.name",
        "a Pipeline cannot wait for its own success",
    ),
    rule(
        "Schedule",
        "spec",
        "!has(self.jitter) || has(self.cron) || has(self.interval)",
        "jitter is only for cron and interval",
    ),
    rule(
        "Schedule",
        "spec",
        "!has(self.backfill) || has(self.cron) || has(self.interval)",
        "backfill is only for cron and interval",
    ),
    rule("Schedule", "spec.backfill", "self.from < self.to", "from must be before to"),
    rule(
        "Schedule",
        "spec.missedRuns",
        "has(self.max) == (self.policy == 'All')",
        "max is for the policy All, which needs it",
    ),
    rule(
        "Schedule",
        "spec.missedRuns",
        "!has(self.maxAge) || self.policy != 'Skip'",
        "maxAge has no meaning with the policy Skip",
    ),
    rule("PipelineRun", "", "size(self.metadata.name) <= 63", "the name of a PipelineRun has at most 63 characters"),
    rule(
        "PipelineRun",
        "spec",
        "self.pipelineRef == oldSelf.pipelineRef && self.mode == oldSelf.mode && has(self.params) == has(oldSelf.params) \
         && (!has(self.params) || self.params == oldSelf.params) && has(self.backfill) == has(oldSelf.backfill) && \
         (!has(self.backfill) || self.backfill == oldSelf.backfill) && has(self.preview) == has(oldSelf.preview) && \
         (!has(self.preview) || self.preview == oldSelf.preview)",
        "only cancel may change; create another PipelineRun",
    ),
    rule(
        "PipelineRun",
        "spec",
        "!has(oldSelf.cancel) || (has(self.cancel) && (oldSelf.cancel == 'Graceful' || self.cancel == 'Immediate'))",
        "cancel cannot be taken back",
    ),
    rule("PipelineRun", "spec", "!has(self.preview) || self.mode == 'Preview'", "preview is only for the mode Preview"),
    rule(
        "PipelineRun",
        "spec",
        "!has(self.backfill) || self.mode in ['Incremental', 'DryRun']",
        "backfill is only for the modes Incremental and DryRun",
    ),
    rule("PipelineRun", "spec.backfill", "self.from < self.to", "from must be before to"),
    rule(
        "Checkpoint",
        "spec",
        "self.pipelineRef == oldSelf.pipelineRef",
        "a Checkpoint belongs to one Pipeline for good; create another Checkpoint",
    ),
    rule(
        "Checkpoint",
        "spec",
        "self.epoch >= oldSelf.epoch",
        "an older attempt may not write: epoch must not become smaller",
    ),
];

/// Patterns of fields that name other things, by kind and path.
const PATTERNS: [(&str, &str, &str); 24] = [
    ("Connector", "spec.secretName", OBJECT_NAME),
    ("Connector", "spec.postgres.password.secretKey", SECRET_KEY),
    ("Connector", "spec.s3.credentials.accessKeyId.secretKey", SECRET_KEY),
    ("Connector", "spec.s3.credentials.secretAccessKey.secretKey", SECRET_KEY),
    ("Connector", "spec.s3.credentials.sessionToken.secretKey", SECRET_KEY),
    ("Connector", "spec.postgres.tls.ca.secretKey", SECRET_KEY),
    ("Connector", "spec.s3.ca.secretKey", SECRET_KEY),
    ("Connector", "spec.http.ca.secretKey", SECRET_KEY),
    ("Connector", "spec.http.auth.bearer.token.secretKey", SECRET_KEY),
    ("Connector", "spec.http.auth.basic.password.secretKey", SECRET_KEY),
    ("Connector", "spec.http.auth.apiKey.value.secretKey", SECRET_KEY),
    ("Connector", "spec.http.auth.oauth2ClientCredentials.clientSecret.secretKey", SECRET_KEY),
    ("Connector", "spec.file.volume.claimName", OBJECT_NAME),
    ("Connector", "spec.sqlite.volume.claimName", OBJECT_NAME),
    ("Pipeline", "spec.sources[].connector", OBJECT_NAME),
    ("Pipeline", "spec.sinks[].connector", OBJECT_NAME),
    ("Pipeline", "spec.rejects.connector", OBJECT_NAME),
    ("Pipeline", "spec.transforms[].transformation.ref", OBJECT_NAME),
    ("Schedule", "spec.pipelineRef.name", OBJECT_NAME),
    ("Schedule", "spec.pipelineSucceeded.name", OBJECT_NAME),
    ("Schedule", "spec.fileArrival.connector", OBJECT_NAME),
    ("Schedule", "spec.kafka.connector", OBJECT_NAME),
    ("PipelineRun", "spec.pipelineRef.name", OBJECT_NAME),
    ("Checkpoint", "spec.pipelineRef.name", OBJECT_NAME),
];

/// Adds the rules and patterns of a kind to its schema.
pub(super) fn add(kind: &str, schema: &mut Value) {
    choices(schema, 1);
    for entry in RULES.iter().filter(|entry| entry.kind == kind) {
        let place = at(schema, entry.path).expect("every rule stands at a field that exists");
        push(place, entry.rule, entry.message);
    }
    for (_, path, pattern) in PATTERNS.iter().filter(|(of, _, _)| *of == kind) {
        let place = at(schema, path).expect("every pattern stands at a field that exists");
        place["pattern"] = json!(pattern);
    }
}

fn push(schema: &mut Value, rule: &str, message: &str) {
    let Some(object) = schema.as_object_mut() else { return };
    let rules = object.entry("x-kubernetes-validations").or_insert_with(|| json!([]));
    if let Some(rules) = rules.as_array_mut() {
        rules.push(json!({ "rule": rule, "message": message }));
    }
}

fn at<'schema>(schema: &'schema mut Value, path: &str) -> Option<&'schema mut Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(schema, |place, step| match step.strip_suffix("[]") {
        Some(list) => place.get_mut("properties")?.get_mut(list)?.get_mut("items"),
        None => place.get_mut("properties")?.get_mut(step),
    })
}

/// Gives each choice by key a rule whose message names the keys: that of `oneOf` alone says only that one did not match.
fn choices(schema: &mut Value, items: u64) {
    if let Some(keys) = choice_keys(schema) {
        let present = keys.iter().map(|key| format!("has(self.{key})")).collect::<Vec<_>>().join(", ");
        let message = format!("exactly one of {} must be set", keys.join(", "));
        push(schema, &format!("[{present}].exists_one(present, present)"), &message);
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| choices(property, items));
    }
    let most = schema.get("maxItems").and_then(Value::as_u64);
    if let (Some(most), Some(inner)) = (most, schema.get_mut("items"))
        && items.saturating_mul(most) <= MOST_CHOICES
    {
        choices(inner, items * most);
    }
}

/// The keys of a choice: a `oneOf` of which each branch asks for one property.
pub(super) fn choice_keys(schema: &Value) -> Option<Vec<String>> {
    let branches = schema.get("oneOf")?.as_array()?;
    branches
        .iter()
        .map(|branch| match branch.get("required")?.as_array()?.as_slice() {
            [key] => key.as_str().map(str::to_owned),
            _ => None,
        })
        .collect()
}
