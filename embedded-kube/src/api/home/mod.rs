//! The folder of an embedded cluster: its objects, its keys, and who uses it now.

mod authority;
mod kubeconfig;
mod lock;

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use authority::{Authority, Identity};
pub use kubeconfig::kubeconfig;
pub use lock::{Lock, Taken};

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file or folder in it.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else uses it.
    #[error(transparent)]
    Taken(#[from] Taken),
    /// A certificate cannot be made or read.
    #[error("the certificate {} cannot be used: {source}", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// There are no random numbers.
    #[error("no key can be made: the system gives no random numbers")]
    Random,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// A folder that is its owner's alone; it is made, if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| HomeError::File { path: path.to_owned(), source })?;
        let whole = path.canonicalize().map_err(|source| HomeError::File { path: path.to_owned(), source })?;
        Ok(Self(whole))
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file with all objects.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.0.join("objects.sqlite")
    }

    /// A folder in it, which is its owner's alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<Self, HomeError> {
        Self::open(&self.0.join(name))
    }

    /// A file of that name.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The text of a file; what it is made of first, if it is not there. Nobody but its owner may read it.
    pub(crate) fn once(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<String, HomeError>,
    ) -> Result<String, HomeError> {
        let path = self.file(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(HomeError::File { path, source }),
        }
        let text = make()?;
        self.write(name, &text)?;
        Ok(text)
    }

    /// Writes a file that nobody but its owner may read, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, HomeError> {
        let (path, half) = (self.file(name), self.file(&format!(".{name}.new")));
        let written = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&half, &path)
        };
        written().map_err(|source| HomeError::File { path: path.clone(), source })?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").mode() & 0o777
    }

    #[test]
    fn keys_are_made_once_and_their_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(&folder.path().join("a/b")).expect("a home");
        assert_eq!(mode(home.path()), 0o700);
        let authority = Authority::open(&home).expect("an authority");
        let first = authority.certificate().to_owned();
        let again = Authority::open(&home).expect("the same authority");
        assert_eq!(first, again.certificate());
        for entry in std::fs::read_dir(home.path()).expect("a folder") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        let server = again.server(&["127.0.0.1"]).expect("a certificate");
        assert!(server.certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{}", server.certificate);
        let config = kubeconfig("https://127.0.0.1:7", again.certificate(), "admin", "secret", "demo");
        let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
        assert_eq!(config["users"][0]["user"]["token"], "secret");
        assert_eq!(config["contexts"][0]["context"]["namespace"], "demo");
    }

    #[test]
    fn a_folder_has_one_user_at_a_time_who_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let lock = Lock::take(&home).expect("nobody has it");
        lock.say("https://127.0.0.1:7").expect("it is written");
        let taken = Lock::take(&home).expect_err("somebody has it").to_string();
        assert!(taken.contains("https://127.0.0.1:7"), "{taken}");
        drop(lock);
        Lock::take(&home).expect("nobody has it any more");
    }
}
