//! Where things are on this machine: the cluster's folder, and the folders that Connectors may name.

use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use crate::args::{Seed, UpArgs};
use crate::failure::Failure;

/// Where things are. Each path is whole.
pub(super) struct Places {
    /// The cluster's folder, if it keeps anything.
    pub(super) data: Option<PathBuf>,
    /// The folder whose manifests are applied.
    pub(super) watch: Option<PathBuf>,
    /// The folders that Connectors may name.
    pub(super) host_paths: Vec<PathBuf>,
    /// Where relative paths of Connectors start.
    pub(super) host_path_base: PathBuf,
    /// Where the demo's result goes, if there may be one.
    pub(super) demo: Option<PathBuf>,
    /// It is removed with this.
    _temporary: Option<TempDir>,
}

impl Places {
    /// What the arguments say of them, from the folder where the command was started.
    pub(super) fn of(args: &UpArgs) -> Result<Self, Failure> {
        let here = std::env::current_dir()?;
        let data = (!args.ephemeral).then(|| whole(&here, &args.data_dir));
        let watch = args.watch.as_deref().map(|path| folder(&here, path, "--watch")).transpose()?;
        if let (Some(watch), Some(data)) = (&watch, &data)
            && shows(watch, data)
        {
            return Err(Failure::usage(
                format!("{} would be read as manifests: the folder of --watch holds it", data.display()),
                "give the cluster a folder elsewhere with --data-dir, or one whose name begins with a dot",
            ));
        }
        let base = args.host_path_base.as_deref().map(|path| folder(&here, path, "--host-path-base")).transpose()?;
        let given = args.allow_host_paths.iter().map(|path| folder(&here, path, "--allow-host-paths"));
        let given: Vec<PathBuf> = given.collect::<Result<_, _>>()?;
        let temporary = (data.is_none() && args.seed == Seed::Demo)
            .then(|| tempfile::Builder::new().prefix("aggregator-demo-").tempdir())
            .transpose()?;
        let demo = match (&data, &temporary) {
            (Some(data), _) => Some(data.join("demo")),
            (None, temporary) => temporary.as_ref().map(|folder| folder.path().to_owned()),
        };
        Ok(Self {
            host_paths: allowed(&here, watch.as_deref(), given, demo.as_deref()),
            host_path_base: base.or_else(|| watch.clone()).unwrap_or(here),
            data,
            watch,
            demo,
            _temporary: temporary,
        })
    }
}

/// The folders that Connectors may name: those that are given, or else where the command was started and what is watched.
/// The demo's is always among them, as it may be there from another time.
fn allowed(here: &Path, watch: Option<&Path>, given: Vec<PathBuf>, demo: Option<&Path>) -> Vec<PathBuf> {
    let mut wanted = given;
    if wanted.is_empty() {
        // The whole machine is allowed to nobody who does not ask for it.
        let usual = [Some(here), watch].into_iter().flatten().filter(|path| path.parent().is_some());
        wanted.extend(usual.map(Path::to_owned));
    }
    wanted.extend(demo.map(Path::to_owned));
    let mut allowed: Vec<PathBuf> = Vec::new();
    for path in wanted {
        if !allowed.iter().any(|outer| path.starts_with(outer)) {
            allowed.push(path);
        }
    }
    allowed
}

/// Whether files of the second folder are among the manifests of the first, where names that begin with a dot are passed over.
fn shows(watch: &Path, data: &Path) -> bool {
    let hidden = |name: &str| name.starts_with('.') || name.starts_with("_aggregator");
    data.strip_prefix(watch).is_ok_and(|inner| inner.iter().all(|name| !hidden(&name.to_string_lossy())))
}

/// A folder that has to be there.
fn folder(here: &Path, path: &Path, flag: &str) -> Result<PathBuf, Failure> {
    let whole = whole(here, path);
    if whole.is_dir() {
        return Ok(whole);
    }
    let message = format!("there is no folder {}", path.display());
    Err(Failure::usage(message, format!("check the path given with {flag}")))
}

/// A path from the root, without `.` and `..`: as the operator reads paths, without asking the disk.
fn whole(here: &Path, path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in here.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            other => whole.push(other),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_whole() {
        for (path, expected) in [
            (".aggregator/cluster", "/srv/shop/.aggregator/cluster"),
            ("./a/../b", "/srv/shop/b"),
            ("../lake/", "/srv/lake"),
            ("/data", "/data"),
            ("../../..", "/"),
        ] {
            assert_eq!(whole(Path::new("/srv/shop"), Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn the_cluster_keeps_out_of_the_manifests() {
        for (data, shown) in [
            ("/srv/shop/.aggregator/cluster", false),
            ("/srv/shop/data", true),
            ("/srv/shop", true),
            ("/srv/data", false),
        ] {
            assert_eq!(shows(Path::new("/srv/shop"), Path::new(data)), shown, "{data}");
        }
    }

    #[test]
    fn connectors_may_name_where_the_command_was_started() {
        let allowed = |here: &str, watch: Option<&str>, given: &[&str], demo: Option<&str>| {
            let given = given.iter().map(PathBuf::from).collect();
            let found = allowed(Path::new(here), watch.map(Path::new), given, demo.map(Path::new));
            found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(allowed("/srv", None, &[], Some("/srv/.aggregator/cluster/demo")), ["/srv"]);
        assert_eq!(allowed("/srv", Some("/srv/pipelines"), &[], Some("/data/demo")), ["/srv", "/data/demo"]);
        assert_eq!(allowed("/srv", Some("/pipelines"), &[], None), ["/srv", "/pipelines"]);
        assert_eq!(allowed("/srv", Some("/pipelines"), &["/lake"], None), ["/lake"]);
        assert_eq!(allowed("/", None, &[], Some("/data/demo")), ["/data/demo"]);
    }
}
