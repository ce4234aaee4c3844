//! Which logs there are: of each container, the run that is on or was the last, and the one before.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Progress;

/// Why a container does not run of which nothing is known yet.
pub(crate) const CREATING: &str = "ContainerCreating";

/// A namespace and a Pod's name.
type Place = (String, String);

/// What is known of a container's logs.
#[derive(Clone, Debug, Default)]
struct Entry {
    /// The folder with one folder for each run.
    folder: PathBuf,
    /// The number of the last run; 0 before the first.
    run: u32,
    /// Why it does not run, if it has not yet.
    waits: String,
    live: Option<watch::Receiver<Progress>>,
}

/// A Pod's uid, and what is known of its containers.
type Containers = (String, HashMap<String, Entry>);

/// Where the logs of this node's Pods are.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pods: Mutex<HashMap<Place, Containers>>,
}

/// Which log is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) container: &'a str,
    /// That of the run before the last.
    pub(crate) previous: bool,
}

/// Why there is no such log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLog {
    /// The node does not run the Pod.
    #[error("pod \"{0}\" does not exist")]
    Pod(String),
    /// The Pod has no such container.
    #[error("container \"{container}\" not found in pod \"{pod}\"")]
    Container {
        /// The Pod's name.
        pod: String,
        /// The container's.
        container: String,
    },
    /// The container has not run yet.
    #[error("container \"{container}\" in pod \"{pod}\" is waiting to start: {}", why(reason))]
    Waiting {
        /// The Pod's name.
        pod: String,
        /// The container's.
        container: String,
        /// What it waits for, as its status has it.
        reason: String,
    },
    /// The container has run once at most.
    #[error("previous terminated container \"{container}\" in pod \"{pod}\" not found")]
    Previous {
        /// The Pod's name.
        pod: String,
        /// The container's.
        container: String,
    },
    /// What is asked for of the log makes no sense.
    #[error("{0}")]
    Query(String),
}

/// What a kubelet calls a reason to wait.
fn why(reason: &str) -> &str {
    match reason {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        other => other,
    }
}

impl Index {
    fn pods(&self) -> MutexGuard<'_, HashMap<Place, Containers>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where a container's logs are, and which run is the last.
    pub(crate) fn set(
        &self,
        place: (&str, &str),
        uid: &str,
        container: &str,
        folder: PathBuf,
        run: u32,
        live: Option<watch::Receiver<Progress>>,
    ) {
        let mut pods = self.pods();
        let pod = pods.entry((place.0.to_owned(), place.1.to_owned())).or_default();
        if pod.0 != uid {
            *pod = (uid.to_owned(), HashMap::new());
        }
        pod.1.insert(container.to_owned(), Entry { folder, run, waits: CREATING.to_owned(), live });
    }

    /// Says why a container does not run.
    pub(crate) fn waits(&self, place: (&str, &str), container: &str, reason: &str) {
        let mut pods = self.pods();
        let pod = pods.get_mut(&(place.0.to_owned(), place.1.to_owned()));
        if let Some(entry) = pod.and_then(|(_, containers)| containers.get_mut(container)) {
            reason.clone_into(&mut entry.waits);
        }
    }

    /// Forgets a Pod, unless another has its name by now.
    pub(crate) fn forget(&self, place: (&str, &str), uid: &str) {
        let place = (place.0.to_owned(), place.1.to_owned());
        let mut pods = self.pods();
        if pods.get(&place).is_some_and(|(of, _)| of == uid) {
            pods.remove(&place);
        }
    }

    /// The folder of a log, and how it grows if it still may.
    pub(crate) fn find(&self, asked: Asked<'_>) -> Result<(PathBuf, Option<watch::Receiver<Progress>>), NoLog> {
        let (pod, container) = (asked.pod.to_owned(), asked.container.to_owned());
        let pods = self.pods();
        let Some((_, containers)) = pods.get(&(asked.namespace.to_owned(), pod.clone())) else {
            return Err(NoLog::Pod(pod));
        };
        let Some(entry) = containers.get(&container) else { return Err(NoLog::Container { pod, container }) };
        if asked.previous {
            let folder = entry.run.checked_sub(1).filter(|run| *run > 0).map(|run| entry.folder.join(run.to_string()));
            let folder = folder.filter(|folder| folder.is_dir());
            return folder.map(|folder| (folder, None)).ok_or(NoLog::Previous { pod, container });
        }
        if entry.run == 0 {
            return Err(NoLog::Waiting { pod, container, reason: entry.waits.clone() });
        }
        Ok((entry.folder.join(entry.run.to_string()), entry.live.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_found_or_why_not_is_said() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("1")).unwrap();
        let index = Index::default();
        let find = |container, previous| {
            index.find(Asked { namespace: "n", pod: "p", container, previous }).map(|found| found.0)
        };
        assert_eq!(find("c", false), Err(NoLog::Pod("p".into())));
        index.set(("n", "p"), "u", "c", home.path().to_owned(), 0, None);
        index.waits(("n", "p"), "c", "ImagePullBackOff");
        let waits = "container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image";
        assert_eq!(find("c", false).unwrap_err().to_string(), waits);
        index.waits(("n", "p"), "c", "CreateContainerError");
        let waits = "container \"c\" in pod \"p\" is waiting to start: CreateContainerError";
        assert_eq!(find("c", false).unwrap_err().to_string(), waits);
        assert!(matches!(find("d", false), Err(NoLog::Container { .. })));
        assert!(matches!(find("c", true), Err(NoLog::Previous { .. })));
        index.set(("n", "p"), "u", "c", home.path().to_owned(), 2, None);
        assert_eq!(find("c", false), Ok(home.path().join("2")));
        assert_eq!(find("c", true), Ok(home.path().join("1")));
        index.forget(("n", "p"), "another");
        assert!(find("c", false).is_ok());
        index.forget(("n", "p"), "u");
        assert_eq!(find("c", false), Err(NoLog::Pod("p".into())));
    }
}
