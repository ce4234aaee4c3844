//! What is in a Pod's volumes.

use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, DownwardAPIVolumeFile, KeyToPath, SecretProjection, Volume, VolumeProjection,
};

use super::references::Objects;
use super::{Facts, Problem, downward};

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A folder of the Pod's own, empty at first.
    Empty,
    /// A folder of the Pod's own with these files.
    Files(Vec<File>),
    /// A folder or file of this machine.
    Host { path: PathBuf, kind: String },
    /// A folder that stays, of the claim of that name.
    Claim(String),
}

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Where it is, in the volume.
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) source: Source,
}

/// Where a file's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Bytes(Vec<u8>),
    /// A token of the Pod's ServiceAccount, which has to be asked for, and again before it expires.
    Token {
        audience: Option<String>,
        seconds: i64,
    },
}

/// What the volume is. `host_paths` are the folders of this machine that Pods may have.
pub(crate) fn content(
    volume: &Volume,
    objects: &Objects,
    facts: Facts<'_>,
    host_paths: &[PathBuf],
) -> Result<Content, Problem> {
    if volume.empty_dir.is_some() {
        return Ok(Content::Empty);
    }
    if let Some(source) = &volume.secret {
        let found =
            objects.secret(source.secret_name.as_deref().unwrap_or_default(), source.optional.unwrap_or_default())?;
        let items = Items { all: source.items.as_ref(), mode: source.default_mode, optional: source.optional };
        return items.files(found).map(Content::Files);
    }
    if let Some(source) = &volume.config_map {
        let found = objects.config_map(&source.name, source.optional.unwrap_or_default())?;
        let items = Items { all: source.items.as_ref(), mode: source.default_mode, optional: source.optional };
        return items.files(found).map(Content::Files);
    }
    if let Some(source) = &volume.downward_api {
        return told(source.items.as_ref(), source.default_mode, facts).map(Content::Files);
    }
    if let Some(source) = &volume.projected {
        let mut files = Vec::new();
        for part in source.sources.iter().flatten() {
            files.extend(projected(part, source.default_mode, objects, facts)?);
        }
        return Ok(Content::Files(files));
    }
    if let Some(source) = &volume.host_path {
        let path = plain(Path::new(&source.path))?;
        if !path.is_absolute() || !host_paths.iter().any(|allowed| path.starts_with(allowed)) {
            let allowed: Vec<String> = host_paths.iter().map(|path| path.display().to_string()).collect();
            let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            return Err(Problem::Never(format!("the hostPath {} is not allowed; allowed: {allowed}", source.path)));
        }
        return Ok(Content::Host { path, kind: source.type_.clone().unwrap_or_default() });
    }
    if let Some(source) = &volume.persistent_volume_claim {
        return Ok(Content::Claim(source.claim_name.clone()));
    }
    Err(Problem::Never(format!("the volume {:?} is of a kind that this node has not", volume.name)))
}

fn projected(
    part: &VolumeProjection,
    mode: Option<i32>,
    objects: &Objects,
    facts: Facts<'_>,
) -> Result<Vec<File>, Problem> {
    if let Some(SecretProjection { items, name, optional }) = &part.secret {
        let found = objects.secret(name, optional.unwrap_or_default())?;
        return Items { all: items.as_ref(), mode, optional: *optional }.files(found);
    }
    if let Some(ConfigMapProjection { items, name, optional }) = &part.config_map {
        let found = objects.config_map(name, optional.unwrap_or_default())?;
        return Items { all: items.as_ref(), mode, optional: *optional }.files(found);
    }
    if let Some(source) = &part.downward_api {
        return told(source.items.as_ref(), mode, facts);
    }
    if let Some(token) = &part.service_account_token {
        let source = Source::Token {
            audience: token.audience.clone().filter(|audience| !audience.is_empty()),
            seconds: token.expiration_seconds.unwrap_or(3600),
        };
        // Others on this machine have no business with it, whatever the default for all files says.
        return Ok(vec![File { path: plain(Path::new(&token.path))?, mode: 0o600, source }]);
    }
    Err(Problem::Never("a projected volume has a source of a kind that this node has not".to_owned()))
}

/// Which keys of an object become files.
struct Items<'a> {
    all: Option<&'a Vec<KeyToPath>>,
    mode: Option<i32>,
    optional: Option<bool>,
}

impl Items<'_> {
    fn files(&self, mut found: std::collections::BTreeMap<String, Vec<u8>>) -> Result<Vec<File>, Problem> {
        let Some(items) = self.all.filter(|items| !items.is_empty()) else {
            let file = |(key, bytes)| {
                let path = plain(Path::new(&key))?;
                Ok(File { path, mode: bits(None, self.mode), source: Source::Bytes(bytes) })
            };
            return found.into_iter().map(file).collect();
        };
        let mut files = Vec::new();
        for item in items {
            match found.remove(&item.key) {
                Some(bytes) => files.push(File {
                    path: plain(Path::new(&item.path))?,
                    mode: bits(item.mode, self.mode),
                    source: Source::Bytes(bytes),
                }),
                None if self.optional == Some(true) => {}
                None => {
                    return Err(Problem::Missing(format!("there is no key {:?} for the file {}", item.key, item.path)));
                }
            }
        }
        Ok(files)
    }
}

/// Files of the downward API.
fn told(items: Option<&Vec<DownwardAPIVolumeFile>>, mode: Option<i32>, facts: Facts<'_>) -> Result<Vec<File>, Problem> {
    let file = |item: &DownwardAPIVolumeFile| {
        let text = if let Some(selector) = &item.field_ref {
            downward::field(selector, facts)?
        } else if let Some(selector) = &item.resource_field_ref {
            let spec = facts.pod.spec.as_ref();
            let named = |name: &String| spec?.containers.iter().find(|container| container.name == *name);
            let container = selector.container_name.as_ref().and_then(named);
            let container =
                container.ok_or_else(|| Problem::Never(format!("the file {} is of no container", item.path)))?;
            downward::resource(selector, container, facts)?
        } else {
            return Err(Problem::Never(format!("the file {} has no source", item.path)));
        };
        let source = Source::Bytes(text.into_bytes());
        Ok(File { path: plain(Path::new(&item.path))?, mode: bits(item.mode, mode), source })
    };
    items.into_iter().flatten().map(file).collect()
}

/// The permissions of a file: its own, the volume's, or those of a private file.
fn bits(own: Option<i32>, default: Option<i32>) -> u32 {
    own.or(default).and_then(|mode| u32::try_from(mode).ok()).map_or(0o600, |mode| mode & 0o777)
}

/// The path, if it leads nowhere but down.
pub(crate) fn plain(path: &Path) -> Result<PathBuf, Problem> {
    let down =
        path.components().all(|part| matches!(part, Component::Normal(_) | Component::RootDir | Component::CurDir));
    if down { Ok(path.to_owned()) } else { Err(Problem::Never(format!("the path {} has `..`", path.display()))) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{ADDRESS, capacity, pod};
    use super::*;

    fn of(mut volume: Value) -> Result<Content, Problem> {
        volume["name"] = "v".into();
        let volume = serde_json::from_value(volume).unwrap();
        let objects = Objects {
            secrets: [("s".to_owned(), serde_json::from_value(json!({"data": {"a": "MQ==", "b": "Mg=="}})).unwrap())]
                .into(),
            config_maps: [("m".to_owned(), serde_json::from_value(json!({"data": {"k": "x"}})).unwrap())].into(),
        };
        let pod = pod(json!({"metadata": {"name": "p"}, "spec": {"containers": []}}));
        let capacity = capacity();
        let facts = Facts { pod: &pod, address: ADDRESS, capacity: &capacity };
        content(&volume, &objects, facts, &["/srv/shared".into()])
    }

    fn file(path: &str, mode: u32, bytes: &str) -> File {
        File { path: path.into(), mode, source: Source::Bytes(bytes.into()) }
    }

    #[test]
    fn files_come_from_keys() {
        let all = of(json!({"secret": {"secretName": "s"}}));
        assert_eq!(all, Ok(Content::Files(vec![file("a", 0o600, "1"), file("b", 0o600, "2")])));
        let some = json!({"secret": {"secretName": "s", "defaultMode": 0o400, "items": [{"key": "b", "path": "d/x", "mode": 0o444}]}});
        assert_eq!(of(some), Ok(Content::Files(vec![file("d/x", 0o444, "2")])));
        let optional = json!({"configMap": {"name": "none", "optional": true}});
        assert_eq!(of(optional), Ok(Content::Files(vec![])));
        assert!(matches!(of(json!({"configMap": {"name": "none"}})), Err(Problem::Missing(_))));
        let items = json!([{"key": "none", "path": "x"}]);
        assert!(matches!(of(json!({"configMap": {"name": "m", "items": items}})), Err(Problem::Missing(_))));
        let items = json!([{"key": "k", "path": "../x"}]);
        assert!(matches!(of(json!({"configMap": {"name": "m", "items": items}})), Err(Problem::Never(_))));
    }

    #[test]
    fn a_projected_volume_is_the_sum_of_its_parts() {
        let sources = json!([
            {"secret": {"name": "s", "items": [{"key": "a", "path": "a"}]}},
            {"configMap": {"name": "m"}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}},
        ]);
        let token = Source::Token { audience: Some("vault".into()), seconds: 600 };
        let expected = vec![
            file("a", 0o644, "1"),
            file("k", 0o644, "x"),
            file("name", 0o644, "p"),
            File { path: "token".into(), mode: 0o600, source: token },
        ];
        assert_eq!(of(json!({"projected": {"defaultMode": 0o644, "sources": sources}})), Ok(Content::Files(expected)));
    }

    #[test]
    fn the_machine_is_closed_but_for_what_is_allowed() {
        assert_eq!(
            of(json!({"hostPath": {"path": "/srv/shared/x", "type": "Directory"}})),
            Ok(Content::Host { path: "/srv/shared/x".into(), kind: "Directory".into() })
        );
        for path in ["/etc", "/srv/sharedx", "/srv/shared/../x", "srv/shared"] {
            assert!(matches!(of(json!({"hostPath": {"path": path}})), Err(Problem::Never(_))), "{path}");
        }
        assert!(matches!(of(json!({"nfs": {"server": "x", "path": "/"}})), Err(Problem::Never(_))));
        assert_eq!(of(json!({"persistentVolumeClaim": {"claimName": "c"}})), Ok(Content::Claim("c".into())));
        assert_eq!(of(json!({"emptyDir": {}})), Ok(Content::Empty));
    }
}
