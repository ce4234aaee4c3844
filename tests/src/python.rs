//! The Python that `scripts/setup test` made.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::folder;

/// The interpreter; its place depends on the versions of the libraries it has.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn interpreter() -> PathBuf {
    let requirements = std::fs::read(folder::workspace().join("scripts/python/requirements.txt")).unwrap();
    let hash: String = Sha256::digest(&requirements).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let python = folder::cache().join(format!("venv-{hash}/bin/python"));
    assert!(python.exists(), "{} is missing: run `scripts/setup test`, which makes it", python.display());
    python
}
