//! Finds the files of a stream below the root: by glob, sorted, never outside the root.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::UNIX_EPOCH;

use walkdir::{DirEntry, WalkDir};

use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::connectors::files::{
    DataFile, Identity, Listing, Version, checked_name, fixed_folder, has_wildcard, hidden, matcher,
};

/// When a file on disk was last changed, in nanoseconds since 1970-01-01 UTC.
fn modified(metadata: &std::fs::Metadata) -> std::io::Result<i64> {
    Ok(match metadata.modified()?.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanoseconds| -nanoseconds),
    })
}

/// What tells one content of a file on disk from another.
pub(super) fn identity(metadata: &std::fs::Metadata) -> std::io::Result<Identity> {
    Ok(Identity { size: metadata.len(), version: Version::Changed { modified: modified(metadata)? } })
}

/// The pattern that a stream's name means: a folder stands for all files in it.
fn pattern(root: &Path, name: &str) -> String {
    match name.strip_suffix('/') {
        Some(folder) => format!("{folder}/**/*"),
        None if !has_wildcard(name) && root.join(name).is_dir() => format!("{name}/**/*"),
        None => name.to_owned(),
    }
}

/// Whether a stream is a glob or a folder, into which files come and from which they go.
pub(super) fn is_open(root: &Path, stream: &str) -> bool {
    checked_name(stream).is_ok_and(|name| has_wildcard(&pattern(root, name)))
}

/// The files of a stream, sorted by path. Blocking.
///
/// Hidden files, and folders and files that begin with `_` or `.`, are no data. Links are followed as long as they stay
/// below the root.
pub(super) fn list(root: &Path, stream: &str) -> Result<Listing> {
    let name = checked_name(stream)?;
    let pattern = pattern(root, name);
    let matcher = matcher(stream, &pattern)?;
    walk(root, Path::new(&fixed_folder(&pattern)), stream, |path| matcher.is_match(path))
}

/// Every data file below the root, sorted by path. Blocking.
pub(super) fn list_all(root: &Path) -> Result<Listing> {
    walk(root, Path::new(""), "**", |_| true)
}

fn walk(root: &Path, below: &Path, stream: &str, wanted: impl Fn(&str) -> bool) -> Result<Listing> {
    let failed = |path: &Path, error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Refused,
            _ => ErrorKind::Transient,
        };
        ConnectorError::new(kind, format!("list the files of `{stream}`"), format!("{}: {error}", path.display()))
            .remedy("create the folder, or give this user the right to read it")
            .caused_by(error)
    };
    let root = root.canonicalize().map_err(|error| failed(root, error))?;
    let start = root.join(below);
    let mut listing = Listing::default();
    if !start.exists() {
        return Ok(listing);
    }
    let inside = |path: &Path| path.canonicalize().is_ok_and(|path| path.starts_with(&root));
    if !inside(&start) {
        listing.escaping.push(below.to_string_lossy().into_owned());
        return Ok(listing);
    }
    let mut files = BTreeMap::new();
    let visible = |entry: &DirEntry| entry.depth() == 0 || !hidden(&entry.file_name().to_string_lossy());
    let mut entries = WalkDir::new(&start).follow_links(true).into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            // A link that leads nowhere, or back to a folder above it, holds no file of its own.
            Err(error) if error.loop_ancestor().is_some() || dangling(&error) => continue,
            Err(error) => {
                let path = error.path().unwrap_or(&start).to_owned();
                return Err(failed(&path, error.into()));
            }
        };
        if !visible(&entry) {
            if entry.file_type().is_dir() {
                entries.skip_current_dir();
            }
            continue;
        }
        let Ok(relative) = entry.path().strip_prefix(&root) else { continue };
        let Some(path) = relative.to_str() else { continue };
        if entry.path_is_symlink() && !inside(entry.path()) {
            listing.escaping.push(path.to_owned());
            if entry.file_type().is_dir() {
                entries.skip_current_dir();
            }
            continue;
        }
        if entry.file_type().is_file() && wanted(path) {
            let metadata = entry.metadata().map_err(|error| failed(entry.path(), error.into()))?;
            let told = identity(&metadata).and_then(|identity| Ok((identity, modified(&metadata)?)));
            let (identity, modified) = told.map_err(|error| failed(entry.path(), error))?;
            let file = DataFile { path: path.to_owned(), identity, modified };
            files.insert(path.to_owned(), file);
        }
    }
    listing.files = files.into_values().collect();
    Ok(listing)
}

fn dangling(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|inner| inner.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_finds_files_sorted_and_nothing_hidden() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "b/2.csv",
            "b/1.csv",
            "a.csv",
            "b/deep/3.csv",
            ".hidden/4.csv",
            "b/_x.csv",
            "b/.y.csv",
            "_aggregator/5.csv",
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let found = |stream: &str| -> Vec<String> {
            list(folder.path(), stream).unwrap().files.into_iter().map(|file| file.path).collect()
        };
        assert_eq!(found("**/*.csv"), ["a.csv", "b/1.csv", "b/2.csv", "b/deep/3.csv"]);
        assert_eq!(found("b/*.csv"), ["b/1.csv", "b/2.csv"]);
        assert_eq!(found("b/"), ["b/1.csv", "b/2.csv", "b/deep/3.csv"]);
        assert_eq!(found("a.csv"), ["a.csv"]);
        assert_eq!(found("none/*.csv"), Vec::<String>::new());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_inside_the_root_only() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.csv"), "x").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        std::fs::write(folder.path().join("real/in.csv"), "x").unwrap();
        let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
        link(outside.path(), "out");
        link(&outside.path().join("secret.csv"), "secret.csv");
        link(&folder.path().join("real"), "alias");
        link(&folder.path().join("nowhere"), "dangling.csv");
        let listing = list(folder.path(), "**/*.csv").unwrap();
        let paths: Vec<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["alias/in.csv", "real/in.csv"]);
        assert_eq!(listing.escaping.len(), 2, "{:?}", listing.escaping);
        assert!(list(folder.path(), "out/secret.csv").unwrap().files.is_empty());
    }
}
