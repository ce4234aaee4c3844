//! Splits that a run keeps over its attempts: part objects, and a manifest a split, which makes them count.
//!
//! A store has no lock under which an attempt could clear up what others saved. So nothing that another attempt might rely
//! on is removed before the run has committed. Instead, each attempt writes down which manifests of earlier ones it takes
//! over (`kept.json`) before it saves any of its own; what an attempt that was overtaken saves later stands in nobody's
//! list.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::commit::{Commits, paths};
use super::upload::StagedPart;
use crate::connector::{Attempt, ConnectorError, ErrorKind, Result, SavedSplit};
use crate::connectors::files::{escaped, is_manifest, manifest_of_split};
use crate::points;

/// The list of what an attempt took over.
const KEPT: &str = "kept.json";

/// The content of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedParts {
    /// The split.
    pub(super) split: SavedSplit,
    /// Its objects.
    pub(super) parts: Vec<StagedPart>,
}

impl Commits {
    /// What attempts of the run have saved, up to this one if it is shared, else up to the one before: the path of each
    /// manifest, and its content.
    pub(super) async fn saved_splits(&self, attempt: &Attempt, shared: bool) -> Result<Vec<(String, SavedParts)>> {
        let own = escaped(&attempt.run);
        let staged = paths(self.bucket.list(&self.stagings()).await?);
        let above = if shared { attempt.epoch + 1 } else { attempt.epoch };
        let epoch_of = |path: &str| {
            let (run, epoch) = self.attempt_of(path)?;
            (run == own && epoch < above && path.ends_with(&format!("/{KEPT}"))).then_some(epoch)
        };
        // An attempt without a list has saved nothing.
        let Some((latest, list)) = staged.iter().filter_map(|path| Some((epoch_of(path)?, path))).max() else {
            return Ok(Vec::new());
        };
        let mut manifests: BTreeSet<String> = self.read::<BTreeSet<String>>(list).await?;
        let folder = format!("{}/", self.staging(&Attempt { run: attempt.run.clone(), epoch: latest }));
        manifests.extend(staged.iter().filter(|path| path.strip_prefix(&folder).is_some_and(is_manifest)).cloned());
        let mut saved = Vec::with_capacity(manifests.len());
        for path in manifests {
            saved.push((path.clone(), self.read(&path).await?));
        }
        Ok(saved)
    }

    /// Makes the objects of a split count. Gives the manifest's path.
    pub(super) async fn save_split(&self, attempt: &Attempt, saved: &SavedParts) -> Result<()> {
        self.check_owner(attempt).await?;
        let path = format!("{}/{}", self.staging(attempt), manifest_of_split(saved.split.number));
        points::pass("save split");
        self.write(&path, saved).await?;
        // An attempt that took over meanwhile may not have seen it: then this one must not go on.
        self.check_owner(attempt).await
    }

    /// Takes over the manifests of these paths, and no others.
    pub(super) async fn keep_splits(&self, attempt: &Attempt, manifests: &BTreeSet<String>) -> Result<()> {
        self.check_owner(attempt).await?;
        self.write(&format!("{}/{KEPT}", self.staging(attempt)), manifests).await?;
        self.check_owner(attempt).await
    }

    /// Removes what an attempt has staged and not saved.
    pub(super) async fn remove_unsaved(&self, attempt: &Attempt) -> Result<()> {
        let folder = self.staging(attempt);
        let staged = paths(self.bucket.list(&folder).await?);
        let mut named: BTreeSet<String> = BTreeSet::new();
        for path in staged.iter().filter(|path| path.rsplit('/').next().is_some_and(is_manifest)) {
            let saved: SavedParts = self.read(path).await?;
            named.insert(path.clone());
            named.extend(saved.parts.into_iter().map(|part| part.staged));
        }
        let list = format!("{folder}/{KEPT}");
        let unsaved: Vec<String> = staged.into_iter().filter(|path| !named.contains(path) && *path != list).collect();
        self.bucket.delete(&unsaved).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let broken = |detail: String| {
            ConnectorError::new(ErrorKind::Data, format!("read {}", self.bucket.address(path)), detail)
                .remedy("delete what is below the folder of that object: the run reads its rows again")
        };
        let (content, _) = self.bucket.get(path).await?.ok_or_else(|| broken("the object is gone".into()))?;
        serde_json::from_slice(&content).map_err(|error| broken(error.to_string()))
    }

    async fn write<T: Serialize>(&self, path: &str, content: &T) -> Result<()> {
        let text = serde_json::to_vec(content)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, "write a split's manifest", error.to_string()))?;
        self.bucket.put(path, text.into()).await
    }
}
