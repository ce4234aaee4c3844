//! Splits that a run keeps over its attempts: part files, and beside them a manifest a split, which makes them count.
//!
//! Whatever removes a saved split does so under the lock and as the owner of the sink, so an attempt that was overtaken
//! and wakes up cannot take away what its successor relies on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::commit::{Commits, Step};
use crate::connector::{Attempt, ConnectorError, ErrorKind, Result, SavedSplit};
use crate::connectors::files::{Part, escaped, is_manifest, manifest_of_split, sync_folder};
use crate::format::{input_error, write_error};

/// The content of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedParts {
    /// The split.
    pub(super) split: SavedSplit,
    /// Its files; where they are is told below the root.
    pub(super) parts: Vec<Part>,
}

impl Commits {
    /// What all attempts of a run have saved. Blocking.
    pub(super) fn saved_splits(&self, run: &str) -> Result<Vec<SavedParts>> {
        let mut found = Vec::new();
        for folder in self.folders_of(run)? {
            found.extend(manifests(&folder)?.into_iter().map(|(_, saved)| saved));
        }
        Ok(found)
    }

    /// Makes the files of a split count. Blocking.
    pub(super) fn save_split(&self, attempt: &Attempt, saved: &SavedParts, step: Step<'_>) -> Result<()> {
        let _lock = self.owned(attempt)?;
        let folder = self.root().join(self.staging(attempt));
        let path = folder.join(manifest_of_split(saved.split.number));
        let new = path.with_extension("new");
        let failed = |error: io::Error| write_error(&path, error);
        let text = serde_json::to_vec(saved)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, "write a split's manifest", error.to_string()))?;
        step("write split")?;
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut file = File::create(&new).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        step("rename split")?;
        fs::rename(&new, &path).map_err(failed)?;
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(self.root())) {
            sync_folder(folder).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes everything that earlier attempts of the run have staged, but for the splits of these numbers. Blocking.
    pub(super) fn keep_splits(&self, attempt: &Attempt, numbers: &BTreeSet<u64>) -> Result<()> {
        let _lock = self.owned(attempt)?;
        for folder in self.folders_of(&attempt.run)? {
            remove_all_but(self.root(), &folder, |saved| numbers.contains(&saved.split.number))?;
        }
        Ok(())
    }

    /// Removes the staging folders of all attempts of a run. Blocking.
    pub(super) fn remove_run(&self, run: &str) -> Result<()> {
        self.folders_of(run)?.iter().try_for_each(|folder| remove(folder))
    }

    /// The staging folders of a run's attempts.
    fn folders_of(&self, run: &str) -> Result<Vec<PathBuf>> {
        let own = escaped(run);
        let all = entries(&self.stagings())?.into_iter();
        Ok(all
            .filter(|(_, name)| Self::attempt_of(name).is_some_and(|(run, _)| run == own))
            .map(|(path, _)| path)
            .collect())
    }
}

/// What is in a folder, if it is there.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let failed = |error: io::Error| write_error(folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        found.push((entry.path(), entry.file_name().to_string_lossy().into_owned()));
    }
    found.sort();
    Ok(found)
}

/// Removes a file or a folder with all that is in it.
pub(super) fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_error(path, error)),
        _ => Ok(()),
    }
}

/// Removes what an attempt has staged and not saved. Blocking.
pub(super) fn remove_unsaved(root: &Path, folder: &Path) -> Result<()> {
    remove_all_but(root, folder, |_| true)
}

/// The manifests in a folder, and what is in them.
fn manifests(folder: &Path) -> Result<Vec<(PathBuf, SavedParts)>> {
    let mut found = Vec::new();
    for (path, name) in entries(folder)? {
        if !is_manifest(&name) {
            continue;
        }
        let text = fs::read(&path).map_err(|error| input_error(&path.display().to_string(), error))?;
        let saved = serde_json::from_slice(&text).map_err(|error| {
            ConnectorError::new(ErrorKind::Data, format!("read {}", path.display()), error.to_string())
                .remedy(format!("remove the folder {}: the run reads its rows again", folder.display()))
                .caused_by(error)
        })?;
        found.push((path, saved));
    }
    Ok(found)
}

/// Removes everything in a staging folder but the splits that are wanted: their manifests, and the files that these name.
/// What a file is called says nothing of the split that it was saved with.
fn remove_all_but(root: &Path, folder: &Path, wanted: impl Fn(&SavedParts) -> bool) -> Result<()> {
    let mut kept = BTreeSet::new();
    // A manifest goes before its files: one without them would count.
    for (path, saved) in manifests(folder)? {
        if wanted(&saved) {
            kept.insert(path);
            kept.extend(saved.parts.iter().map(|part| root.join(&part.staged)));
        } else {
            remove(&path)?;
        }
    }
    if kept.is_empty() {
        return remove(folder);
    }
    for (path, _) in entries(folder)? {
        if !kept.contains(&path) {
            remove(&path)?;
        }
    }
    Ok(())
}
