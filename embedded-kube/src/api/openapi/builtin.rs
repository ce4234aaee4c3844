//! The schemas of the built-in kinds, with names for their parts: those of Kubernetes' own description, from k8s-openapi.

use std::sync::LazyLock;

use k8s_openapi::api::{apps, authentication, authorization, batch, coordination, core, events, networking, rbac};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::schemars::generate::SchemaSettings;
use k8s_openapi::schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::super::Kind;

/// Schemas that are being gathered.
pub(super) struct Builtins {
    generator: SchemaGenerator,
}

impl Builtins {
    /// What every document needs.
    pub(super) fn new() -> Self {
        let mut builtins = Self { generator: SchemaSettings::openapi3().into_generator() };
        builtins.of::<meta::ObjectMeta>();
        builtins.of::<meta::ListMeta>();
        builtins.of::<meta::DeleteOptions>();
        builtins.of::<meta::Status>();
        // Whose schema says how every kind describes its own `apiVersion`, `kind` and `metadata`.
        builtins.of::<core::v1::ConfigMap>();
        builtins
    }

    /// Adds a kind's schema and those of its parts, and gives the schema's name; nothing for a kind that is not built in.
    pub(super) fn add(&mut self, kind: &Kind) -> Option<String> {
        if kind.custom {
            return None;
        }
        Some(match (kind.group.as_str(), kind.kind.as_str()) {
            ("", "Namespace") => self.of::<core::v1::Namespace>(),
            ("", "Node") => self.of::<core::v1::Node>(),
            ("", "Pod") => self.of::<core::v1::Pod>(),
            ("", "Secret") => self.of::<core::v1::Secret>(),
            ("", "ConfigMap") => self.of::<core::v1::ConfigMap>(),
            ("", "ServiceAccount") => {
                self.of::<authentication::v1::TokenRequest>();
                self.of::<core::v1::ServiceAccount>()
            }
            ("", "Event") => self.of::<core::v1::Event>(),
            ("", "ResourceQuota") => self.of::<core::v1::ResourceQuota>(),
            ("", "LimitRange") => self.of::<core::v1::LimitRange>(),
            ("apps", "ControllerRevision") => self.of::<apps::v1::ControllerRevision>(),
            ("events.k8s.io", "Event") => self.of::<events::v1::Event>(),
            ("batch", "Job") => self.of::<batch::v1::Job>(),
            ("coordination.k8s.io", "Lease") => self.of::<coordination::v1::Lease>(),
            ("networking.k8s.io", "NetworkPolicy") => self.of::<networking::v1::NetworkPolicy>(),
            ("rbac.authorization.k8s.io", "Role") => self.of::<rbac::v1::Role>(),
            ("rbac.authorization.k8s.io", "RoleBinding") => self.of::<rbac::v1::RoleBinding>(),
            ("rbac.authorization.k8s.io", "ClusterRole") => self.of::<rbac::v1::ClusterRole>(),
            ("rbac.authorization.k8s.io", "ClusterRoleBinding") => self.of::<rbac::v1::ClusterRoleBinding>(),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                self.of::<apiextensions::v1::CustomResourceDefinition>()
            }
            ("authentication.k8s.io", "TokenReview") => self.of::<authentication::v1::TokenReview>(),
            ("authentication.k8s.io", "SelfSubjectReview") => self.of::<authentication::v1::SelfSubjectReview>(),
            ("authorization.k8s.io", "SubjectAccessReview") => self.of::<authorization::v1::SubjectAccessReview>(),
            ("authorization.k8s.io", "LocalSubjectAccessReview") => {
                self.of::<authorization::v1::LocalSubjectAccessReview>()
            }
            ("authorization.k8s.io", "SelfSubjectAccessReview") => {
                self.of::<authorization::v1::SelfSubjectAccessReview>()
            }
            ("authorization.k8s.io", "SelfSubjectRulesReview") => {
                self.of::<authorization::v1::SelfSubjectRulesReview>()
            }
            _ => return None,
        })
    }

    fn of<T: JsonSchema>(&mut self) -> String {
        self.generator.subschema_for::<T>();
        T::schema_name().into_owned()
    }

    /// The schemas by their names.
    pub(super) fn take(mut self) -> Map<String, Value> {
        let mut schemas = self.generator.take_definitions(true);
        for (name, schema) in &mut schemas {
            let optional = optional(name);
            let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) else { continue };
            required.retain(|field| field != optional);
            if name == "io.k8s.api.events.v1.Event" {
                required.push("eventTime".into());
            }
            if required.is_empty() {
                schema.as_object_mut().map(|schema| schema.remove("required"));
            }
        }
        schemas
    }
}

/// The field that k8s-openapi requires of a type, and the API does not: a type of Rust always has it.
fn optional(name: &str) -> &'static str {
    match name.strip_prefix("io.k8s.api.core.v1.") {
        // The one object that has to have it.
        Some("Event") => "",
        Some(
            "ConfigMapEnvSource"
            | "ConfigMapKeySelector"
            | "ConfigMapProjection"
            | "ConfigMapVolumeSource"
            | "LocalObjectReference"
            | "SecretEnvSource"
            | "SecretKeySelector"
            | "SecretProjection",
        ) => "name",
        _ => "metadata",
    }
}

/// How Kubernetes describes a property of one of its types, as `io.k8s.api.core.v1.PodStatus` and `podIP`.
pub(crate) fn description(model: &str, property: &str) -> &'static str {
    static SCHEMAS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
        let mut builtins = Builtins::new();
        builtins.of::<core::v1::Pod>();
        builtins.of::<core::v1::Node>();
        builtins.of::<core::v1::Event>();
        builtins.of::<core::v1::Secret>();
        builtins.of::<apps::v1::ControllerRevision>();
        builtins.of::<batch::v1::Job>();
        builtins.of::<coordination::v1::Lease>();
        builtins.of::<networking::v1::NetworkPolicy>();
        builtins.take()
    });
    let schema = SCHEMAS.get(model).map_or(&Value::Null, |schema| &schema["properties"][property]);
    schema["description"].as_str().unwrap_or_default()
}
