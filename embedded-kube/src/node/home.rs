//! The node's folder: whose it is, and where things are in it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Error;

/// The folder, which is this runner's alone as long as this lives.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    /// What marks the processes of this folder's runners, now and before.
    pub(crate) owner: String,
    _lock: File,
}

impl Home {
    /// Takes the folder, and creates what is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Data { path, source }
        };
        private(path).map_err(failed(path))?;
        let path = fs::canonicalize(path).map_err(failed(path))?;
        let file = path.join("lock");
        let lock = File::options().create(true).append(true).mode(0o600).open(&file).map_err(failed(&file))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::InUse(path.clone()),
            TryLockError::Error(source) => Error::Data { path: file, source },
        })?;
        let file = path.join("owner");
        let owner = owner(&file).map_err(failed(&file))?;
        Ok(Self { path, owner, _lock: lock })
    }

    /// The folder that it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Everything of a Pod.
    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.path.join("pods").join(uid)
    }

    /// The volumes of a Pod, but those that stay.
    pub(crate) fn volumes(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("volumes")
    }

    /// A volume of a Pod.
    pub(crate) fn volume(&self, uid: &str, volume: &str) -> PathBuf {
        self.volumes(uid).join(volume)
    }

    /// Everything of a container.
    pub(crate) fn container(&self, uid: &str, container: &str) -> PathBuf {
        self.pod(uid).join("containers").join(container)
    }

    /// The folders of a container's logs, one for each run.
    pub(crate) fn logs(&self, uid: &str, container: &str) -> PathBuf {
        self.container(uid, container).join("logs")
    }

    /// What a claim is bound to. It stays when the Pod goes.
    pub(crate) fn claim(&self, namespace: &str, claim: &str) -> PathBuf {
        self.path.join("claims").join(namespace).join(claim)
    }

    /// The uids of the Pods that have folders.
    pub(crate) fn pods(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join("pods")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Removes everything of a Pod.
    pub(crate) fn remove(&self, uid: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.pod(uid)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }
}

/// Creates a folder, and those above it, that only this user may look into.
pub(crate) fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The mark that is kept in the file, or a new one.
fn owner(file: &Path) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(owner) if !owner.is_empty() => return Ok(owner),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    // The kernel's own maker of such names.
    let owner = fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned();
    let mut new = File::options().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    new.write_all(owner.as_bytes())?;
    new.sync_all()?;
    Ok(owner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_one_runners_and_keeps_its_mark() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let first = Home::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(Home::open(&path), Err(Error::InUse(_))));
        let owner = first.owner.clone();
        assert_eq!(owner.len(), 36);
        drop(first);
        assert_eq!(Home::open(&path).unwrap().owner, owner);
    }
}
