//! The real API server.

use std::ops::ControlFlow;
use std::sync::Arc;

use aggregator_embedded_kube::api::access::{
    Attributes, Authority, Grant, Index, Objects, Pods, Resource, Rules, Target, User,
};
use aggregator_tests::control_plane::ControlPlane;
use axum::body::to_bytes;
use axum::http::Request;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The real API server, and somebody who asks it.
pub(crate) struct Real {
    pub(crate) plane: Arc<ControlPlane>,
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
}

/// What it answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Real {
    pub(crate) fn new() -> Self {
        let plane = ControlPlane::shared();
        let runtime = Runtime::new().unwrap();
        let kubeconfig = std::fs::read_to_string(plane.kubeconfig()).unwrap();
        let client = runtime.block_on(client(&kubeconfig));
        Self { plane, runtime, client }
    }

    /// Somebody who has a token.
    pub(crate) fn by_token(&self, token: &str) -> Client {
        let kubeconfig = std::fs::read_to_string(self.plane.kubeconfig()).unwrap();
        let mut kubeconfig = serde_json::to_value(Kubeconfig::from_yaml(&kubeconfig).unwrap()).unwrap();
        kubeconfig["users"][0]["user"] = json!({"token": token});
        self.runtime.block_on(client(&kubeconfig.to_string()))
    }

    pub(crate) fn ask(&self, client: &Client, request: Request<Vec<u8>>) -> Answer {
        self.runtime.block_on(ask(client, request))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask(&self.client, request("GET", path, &[], &Value::Null));
        assert_eq!(answer.code, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.ask(&self.client, request("POST", path, headers, body))
    }

    pub(crate) fn create(&self, path: &str, object: &Value) -> Value {
        let answer = self.post(path, &[], object);
        assert_eq!(answer.code, 201, "{path} {object}: {}", answer.body);
        answer.body
    }

    /// What is there, with the kinds that lists leave out.
    pub(crate) fn list(&self, path: &str, kind: &str) -> Vec<Value> {
        let mut list = self.get(path);
        let items = std::mem::take(list["items"].as_array_mut().unwrap());
        let named = |mut item: Value| {
            item["kind"] = kind.into();
            item
        };
        items.into_iter().map(named).collect()
    }

    /// Every role and binding.
    pub(crate) fn index(&self) -> Index {
        let mut index = Index::default();
        for (resource, kind) in KINDS {
            for object in self.list(&format!("{RBAC}/{resource}"), kind) {
                index.put(&object);
            }
        }
        index
    }

    /// Waits until the API server goes by everything that was created up to now.
    pub(crate) fn settle(&self, namespace: &str, tag: &str) {
        let rule = json!([{"apiGroups": ["settle"], "resources": ["settle"], "verbs": ["get"]}]);
        let subjects = json!([{"apiGroup": GROUP, "kind": "User", "name": format!("settle-{tag}")}]);
        let name = format!("settle-{tag}");
        for (place, role, binding, rule) in [
            (
                RBAC.to_owned(),
                "ClusterRole",
                "ClusterRoleBinding",
                json!([{"nonResourceURLs": ["/settle"], "verbs": ["get"]}]),
            ),
            (format!("{RBAC}/namespaces/{namespace}"), "Role", "RoleBinding", rule),
        ] {
            let path = |kind: &str| format!("{place}/{}s", kind.to_lowercase());
            self.create(&path(role), &json!({"metadata": {"name": name}, "rules": rule}));
            let reference = json!({"apiGroup": GROUP, "kind": role, "name": name});
            let binding_object = json!({"metadata": {"name": name}, "subjects": subjects, "roleRef": reference});
            self.create(&path(binding), &binding_object);
        }
        for spec in [
            json!({"user": name, "nonResourceAttributes": {"path": "/settle", "verb": "get"}}),
            json!({"user": name, "resourceAttributes": {"namespace": namespace, "group": "settle", "resource": "settle", "verb": "get"}}),
        ] {
            let review = json!({"spec": spec});
            aggregator_tests::wait::eventually("the API server to see roles and bindings", || {
                let answer = self.create(&format!("{AUTHORIZATION}/subjectaccessreviews"), &review);
                answer["status"]["allowed"].as_bool().filter(|allowed| *allowed)
            });
        }
    }
}

pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";
pub(crate) const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
pub(crate) const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";
pub(crate) const AUTHENTICATION: &str = "/apis/authentication.k8s.io/v1";
const KINDS: [(&str, &str); 4] = [
    ("clusterroles", "ClusterRole"),
    ("clusterrolebindings", "ClusterRoleBinding"),
    ("roles", "Role"),
    ("rolebindings", "RoleBinding"),
];

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Request<Vec<u8>> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    if body.is_null() {
        return builder.body(Vec::new()).unwrap();
    }
    builder.header("content-type", "application/json").body(body.to_string().into_bytes()).unwrap()
}

pub(crate) async fn ask(client: &Client, request: Request<Vec<u8>>) -> Answer {
    let response = client.send(request.map(Body::from)).await.unwrap();
    let code = response.status().as_u16();
    let bytes = to_bytes(axum::body::Body::new(response.into_body()), 1 << 24).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
    Answer { code, body }
}

/// No node has a Pod, and there is no object.
pub(crate) struct Nothing;

impl Pods for Nothing {
    fn any(&self, _: &str, _: &mut dyn FnMut(&Value) -> bool) -> bool {
        false
    }
}

/// Objects of the core group.
pub(crate) struct Snapshot(pub(crate) Vec<(&'static str, Arc<Value>)>);

impl Objects for Snapshot {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let found = self.0.iter().find(|(kind, object)| {
            let metadata = &object["metadata"];
            *kind == resource
                && metadata["name"] == *name
                && metadata["namespace"].as_str().unwrap_or_default() == namespace
        });
        found.map(|(_, object)| Arc::clone(object))
    }
}

pub(crate) fn authority<'a>(index: &'a Index) -> Authority<'a> {
    Authority { rules: index, pods: &Nothing }
}

pub(crate) fn user(name: &str, groups: &[&str]) -> User {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    User { name: name.to_owned(), groups, ..User::default() }
}

pub(crate) fn asks(user: User, verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Attributes {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let target = Target::Resource(Resource {
        namespace: namespace.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        name: name.to_owned(),
        fields: Vec::new(),
    });
    Attributes { user, verb: verb.to_owned(), target }
}

/// Every reason for which somebody may: the API server gives any of them.
pub(crate) fn reasons(index: &Index, attributes: &Attributes) -> Vec<String> {
    let mut reasons = Vec::new();
    index.grants(&attributes.user, attributes.namespace(), &mut |grant: Grant<'_>| {
        if grant.rules.is_ok_and(|rules| rules.iter().any(|rule| rule.allows(attributes))) {
            reasons.push(format!("RBAC: allowed by {}", grant.binding.describe(grant.subject)));
        }
        ControlFlow::Continue(())
    });
    reasons
}
