//! The program `embedded-kube`: a node of either control plane, and the embedded control plane itself.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::folder;

/// The program, which cargo has built beside the running test. Cargo does so when it tests the whole workspace, and not
/// when it is asked for one test of another package.
pub(super) fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).expect("cargo puts tests two folders deep");
    let program = folder.join("embedded-kube");
    let advice = "build it first: `cargo build --workspace`";
    let built = program.metadata().and_then(|metadata| metadata.modified());
    let built = built.unwrap_or_else(|error| panic!("{}: {error}; {advice}", program.display()));
    let changed = newest(&folder::workspace().join("embedded-kube/src"));
    assert!(built >= changed, "{} is older than its sources; {advice}", program.display());
    program
}

/// When the last of the files below a folder was changed.
fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let times = entries.map(|entry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() { newest(&entry.path()) } else { metadata.modified().unwrap() }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
