//! Where the sources of a running test are, and the binaries that cargo has built for it.
//!
//! Asked for at run time: a path that is compiled in belongs to the clone and the target folder that the test was built
//! in, and clones may share, or copy, what cargo has built.

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

/// The binary of that name, of the package whose test is running.
///
/// # Panics
/// When the package has none, or the test was not started by cargo.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let variable = format!("CARGO_BIN_EXE_{name}");
    let file = std::env::var_os(&variable);
    PathBuf::from(file.unwrap_or_else(|| panic!("cargo sets {variable} for a test: start it by `cargo test`")))
}

/// What is built or fetched once for all clones: the folder of this project below the user's cache.
///
/// # Panics
/// When the user has no home.
#[must_use]
pub fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.expect("HOME or XDG_CACHE_HOME says where the cache is").join("aggregator")
}
