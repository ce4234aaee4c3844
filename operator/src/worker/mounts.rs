//! What a worker's Pod mounts for its Connectors: their Secrets, and the folders that they name.

use std::collections::BTreeSet;
use std::path::PathBuf;

use aggregator_crds::ConnectorSpec;
use aggregator_crds::connector::{ConnectorType, VolumeRef};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Where a Pod finds the folders of claims.
pub(super) const VOLUMES: &str = "/var/lib/aggregator/volumes";

/// A Connector names a path of the node that the operator does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Connector `{connector}` names the path {path}, which is no volume and not allowed on this cluster")]
pub struct NoVolume {
    /// The Connector.
    pub connector: String,
    /// The path.
    pub path: String,
}

/// What a worker's Pod mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mounts {
    /// Secrets, by name.
    pub secrets: BTreeSet<String>,
    /// PersistentVolumeClaims, by name.
    pub claims: BTreeSet<String>,
    /// Folders of the node.
    pub host_paths: BTreeSet<PathBuf>,
}

impl Mounts {
    /// Takes in what a Connector needs. Gives its spec with the paths that the Pod will see.
    ///
    /// # Errors
    /// When it names a path that is no volume and not allowed.
    pub fn add(&mut self, name: &str, spec: &ConnectorSpec, settings: &Settings) -> Result<ConnectorSpec, NoVolume> {
        let mut spec = spec.clone();
        self.secrets.insert(spec.secret_name.clone().unwrap_or_else(|| format!("connector-{name}")));
        match &mut spec.connector_type {
            ConnectorType::File(file) => self.place(name, &mut file.volume, &mut file.root, settings)?,
            ConnectorType::Sqlite(sqlite) => self.place(name, &mut sqlite.volume, &mut sqlite.path, settings)?,
            ConnectorType::Postgres(_)
            | ConnectorType::S3(_)
            | ConnectorType::Http(_)
            | ConnectorType::Generator(_) => {}
        }
        Ok(spec)
    }

    fn place(
        &mut self,
        connector: &str,
        volume: &mut Option<VolumeRef>,
        path: &mut String,
        settings: &Settings,
    ) -> Result<(), NoVolume> {
        let refused = |path: &str| NoVolume { connector: connector.to_owned(), path: path.to_owned() };
        if let Some(claim) = volume.take() {
            let inside = path.trim_start_matches('/');
            if inside.split('/').any(|part| part == "..") {
                return Err(refused(path));
            }
            *path = format!("{VOLUMES}/{}/{inside}", claim.claim_name);
            self.claims.insert(claim.claim_name);
            return Ok(());
        }
        let found = settings.host_path(path).ok_or_else(|| refused(path))?;
        *path = found.path.display().to_string();
        self.host_paths.insert(found.mounted);
        Ok(())
    }
}
