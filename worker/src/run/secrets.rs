//! Where the values of a Connector's Secret come from: a folder that looks like mounted volumes, or `v1` Secrets
//! among the manifests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aggregator_compiler::manifest::Manifests;

use crate::connector::{ConnectorError, ErrorKind, Result, SecretValue, Secrets, Sought};

/// Where secrets are looked for.
#[derive(Clone, Debug, Default)]
pub struct SecretSource {
    /// A folder with `<secret>/<key>` files; wins over the manifests.
    pub folder: Option<PathBuf>,
}

impl SecretSource {
    /// The values of a Secret; none at all when it is not there (a Connector may need none).
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] when a file of the folder cannot be read.
    pub fn load(&self, manifests: &Manifests, namespace: &str, name: &str) -> Result<Secrets> {
        let mut secrets = Secrets { name: name.to_owned(), ..Secrets::default() };
        let mut mounted = BTreeMap::new();
        if let Some(folder) = self.folder.as_ref().map(|folder| folder.join(name)) {
            let mut place = format!("the folder {}", folder.display());
            if folder.is_dir() {
                mounted = read(&folder)?;
                if mounted.is_empty() {
                    // A Pod has one of a Secret that is not there, too.
                    place.push_str(", which is empty");
                }
            }
            secrets.sought.push(Sought { place, found: !mounted.is_empty() });
        }
        let located = manifests.secret(namespace, name);
        secrets.sought.push(match located {
            Some(located) => {
                let place = located.place("");
                Sought { place: format!("the v1 Secret at {}:{}", place.file, place.line), found: true }
            }
            None => {
                Sought { place: format!("a v1 Secret in the namespace {namespace} among the manifests"), found: false }
            }
        });
        for (key, value) in located.iter().flat_map(|located| &located.object.values) {
            secrets.values.insert(key.clone(), SecretValue::new(value.clone()));
        }
        secrets.values.extend(mounted);
        Ok(secrets)
    }
}

/// The values in a folder, by key.
fn read(folder: &Path) -> Result<BTreeMap<String, SecretValue>> {
    let mut values = BTreeMap::new();
    let failed = |path: &Path, error: std::io::Error| {
        ConnectorError::new(ErrorKind::Credentials, format!("read secrets from {}", path.display()), error.to_string())
            .remedy("check the folder given with --secrets and its rights")
            .caused_by(error)
    };
    for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let entry = entry.map_err(|error| failed(folder, error))?;
        let (key, path) = (entry.file_name(), entry.path());
        // A mounted volume keeps its versions in entries that begin with two dots.
        let Some(key) = key.to_str().filter(|key| !key.starts_with("..")) else { continue };
        if path.is_file() {
            let value = std::fs::read(&path).map_err(|error| failed(&path, error))?;
            values.insert(key.to_owned(), SecretValue::new(value));
        }
    }
    Ok(values)
}
