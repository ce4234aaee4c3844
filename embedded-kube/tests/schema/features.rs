//! A kind with every feature that schemas have, and objects for it.

use serde_json::{Value, json};

pub(crate) fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "features.schema.example.com"},
        "spec": {
            "group": "schema.example.com",
            "scope": "Namespaced",
            "names": {"plural": "features", "singular": "feature", "kind": "Feature", "listKind": "FeatureList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": spec(), "status": status()},
                    "x-kubernetes-validations": [
                        {"rule": "self.metadata.name.size() < 60", "message": "the name is too long"},
                    ],
                }},
            }],
        },
    })
}

fn status() -> Value {
    json!({
        "type": "object",
        "properties": {
            "phase": {"type": "string", "enum": ["New", "Old"]},
            "count": {"type": "integer", "format": "int32", "minimum": 0},
            "conditions": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object", "required": ["type", "status"],
                    "properties": {
                        "type": {"type": "string", "maxLength": 10},
                        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                        "lastTransitionTime": {"type": "string", "format": "date-time"},
                    },
                },
            },
        },
    })
}

fn spec() -> Value {
    json!({
        "type": "object",
        "required": ["needed"],
        "properties": {
            "needed": {"type": "string", "minLength": 1, "maxLength": 40},
            "word": {"type": "string", "pattern": "^[a-z][-a-z0-9]*$", "maxLength": 20},
            "choice": {"type": "string", "enum": ["Red", "Green"], "default": "Red"},
            "number": {"type": "integer", "enum": [1, 2, 3]},
            "small": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 10},
            "open": {"type": "integer", "format": "int64", "minimum": 0, "exclusiveMinimum": true, "maximum": 100, "exclusiveMaximum": true},
            "even": {"type": "integer", "multipleOf": 2},
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "tenths": {"type": "number", "multipleOf": 0.1},
            "single": {"type": "number", "format": "float"},
            "flag": {"type": "boolean", "default": true},
            "maybe": {"type": "string", "nullable": true},
            "mixed": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^[0-9]+%$"},
            "time": {"type": "string", "format": "date-time"},
            "day": {"type": "string", "format": "date"},
            "span": {"type": "string", "format": "duration"},
            "address": {"type": "string", "format": "ipv4"},
            "place": {"type": "string", "format": "uri"},
            "id": {"type": "string", "format": "uuid"},
            "bytes": {"type": "string", "format": "byte"},
            "mail": {"type": "string", "format": "email"},
            "host": {"type": "string", "format": "hostname"},
            "odd": {"type": "string", "format": "made-up"},
            "list": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "maxLength": 5}},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "keyed": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "port"], "maxItems": 5,
                "items": {
                    "type": "object", "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "maxLength": 20},
                        "port": {"type": "integer", "default": 80},
                        "size": {"type": "integer", "x-kubernetes-validations": [
                            {"rule": "self >= oldSelf", "message": "may only grow"},
                        ]},
                    },
                },
            },
            "labels": {"type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": {"type": "string", "maxLength": 4}},
            "map": {
                "type": "object", "maxProperties": 5,
                "additionalProperties": {
                    "type": "object",
                    "properties": {"size": {"type": "integer", "default": 1}},
                    "x-kubernetes-validations": [{"rule": "self.size > 0", "messageExpression": "'size is ' + (self.size < 0 ? 'below' : 'only') + ' nothing'"}],
                },
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"known": {"type": "integer"}}},
            "anything": {"x-kubernetes-preserve-unknown-fields": true},
            "whole": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
            "either": {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
            },
            "any": {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "anyOf": [{"required": ["a"], "properties": {"a": {"minLength": 2}}}, {"required": ["b"], "properties": {"b": {"minimum": 5}}}],
            },
            "all": {"type": "string", "allOf": [{"minLength": 2}, {"pattern": "^x"}]},
            "none": {"type": "string", "not": {"enum": ["bad"]}},
            "range": {
                "type": "object",
                "properties": {"low": {"type": "integer", "default": 0}, "high": {"type": "integer"}},
                "x-kubernetes-validations": [
                    {"rule": "!has(self.high) || self.low <= self.high", "message": "low is above high", "fieldPath": ".low", "reason": "FieldValueForbidden"},
                    {"rule": "!has(self.high) || self.high < 1000"},
                ],
            },
            "fixed": {"type": "string", "maxLength": 10, "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "is fixed"},
                {"rule": "self != 'never'", "reason": "FieldValueInvalid", "messageExpression": "self + ' is never right'"},
            ]},
            "first": {"type": "string", "maxLength": 10, "x-kubernetes-validations": [
                {"rule": "oldSelf.hasValue() || self.startsWith('a')", "optionalOldSelf": true, "message": "begins with a"},
            ]},
            "namespace": {"type": "string", "maxLength": 10},
            "a-b.c": {"type": "integer"},
            "names": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}, "x-kubernetes-validations": [
                {"rule": "self.all(name, name.matches('^[a-z]+$'))", "message": "names are small letters"},
                {"rule": "self.exists_one(name, name == 'a') || self.size() == 0", "reason": "FieldValueRequired"},
            ]},
            // By its estimate it may be looked at; a crowd costs more.
            "crowd": {"type": "array", "maxItems": 1000, "items": {"type": "string", "maxLength": 10}, "x-kubernetes-validations": [
                {"rule": "self.all(a, self.all(b, true))"},
            ]},
        },
        "x-kubernetes-validations": [
            {"rule": "!has(self.__namespace__) || self.__namespace__ != 'kube'", "message": "that namespace is taken"},
            {"rule": "!has(self.a__dash__b__dot__c) || self.a__dash__b__dot__c > 0", "fieldPath": "['a-b.c']"},
            {"rule": "!has(self.time) || self.time > timestamp('2020-01-01T00:00:00Z')", "message": "too early"},
            {"rule": "!has(self.span) || self.span < duration('100h')", "message": "too long"},
            {"rule": "!has(self.share) || self.share != 0.5", "message": "a half is not wanted"},
        ],
    })
}

/// Bodies, each with what it is about.
pub(crate) fn bodies(version: &str) -> Vec<(&'static str, String)> {
    let object =
        |spec: Value| json!({"apiVersion": version, "kind": "Feature", "metadata": {"name": "a"}, "spec": spec});
    let with = |name: &str, value: Value| {
        let mut spec = json!({"needed": "x"});
        spec[name] = value;
        object(spec).to_string()
    };
    let raw = |text: &str| format!(r#"{{"apiVersion":"{version}","kind":"Feature","metadata":{{"name":"a"}},{text}}}"#);
    let mut bodies = vec![
        ("nothing", object(json!({})).to_string()),
        ("the least", object(json!({"needed": "x"})).to_string()),
        ("a list for a moment", with("time", json!([]))),
        ("no spec", json!({"apiVersion": version, "kind": "Feature", "metadata": {"name": "a"}}).to_string()),
        (
            "duplicates",
            raw(
                r#""spec":{"needed":"x","needed":"y","map":{"a":{"size":1,"size":2},"a":{"size":3}}},"spec":{"needed":"z"}"#,
            ),
        ),
        ("unknown", raw(r#""spec":{"needed":"x","nope":1,"keyed":[{"name":"a","nope":{}}]},"data":1"#)),
        ("unknown and twice", raw(r#""spec":{"needed":"x","nope":1,"nope":2}"#)),
        (
            "metadata unknown",
            format!(
                r#"{{"apiVersion":"{version}","kind":"Feature","metadata":{{"name":"a","nope":1,"labels":{{"a":"b","a":"c"}}}},"spec":{{"needed":"x"}}}}"#
            ),
        ),
        (
            "metadata of another type",
            format!(
                r#"{{"apiVersion":"{version}","kind":"Feature","metadata":{{"name":"a","labels":{{"a":1}}}},"spec":{{"needed":"x"}}}}"#
            ),
        ),
        (
            "another kind",
            format!(r#"{{"apiVersion":"{version}","kind":"Other","metadata":{{"name":"a"}},"spec":{{"needed":"x"}}}}"#),
        ),
        (
            "another version",
            r#"{"apiVersion":"schema.example.com/v2","kind":"Feature","metadata":{"name":"a"},"spec":{"needed":"x"}}"#
                .to_owned(),
        ),
        (
            "no name",
            format!(r#"{{"apiVersion":"{version}","kind":"Feature","metadata":{{}},"spec":{{"needed":"x"}}}}"#),
        ),
        (
            "a bad name",
            format!(
                r#"{{"apiVersion":"{version}","kind":"Feature","metadata":{{"name":"A_b"}},"spec":{{"needed":"x"}}}}"#
            ),
        ),
        (
            "a long name",
            format!(
                r#"{{"apiVersion":"{version}","kind":"Feature","metadata":{{"name":"{}"}},"spec":{{"needed":"x"}}}}"#,
                "a".repeat(61)
            ),
        ),
        (
            "owners",
            format!(
                r#"{{"apiVersion":"{version}","kind":"Feature","metadata":{{"name":"a","ownerReferences":[{{"apiVersion":"a/b/c","kind":"K","name":"n","uid":"u"}},{{"apiVersion":"v1","kind":"","name":"","uid":""}}]}},"spec":{{"needed":"x"}}}}"#
            ),
        ),
        (
            "finalizers",
            format!(
                r#"{{"apiVersion":"{version}","kind":"Feature","metadata":{{"name":"a","finalizers":["x","a.b","a.b/c"]}},"spec":{{"needed":"x"}}}}"#
            ),
        ),
        ("a spec of another type", raw(r#""spec":[]"#)),
        ("a spec of nothing", raw(r#""spec":null"#)),
    ];
    for (name, values) in [
        ("needed", vec![json!(""), json!("x".repeat(41)), json!(1), json!(null)]),
        ("word", vec![json!("Ab"), json!("a\n"), json!("a".repeat(21))]),
        ("choice", vec![json!("Blue"), json!(null), json!(1)]),
        ("number", vec![json!(4), json!(2.0), json!(2.5), json!("1")]),
        ("small", vec![json!(0), json!(11), json!(2_147_483_648_i64), json!(1.5), json!(3.0)]),
        ("open", vec![json!(0), json!(100), json!(50), json!(9_223_372_036_854_775_807_i64), json!(1e30)]),
        ("even", vec![json!(3), json!(4)]),
        ("share", vec![json!(1.5), json!(-1), json!(0.5), json!(1)]),
        ("tenths", vec![json!(0.3), json!(0.35), json!(2)]),
        ("single", vec![json!(1e39), json!(1.5)]),
        ("flag", vec![json!("true"), json!(null), json!(false)]),
        ("maybe", vec![json!(null), json!(1)]),
        ("mixed", vec![json!(1), json!("5%"), json!("x"), json!(1.5), json!(true)]),
        ("time", vec![json!("2026-11-29T21:00:00Z"), json!("2019-01-01T00:00:00Z"), json!("soon"), json!(1)]),
        ("day", vec![json!("2026-11-29"), json!("2026-13-01")]),
        ("span", vec![json!("1h"), json!("200h"), json!("3 days"), json!("soon")]),
        ("address", vec![json!("10.0.0.1"), json!("10.0.0"), json!("::1")]),
        ("place", vec![json!("https://a.b/c"), json!("a")]),
        ("id", vec![json!("0c9ee7a1-9d2b-4f3c-8a1b-0123456789ab"), json!("x")]),
        ("bytes", vec![json!("YQ=="), json!("?")]),
        ("mail", vec![json!("a@b.c"), json!("a"), json!("A B <a@b.c>")]),
        ("host", vec![json!("a.example.com"), json!("-a")]),
        ("odd", vec![json!("x"), json!(1)]),
        ("list", vec![json!([]), json!(["a", "b", "c", "d"]), json!(["toolong"]), json!([1]), json!([null])]),
        ("set", vec![json!(["a", "b", "a", "a"]), json!([1, 1])]),
        (
            "keyed",
            vec![
                json!([{"name": "a"}, {"name": "a", "port": 80}]),
                json!([{"name": "a", "port": 1}, {"name": "a", "port": 2}]),
                json!([{}]),
                json!(["a"]),
                json!([null]),
            ],
        ),
        (
            "labels",
            vec![
                json!({}),
                json!({"a": "b", "c": "d", "e": "f"}),
                json!({"a": "toolong"}),
                json!({"a": 1}),
                json!({"a.b": null}),
            ],
        ),
        ("map", vec![json!({"a": {}}), json!({"a": {"size": -1}, "b.c": {"size": 0}}), json!({"a": null})]),
        ("free", vec![json!({"known": "x", "other": {"deep": [1, null]}}), json!({"known": 1, "other": null})]),
        ("anything", vec![json!(1), json!({"a": [null]}), json!(null), json!("x")]),
        (
            "whole",
            vec![
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": {"a": "b"}, "nope": 1}, "spec": {"x": 1}}),
                json!({"kind": "", "metadata": {"name": "a/b"}}),
                json!({}),
                json!({"apiVersion": 1, "kind": "K"}),
                json!({"apiVersion": "a/b/c", "kind": "1x"}),
                json!({"apiVersion": "v1", "kind": "K", "metadata": {"labels": {"a": 1}}}),
            ],
        ),
        ("either", vec![json!({}), json!({"a": "x", "b": 1}), json!({"a": "x"}), json!({"a": 1})]),
        ("any", vec![json!({}), json!({"a": "x"}), json!({"b": 1}), json!({"a": "xy"}), json!({"b": 9, "a": "x"})]),
        ("all", vec![json!("xy"), json!("x"), json!("ab"), json!("a")]),
        ("none", vec![json!("bad"), json!("good")]),
        (
            "range",
            vec![
                json!({"low": 3, "high": 2}),
                json!({"high": 2}),
                json!({"high": 5000, "low": 6000}),
                json!({"low": "x"}),
            ],
        ),
        ("fixed", vec![json!("never"), json!("x")]),
        ("first", vec![json!("b"), json!("a")]),
        ("namespace", vec![json!("kube"), json!("x")]),
        ("a-b.c", vec![json!(0), json!(1)]),
        ("names", vec![json!(["a", "b"]), json!(["A"]), json!(["b"]), json!([])]),
        ("crowd", vec![json!(vec!["a"; 100]), json!(vec!["a"; 1000])]),
    ] {
        bodies.extend(values.into_iter().map(|value| (name, with(name, value))));
    }
    bodies
}

/// What an object becomes.
pub(crate) fn changes() -> Vec<(&'static str, Value, Value)> {
    vec![
        ("nothing changes", json!({"needed": "x"}), json!({"needed": "x"})),
        ("what is fixed", json!({"needed": "x", "fixed": "a"}), json!({"needed": "x", "fixed": "b"})),
        ("what is fixed goes", json!({"needed": "x", "fixed": "a"}), json!({"needed": "x"})),
        (
            "items of a list with keys",
            json!({"needed": "x", "keyed": [{"name": "a", "size": 5}, {"name": "b", "size": 5}]}),
            json!({"needed": "x", "keyed": [{"name": "b", "size": 4}, {"name": "c", "size": 1}, {"name": "a", "size": 6}]}),
        ),
        ("an optional before", json!({"needed": "x", "first": "a"}), json!({"needed": "x", "first": "b"})),
        ("an optional at last", json!({"needed": "x"}), json!({"needed": "x", "first": "b"})),
        ("a required field goes", json!({"needed": "x"}), json!({})),
        ("two mistakes", json!({"needed": "x"}), json!({"needed": 1, "small": 0, "list": [], "set": ["a", "a"]})),
    ]
}
