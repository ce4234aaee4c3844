//! Definitions of kinds: what is filled in, what is refused, how they change and go.

use serde_json::{Value, json};

use crate::case::{Case, case, has_condition, without_managers};
use crate::manifests::{definition, object, with};
use crate::request::Request;

const GROUP: &str = "{ns}.example.com";

/// An object of a kind that a case has defined.
fn thing(name: &str, more: &Value) -> Value {
    object("{ns}.example.com/v1", "Thing", name, more)
}

/// Things whose spec has such a schema.
fn things(schema: &Value) -> Value {
    definition("Thing", &json!({"schema": {"openAPIV3Schema": {"properties": {"spec": schema}}}}))
}

/// Posts definitions for show.
fn refused(case: Case, definitions: impl IntoIterator<Item = Value>) -> Case {
    definitions.into_iter().fold(case, |case, definition| case.post("{crds}?dryRun=All", definition))
}

/// Waits for the condition of a name, which says that a definition has been looked at.
fn looked_at(case: Case, name: &str) -> Case {
    case.until_that(&format!("{{crds}}/{name}.{GROUP}"), "has been looked at", |it| {
        let all = it["status"]["conditions"].as_array();
        all.is_some_and(|all| all.iter().any(|condition| condition["type"] == "NamesAccepted"))
    })
}

pub(super) fn cases() -> Vec<Case> {
    [forms(), refusals(), lives(), by_kubectl()].into_iter().flatten().collect()
}

fn forms() -> Vec<Case> {
    let path = "{crds}/things.{ns}.example.com";
    vec![
        case("definition-that-is-accepted")
            .post("{crds}", definition("Thing", &json!({})))
            .defined(GROUP, "things")
            .get(path),
        case("definition-with-everything").post(
            "{crds}",
            with(
                definition(
                    "Thing",
                    &json!({
                        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}},
                        "additionalPrinterColumns": [{"name": "N", "type": "integer", "jsonPath": ".spec.n", "description": "how many", "format": "int32", "priority": 1}],
                        "selectableFields": [{"jsonPath": ".spec.color"}],
                        "schema": {"openAPIV3Schema": {"properties": {"spec": {"properties": {
                            "n": {"type": "integer", "default": 1, "nullable": true},
                            "color": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x'"}]},
                            "map": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
                            "either": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
                        }}}}},
                    }),
                ),
                &json!({"spec": {"names": {"shortNames": ["th"], "categories": ["{ns}"], "listKind": "Things"}, "conversion": {"strategy": "None"}}}),
            ),
        ),
        case("definition-of-two-versions")
            .post(
                "{crds}",
                with(
                    definition("Thing", &json!({})),
                    &json!({"spec": {"versions": [
                        {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
                        {"name": "v1beta1", "served": true, "storage": false, "deprecated": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
                        {"name": "v0", "served": false, "storage": false, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
                    ]}}),
                ),
            )
            .defined(GROUP, "things")
            .defined("{ns}.example.com/v1beta1", "things")
            .get("/apis/{ns}.example.com")
            .post("/apis/{ns}.example.com/v1beta1/namespaces/{ns}/things", object("{ns}.example.com/v1beta1", "Thing", "a", &json!({"spec": {"x": 1}})))
            .get("/apis/{ns}.example.com/v1/namespaces/{ns}/things/a")
            .get("/apis/{ns}.example.com/v1beta1/namespaces/{ns}/things")
            .get("/apis/{ns}.example.com/v0/namespaces/{ns}/things")
            .kubectl("get things.{ns}.example.com")
            .kubectl("get things.v1beta1.{ns}.example.com a -o jsonpath={.apiVersion}"),
    ]
}

fn refusals() -> Vec<Case> {
    let plain = || definition("Thing", &json!({}));
    vec![
        refused(
            case("definition-with-wrong-names"),
            [
                with(plain(), &json!({"metadata": {"name": "other.{ns}.example.com"}})),
                with(plain(), &json!({"spec": {"names": {"kind": "not-a-kind"}}})),
                with(plain(), &json!({"spec": {"names": {"plural": "Things"}}})),
                with(plain(), &json!({"spec": {"scope": "Everywhere"}})),
                with(plain(), &json!({"spec": {"group": "nodots"}})),
            ],
        ),
        refused(
            case("definition-with-wrong-versions"),
            [
                with(plain(), &json!({"spec": {"versions": []}})),
                with(plain(), &json!({"spec": {"versions": [{"name": "v1", "served": true, "storage": true}]}})),
                definition("Thing", &json!({"storage": false})),
                definition("Thing", &json!({"name": "one"})),
                with(plain(), &json!({"spec": {"conversion": {"strategy": "Webhook"}}})),
            ],
        ),
        refused(
            case("definition-that-is-not-structural"),
            [
                things(&json!({"properties": {"a": {"description": "no type"}}})),
                things(&json!({"type": "array"})),
                things(&json!({"type": "array", "items": {}})),
                things(&json!({"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}})),
                things(&json!({"properties": {"a": {"type": "integer", "anyOf": [{"type": "string"}]}}})),
                things(&json!({"properties": {"a": {"type": "string", "$ref": "#/x"}}})),
                things(&json!({"properties": {"a": {"type": "text"}}})),
                things(&json!({"properties": {"a": {"type": "string", "pattern": "("}}})),
                things(
                    &json!({"properties": {"a": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}}),
                ),
            ],
        ),
        refused(
            case("definition-with-wrong-defaults"),
            [
                things(&json!({"properties": {"a": {"type": "integer", "default": "x"}}})),
                things(&json!({"properties": {"a": {"type": "object", "default": {"unknown": 1}}}})),
                things(&json!({"properties": {"a": {"type": "string", "enum": ["x"], "default": "y"}}})),
            ],
        ),
        refused(
            case("definition-with-wrong-lists"),
            [
                things(
                    &json!({"properties": {"a": {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}}}),
                ),
                things(
                    &json!({"properties": {"a": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "string"}}}}}}),
                ),
                things(
                    &json!({"properties": {"a": {"type": "array", "x-kubernetes-list-type": "heap", "items": {"type": "string"}}}}),
                ),
                things(&json!({"properties": {"a": {"type": "string", "x-kubernetes-list-type": "set"}}})),
            ],
        ),
        refused(
            case("definition-with-rules-that-do-not-parse"),
            [
                things(&json!({"x-kubernetes-validations": [{"rule": "self.a =="}]})),
                things(&json!({"x-kubernetes-validations": [{"rule": ""}]})),
                things(&json!({"x-kubernetes-validations": [{"rule": "true", "message": ""}]})),
                things(&json!({"x-kubernetes-validations": [{"rule": "true", "reason": "Because"}]})),
            ],
        ),
        // What a rule is about is not looked at before there is an object: the README says so.
        refused(
            case("definition-with-rules-of-wrong-types"),
            [
                things(&json!({"x-kubernetes-validations": [{"rule": "self.none == 1"}]})),
                things(&json!({"x-kubernetes-validations": [{"rule": "1"}]})),
            ],
        ),
        refused(
            case("definition-with-wrong-columns"),
            [
                definition(
                    "Thing",
                    &json!({"additionalPrinterColumns": [{"name": "A", "type": "text", "jsonPath": ".a"}]}),
                ),
                definition(
                    "Thing",
                    &json!({"additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": "a["}]}),
                ),
                definition(
                    "Thing",
                    &json!({"subresources": {"scale": {"specReplicasPath": "spec", "statusReplicasPath": ".status.n"}}}),
                ),
                definition("Thing", &json!({"selectableFields": [{"jsonPath": ".spec.none"}]})),
            ],
        ),
    ]
}

fn lives() -> Vec<Case> {
    let path = "{crds}/things.{ns}.example.com";
    let place = "/apis/{ns}.example.com/v1/namespaces/{ns}/things";
    vec![
        looked_at(
            case("definition-whose-names-are-taken").create([with(
                definition("Thing", &json!({})),
                &json!({"spec": {"names": {"shortNames": ["th"]}}}),
            )]),
            "things",
        )
        .post(
            "{crds}",
            with(definition("Other", &json!({})), &json!({"spec": {"names": {"kind": "Thing", "shortNames": ["th"]}}})),
        )
        .until_that("{crds}/others.{ns}.example.com", "has been looked at", |it| {
            it["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "NamesAccepted"))
        })
        .get("{crds}/others.{ns}.example.com")
        .seen(without_managers),
        case("definition-that-gets-a-field")
            .create([things(&json!({"properties": {"a": {"type": "string"}}}))])
            .defined(GROUP, "things")
            .post(place, thing("a", &json!({"spec": {"a": "x", "b": 5}})))
            .merge(path, json!({"spec": {"versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer", "default": 7}}}}}},
            }]}}))
            .until_that("/openapi/v3/apis/{ns}.example.com/v1", "has the field", |it| it.to_string().contains(r#""default":7"#))
            .until_that("/apis/{ns}.example.com/v1/namespaces/{ns}/things/a", "has the default", |it| it["spec"]["b"] == 7)
            .get("/apis/{ns}.example.com/v1/namespaces/{ns}/things/a")
            .post(place, thing("b", &json!({"spec": {"b": "x"}})))
            .get(path)
            .seen(without_managers),
        case("definition-that-changes-too-much")
            .create([definition("Thing", &json!({}))])
            .defined(GROUP, "things")
            .merge(path, json!({"spec": {"scope": "Cluster"}}))
            .merge(path, json!({"spec": {"names": {"kind": "Other"}}}))
            .merge(path, json!({"spec": {"names": {"plural": "others"}}}))
            .merge(path, json!({"spec": {"versions": []}})),
        case("definition-that-goes")
            .create([definition("Thing", &json!({}))])
            .defined(GROUP, "things")
            .ask(Request::new("POST", place).json(&thing("a", &json!({}))))
            .ask(Request::new("POST", place).json(&with(thing("b", &json!({})), &json!({"metadata": {"finalizers": ["example.com/hold"]}}))))
            .delete(path, Value::Null)
            .until_that(&format!("{place}/b"), "is about to go", |it| it["metadata"]["deletionTimestamp"].is_string())
            .until_gone(&format!("{place}/a"))
            .merge(&format!("{place}/b"), json!({"metadata": {"finalizers": null}}))
            .until_gone(path)
            .until_gone(place),
        case("definition-that-comes-back")
            .create([definition("Thing", &json!({}))])
            .defined(GROUP, "things")
            .ask(Request::new("POST", place).json(&thing("a", &json!({}))))
            .kubectl("delete crd things.{ns}.example.com")
            .until_gone(place)
            .create([definition("Thing", &json!({}))])
            .defined(GROUP, "things")
            .get(place),
        case("definition-of-a-kind-that-is-not-served")
            .create([with(definition("Thing", &json!({})), &json!({"spec": {"versions": [
                {"name": "v1", "served": false, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}},
            ]}}))])
            .until_that(path, "is established", |it| has_condition(it, "Established"))
            .get("/apis/{ns}.example.com/v1/things")
            .get("/apis/{ns}.example.com"),
    ]
}

fn by_kubectl() -> Vec<Case> {
    vec![
        case("definition-by-kubectl")
            .kubectl_with(
                "apply -f -",
                definition(
                    "Thing",
                    &json!({"additionalPrinterColumns": [{"name": "N", "type": "integer", "jsonPath": ".spec.n"}]}),
                ),
            )
            .kubectl("wait --for=condition=Established crd/things.{ns}.example.com --timeout=60s")
            .defined(GROUP, "things")
            .kubectl("get crd things.{ns}.example.com")
            .kubectl("get crd things.{ns}.example.com -o yaml")
            .kubectl("api-resources --api-group={ns}.example.com")
            .kubectl("explain things.{ns}.example.com")
            .kubectl_with("create -f -", thing("a", &json!({"spec": {"n": 3}})))
            .kubectl("get things.{ns}.example.com")
            .kubectl("delete crd things.{ns}.example.com")
            .until_gone("/apis/{ns}.example.com/v1/things"),
        case("definition-server-side")
            .kubectl_with("apply --server-side -f -", definition("Thing", &json!({})))
            .kubectl_with("apply --server-side -f -", definition("Thing", &json!({})))
            .kubectl_with(
                "apply --server-side --field-manager=other -f -",
                with(definition("Thing", &json!({})), &json!({"spec": {"names": {"singular": "thingy"}}})),
            )
            .until_that("{crds}/things.{ns}.example.com", "is established", |it| has_condition(it, "Established"))
            .kubectl("describe crd things.{ns}.example.com"),
    ]
}
