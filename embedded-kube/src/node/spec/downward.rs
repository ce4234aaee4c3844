//! The downward API: what a container may learn about its own Pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, ResourceFieldSelector};
use rust_decimal::Decimal;

use super::{Facts, Problem, quantity};

/// The value of a field. Labels and annotations as a whole are lines `key="value"`, which only a file can have.
pub(crate) fn field(selector: &ObjectFieldSelector, facts: Facts<'_>) -> Result<String, Problem> {
    let path = selector.field_path.as_str();
    let (metadata, spec) = (&facts.pod.metadata, facts.pod.spec.as_ref());
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    Ok(match path {
        "metadata.name" => text(metadata.name.as_ref()),
        "metadata.namespace" => text(metadata.namespace.as_ref()),
        "metadata.uid" => text(metadata.uid.as_ref()),
        "metadata.labels" => lines(metadata.labels.as_ref()),
        "metadata.annotations" => lines(metadata.annotations.as_ref()),
        "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => facts.address.to_string(),
        _ => match subscript(path) {
            Some(("metadata.labels", key)) => text(metadata.labels.as_ref().and_then(|labels| labels.get(key))),
            Some(("metadata.annotations", key)) => text(metadata.annotations.as_ref().and_then(|map| map.get(key))),
            _ => return Err(Problem::Never(format!("the field {path} is not known"))),
        },
    })
}

/// `metadata.labels['key']` in its two parts.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path.split_once("['")?;
    Some((map, key.strip_suffix("']")?))
}

fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The value of a request or a limit, in units of the divisor. Where there is none, it is what the node has.
pub(crate) fn resource(
    selector: &ResourceFieldSelector,
    container: &Container,
    facts: Facts<'_>,
) -> Result<String, Problem> {
    let unknown = || Problem::Never(format!("the resource {} is not known", selector.resource));
    let (kind, name) = selector.resource.split_once('.').ok_or_else(unknown)?;
    let has = match name {
        "cpu" => facts.capacity.cpus.into(),
        "memory" => facts.capacity.memory.into(),
        "ephemeral-storage" => facts.capacity.storage.into(),
        _ => return Err(unknown()),
    };
    let resources = container.resources.as_ref();
    let limit = resources.and_then(|resources| resources.limits.as_ref()?.get(name));
    let request = resources.and_then(|resources| resources.requests.as_ref()?.get(name));
    let (stated, fallback) = match kind {
        "limits" => (limit, has),
        "requests" => (request.or(limit), Decimal::ZERO),
        _ => return Err(unknown()),
    };
    let bad = |text: &str| Problem::Never(format!("{text:?} is not a quantity that can be given as a number"));
    let value = stated.map_or(Ok(fallback), |stated| quantity::parse(&stated.0).ok_or_else(|| bad(&stated.0)))?;
    // The API server fills in 0 where the divisor is left out.
    let divisor = selector.divisor.as_ref().map_or("1", |divisor| if divisor.0 == "0" { "1" } else { &divisor.0 });
    let units = quantity::parse(divisor).and_then(|divisor| quantity::in_units(value, divisor));
    units.map(|units| units.to_string()).ok_or_else(|| bad(divisor))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{ADDRESS, capacity, pod};
    use super::*;

    #[test]
    fn fields_have_the_pods_values() {
        let pod = pod(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app.kubernetes.io/x": "1", "b": "q\"\n"}},
            "spec": {"containers": [], "nodeName": "here", "serviceAccountName": "me"},
        }));
        let capacity = capacity();
        let facts = Facts { pod: &pod, address: ADDRESS, capacity: &capacity };
        let get = |path: &str| field(&ObjectFieldSelector { api_version: None, field_path: path.to_owned() }, facts);
        for (path, value) in [
            ("metadata.name", "p"),
            ("metadata.namespace", "n"),
            ("metadata.uid", "u"),
            ("metadata.labels['app.kubernetes.io/x']", "1"),
            ("metadata.labels['none']", ""),
            ("metadata.annotations", ""),
            ("metadata.labels", "app.kubernetes.io/x=\"1\"\nb=\"q\\\"\\n\""),
            ("spec.nodeName", "here"),
            ("spec.serviceAccountName", "me"),
            ("status.podIP", "127.0.0.1"),
        ] {
            assert_eq!(get(path).as_deref(), Ok(value), "{path}");
        }
        assert!(matches!(get("spec.containers"), Err(Problem::Never(_))));
    }

    #[test]
    fn resources_fall_back_to_what_the_node_has() {
        let container: Container = serde_json::from_value(json!({
            "name": "c",
            "resources": {"limits": {"memory": "64Mi", "cpu": "1500m"}, "requests": {"cpu": "250m"}},
        }))
        .unwrap();
        let pod = pod(json!({"spec": {"containers": []}}));
        let capacity = capacity();
        let facts = Facts { pod: &pod, address: ADDRESS, capacity: &capacity };
        let get = |name: &str, divisor: &str| {
            let selector: ResourceFieldSelector =
                serde_json::from_value(json!({"resource": name, "divisor": divisor})).unwrap();
            resource(&selector, &container, facts)
        };
        for (name, divisor, value) in [
            ("limits.memory", "0", "67108864"),
            ("limits.memory", "1Mi", "64"),
            ("limits.cpu", "1", "2"),
            ("requests.cpu", "1m", "250"),
            ("requests.memory", "1Mi", "64"),
            ("requests.ephemeral-storage", "1", "0"),
            ("limits.ephemeral-storage", "1Gi", "1024"),
        ] {
            assert_eq!(get(name, divisor).as_deref(), Ok(value), "{name} {divisor}");
        }
        assert!(get("limits.gpu", "1").is_err());
        assert!(get("limits.cpu", "x").is_err());
    }
}
