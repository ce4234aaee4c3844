//! Where the sources of a running test are.
//!
//! Asked for at run time: a path that is compiled in belongs to the clone that built the test, and clones may share what
//! cargo has built.

use std::path::PathBuf;

/// The folder of the package whose test is running.
///
/// # Panics
/// When the test was not started by cargo.
#[must_use]
pub fn package() -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR");
    PathBuf::from(folder.expect("cargo sets CARGO_MANIFEST_DIR for a test: start it by `cargo test`"))
}

/// The folder of the whole project.
///
/// # Panics
/// When the test was not started by cargo.
#[must_use]
pub fn workspace() -> PathBuf {
    package().parent().expect("each package is a folder of the project").to_owned()
}
