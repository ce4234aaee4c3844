//! What a Pod asks for in vain.

use k8s_openapi::api::core::v1::{Container, Pod};

/// The fields by which the Pod expects something to be done that this node does not do.
pub(crate) fn ignored(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    containers
        .flat_map(|container| of_container(container).map(|field| format!("{}.{field}", container.name)))
        .collect()
}

fn of_container(container: &Container) -> impl Iterator<Item = &'static str> {
    let fields = [
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
        ("lifecycle", container.lifecycle.is_some()),
        ("restartPolicyRules", container.restart_policy_rules.is_some()),
        ("stdin", container.stdin == Some(true)),
        ("tty", container.tty == Some(true)),
    ];
    fields.into_iter().filter(|(_, asked)| *asked).map(|(field, _)| field)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::pod;
    use super::*;

    #[test]
    fn what_is_ignored_is_named() {
        let probe = json!({"httpGet": {"port": 80}});
        let pod = pod(json!({"spec": {
            "initContainers": [{"name": "i", "lifecycle": {}}],
            "containers": [{"name": "c", "livenessProbe": probe, "tty": true, "stdin": false}, {"name": "d"}],
        }}));
        assert_eq!(ignored(&pod), ["i.lifecycle", "c.livenessProbe", "c.tty"]);
    }
}
