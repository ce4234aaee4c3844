//! A test's own namespace.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::ControlPlane;
use crate::process::Process;
use crate::wait::eventually;

/// A namespace of a control plane. When the test fails, what is in it is printed.
pub struct Namespace {
    plane: Arc<ControlPlane>,
    name: String,
}

impl Namespace {
    pub(super) fn create(plane: Arc<ControlPlane>, name: String) -> Self {
        plane.kubectl(["create", "namespace", &name]);
        Self::of(plane, name)
    }

    /// One that is there, or about to come about.
    pub(super) fn of(plane: Arc<ControlPlane>, name: String) -> Self {
        let namespace = Self { plane, name };
        // Without it, a Pod is refused; the controller manager creates it.
        eventually("the default ServiceAccount", || namespace.find("serviceaccount", "default").ok().flatten());
        namespace
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An object, if it is there.
    ///
    /// # Errors
    /// Why the API server did not give it.
    pub fn find(&self, kind: &str, name: &str) -> Result<Option<Value>, String> {
        self.plane.reader().get(&self.name, kind, name)
    }

    /// An object.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn get(&self, kind: &str, name: &str) -> Value {
        let found = self.find(kind, name).unwrap_or_else(|error| panic!("{error}"));
        found.unwrap_or_else(|| panic!("there is no {kind} `{name}`"))
    }

    /// All objects of a kind, by name.
    ///
    /// # Panics
    /// When the API server does not give them.
    #[must_use]
    pub fn list(&self, kind: &str) -> Vec<Value> {
        self.plane.reader().list(&self.name, kind).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What kubectl puts out, in this namespace.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> String {
        self.plane.kubectl(self.here(arguments))
    }

    /// What kubectl puts out, in this namespace.
    ///
    /// # Errors
    /// What it says when it fails, with its arguments.
    pub fn ask(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<String, String> {
        self.plane.ask(self.here(arguments))
    }

    /// Starts a kubectl that goes on for long, in this namespace, and writes what it puts out into the file.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_kubectl(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>, output: &Path) -> Process {
        self.plane.start_kubectl(self.here(arguments), output)
    }

    /// Creates objects, or changes them to what the manifests say.
    ///
    /// # Panics
    /// When one is refused.
    pub fn apply(&self, manifests: &str) {
        let applied = self.plane.run(self.here(["apply", "--filename=-"]), manifests);
        applied.unwrap_or_else(|error| panic!("{error}"));
    }

    fn here(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Vec<OsString> {
        let namespace = OsString::from(format!("--namespace={}", self.name));
        arguments.into_iter().map(|argument| argument.as_ref().to_owned()).chain([namespace]).collect()
    }

    /// Every object of the namespace but Secrets, its events, and the last lines of the parts' logs: what a failing
    /// test prints.
    #[must_use]
    pub fn dump(&self) -> String {
        let kinds = self.plane.ask(["api-resources", "--namespaced", "--verbs=list", "--output=name"]);
        let objects = kinds.and_then(|kinds| {
            let kinds: Vec<&str> =
                kinds.lines().filter(|kind| *kind != "secrets" && !kind.starts_with("events")).collect();
            self.ask(["get", &kinds.join(","), "--output=yaml", "--ignore-not-found"])
        });
        let events = self.ask(["events"]);
        let (Ok(objects) | Err(objects)) = objects;
        let (Ok(events) | Err(events)) = events;
        format!("== objects of {}\n{objects}\n== events\n{events}\n{}", self.name, self.plane.logs())
    }
}

impl Drop for Namespace {
    #[expect(clippy::print_stderr, reason = "the test's own output, which is shown when it fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.dump());
        }
    }
}
