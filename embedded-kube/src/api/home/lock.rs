//! Who uses the folder now.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::{Home, HomeError};

/// The file that is locked; it says where its holder serves.
const LOCK: &str = "lock";

/// The folder is used by another process.
#[derive(Debug, thiserror::Error)]
#[error("{} is used by another process, which serves {address}", path.display())]
pub struct Taken {
    /// The folder.
    pub path: PathBuf,
    /// Where the other one serves.
    pub address: String,
}

/// The use of the folder: it ends with this, or with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the folder.
    ///
    /// # Errors
    /// [`Taken`] when another process has it.
    pub fn take(home: &Home) -> Result<Self, HomeError> {
        let path = home.file(LOCK);
        let failed = |source| HomeError::File { path: path.clone(), source };
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut address = String::new();
                file.read_to_string(&mut address).map_err(failed)?;
                let address = match address.trim() {
                    "" => "at an address that it has not told yet".to_owned(),
                    address => address.to_owned(),
                };
                return Err(Taken { path: home.path().to_owned(), address }.into());
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        Ok(Self { file, path })
    }

    /// Says where this one serves.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn say(&self, address: &str) -> Result<(), HomeError> {
        let mut file = &self.file;
        let written = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| writeln!(file, "{address}"));
        written.map_err(|source| HomeError::File { path: self.path.clone(), source })
    }
}
