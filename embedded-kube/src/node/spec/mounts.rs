//! Where a container sees its volumes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Container;

use super::Problem;
use super::expand::expand;
use super::volume::plain;
use crate::supervisor::Mount;

/// Where Kubernetes' clients look for the token of their Pod.
pub(crate) const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The container's mounts, given where each volume really is.
pub(crate) fn mounts(
    container: &Container,
    volumes: &BTreeMap<String, PathBuf>,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<Mount>, Problem> {
    if container.volume_devices.iter().flatten().next().is_some() {
        return Err(Problem::Never("this node has no block devices for volumeDevices".to_owned()));
    }
    let mut mounts = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let unknown = || Problem::Never(format!("there is no volume {:?}", mount.name));
        let mut source = volumes.get(&mount.name).ok_or_else(unknown)?.clone();
        let below = match (&mount.sub_path, &mount.sub_path_expr) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(path)) => Some(expand(path, variables)),
            (None, None) => None,
        };
        if let Some(below) = below.filter(|below| !below.is_empty()) {
            if Path::new(&below).is_absolute() {
                return Err(Problem::Never(format!("the subPath {below} is not below its volume")));
            }
            source.push(plain(Path::new(&below))?);
        }
        let target = plain(Path::new(&mount.mount_path))?;
        if target.components().count() < 2 {
            return Err(Problem::Never(format!("{} cannot be mounted on", mount.mount_path)));
        }
        mounts.push(Mount { source, target, read_only: mount.read_only.unwrap_or_default() });
    }
    Ok(mounts)
}

/// The text with each mentioned mount point replaced by where the volume really is, for a machine that lets us mount
/// nothing. A mount point is mentioned where no longer name of a file begins or goes on around it.
pub(crate) fn rewrite(text: &str, mounts: &[Mount]) -> String {
    let mut rewritten = String::new();
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(first) = rest.chars().next() {
        let found = if before.is_none_or(|letter| !of_a_name(letter)) { longest(rest, mounts) } else { None };
        let length = match found {
            Some((length, source)) => {
                rewritten.push_str(&source.to_string_lossy());
                length
            }
            None => {
                rewritten.push(first);
                first.len_utf8()
            }
        };
        before = rest[..length].chars().next_back();
        rest = &rest[length..];
    }
    rewritten
}

/// The longest mount point that the text begins with.
fn longest<'a>(text: &str, mounts: &'a [Mount]) -> Option<(usize, &'a Path)> {
    let begins = |mount: &'a Mount| {
        let target = mount.target.to_str()?.trim_end_matches('/');
        let after = text.strip_prefix(target)?.chars().next();
        let ends = after.is_none_or(|letter| letter == '/' || !of_a_name(letter));
        ends.then_some((target.len(), mount.source.as_path()))
    };
    mounts.iter().filter_map(begins).max_by_key(|(length, _)| *length)
}

fn of_a_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '/' | '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mount(target: &str, source: &str) -> Mount {
        Mount { source: source.into(), target: target.into(), read_only: false }
    }

    #[test]
    fn mounts_lead_into_volumes_and_never_out() {
        let volumes = [("v".to_owned(), PathBuf::from("/x/v"))].into();
        let variables = [("POD".to_owned(), "p".to_owned())].into();
        let of = |mount: serde_json::Value| {
            let container: Container = serde_json::from_value(json!({"name": "c", "volumeMounts": [mount]})).unwrap();
            mounts(&container, &volumes, &variables)
        };
        assert_eq!(of(json!({"name": "v", "mountPath": "/data"})), Ok(vec![mount("/data", "/x/v")]));
        let below = json!({"name": "v", "mountPath": "/data", "subPathExpr": "a/$(POD)", "readOnly": true});
        assert_eq!(of(below), Ok(vec![Mount { read_only: true, ..mount("/data", "/x/v/a/p") }]));
        for bad in [
            json!({"name": "w", "mountPath": "/data"}),
            json!({"name": "v", "mountPath": "/data", "subPath": "../x"}),
            json!({"name": "v", "mountPath": "/data", "subPath": "/x"}),
            json!({"name": "v", "mountPath": "/"}),
        ] {
            assert!(matches!(of(bad.clone()), Err(Problem::Never(_))), "{bad}");
        }
    }

    #[test]
    fn whole_mount_points_are_rewritten() {
        let mounts = [mount("/data", "/x/v1"), mount("/data/sub", "/x/v2"), mount("/etc/app/", "/x/v3")];
        for (text, expected) in [
            ("/data", "/x/v1"),
            ("/data/a /data/sub/b", "/x/v1/a /x/v2/b"),
            ("--file=/data/a,/etc/app/c", "--file=/x/v1/a,/x/v3/c"),
            ("cat '/data'", "cat '/x/v1'"),
            ("/database /my/data data", "/database /my/data data"),
            ("/data/subs", "/x/v1/subs"),
            ("ü/data:/data", "ü/data:/x/v1"),
            ("", ""),
        ] {
            assert_eq!(rewrite(text, &mounts), expected, "{text}");
        }
    }
}
