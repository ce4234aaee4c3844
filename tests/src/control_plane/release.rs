//! The release of Kubernetes that the control plane is built from.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::folder;

/// Names the minor release that tests are to have, as `1.34`. Not set: the newest.
const VARIABLE: &str = "AGGREGATOR_KUBERNETES";
/// The list of modules of the newest release; that of another one has its name.
const NEWEST: &str = "go";

/// A release: a list of the modules that a control plane is built from.
#[derive(Debug)]
pub struct Release {
    modules: String,
    minor: String,
}

impl Release {
    /// The one that tests are to have.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn chosen() -> Self {
        let newest = Self::newest();
        match std::env::var(VARIABLE) {
            Ok(minor) if !minor.is_empty() && minor != newest.minor => Self::of(&minor),
            _ => newest,
        }
    }

    /// The newest, which the embedded control plane says that it is.
    ///
    /// # Panics
    /// When its list cannot be read.
    #[must_use]
    pub fn newest() -> Self {
        Self::of(NEWEST)
    }

    fn of(modules: &str) -> Self {
        let list = lists().join(format!("{modules}.mod"));
        let advice = format!("{VARIABLE} names a release that there is such a list for");
        let text = std::fs::read_to_string(&list);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}; {advice}", list.display()));
        let version = text.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes v"));
        let (minor, _) = version.and_then(|version| version.rsplit_once('.')).expect("the list has Kubernetes");
        Self { modules: modules.to_owned(), minor: minor.to_owned() }
    }

    /// Its minor, as `1.37`.
    #[must_use]
    pub fn minor(&self) -> &str {
        &self.minor
    }

    /// What `scripts/control-plane` has built; its name depends on what it was built from.
    pub(super) fn program(&self) -> PathBuf {
        let mut hash = Sha256::new();
        for file in [format!("{}.mod", self.modules), format!("{}.sum", self.modules), "main.go".to_owned()] {
            hash.update(std::fs::read(lists().join(file)).unwrap());
        }
        let hash: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let program = folder::cache().join(format!("tools/control-plane-{hash}"));
        let advice = format!("run `scripts/control-plane {}`, which builds it", self.minor);
        assert!(program.is_file(), "{} is missing: {advice}", program.display());
        program
    }
}

/// Where the lists are.
fn lists() -> PathBuf {
    folder::workspace().join("tests/control-plane")
}
