//! What a node may: register, tell how its Pods are, and read what these need. The real one's rule for the kinds that are served.

use serde_json::Value;

use super::defaults::node_rules;
use super::name::quoted;
use super::user::NODES;
use super::{Attributes, Decision, Resource, Rule, Target};

/// The Pods of nodes.
pub trait Pods {
    /// Whether a Pod that is bound to a node is such as is asked for.
    fn any(&self, node: &str, is: &mut dyn FnMut(&Value) -> bool) -> bool;
}

/// Whether a node may; nothing is said of anybody else.
pub(super) fn decide(attributes: &Attributes, pods: &dyn Pods) -> Decision {
    let user = &attributes.user;
    let Some(node) = user.name.strip_prefix("system:node:").filter(|_| user.is_in(NODES)) else {
        return Decision::deny("");
    };
    if node.is_empty() {
        return Decision::deny(format!("unknown node for user {}", quoted(&user.name)));
    }
    if let Target::Resource(resource) = &attributes.target {
        let verb = attributes.verb.as_str();
        let asked = Asked { node, verb, resource, pods };
        match (resource.group.as_str(), resource.resource.as_str()) {
            ("", "secrets" | "configmaps") => return asked.read(),
            ("", "serviceaccounts") if verb == "get" && resource.subresource.is_empty() => return asked.read(),
            ("", "serviceaccounts") => return asked.token(),
            ("", "nodes") => return asked.node(),
            ("", "pods") => return asked.pod(),
            ("coordination.k8s.io", "leases") => return asked.lease(),
            _ => {}
        }
    }
    if node_rules().iter().any(|rule: &Rule| rule.allows(attributes)) {
        Decision::allow("")
    } else {
        Decision::deny("")
    }
}

/// What a node asks for.
struct Asked<'a> {
    node: &'a str,
    verb: &'a str,
    resource: &'a Resource,
    pods: &'a dyn Pods,
}

impl Asked<'_> {
    fn read(&self) -> Decision {
        if !matches!(self.verb, "get" | "list" | "watch") {
            return Decision::deny("can only read resources of this type");
        }
        if !self.resource.subresource.is_empty() {
            return Decision::deny("cannot read subresource");
        }
        if self.resource.namespace.is_empty() {
            return Decision::deny("can only read namespaced object of this type");
        }
        self.related()
    }

    fn token(&self) -> Decision {
        if self.verb != "create" || self.resource.name.is_empty() {
            return Decision::deny("can only create tokens for individual service accounts");
        }
        if self.resource.subresource != "token" {
            return Decision::deny("can only create token subresource of serviceaccount");
        }
        self.related()
    }

    fn lease(&self) -> Decision {
        if !matches!(self.verb, "get" | "create" | "update" | "patch" | "delete") {
            return Decision::deny("can only get, create, update, patch, or delete a node lease");
        }
        if self.resource.namespace != "kube-node-lease" {
            return Decision::deny("can only access leases in the \"kube-node-lease\" system namespace");
        }
        if self.verb != "create" && self.resource.name != self.node {
            return Decision::deny("can only access node lease with the same name as the requesting node");
        }
        Decision::allow("")
    }

    fn node(&self) -> Decision {
        let node = self.node;
        match (self.resource.subresource.as_str(), self.verb, self.resource.name.as_str()) {
            ("", "create" | "update" | "patch", _) | ("status", "update" | "patch", _) => Decision::allow(""),
            ("", "get" | "list" | "watch", name) if name == node => Decision::allow(""),
            ("", "get" | "list" | "watch", "") => {
                Decision::deny(format!("node '{node}' cannot read all nodes, only its own Node object"))
            }
            ("", "get" | "list" | "watch", name) => {
                Decision::deny(format!("node '{node}' cannot read '{name}', only its own Node object"))
            }
            _ => Decision::deny(""),
        }
    }

    fn pod(&self) -> Decision {
        match (self.resource.subresource.as_str(), self.verb) {
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Decision::allow(""),
            ("", "get") => self.related(),
            ("", "list" | "watch") => {
                let own = |(field, value): &(String, String)| field == "spec.nodeName" && value == self.node;
                if self.resource.fields.iter().any(own) {
                    Decision::allow("")
                } else if self.resource.name.is_empty() {
                    Decision::deny("can only list/watch pods with spec.nodeName field selector")
                } else {
                    self.related()
                }
            }
            _ => Decision::deny(""),
        }
    }

    /// Whether a Pod of the node is the object, or needs it.
    fn related(&self) -> Decision {
        let Resource { namespace, resource, name, .. } = self.resource;
        if name.is_empty() {
            return Decision::deny("No Object name found");
        }
        let related = self.pods.any(self.node, &mut |pod| {
            pod["metadata"]["namespace"] == **namespace
                && match resource.as_str() {
                    "pods" => pod["metadata"]["name"] == **name,
                    resource => needs(pod, resource, name),
                }
        });
        if related {
            return Decision::allow("");
        }
        Decision::deny(format!("no relationship found between node '{}' and this object", self.node))
    }
}

/// Whether a Pod needs a ServiceAccount, Secret or ConfigMap of its namespace.
fn needs(pod: &Value, resource: &str, name: &str) -> bool {
    let spec = &pod["spec"];
    // A Pod that the node itself has made up gives it nothing.
    if !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null() {
        return false;
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    if resource == "serviceaccounts" {
        return spec["serviceAccountName"] == *name;
    }
    let secrets = resource == "secrets";
    let (of_all, of_one, volume, key) = if secrets {
        ("secretRef", "secretKeyRef", "secret", "secretName")
    } else {
        ("configMapRef", "configMapKeyRef", "configMap", "name")
    };
    let of_container = |container: &Value| {
        list(&container["envFrom"]).iter().any(|from| from[of_all]["name"] == *name)
            || list(&container["env"]).iter().any(|one| one["valueFrom"][of_one]["name"] == *name)
    };
    let of_volume = |one: &Value| {
        one[volume][key] == *name
            || list(&one["projected"]["sources"]).iter().any(|source| source[volume]["name"] == *name)
    };
    ["containers", "initContainers"].iter().any(|kind| list(&spec[*kind]).iter().any(of_container))
        || list(&spec["volumes"]).iter().any(of_volume)
        || (secrets && list(&spec["imagePullSecrets"]).iter().any(|secret| secret["name"] == *name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::User;
    use super::*;

    struct Bound(Vec<Value>);

    impl Pods for Bound {
        fn any(&self, node: &str, is: &mut dyn FnMut(&Value) -> bool) -> bool {
            self.0.iter().filter(|pod| pod["spec"]["nodeName"] == *node).any(is)
        }
    }

    fn pod(node: &str) -> Value {
        json!({"metadata": {"namespace": "ns", "name": "p"}, "spec": {
            "nodeName": node, "serviceAccountName": "worker",
            "imagePullSecrets": [{"name": "pull"}],
            "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "key"}}}], "envFrom": [{"configMapRef": {"name": "all"}}]}],
            "initContainers": [{"envFrom": [{"secretRef": {"name": "init"}}]}],
            "volumes": [
                {"secret": {"secretName": "mounted"}},
                {"configMap": {"name": "files"}},
                {"projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "root"}}]}},
            ],
        }})
    }

    fn may(verb: &str, resource: &str, namespace: &str, name: &str) -> Decision {
        let (group, resource) = resource.split_once(':').unwrap_or(("", resource));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let target = Target::Resource(Resource {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            fields: Vec::new(),
        });
        let user = User { name: "system:node:n".to_owned(), groups: vec![NODES.to_owned()], ..User::default() };
        decide(&Attributes { user, verb: verb.to_owned(), target }, &Bound(vec![pod("n"), pod("other")]))
    }

    #[test]
    fn a_node_reads_what_its_pods_need() {
        for name in ["pull", "key", "init", "mounted", "projected"] {
            assert!(may("get", "secrets", "ns", name).allowed, "{name}");
            assert!(!may("get", "configmaps", "ns", name).allowed, "{name}");
            assert!(!may("get", "secrets", "other", name).allowed, "{name}");
        }
        for name in ["all", "files", "root"] {
            assert!(may("watch", "configmaps", "ns", name).allowed, "{name}");
        }
        assert!(may("create", "serviceaccounts/token", "ns", "worker").allowed);
        assert!(may("get", "pods", "ns", "p").allowed);
        let denied = |verb, resource, namespace, name, reason: &str| {
            assert_eq!(may(verb, resource, namespace, name), Decision::deny(reason), "{verb} {resource} {name}");
        };
        denied("get", "secrets", "ns", "x", "no relationship found between node 'n' and this object");
        denied("list", "secrets", "ns", "", "No Object name found");
        denied("delete", "secrets", "ns", "key", "can only read resources of this type");
        denied("create", "serviceaccounts/token", "ns", "x", "no relationship found between node 'n' and this object");
        denied("get", "nodes", "", "other", "node 'n' cannot read 'other', only its own Node object");
        denied("list", "pods", "", "", "can only list/watch pods with spec.nodeName field selector");
        denied("get", "jobs", "ns", "x", "");
        assert!(may("create", "events", "ns", "").allowed);
        assert!(may("update", "coordination.k8s.io:leases", "kube-node-lease", "n").allowed);
        assert!(!may("update", "coordination.k8s.io:leases", "kube-node-lease", "other").allowed);
    }
}
