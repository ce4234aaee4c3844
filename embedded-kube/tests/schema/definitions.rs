//! CustomResourceDefinitions: what may be one.

use aggregator_embedded_kube::api::builtin::{kinds, of_definition};
use aggregator_embedded_kube::api::schema::{Schemas, Strictness};
use serde_json::{Value, json};

use crate::alike::Tally;
use crate::features;
use crate::server::Server;

/// A rule that looks at each three of a list.
const LOOPS: &str = "self.all(a, self.all(b, self.all(c, a == b || b == c)))";

/// Places in the definition, and what is to stand there.
fn spoilt() -> Vec<(&'static str, Value)> {
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let mut all = vec![
        ("/metadata/name", json!("other.schema.example.com")),
        ("/spec/group", json!("Example")),
        ("/spec/scope", json!("Everywhere")),
        ("/spec/names/kind", json!("1x")),
        ("/spec/names/plural", json!("Features")),
        ("/spec/names/listKind", json!("Feature")),
        ("/spec/names/shortNames", json!(["f t"])),
        ("/spec/versions/0/name", json!("1")),
        ("/spec/versions/0/additionalPrinterColumns", json!([{"name": "", "type": "text", "jsonPath": "x"}])),
    ];
    let fields = [
        ("word", json!({})),
        ("word", json!({"type": "text"})),
        ("word", json!({"type": "string", "default": 1})),
        ("list", json!({"type": "array"})),
        ("list", json!({"type": "array", "items": {}})),
        ("list", json!({"type": "array", "x-kubernetes-list-type": "bag", "items": {"type": "string"}})),
        ("keyed", json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "string"}})),
        (
            "keyed",
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"], "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ),
        (
            "set",
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string", "nullable": true}}),
        ),
        (
            "map",
            json!({"type": "object", "additionalProperties": {"type": "string"}, "properties": {"a": {"type": "string"}}}),
        ),
        ("free", json!({"type": "object", "x-kubernetes-preserve-unknown-fields": false})),
        ("whole", json!({"type": "string", "x-kubernetes-embedded-resource": true})),
        ("whole", json!({"type": "object", "x-kubernetes-embedded-resource": true})),
        ("mixed", json!({"x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true})),
        ("either", json!({"type": "object", "oneOf": [{"type": "object", "nullable": true, "description": "x"}]})),
        ("all", json!({"type": "string", "allOf": [{"default": "x"}]})),
        ("flag", json!({"type": "boolean", "x-kubernetes-validations": [{"rule": "  "}]})),
        ("flag", json!({"type": "boolean", "x-kubernetes-validations": [{"rule": "self", "message": "a\nb"}]})),
        ("flag", json!({"type": "boolean", "x-kubernetes-validations": [{"rule": "self", "optionalOldSelf": true}]})),
        ("flag", json!({"type": "boolean", "x-kubernetes-validations": [{"rule": "self", "reason": "Because"}]})),
        ("set", json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [{"rule": LOOPS}]})),
        (
            "set",
            json!({"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 5}, "x-kubernetes-validations": [{"rule": LOOPS}]}),
        ),
        (
            "even",
            json!({"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": [{"rule": "self.all(x, x == 1 && x == 2 && x == 3 && x == 4)"}]}),
        ),
        (
            "even",
            json!({"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "messageExpression": "'it is ' + string(self)"}]}),
        ),
        (
            "map",
            json!({"type": "object", "additionalProperties": {"type": "string", "maxLength": 1000, "x-kubernetes-validations": [{"rule": "self.contains('a')"}]}}),
        ),
        (
            "map",
            json!({"type": "object", "maxProperties": 9, "additionalProperties": {"type": "string", "maxLength": 1000, "x-kubernetes-validations": [{"rule": "self.contains('a')"}]}}),
        ),
    ];
    let places: Vec<(&'static str, Value)> =
        fields.into_iter().map(|(name, value)| (&*format!("{schema}/{name}").leak(), value)).collect();
    all.extend(places);
    all
}

#[test]
fn definitions_are_admitted_alike() {
    let server = Server::shared();
    let kind = kinds().into_iter().find(|kind| kind.kind == "CustomResourceDefinition").expect("a kind");
    let schemas = Schemas::default();
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All&fieldValidation=Strict";
    let mut cases = vec![("", Value::Null)];
    cases.extend(spoilt());
    let mut tally = Tally::of("definitions");
    for (place, value) in &cases {
        let mut definition = features::definition();
        definition["metadata"]["name"] = "others.schema.example.com".into();
        definition["spec"]["names"] = json!({"plural": "others", "kind": "Other"});
        if let Some((parent, name)) = place.rsplit_once('/') {
            definition.pointer_mut(parent).expect("a parent")[name] = value.clone();
        }
        let body = definition.to_string();
        let real = server.ask("POST", path, &body);
        let own = schemas.decoded(&kind, body.as_bytes(), Strictness::Strict);
        let own = own.and_then(|decoded| schemas.created(&kind, decoded.object));
        tally.add(&format!("{place} {value}"), &real, &own, |_| {});
        let kinds = of_definition(&definition);
        assert_eq!(kinds.is_ok(), own.is_ok(), "{place} {value}: {kinds:?}");
    }
    tally.settle();
}
