//! The generated definitions: checked in, structural, described, and with the rules a kube-apiserver needs.

use std::collections::BTreeSet;

use aggregator_tests::folder;
use serde_json::{Value, json};

use super::{Kind, connector_schema, json_schema, kinds};
use crate::ConnectorType;
use crate::pipeline::Operation;
use crate::schedule::Trigger;

#[test]
fn the_checked_in_definitions_are_those_of_the_types() {
    for kind in kinds() {
        let manifest = (format!("generated/{}.yaml", kind.plural), kind.yaml().unwrap());
        let built_in = (format!("src/schema/generated/{}.json", kind.plural), kind.json().unwrap());
        for (file, derived) in [manifest, built_in] {
            let file = folder::package().join(file);
            let checked_in = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(
                checked_in == derived,
                "{} is not what the types give: run `cargo run --bin crdgen`",
                file.display()
            );
            // JSON is YAML.
            let read: Value = serde_saphyr::from_str(&checked_in).unwrap();
            assert_eq!(read["spec"]["names"]["kind"], kind.kind);
        }
        assert_eq!(kind.crd(), kind.derive(), "{}: what is built in is what is checked in", kind.kind);
    }
}

/// Calls `look` for a schema and everything below it that is described by `properties`, `items` or `additionalProperties`.
fn walk(schema: &Value, path: &str, look: &mut impl FnMut(&str, &Value)) {
    look(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), look);
    }
    if schema.get("items").is_some() {
        walk(&schema["items"], &format!("{path}[]"), look);
    }
    if schema.get("additionalProperties").is_some() {
        walk(&schema["additionalProperties"], &format!("{path}{{}}"), look);
    }
}

/// What Kubernetes forbids in a structural schema, for one place.
fn forbidden(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let Some(object) = schema.as_object() else { return vec!["is not an object".into()] };
    for keyword in [
        "$ref",
        "definitions",
        "$defs",
        "dependencies",
        "deprecated",
        "discriminator",
        "id",
        "patternProperties",
        "readOnly",
        "writeOnly",
        "xml",
        "const",
        "if",
        "then",
        "else",
        "unevaluatedProperties",
        "propertyNames",
        "contains",
        "nullable",
    ] {
        if object.contains_key(keyword) {
            found.push(format!("has {keyword}"));
        }
    }
    let open = object.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    match object.get("type") {
        Some(Value::String(_)) => {}
        None if open || object.get("x-kubernetes-int-or-string") == Some(&json!(true)) => {}
        other => found.push(format!("has the type {other:?}")),
    }
    if object.get("uniqueItems") == Some(&json!(true)) {
        found.push("has uniqueItems".into());
    }
    if object.contains_key("properties") && object.contains_key("additionalProperties") {
        found.push("has properties and additionalProperties".into());
    }
    if object.get("additionalProperties").is_some_and(Value::is_boolean) {
        found.push("has a boolean additionalProperties".into());
    }
    if object.get("type") == Some(&json!("array")) && !object.contains_key("items") {
        found.push("is a list of nobody knows what".into());
    }
    if object.get("items").is_some_and(Value::is_array) {
        found.push("is a tuple".into());
    }
    let known = [json!("int32"), json!("int64"), json!("double"), json!("date-time"), Value::Null];
    if !known.contains(&schema["format"]) {
        found.push(format!("has the format {}", schema["format"]));
    }
    let properties: BTreeSet<&String> =
        object.get("properties").and_then(Value::as_object).into_iter().flat_map(|map| map.keys()).collect();
    for combination in ["oneOf", "anyOf", "allOf", "not"] {
        let branches = match &schema[combination] {
            Value::Array(branches) => branches.iter().collect(),
            Value::Null => Vec::new(),
            single => vec![single],
        };
        for branch in branches {
            // Inside of these, only values may be restricted: what a field is stands outside.
            for keyword in
                ["type", "description", "default", "additionalProperties", "format", "title", "properties", "items"]
            {
                if branch.get(keyword).is_some() {
                    found.push(format!("has {keyword} inside of {combination}"));
                }
            }
            for key in branch["required"].as_array().into_iter().flatten() {
                if !properties.contains(&key.as_str().unwrap().to_owned()) {
                    found.push(format!("asks inside of {combination} for {key}, which is no property"));
                }
            }
        }
    }
    for key in schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten() {
        let item = &schema["items"];
        let name = key.as_str().unwrap();
        let required = item["required"].as_array().is_some_and(|keys| keys.contains(key));
        if !required || !["string", "integer"].map(Value::from).contains(&item["properties"][name]["type"]) {
            found.push(format!("is a map by {key}, which items may lack"));
        }
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        if rule["message"].as_str().is_none_or(|message| message.is_empty() || message.contains('\n')) {
            found.push(format!("has the rule {} without a message of one line", rule["rule"]));
        }
    }
    found
}

#[test]
fn the_schemas_are_structural() {
    let mut places = 0;
    for kind in kinds() {
        let mut found = Vec::new();
        walk(&kind.schema(), kind.kind, &mut |path, schema| {
            places += 1;
            found.extend(forbidden(schema).into_iter().map(|what| format!("{path} {what}")));
        });
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(kind.schema()["type"], "object");
    }
    assert!(places > 500, "only {places} places were looked at");
}

#[test]
fn the_structural_check_sees_what_is_forbidden() {
    let cases = [
        (json!({}), "has the type None"),
        (json!({ "type": ["string", "null"] }), "has the type Some(Array [String(\"string\"), String(\"null\")])"),
        (
            json!({ "type": "object", "properties": {}, "additionalProperties": {} }),
            "has properties and additionalProperties",
        ),
        (json!({ "type": "object", "additionalProperties": false }), "has a boolean additionalProperties"),
        (json!({ "type": "string", "$ref": "#/x" }), "has $ref"),
        (json!({ "type": "integer", "format": "uint32" }), "has the format \"uint32\""),
        (
            json!({ "type": "object", "oneOf": [{ "required": ["a"] }] }),
            "asks inside of oneOf for \"a\", which is no property",
        ),
        (json!({ "type": "object", "anyOf": [{ "type": "object" }] }), "has type inside of anyOf"),
        (json!({ "type": "array" }), "is a list of nobody knows what"),
    ];
    for (schema, message) in cases {
        assert_eq!(forbidden(&schema), [message]);
    }
}

#[test]
fn every_field_is_described() {
    for kind in kinds() {
        let mut found = Vec::new();
        walk(&kind.schema(), kind.kind, &mut |path, schema| {
            let is_field = !path.ends_with(']') && !path.ends_with('}');
            if is_field && schema["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
                found.push(path.to_owned());
            }
        });
        assert_eq!(found, Vec::<String>::new(), "fields that `kubectl explain` has nothing to say of");
    }
}

#[test]
fn names_columns_and_subresources_are_those_of_the_design() {
    let found: Vec<String> = kinds()
        .iter()
        .map(|kind| {
            let crd = kind.crd();
            let version = &crd.spec.versions[0];
            let columns: Vec<&str> =
                version.additional_printer_columns.iter().flatten().map(|column| column.name.as_str()).collect();
            assert_eq!(crd.metadata.name.as_deref(), Some(format!("{}.aggregator.dev", kind.plural).as_str()));
            assert_eq!(crd.spec.names.categories.as_deref(), Some(&["aggregator".to_owned()][..]));
            assert_eq!((crd.spec.scope.as_str(), version.name.as_str()), ("Namespaced", "v1alpha1"));
            let status = version.subresources.as_ref().is_some_and(|subresources| subresources.status.is_some());
            let short = crd.spec.names.short_names.unwrap_or_default().join(",");
            format!("{} {short} status:{status} {}", kind.kind, columns.join("|"))
        })
        .collect();
    assert_eq!(
        found,
        [
            "Connector aconn status:true Type|Ready|Reason|Streams|Last Check|Age|Message",
            "Pipeline apipe status:true Ready|Reason|Connectors|Healthy|Last Run|Rows|Age|Mode|Source|Sink|Message",
            "Transformation axform status:true Ready|Reason|Tests|Used By|Age|Message",
            "Schedule asched status:true Pipeline|Trigger|Ready|Reason|Last|Decision|Next|Active|Age|Why|Message",
            "PipelineRun arun status:true Pipeline|Phase|Reason|Read|Written|Rejected|Duration|Age|Mode|Attempt|Job|Message",
            "Checkpoint ackpt status:false Pipeline|Epoch|Run|Written|Age",
        ]
    );
}

#[test]
fn printer_columns_name_fields_that_exist() {
    let brackets = regex::Regex::new(r"\[[^\]]*\]").unwrap();
    for kind in kinds() {
        let schema = kind.schema();
        for column in kind.crd().spec.versions[0].additional_printer_columns.iter().flatten() {
            let Some(path) = column.json_path.strip_prefix('.').filter(|path| !path.starts_with("metadata")) else {
                continue;
            };
            // `conditions[?(@.type=="Ready")].status` goes through an item of a list, as `next[0]` does.
            let path = brackets.replace_all(path, "/items");
            let pointer: String = path
                .split(['.', '/'])
                .map(|step| if step == "items" { "/items".to_owned() } else { format!("/properties/{step}") })
                .collect();
            assert!(schema.pointer(&pointer).is_some(), "{}: {}", kind.kind, column.json_path);
        }
    }
}

/// The messages of the rules at a place.
fn rules(kind: &str, pointer: &str) -> Vec<String> {
    let schema = json_schema(kind).unwrap();
    let rules = schema.pointer(pointer).unwrap()["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
    rules.iter().map(|rule| rule["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn choices_and_immutable_fields_have_rules() {
    let spec = "/properties/spec";
    assert_eq!(rules("Connector", spec), [format!("exactly one of {} must be set", ConnectorType::KEYS.join(", "))]);
    assert_eq!(rules("Schedule", spec)[0], format!("exactly one of {} must be set", Trigger::KEYS.join(", ")));
    assert_eq!(
        rules("Pipeline", "/properties/spec/properties/transforms/items")[0],
        format!("exactly one of {} must be set", Operation::KEYS.join(", "))
    );
    assert_eq!(
        rules("Pipeline", "/properties/spec/properties/sources/items"),
        ["exactly one of stream, streams must be set", "overrides are only for a source with streams"]
    );
    assert_eq!(
        rules("PipelineRun", spec),
        [
            "only cancel may change; create another PipelineRun",
            "cancel cannot be taken back",
            "preview is only for the mode Preview",
            "backfill is only for the modes Incremental and DryRun",
        ]
    );
    assert_eq!(rules("Schedule", ""), ["the name of a Schedule has at most 41 characters"]);
}

#[test]
fn immutability_speaks_of_every_field_but_cancel() {
    let schema = json_schema("PipelineRun").unwrap();
    let spec = &schema["properties"]["spec"];
    let rule = spec["x-kubernetes-validations"][0]["rule"].as_str().unwrap();
    for field in spec["properties"].as_object().unwrap().keys() {
        assert_eq!(rule.contains(&format!("self.{field} == oldSelf.{field}")), field != "cancel", "{field}");
    }
}

#[test]
fn rules_name_fields_that_exist_and_can_be_seen() {
    let reference = regex::Regex::new(r"(?:self|oldSelf)\.([A-Za-z0-9]+)").unwrap();
    let mut checked = 0;
    for kind in kinds() {
        walk(&kind.schema(), kind.kind, &mut |path, schema| {
            for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                for found in reference.captures_iter(rule["rule"].as_str().unwrap()) {
                    checked += 1;
                    let field = &schema["properties"][&found[1]];
                    // CEL does not see a field without a type.
                    let seen = field["type"].is_string() || (path == kind.kind && &found[1] == "metadata");
                    assert!(seen, "{path}: {} of {}", &found[1], rule["rule"]);
                }
            }
        });
    }
    assert!(checked > 60, "only {checked} references were looked at");
}

#[test]
fn schemas_are_found_by_name() {
    assert!(Kind::named("Pipelines").is_none());
    assert_eq!(json_schema("Secret"), None);
    assert_eq!(connector_schema("oracle"), None);
    assert_eq!(connector_schema("description"), None);
    for key in ConnectorType::KEYS {
        assert!(connector_schema(key).unwrap()["description"].is_string(), "{key}");
    }
    let postgres = connector_schema("postgres").unwrap();
    assert_eq!(postgres["properties"]["port"]["default"], 5432);
    assert_eq!(postgres["properties"]["port"]["maximum"].as_f64(), Some(65535.0));
    assert_eq!(postgres["required"], json!(["database", "host", "username"]));
}

#[test]
fn everything_has_a_largest_size() {
    let mut checked = 0;
    for kind in kinds() {
        walk(&kind.schema(), kind.kind, &mut |path, schema| {
            let keyword = match schema["type"].as_str() {
                Some("string") if schema["enum"].is_null() && schema["format"].is_null() => "maxLength",
                Some("array") => "maxItems",
                Some("object") if schema["additionalProperties"].is_object() => "maxProperties",
                _ => return,
            };
            checked += 1;
            assert!(schema[keyword].as_u64().is_some_and(|most| most <= 65_536), "{path} has no {keyword}");
        });
    }
    assert!(checked > 300, "only {checked} were looked at");
}

#[test]
fn no_reference_leaves_its_namespace() {
    let mut found = Vec::new();
    for kind in kinds() {
        walk(&kind.schema()["properties"]["spec"], "", &mut |path, schema| {
            let field = path.rsplit('.').next().unwrap_or_default();
            let names = ["connector", "claimName", "secretName", "secretKey", "ref"].contains(&field)
                || path.ends_with("pipelineRef.name")
                || path.ends_with("pipelineSucceeded.name");
            if names && schema["type"] == "string" {
                let pattern =
                    schema["pattern"].as_str().unwrap_or_else(|| panic!("{}{path} has no pattern", kind.kind));
                assert!(!regex::Regex::new(pattern).unwrap().is_match("other/name"), "{}{path}", kind.kind);
                found.push(path.to_owned());
            }
        });
    }
    assert!(found.len() >= 23, "{found:?}");
}
