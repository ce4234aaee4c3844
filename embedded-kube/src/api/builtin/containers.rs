//! What is wrong with the containers of a Pod, as far as the API server's rules are kept here.

use serde_json::Value;

use super::{items, quantity, text};
use crate::api::Cause;
use crate::api::schema::go;
use crate::api::schema::mistake::{duplicate, forbidden, invalid, invalid_text, not_found, not_supported, required};
use crate::api::schema::names;
use crate::api::schema::path::Path;

/// Containers that run together or one after the other.
pub(super) fn check(containers: &[Value], volumes: &[&str], path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (place, container) in containers.iter().enumerate() {
        let path = path.index(place);
        causes.extend(container_of(container, volumes, &path));
        let name = &container["name"];
        if containers[..place].iter().any(|other| other["name"] == *name) {
            causes.push(duplicate(&path.child("name"), name));
        }
    }
    causes
}

/// What is said of variables that hide others.
pub(super) fn warnings(spec: &Value, path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    for list in ["initContainers", "containers"] {
        for (place, container) in items(spec, list).iter().enumerate() {
            let path = path.child(list).index(place).child("env");
            let variables = items(container, "env");
            for (place, variable) in variables.iter().enumerate() {
                let (name, value) = (text(variable, "name"), text(variable, "value"));
                let reference = format!("$({name})");
                let hides = variables[..place].iter().any(|other| text(other, "name") == name);
                let keeps = variable["valueFrom"].is_null() && value != reference && value.contains(&reference);
                if hides && !keeps {
                    let (path, name) = (path.index(place), go::quoted(name));
                    let what = "which may be dropped when using apply";
                    warnings.push(format!("{path}: hides previous definition of {name}, {what}"));
                }
            }
        }
    }
    warnings
}

/// What may be in a Pod's containers only when no template made it.
pub(super) fn check_of_pod(spec: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for list in ["containers", "initContainers"] {
        for (place, container) in items(spec, list).iter().enumerate() {
            let image = text(container, "image");
            if image.trim() != image {
                let path = path.child(list).index(place).child("image");
                causes.push(invalid_text(&path, image, "must not have leading or trailing whitespace"));
            }
        }
    }
    causes
}

/// A name that is a DNS label.
pub(super) fn label(name: &str, path: &Path) -> Vec<Cause> {
    if name.is_empty() {
        return vec![required(path, "")];
    }
    names::label(name).into_iter().map(|what| invalid_text(path, name, &what)).collect()
}

fn container_of(container: &Value, volumes: &[&str], path: &Path) -> Vec<Cause> {
    let mut causes = label(text(container, "name"), &path.child("name"));
    if text(container, "image").is_empty() {
        causes.push(required(&path.child("image"), ""));
    }
    let among = |name: &str, known: &[&str]| {
        let value = text(container, name);
        (!value.is_empty() && !known.contains(&value))
            .then(|| not_supported(&path.child(name), &container[name], known))
    };
    causes.extend(among("terminationMessagePolicy", &["File", "FallbackToLogsOnError"]));
    causes.extend(ports(items(container, "ports"), &path.child("ports")));
    causes.extend(variables(items(container, "env"), &path.child("env")));
    causes.extend(sources(items(container, "envFrom"), &path.child("envFrom")));
    causes.extend(mounts(items(container, "volumeMounts"), volumes, &path.child("volumeMounts")));
    causes.extend(among("imagePullPolicy", &["Always", "IfNotPresent", "Never"]));
    causes.extend(resources(&container["resources"], &path.child("resources")));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let of = &container[probe];
        let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
        if of.is_object() && handlers.iter().all(|handler| of[*handler].is_null()) {
            causes.push(required(&path.child(probe), "must specify a handler type"));
        }
    }
    causes
}

fn ports(ports: &[Value], path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    let range = "must be between 1 and 65535, inclusive";
    for (place, port) in ports.iter().enumerate() {
        let path = path.index(place);
        let name = text(port, "name");
        if !name.is_empty() && ports[..place].iter().any(|other| text(other, "name") == name) {
            causes.push(duplicate(&path.child("name"), &port["name"]));
        }
        let number = port["containerPort"].as_i64().unwrap_or_default();
        if number == 0 {
            causes.push(required(&path.child("containerPort"), ""));
        } else if !(1..=65535).contains(&number) {
            causes.push(invalid(&path.child("containerPort"), &number.into(), range));
        }
        let host = port["hostPort"].as_i64().unwrap_or_default();
        if host != 0 && !(1..=65535).contains(&host) {
            causes.push(invalid(&path.child("hostPort"), &host.into(), range));
        }
        if !["TCP", "UDP", "SCTP"].contains(&text(port, "protocol")) {
            causes.push(not_supported(&path.child("protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]));
        }
    }
    causes
}

fn variables(variables: &[Value], path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (place, variable) in variables.iter().enumerate() {
        let path = path.index(place);
        let name = text(variable, "name");
        if name.is_empty() {
            causes.push(required(&path.child("name"), ""));
        } else {
            causes.extend(names::variable(name).into_iter().map(|what| invalid_text(&path.child("name"), name, &what)));
        }
        let from = &variable["valueFrom"];
        if !from.is_object() {
            continue;
        }
        let path = path.child("valueFrom");
        let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
        for kind in ["configMapKeyRef", "secretKeyRef"] {
            if from[kind].is_object() {
                causes.extend(key_of(&from[kind], &path.child(kind)));
            }
        }
        if from["fieldRef"].is_object() && text(&from["fieldRef"], "fieldPath").is_empty() {
            causes.push(required(&path.child("fieldRef").child("fieldPath"), ""));
        }
        match kinds.iter().filter(|kind| from[**kind].is_object()).count() {
            0 => {
                let what = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
                causes.push(invalid_text(&path, "", what));
            }
            _ if !text(variable, "value").is_empty() => {
                causes.push(invalid_text(&path, "", "may not be specified when `value` is not empty"));
            }
            1 => {}
            _ => causes.push(invalid_text(&path, "", "may not have more than one field specified at a time")),
        }
    }
    causes
}

/// A key of a ConfigMap or a Secret.
fn key_of(of: &Value, path: &Path) -> Vec<Cause> {
    let (name, key) = (text(of, "name"), text(of, "key"));
    let wrong = names::subdomain(name).into_iter();
    let mut causes: Vec<Cause> = wrong.map(|what| invalid_text(&path.child("name"), name, &what)).collect();
    if key.is_empty() {
        causes.push(required(&path.child("key"), ""));
    } else {
        causes.extend(names::config_key(key).into_iter().map(|what| invalid_text(&path.child("key"), key, &what)));
    }
    causes
}

fn sources(sources: &[Value], path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let path_of = path.index(place);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            let wrong = names::variable(prefix).into_iter();
            causes.extend(wrong.map(|what| invalid_text(&path_of.child("prefix"), prefix, &what)));
        }
        let given: Vec<&str> =
            ["configMapRef", "secretRef"].into_iter().filter(|kind| source[*kind].is_object()).collect();
        for kind in &given {
            let (name, path) = (text(&source[*kind], "name"), path_of.child(kind).child("name"));
            if name.is_empty() {
                causes.push(required(&path, ""));
            } else {
                causes.extend(names::any(name, true).into_iter().map(|what| invalid_text(&path, name, &what)));
            }
        }
        match given.len() {
            0 => causes.push(invalid_text(path, "", "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => causes.push(invalid_text(path, "", "may not have more than one field specified at a time")),
        }
    }
    causes
}

fn mounts(mounts: &[Value], volumes: &[&str], path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (place, mount) in mounts.iter().enumerate() {
        let path_of = path.index(place);
        let (name, at) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            causes.push(required(&path_of.child("name"), ""));
        }
        if !volumes.contains(&name) {
            causes.push(not_found(&path_of.child("name"), name));
        }
        if at.is_empty() {
            causes.push(required(&path_of.child("mountPath"), ""));
        }
        if mounts[..place].iter().any(|other| text(other, "mountPath") == at) {
            causes.push(invalid_text(&path_of.child("mountPath"), at, "must be unique"));
        }
        // The API server forgets which mount it was.
        for part in ["subPath", "subPathExpr"] {
            causes.extend(descends(text(mount, part), &path.child(part)));
        }
    }
    causes
}

/// A path that leads down.
pub(super) fn descends(at: &str, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    if at.starts_with('/') {
        causes.push(invalid_text(path, at, "must be a relative path"));
    }
    if at.split('/').any(|part| part == "..") {
        causes.push(invalid_text(path, at, "must not contain '..'"));
    }
    causes
}

fn resources(resources: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    let value = |value: &Value| quantity::parse(value.as_str().unwrap_or_default()).unwrap_or_default();
    for list in ["limits", "requests"] {
        for (name, amount) in resources[list].as_object().into_iter().flatten() {
            let path_of = path.child(list).key(name);
            causes.extend(names::qualified(name).into_iter().map(|what| invalid_text(&path_of, name, &what)));
            let standard =
                ["cpu", "memory", "ephemeral-storage"].contains(&name.as_str()) || name.starts_with("hugepages-");
            if !name.contains('/') && !standard {
                causes.push(invalid_text(&path_of, name, "must be a standard resource type or fully qualified"));
                causes.push(invalid_text(&path_of, name, "must be a standard resource for containers"));
            }
            if value(amount).is_sign_negative() {
                causes.push(invalid(&path_of, amount, "must be greater than or equal to 0"));
            }
            let limit = &resources["limits"][name];
            if list == "requests" && !limit.is_null() && value(amount) > value(limit) {
                let limit = text(&resources["limits"], name);
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                causes.push(invalid(&path.child("requests"), amount, &detail));
            }
        }
    }
    causes
}

/// What may not be on a container that runs before the others.
pub(super) fn first(container: &Value, path: &Path) -> Vec<Cause> {
    if container["restartPolicy"] == "Always" {
        return Vec::new();
    }
    let mut causes = Vec::new();
    for (name, what) in [
        ("lifecycle", "lifecycle"),
        ("livenessProbe", "livenessProbe"),
        ("readinessProbe", "readinessProbe"),
        ("startupProbe", "startupProbe"),
    ] {
        if !container[name].is_null() {
            causes
                .push(forbidden(&path.child(what), "may not be set for init containers without restartPolicy=Always"));
        }
    }
    causes
}
