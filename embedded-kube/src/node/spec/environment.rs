//! The variables of a container.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar};

use super::expand::expand;
use super::references::Objects;
use super::{Facts, Problem, downward};

/// The container's variables, on top of those that every container has. A variable may refer to those before it.
pub(crate) fn environment(
    base: &BTreeMap<String, String>,
    container: &Container,
    objects: &Objects,
    facts: Facts<'_>,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut variables = base.clone();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let mut found = BTreeMap::new();
        if let Some(map) = &source.config_map_ref {
            found.extend(objects.settings(&map.name, map.optional.unwrap_or_default())?);
        }
        if let Some(secret) = &source.secret_ref {
            found.extend(objects.secret(&secret.name, secret.optional.unwrap_or_default())?);
        }
        for (key, value) in found {
            let name = format!("{prefix}{key}");
            let value = text(value, &name)?;
            variables.insert(name, value);
        }
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value(variable, container, objects, facts, &variables)? {
            variables.insert(variable.name.clone(), value);
        }
    }
    Ok(variables)
}

/// The value of one variable; nothing for what is optional and not there.
fn value(
    variable: &EnvVar,
    container: &Container,
    objects: &Objects,
    facts: Facts<'_>,
    before: &BTreeMap<String, String>,
) -> Result<Option<String>, Problem> {
    let Some(from) = &variable.value_from else {
        return Ok(Some(expand(variable.value.as_deref().unwrap_or_default(), before)));
    };
    if let Some(selector) = &from.field_ref {
        return downward::field(selector, facts).map(Some);
    }
    if let Some(selector) = &from.resource_field_ref {
        return downward::resource(selector, container, facts).map(Some);
    }
    let (mut found, key, optional, place) = if let Some(secret) = &from.secret_key_ref {
        let optional = secret.optional.unwrap_or_default();
        (objects.secret(&secret.name, optional)?, &secret.key, optional, format!("Secret {:?}", secret.name))
    } else if let Some(map) = &from.config_map_key_ref {
        let optional = map.optional.unwrap_or_default();
        (objects.settings(&map.name, optional)?, &map.key, optional, format!("ConfigMap {:?}", map.name))
    } else {
        return Err(Problem::Never(format!("the source of the variable {} is not known to this node", variable.name)));
    };
    match found.remove(key) {
        Some(value) => text(value, &variable.name).map(Some),
        None if optional => Ok(None),
        None => Err(Problem::Missing(format!("there is no key {key:?} in the {place}"))),
    }
}

fn text(value: Vec<u8>, name: &str) -> Result<String, Problem> {
    let text = String::from_utf8(value).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| Problem::Missing(format!("the value of the variable {name} is not text")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{ADDRESS, capacity, pod};
    use super::*;

    fn objects() -> Objects {
        let secret = json!({"data": {"user": "YWRh", "bytes": "/w=="}});
        let map = json!({"data": {"mode": "fast", "user": "map"}});
        Objects {
            secrets: [("s".to_owned(), serde_json::from_value(secret).unwrap())].into(),
            config_maps: [("m".to_owned(), serde_json::from_value(map).unwrap())].into(),
        }
    }

    fn variables(container: serde_json::Value) -> Result<BTreeMap<String, String>, Problem> {
        let container: Container = serde_json::from_value(container).unwrap();
        let pod = pod(json!({"metadata": {"name": "p"}, "spec": {"containers": []}}));
        let base = [("HOME".to_owned(), "/h".to_owned())].into();
        let capacity = capacity();
        environment(&base, &container, &objects(), Facts { pod: &pod, address: ADDRESS, capacity: &capacity })
    }

    #[test]
    fn later_sources_win_and_variables_refer_to_earlier_ones() {
        let found = variables(json!({
            "name": "c",
            "envFrom": [{"configMapRef": {"name": "m"}}, {"prefix": "S_", "configMapRef": {"name": "m"}},
                {"configMapRef": {"name": "none", "optional": true}}],
            "env": [
                {"name": "user", "valueFrom": {"secretKeyRef": {"name": "s", "key": "user"}}},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "ALL", "value": "$(user)@$(POD) $(LATER) $(HOME)"},
                {"name": "LATER", "value": "x"},
                {"name": "GONE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": true}}},
            ],
        }));
        let expected = [
            ("ALL", "ada@p $(LATER) /h"),
            ("HOME", "/h"),
            ("LATER", "x"),
            ("POD", "p"),
            ("S_mode", "fast"),
            ("S_user", "map"),
            ("mode", "fast"),
            ("user", "ada"),
        ];
        assert_eq!(found.unwrap(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn what_is_missing_is_named_and_no_value_shown() {
        let secret = |key: &str, name: &str| {
            let from = json!({"secretKeyRef": {"name": name, "key": key}});
            variables(json!({"name": "c", "env": [{"name": "A", "valueFrom": from}]})).unwrap_err().to_string()
        };
        assert_eq!(secret("none", "s"), "there is no key \"none\" in the Secret \"s\"");
        assert_eq!(secret("k", "t"), "there is no Secret \"t\", or this node may not read it");
        assert_eq!(secret("bytes", "s"), "the value of the variable A is not text");
        let from = json!({"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}});
        let error = variables(json!({"name": "c", "env": [{"name": "A", "valueFrom": from}]})).unwrap_err();
        assert!(matches!(error, Problem::Never(_)));
    }
}
