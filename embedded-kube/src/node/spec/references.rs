//! The Secrets and ConfigMaps that a Pod names, and these objects once they are fetched.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};

/// The names of objects in the Pod's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) config_maps: BTreeSet<String>,
}

/// What was found of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) config_maps: BTreeMap<String, ConfigMap>,
}

/// Everything that the Pod's containers and volumes name.
pub(crate) fn references(pod: &Pod) -> References {
    let mut found = References::default();
    let Some(spec) = &pod.spec else { return found };
    let (secrets, maps) = (&mut found.secrets, &mut found.config_maps);
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        for source in container.env_from.iter().flatten() {
            secrets.extend(source.secret_ref.iter().map(|source| source.name.clone()));
            maps.extend(source.config_map_ref.iter().map(|source| source.name.clone()));
        }
        for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            secrets.extend(source.secret_key_ref.iter().map(|source| source.name.clone()));
            maps.extend(source.config_map_key_ref.iter().map(|source| source.name.clone()));
        }
    }
    for volume in spec.volumes.iter().flatten() {
        secrets.extend(volume.secret.iter().filter_map(|source| source.secret_name.clone()));
        maps.extend(volume.config_map.iter().map(|source| source.name.clone()));
        for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            secrets.extend(source.secret.iter().map(|source| source.name.clone()));
            maps.extend(source.config_map.iter().map(|source| source.name.clone()));
        }
    }
    found
}

impl Objects {
    /// What a Secret holds. A missing one is a problem unless it is optional.
    pub(crate) fn secret(&self, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, super::Problem> {
        let Some(secret) = self.secrets.get(name) else { return missing("Secret", name, optional) };
        Ok(secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect())
    }

    /// What a ConfigMap holds. A missing one is a problem unless it is optional.
    pub(crate) fn config_map(&self, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, super::Problem> {
        let mut files = self.settings(name, optional)?;
        let bytes = self.config_maps.get(name).and_then(|map| map.binary_data.as_ref());
        files.extend(bytes.into_iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())));
        Ok(files)
    }

    /// The text in a ConfigMap, which can be variables. A missing one is a problem unless it is optional.
    pub(crate) fn settings(&self, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, super::Problem> {
        let Some(map) = self.config_maps.get(name) else { return missing("ConfigMap", name, optional) };
        Ok(map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes())).collect())
    }
}

fn missing<T: Default>(kind: &str, name: &str, optional: bool) -> Result<T, super::Problem> {
    if optional {
        return Ok(T::default());
    }
    Err(super::Problem::Missing(format!("there is no {kind} {name:?}, or this node may not read it")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::pod;
    use super::*;

    #[test]
    fn every_place_that_names_an_object_is_found() {
        let pod = pod(json!({"spec": {
            "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "s1"}}]}],
            "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "m1"}}], "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s2", "key": "k"}}},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "m2", "key": "k"}}},
                {"name": "C", "value": "x"},
            ]}],
            "volumes": [
                {"name": "v1", "secret": {"secretName": "s3"}},
                {"name": "v2", "configMap": {"name": "m3"}},
                {"name": "v3", "projected": {"sources": [{"secret": {"name": "s4"}}, {"configMap": {"name": "m1"}}]}},
            ],
        }}));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let expected =
            References { secrets: names(&["s1", "s2", "s3", "s4"]), config_maps: names(&["m1", "m2", "m3"]) };
        assert_eq!(references(&pod), expected);
    }
}
