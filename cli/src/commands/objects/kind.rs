//! Kinds of objects: ours and some of Kubernetes, which every server has alike, and all others as the server tells them.

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Pod, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::client::{APIGroupDiscovery, APIResourceDiscovery};
use kube::core::Request;
use kube::{Client, Resource};
use serde_json::Value;

use super::connection::Connection;
use super::trouble::Trouble;
use crate::failure::Failure;

/// A kind, and where the server has its objects.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) resource: ApiResource,
    /// Whether each of its objects is in a namespace.
    pub(super) namespaced: bool,
    singular: String,
    short: Vec<String>,
}

impl Kind {
    fn fixed<K: Resource<DynamicType = ()>>(namespaced: bool, short: &[&str]) -> Self {
        let resource = ApiResource::erase::<K>(&());
        let singular = resource.kind.to_lowercase();
        Self { resource, namespaced, singular, short: short.iter().map(ToString::to_string).collect() }
    }

    /// Our PipelineRuns.
    pub(super) fn runs() -> Self {
        Self::fixed::<PipelineRun>(true, &["arun"])
    }

    /// The core group's events.
    pub(super) fn events() -> Self {
        Self::fixed::<Event>(true, &["ev"])
    }

    /// The kind that a CustomResourceDefinition defines, in each of its versions.
    pub(super) fn defined(definition: &Value) -> Vec<Self> {
        let spec = &definition["spec"];
        let (group, names) = (text(&spec["group"]), &spec["names"]);
        let kind = |version: &Value| {
            let gvk = GroupVersionKind::gvk(&group, &text(&version["name"]), &text(&names["kind"]));
            Self {
                resource: ApiResource::from_gvk_with_plural(&gvk, &text(&names["plural"])),
                namespaced: spec["scope"] == "Namespaced",
                singular: text(&names["singular"]),
                short: Vec::new(),
            }
        };
        spec["versions"].as_array().into_iter().flatten().map(kind).collect()
    }

    /// The kinds of a group, its preferred version first.
    fn told(group: &APIGroupDiscovery) -> Vec<Self> {
        let name = group.metadata.as_ref().and_then(|metadata| metadata.name.clone()).unwrap_or_default();
        let of = |version: &str, told: &APIResourceDiscovery| {
            // What is only asked, and never kept, is no object.
            let kept = told.verbs.iter().any(|verb| verb == "get" || verb == "list");
            let kind = told.response_kind.as_ref()?.kind.clone().filter(|_| kept)?;
            let gvk = GroupVersionKind::gvk(&name, version, &kind);
            Some(Self {
                resource: ApiResource::from_gvk_with_plural(&gvk, told.resource.as_deref()?),
                namespaced: told.scope.as_deref() == Some("Namespaced"),
                singular: told.singular_resource.clone().unwrap_or_default(),
                short: told.short_names.clone(),
            })
        };
        let versions = group.versions.iter();
        versions
            .flat_map(|version| {
                let name = version.version.as_deref().unwrap_or_default();
                version.resources.iter().filter_map(move |told| of(name, told))
            })
            .collect()
    }

    /// What an object of it is called: `pipeline`.
    pub(super) fn word(&self) -> String {
        self.resource.kind.to_lowercase()
    }

    /// Whether it is of the group `aggregator.dev`.
    pub(super) fn is_ours(&self) -> bool {
        self.resource.group == aggregator_crds::GROUP
    }

    /// Whether it is this kind of this group.
    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        self.resource.group == group && self.resource.kind == kind
    }

    fn is_called(&self, word: &str) -> bool {
        let (word, rest) = word.split_once('.').map_or((word, None), |(word, rest)| (word, Some(rest)));
        let named = self.resource.plural == word
            || self.singular == word
            || self.resource.kind.to_lowercase() == word
            || self.short.iter().any(|short| short == word);
        let ApiResource { group, version, .. } = &self.resource;
        named && rest.is_none_or(|rest| rest == group || rest == format!("{version}.{group}"))
    }

    /// The namespace that a request for its objects has in its path.
    fn within<'a>(&self, namespace: Option<&'a str>) -> Option<&'a str> {
        namespace.filter(|_| self.namespaced)
    }

    /// Requests for its objects in a namespace, or in all.
    pub(super) fn requests(&self, namespace: Option<&str>) -> Request {
        Request::new(DynamicObject::url_path(&self.resource, self.within(namespace)))
    }

    /// Its objects in a namespace, or in all.
    pub(super) fn api(&self, client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
        match self.within(namespace) {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The kinds that are known. Of several of one name, the first is meant.
#[derive(Debug)]
pub(super) struct Kinds {
    kinds: Vec<Kind>,
    /// Whether the server has told its own.
    told: bool,
}

impl Kinds {
    /// Those that need not be asked for.
    pub(super) fn known() -> Self {
        let kinds = vec![
            Kind::fixed::<Connector>(true, &["aconn"]),
            Kind::fixed::<Transformation>(true, &["axform"]),
            Kind::fixed::<Pipeline>(true, &["apipe"]),
            Kind::fixed::<Schedule>(true, &["asched"]),
            Kind::runs(),
            Kind::fixed::<Checkpoint>(true, &["ackpt"]),
            Kind::fixed::<Namespace>(false, &["ns"]),
            Kind::fixed::<Secret>(true, &[]),
            Kind::fixed::<ConfigMap>(true, &["cm"]),
            Kind::fixed::<Pod>(true, &["po"]),
            Kind::events(),
            Kind::fixed::<Job>(true, &[]),
            Kind::fixed::<CustomResourceDefinition>(false, &["crd", "crds"]),
        ];
        Self { kinds, told: false }
    }

    /// Adds what a CustomResourceDefinition defines.
    pub(super) fn define(&mut self, definition: &Value) {
        self.kinds.extend(Kind::defined(definition));
    }

    /// Adds all that the server has, which is asked for it once.
    pub(super) async fn learn(&mut self, connection: &Connection) -> Result<(), Trouble> {
        if !self.told {
            let client = &connection.client;
            let (core, others) = tokio::try_join!(
                connection.within(client.list_core_api_versions_aggregated()),
                connection.within(client.list_api_groups_aggregated()),
            )?;
            self.kinds.extend(core.items.iter().chain(&others.items).flat_map(Kind::told));
            self.told = true;
        }
        Ok(())
    }

    /// The kind of that name: its plural, singular or short name, also with its group behind a dot.
    pub(super) fn called(&self, word: &str) -> Option<&Kind> {
        let word = word.to_lowercase();
        self.kinds.iter().find(|kind| kind.is_called(&word))
    }

    /// The kind of a manifest.
    pub(super) fn of(&self, api_version: &str, kind: &str) -> Option<&Kind> {
        self.kinds.iter().find(|known| known.resource.api_version == api_version && known.resource.kind == kind)
    }

    /// The kind of that name; the server is asked when it is none of those that are known.
    pub(super) async fn meant(&mut self, connection: &Connection, word: &str) -> Result<Kind, Failure> {
        if self.called(word).is_none() {
            self.learn(connection).await?;
        }
        self.called(word).cloned().ok_or_else(|| {
            let help = format!("choose one of {}", self.names());
            Failure::usage(format!("the server has no kind `{word}`"), help)
        })
    }

    /// What there is, for whoever has asked for something else.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for kind in &self.kinds {
            if !names.contains(&kind.resource.plural.as_str()) {
                names.push(&kind.resource.plural);
            }
        }
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn our_kinds_have_the_names_of_their_definitions() {
        let kinds = Kinds::known();
        for ours in aggregator_crds::kinds() {
            let names = ours.crd().spec.names;
            let words = [Some(names.kind), Some(names.plural.clone()), names.singular];
            for word in words.into_iter().flatten().chain(names.short_names.into_iter().flatten()) {
                let found = kinds.called(&word).map(|kind| kind.resource.plural.as_str());
                assert_eq!(found, Some(names.plural.as_str()), "{word}");
            }
        }
    }

    #[test]
    fn a_name_may_have_its_group_behind_it() {
        let kinds = Kinds::known();
        for (word, plural) in [
            ("pipelines.aggregator.dev", Some("pipelines")),
            ("pipeline.v1alpha1.aggregator.dev", Some("pipelines")),
            ("PipelineRun", Some("pipelineruns")),
            ("jobs.batch", Some("jobs")),
            ("pods", Some("pods")),
            ("ns", Some("namespaces")),
            ("pipelines.example.com", None),
            ("pipe", None),
        ] {
            assert_eq!(kinds.called(word).map(|kind| kind.resource.plural.as_str()), plural, "{word}");
        }
    }

    #[test]
    fn objects_are_found_in_their_namespace_if_they_have_one() {
        let kinds = Kinds::known();
        let path = |word: &str, namespace| kinds.called(word).map(|kind| kind.requests(namespace).url_path);
        let ours = "/apis/aggregator.dev/v1alpha1";
        assert_eq!(path("pipeline", Some("demo")), Some(format!("{ours}/namespaces/demo/pipelines")));
        assert_eq!(path("pipeline", None), Some(format!("{ours}/pipelines")));
        assert_eq!(path("namespace", Some("demo")).as_deref(), Some("/api/v1/namespaces"));
    }

    #[test]
    fn a_definition_says_what_it_defines() {
        let mut kinds = Kinds::known();
        kinds.define(&json!({"spec": {
            "group": "example.com", "scope": "Cluster",
            "names": {"kind": "Shirt", "plural": "shirts", "singular": "shirt"},
            "versions": [{"name": "v1"}, {"name": "v2"}],
        }}));
        let kind = kinds.of("example.com/v2", "Shirt").expect("it is defined");
        assert_eq!((kind.word().as_str(), kind.namespaced), ("shirt", false));
        assert_eq!(kind.requests(None).url_path, "/apis/example.com/v2/shirts");
        assert!(kinds.of("example.com/v3", "Shirt").is_none());
    }

    #[test]
    fn what_the_server_tells_is_known_by_all_its_names() {
        let group: APIGroupDiscovery = serde_json::from_value(json!({
            "metadata": {"name": "apps"},
            "versions": [{"version": "v1", "resources": [
                {"resource": "deployments", "responseKind": {"group": "", "version": "", "kind": "Deployment"},
                 "scope": "Namespaced", "singularResource": "deployment", "verbs": ["get", "list"], "shortNames": ["deploy"]},
                {"resource": "tokenreviews", "responseKind": {"kind": "TokenReview"}, "scope": "Cluster", "verbs": ["create"]},
            ]}],
        }))
        .expect("a group");
        let kinds = Kind::told(&group);
        assert_eq!(kinds.len(), 1, "{kinds:?}");
        assert!(["deployments", "deployment", "deploy", "deploy.apps"].iter().all(|word| kinds[0].is_called(word)));
        assert_eq!(kinds[0].resource.api_version, "apps/v1");
    }
}
