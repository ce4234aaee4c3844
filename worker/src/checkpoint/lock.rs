//! Locks of a Pipeline in a local folder: the operating system's, which end with the process, however that ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{CheckpointError, Shard};

/// A Pipeline's identity without that of a stream. Names of namespaces and Pipelines have no colon.
fn of_all_streams(pipeline: &str) -> &str {
    pipeline.split_once(':').map_or(pipeline, |(pipeline, _)| pipeline)
}

/// Makes the folder and those above it, where they are not there yet.
///
/// # Errors
/// When the file system refuses, or one of them is a file.
pub(super) fn make(folder: &Path) -> Result<(), CheckpointError> {
    check(folder)?;
    std::fs::create_dir_all(folder)
        .map_err(|source| CheckpointError::Folder { path: folder.display().to_string(), source })
}

/// Refuses a folder that is a file, or lies below one.
pub(super) fn check(folder: &Path) -> Result<(), CheckpointError> {
    let there = folder.ancestors().find_map(|path| Some((path, std::fs::metadata(path).ok()?)));
    match there {
        Some((path, metadata)) if !metadata.is_dir() => {
            Err(CheckpointError::NotAFolder { path: path.display().to_string() })
        }
        _ => Ok(()),
    }
}

/// The locks of one process.
///
/// A process that runs a Pipeline by itself holds it alone. Those that share a run hold it together, each alone as its
/// shard, and one of them alone as the one that divides or completes the run.
#[derive(Debug)]
pub(super) struct Locks {
    folder: PathBuf,
    shard: Option<Shard>,
    held: Mutex<Vec<Held>>,
}

/// What this process holds of a Pipeline, until the last of its parts is given back.
#[derive(Debug)]
struct Held {
    pipeline: String,
    _files: Vec<File>,
    /// That of the one who acts for all shards.
    for_all: Option<File>,
    parts: usize,
}

#[derive(Clone, Copy)]
enum Way {
    Alone,
    Together,
}

impl Locks {
    pub(super) fn new(folder: &Path, shard: Option<Shard>) -> Self {
        Self { folder: folder.to_owned(), shard, held: Mutex::default() }
    }

    /// Takes the Pipeline, or one more part of it: its streams share one.
    ///
    /// # Errors
    /// [`CheckpointError::Busy`] when another process has it.
    pub(super) fn take(&self, pipeline: &str) -> Result<(), CheckpointError> {
        self.hold(pipeline, 1)
    }

    /// Takes the Pipeline, unless this process has it.
    ///
    /// # Errors
    /// [`CheckpointError::Busy`] when another process has it.
    pub(super) fn keep(&self, pipeline: &str) -> Result<(), CheckpointError> {
        self.hold(pipeline, 0)
    }

    fn hold(&self, pipeline: &str, more: usize) -> Result<(), CheckpointError> {
        let pipeline = of_all_streams(pipeline);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.iter_mut().find(|held| held.pipeline == pipeline) {
            held.parts += more;
            return Ok(());
        }
        let files = match self.shard {
            None => vec![self.file(pipeline, "", Way::Alone)?],
            Some(shard) => vec![
                self.file(pipeline, "", Way::Together)?,
                self.file(pipeline, &format!(".shard-{}", shard.index), Way::Alone)?,
            ],
        };
        held.push(Held { pipeline: pipeline.to_owned(), _files: files, for_all: None, parts: 1 });
        Ok(())
    }

    /// Begins to act for all shards; false when another one does. The Pipeline is held already.
    pub(super) fn act_for_all(&self, pipeline: &str) -> Result<bool, CheckpointError> {
        let pipeline = of_all_streams(pipeline);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = held.iter_mut().find(|held| held.pipeline == pipeline) else { return Ok(false) };
        if held.for_all.is_none() {
            held.for_all = match self.file(pipeline, ".shards", Way::Alone) {
                Ok(file) => Some(file),
                Err(CheckpointError::Busy { .. }) => None,
                Err(error) => return Err(error),
            };
        }
        Ok(held.for_all.is_some())
    }

    /// Acts for all shards no longer.
    pub(super) fn act_for_one(&self, pipeline: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter_mut().filter(|held| held.pipeline == of_all_streams(pipeline)).for_each(|held| held.for_all = None);
    }

    /// Gives one part of the Pipeline back.
    pub(super) fn give_back(&self, pipeline: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |held: &&mut Held| held.pipeline == of_all_streams(pipeline);
        held.iter_mut().filter(own).for_each(|held| held.parts -= 1);
        held.retain(|held| held.parts > 0);
    }

    fn file(&self, pipeline: &str, what: &str, way: Way) -> Result<File, CheckpointError> {
        let path = self.folder.join(format!("{}{what}.lock", pipeline.replace('/', ".")));
        let folder = |source| CheckpointError::Folder { path: path.display().to_string(), source };
        make(&self.folder)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(folder)?;
        let locked = match way {
            Way::Alone => file.try_lock(),
            Way::Together => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(CheckpointError::Busy { pipeline: pipeline.to_owned(), lock: path.display().to_string() })
            }
            Err(TryLockError::Error(source)) => Err(folder(source)),
        }
    }
}
