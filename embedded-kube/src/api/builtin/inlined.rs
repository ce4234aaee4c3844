//! The schemas of the built-in kinds, from their Rust types: without references, and with what is known of their lists.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::{
    apps::v1::ControllerRevision,
    authentication::v1::{SelfSubjectReview, TokenRequest, TokenReview},
    authorization::v1::{
        LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview,
    },
    batch::v1::Job,
    coordination::v1::Lease,
    core::v1 as base,
    events::v1 as events,
    networking::v1::NetworkPolicy,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::types::Types;

/// The schema of a structure, built when it is first asked for.
pub(super) fn schema(structure: &'static str) -> Arc<Value> {
    static BUILT: Mutex<Option<HashMap<&'static str, Arc<Value>>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    Arc::clone(built.entry(structure).or_insert_with(|| Arc::new(inlined(&generated(structure).to_value()))))
}

fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

fn generated(structure: &str) -> Schema {
    match structure {
        "apiextensions.CustomResourceDefinition" => of::<CustomResourceDefinition>(),
        "apps.ControllerRevision" => of::<ControllerRevision>(),
        "authentication.SelfSubjectReview" => of::<SelfSubjectReview>(),
        "authentication.TokenRequest" => of::<TokenRequest>(),
        "authentication.TokenReview" => of::<TokenReview>(),
        "authorization.LocalSubjectAccessReview" => of::<LocalSubjectAccessReview>(),
        "authorization.SelfSubjectAccessReview" => of::<SelfSubjectAccessReview>(),
        "authorization.SelfSubjectRulesReview" => of::<SelfSubjectRulesReview>(),
        "authorization.SubjectAccessReview" => of::<SubjectAccessReview>(),
        "batch.Job" => of::<Job>(),
        "coordination.Lease" => of::<Lease>(),
        "core.ConfigMap" => of::<base::ConfigMap>(),
        "core.Event" => of::<base::Event>(),
        "core.LimitRange" => of::<base::LimitRange>(),
        "core.Namespace" => of::<base::Namespace>(),
        "core.Node" => of::<base::Node>(),
        "core.Pod" => of::<base::Pod>(),
        "core.ResourceQuota" => of::<base::ResourceQuota>(),
        "core.Secret" => of::<base::Secret>(),
        "core.ServiceAccount" => of::<base::ServiceAccount>(),
        "events.Event" => of::<events::Event>(),
        "networking.NetworkPolicy" => of::<NetworkPolicy>(),
        "rbac.ClusterRole" => of::<ClusterRole>(),
        "rbac.ClusterRoleBinding" => of::<ClusterRoleBinding>(),
        "rbac.Role" => of::<Role>(),
        "rbac.RoleBinding" => of::<RoleBinding>(),
        _ => Schema::default(),
    }
}

fn inlined(root: &Value) -> Value {
    let title = root["title"].as_str().unwrap_or_default();
    let inliner = Inliner { definitions: &root["$defs"] };
    let mut schema = inliner.structure(root, title, &mut vec![title.to_owned()]);
    if let Some(fields) = schema.as_object_mut() {
        for name in ["$schema", "title", "$defs"] {
            fields.shift_remove(name);
        }
    }
    schema
}

struct Inliner<'a> {
    definitions: &'a Value,
}

impl Inliner<'_> {
    /// A schema without references; `open` are the structures that it is in.
    fn inline(&self, schema: &Value, open: &mut Vec<String>) -> Value {
        let Some(name) = schema["$ref"].as_str().and_then(|of| of.strip_prefix("#/$defs/")) else {
            return self.fields(schema, open, |_| None);
        };
        let mut inlined = if open.iter().any(|open| open == name) {
            anything()
        } else {
            open.push(name.to_owned());
            let inlined = self.structure(&self.definitions[name], name, open);
            open.pop();
            inlined
        };
        // What is said of the place says more than what is said of the type.
        if let Some(description) = schema.get("description") {
            inlined["description"] = description.clone();
        }
        inlined
    }

    fn structure(&self, schema: &Value, name: &str, open: &mut Vec<String>) -> Value {
        let own = own_name(name);
        let types = Types::known();
        let mut inlined = self.fields(schema, open, |field| {
            let known = types.fields(&own).iter().find(|known| known.name == field)?;
            let (kind, keys) = known.list()?;
            Some((kind.to_owned(), keys.into_iter().map(ToOwned::to_owned).collect()))
        });
        match own.as_str() {
            "meta.FieldsV1" | "runtime.RawExtension" | "apiextensions.JSON" => {
                inlined["x-kubernetes-preserve-unknown-fields"] = true.into();
            }
            "core.ContainerPort" => inlined["properties"]["protocol"]["default"] = "TCP".into(),
            _ if types.is_atomic(&own) => inlined["x-kubernetes-map-type"] = "atomic".into(),
            _ => {}
        }
        inlined
    }

    /// The fields of a schema, with how lists among them are merged.
    fn fields(
        &self,
        schema: &Value,
        open: &mut Vec<String>,
        merged: impl Fn(&str) -> Option<(String, Vec<String>)>,
    ) -> Value {
        let Value::Object(fields) = schema else { return schema.clone() };
        let mut inlined = Map::new();
        for (name, value) in fields.iter().filter(|(name, _)| *name != "$defs") {
            let value = match name.as_str() {
                "properties" => {
                    let mut properties = Map::new();
                    for (field, of) in value.as_object().into_iter().flatten() {
                        let mut of = self.inline(of, open);
                        if let Some((kind, keys)) = merged(field) {
                            extend(&mut of, &kind, &keys);
                        }
                        properties.insert(field.clone(), of);
                    }
                    properties.into()
                }
                "items" | "additionalProperties" if value.is_object() => self.inline(value, open),
                "allOf" | "anyOf" | "oneOf" => {
                    let all = value.as_array().into_iter().flatten();
                    all.map(|of| self.inline(of, open)).collect::<Vec<_>>().into()
                }
                _ => value.clone(),
            };
            inlined.insert(name.clone(), value);
        }
        inlined.into()
    }
}

fn extend(schema: &mut Value, kind: &str, keys: &[String]) {
    if schema["type"] == "array" {
        schema["x-kubernetes-list-type"] = kind.into();
        if !keys.is_empty() {
            schema["x-kubernetes-list-map-keys"] = json!(keys);
        }
    } else {
        schema["x-kubernetes-map-type"] = kind.into();
    }
}

fn anything() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// `core.Pod` for `io.k8s.api.core.v1.Pod`.
fn own_name(name: &str) -> String {
    let mut parts = name.rsplit('.');
    let kind = parts.next().unwrap_or_default();
    let group = parts.find(|part| *part != "v1").unwrap_or_default();
    format!("{group}.{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_known_and_nothing_is_referred_to() {
        let pod = schema("core.Pod");
        let spec = &pod["properties"]["spec"]["properties"];
        assert_eq!(spec["containers"]["x-kubernetes-list-map-keys"], json!(["name"]));
        let container = &spec["containers"]["items"]["properties"];
        assert_eq!(container["ports"]["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
        assert_eq!(container["env"]["x-kubernetes-list-type"], "map");
        assert_eq!(
            container["resources"]["properties"]["limits"]["additionalProperties"]["x-kubernetes-int-or-string"],
            true
        );
        assert_eq!(spec["imagePullSecrets"]["x-kubernetes-list-type"], "map");
        let meta = &pod["properties"]["metadata"]["properties"];
        assert_eq!(meta["ownerReferences"]["x-kubernetes-list-map-keys"], json!(["uid"]));
        assert_eq!(meta["creationTimestamp"]["format"], "date-time");
        let conditions = &pod["properties"]["status"]["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
        for structure in ["core.Pod", "batch.Job", "apiextensions.CustomResourceDefinition"] {
            assert!(!schema(structure).to_string().contains("#/$defs"), "{structure}");
        }
    }

    #[test]
    fn names_are_found() {
        assert_eq!(own_name("io.k8s.api.core.v1.Pod"), "core.Pod");
        assert_eq!(own_name("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"), "meta.ObjectMeta");
        assert_eq!(own_name("io.k8s.apimachinery.pkg.runtime.RawExtension"), "runtime.RawExtension");
    }
}
