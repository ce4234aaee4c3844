//! What the operator is told when it starts.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// What the operator is told when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of the workers' containers.
    pub image: String,
    /// The program that the image runs, with leading arguments.
    pub command: Vec<String>,
    /// The ServiceAccount of the workers, in each namespace.
    pub service_account: String,
    /// The namespaces that are looked at; empty: all.
    pub namespaces: Vec<String>,
    /// Folders of the nodes that Connectors may name. Empty on a cluster that several share.
    pub host_paths: Vec<PathBuf>,
    /// Where relative paths of Connectors start; they are refused without it.
    pub host_path_base: Option<PathBuf>,
    /// How long a run that no Schedule keeps stays after its end.
    pub run_ttl: Duration,
    /// Variables of the workers' containers, besides those that every container has.
    pub variables: Vec<Variable>,
    /// Whether requests to Schedules are listened for.
    pub webhooks: bool,
}

/// A variable of the workers' containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// One that everybody may see.
    Text {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// One that the kubelet takes from a Secret of the worker's namespace, if there is one.
    OfSecret {
        /// Its name.
        name: String,
        /// The Secret.
        secret: String,
        /// The Secret's key.
        key: String,
    },
}

/// A path of the node that a Connector names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPath {
    /// The allowed folder it lies in, which is mounted.
    pub mounted: PathBuf,
    /// The whole path.
    pub path: PathBuf,
}

impl Settings {
    /// A path of the node, if it lies in a folder that is allowed. `..` is followed in the text, without asking the disk.
    #[must_use]
    pub fn host_path(&self, text: &str) -> Option<HostPath> {
        let path = match (Path::new(text).is_absolute(), &self.host_path_base) {
            (true, _) => plain(Path::new(text)),
            (false, Some(base)) => plain(&base.join(text)),
            (false, None) => return None,
        };
        let mounted = self.host_paths.iter().find(|allowed| path.starts_with(allowed))?.clone();
        Some(HostPath { mounted, path })
    }
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
impl Settings {
    /// What the tests of plans take.
    pub(crate) fn of_tests() -> Self {
        Self {
            image: "aggregator".into(),
            command: vec!["aggregator".into()],
            service_account: "aggregator-worker".into(),
            namespaces: Vec::new(),
            host_paths: vec!["/data".into()],
            host_path_base: None,
            run_ttl: Duration::from_secs(3600),
            variables: Vec::new(),
            webhooks: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_allowed_folders_are_taken() {
        let settings = Settings {
            host_paths: vec!["/data/lake".into(), "/srv".into()],
            host_path_base: Some("/srv/config/samples".into()),
            ..Settings::of_tests()
        };
        let path = |text: &str| settings.host_path(text).map(|found| found.path.display().to_string());
        assert_eq!(path("/data/lake/2026"), Some("/data/lake/2026".into()));
        assert_eq!(path("../../.demo/lake"), Some("/srv/.demo/lake".into()));
        for refused in ["/data/lakes", "/data/lake/../secret", "/etc/passwd", "../../../etc", "/"] {
            assert_eq!(path(refused), None, "{refused}");
        }
    }
}
