//! What Pods and their templates have that nobody has written.

use serde_json::{Map, Value, json};

use super::{default_to, items, items_mut, text};

/// A Pod.
pub(super) fn pod(object: &mut Value) {
    let spec = &mut object["spec"];
    spec_of(spec);
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
        spec["terminationGracePeriodSeconds"] = 1.into();
    }
    for list in ["containers", "initContainers"] {
        for container in items_mut(spec, list) {
            let limits = container["resources"]["limits"].as_object().cloned().unwrap_or_default();
            for (name, value) in limits {
                if container["resources"]["requests"].is_null() {
                    container["resources"]["requests"] = Value::Object(Map::new());
                }
                default_to(&mut container["resources"]["requests"], &name, value);
            }
        }
    }
    default_to(spec, "enableServiceLinks", true);
    if spec["hostNetwork"] == true {
        for list in ["containers", "initContainers"] {
            for port in items_mut(spec, list).flat_map(|container| items_mut(container, "ports")) {
                if port["hostPort"].as_i64().unwrap_or_default() == 0 {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
}

/// What a Pod, and the template of one, has.
pub(super) fn spec_of(spec: &mut Value) {
    let account = text(spec, "serviceAccountName").to_owned();
    let account = if account.is_empty() { text(spec, "serviceAccount").to_owned() } else { account };
    if !account.is_empty() {
        spec["serviceAccountName"] = account.clone().into();
        spec["serviceAccount"] = account.into();
    }
    default_to(spec, "dnsPolicy", "ClusterFirst");
    default_to(spec, "restartPolicy", "Always");
    default_to(spec, "securityContext", json!({}));
    default_to(spec, "terminationGracePeriodSeconds", 30);
    default_to(spec, "schedulerName", "default-scheduler");
    items_mut(spec, "volumes").for_each(volume);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        items_mut(spec, list).for_each(container);
    }
}

fn container(container: &mut Value) {
    let policy = if tag(text(container, "image")) == "latest" { "Always" } else { "IfNotPresent" };
    default_to(container, "imagePullPolicy", policy);
    default_to(container, "terminationMessagePath", "/dev/termination-log");
    default_to(container, "terminationMessagePolicy", "File");
    items_mut(container, "ports").for_each(|port| default_to(port, "protocol", "TCP"));
    for variable in items_mut(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            default_to(field, "apiVersion", "v1");
        }
        if let Some(file) = variable.pointer_mut("/valueFrom/fileKeyRef") {
            default_to(file, "optional", false);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) else { continue };
        for (name, value) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            default_to(probe, name, value);
        }
        if let Some(grpc) = probe.get_mut("grpc") {
            // What is empty here is told from what is absent.
            if let Some(fields) = grpc.as_object_mut() {
                fields.entry("service").or_insert_with(|| "".into());
            }
        }
        if let Some(get) = probe.get_mut("httpGet") {
            http(get);
        }
    }
    for hook in ["/lifecycle/postStart/httpGet", "/lifecycle/preStop/httpGet"] {
        if let Some(get) = container.pointer_mut(hook) {
            http(get);
        }
    }
}

fn http(get: &mut Value) {
    default_to(get, "path", "/");
    default_to(get, "scheme", "HTTP");
}

/// The tag of an image: `latest` when it has neither tag nor digest.
fn tag(image: &str) -> &str {
    if let Some((name, _)) = image.split_once('@') {
        return name.rsplit('/').next().and_then(|name| name.split_once(':')).map_or("", |(_, tag)| tag);
    }
    image.rsplit('/').next().and_then(|name| name.split_once(':')).map_or("latest", |(_, tag)| tag)
}

fn volume(volume: &mut Value) {
    let sourceless = volume.as_object().is_some_and(|fields| fields.keys().all(|name| name == "name"));
    if sourceless {
        volume["emptyDir"] = json!({});
    }
    if let Some(path) = volume.get_mut("hostPath") {
        // What is empty here is told from what is absent.
        if let Some(fields) = path.as_object_mut() {
            fields.entry("type").or_insert_with(|| "".into());
        }
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source) {
            default_to(source, "defaultMode", 0o644);
            downward(source);
        }
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in items_mut(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                default_to(token, "expirationSeconds", 3600);
            }
            if let Some(source) = source.get_mut("downwardAPI") {
                downward(source);
            }
        }
    }
}

fn downward(source: &mut Value) {
    if items(source, "items").iter().all(|item| item["fieldRef"].is_null()) {
        return;
    }
    for field in items_mut(source, "items").filter_map(|item| item.get_mut("fieldRef")) {
        default_to(field, "apiVersion", "v1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found() {
        for (image, is) in [
            ("worker", "latest"),
            ("worker:1", "1"),
            ("example.com:5000/worker", "latest"),
            ("example.com:5000/worker:latest", "latest"),
            ("worker@sha256:0", ""),
        ] {
            assert_eq!(tag(image), is, "{image}");
        }
    }

    #[test]
    fn a_pod_has_what_nobody_writes() {
        let mut object = json!({"spec": {
            "serviceAccountName": "a",
            "containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}],
            "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
        }});
        pod(&mut object);
        let spec = &object["spec"];
        assert_eq!(spec["serviceAccount"], "a");
        assert_eq!(spec["containers"][0]["resources"]["requests"], json!({"cpu": "1"}));
        assert_eq!(spec["containers"][0]["imagePullPolicy"], "Always");
        assert_eq!(
            spec["volumes"],
            json!([{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}}])
        );
        assert_eq!(spec["enableServiceLinks"], true);
    }
}
