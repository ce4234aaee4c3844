//! Finds the files of a stream below the root: by glob, sorted, never outside the root.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use globset::{GlobBuilder, GlobMatcher};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

use crate::connector::{ConnectorError, ErrorKind, Result};

/// What Hive writes for null in the name of a partition folder.
pub(super) const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// What tells one content of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// Bytes.
    pub(super) size: u64,
    /// When it was last changed, in nanoseconds since 1970-01-01 UTC.
    pub(super) modified: i64,
}

impl Identity {
    /// Of a file on disk.
    pub(super) fn of(metadata: &std::fs::Metadata) -> std::io::Result<Self> {
        let modified = metadata.modified()?;
        let nanoseconds = match modified.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanoseconds| -nanoseconds),
        };
        Ok(Self { size: metadata.len(), modified: nanoseconds })
    }
}

/// One file of a stream.
#[derive(Clone, Debug)]
pub(super) struct DataFile {
    /// The path below the root, with `/`.
    pub(super) path: String,
    /// Where it is.
    pub(super) absolute: PathBuf,
    /// What is there now.
    pub(super) identity: Identity,
}

impl DataFile {
    /// The values of the partition folders it lies in, outermost first.
    pub(super) fn partitions(&self) -> Vec<(String, Option<String>)> {
        let folders = self.path.rsplit_once('/').map_or("", |(folders, _)| folders);
        folders.split('/').filter_map(partition).collect()
    }
}

/// The column and value of a folder named `column=value`.
pub(super) fn partition(folder: &str) -> Option<(String, Option<String>)> {
    let (column, value) = folder.split_once('=')?;
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    let value = if value == NULL_PARTITION { None } else { Some(decode(value)?) };
    Some((decode(column).filter(|column| !column.is_empty())?, value))
}

/// The files of a stream, and the links that were not followed because they leave the root.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<DataFile>,
    pub(super) escaping: Vec<String>,
}

/// Refuses names that could lead out of the root. Gives the name without a `./` before it.
pub(super) fn checked_name(stream: &str) -> Result<&str> {
    let refuse = |why: &str| {
        Err(ConnectorError::new(ErrorKind::Config, format!("find stream `{stream}`"), why)
            .remedy("name files below the Connector's root, as `2026/**/*.csv` or `out/`"))
    };
    let name = stream.strip_prefix("./").unwrap_or(stream);
    if name.is_empty() {
        return refuse("the name is empty");
    }
    if name.contains('\0') || name.contains('\\') {
        return refuse("a path holds no backslash and no NUL");
    }
    let path = Path::new(name.trim_end_matches('/'));
    if name.starts_with('/') || path.components().any(|part| !matches!(part, Component::Normal(_))) {
        return refuse("the path is absolute or has `..` in it: it could leave the root");
    }
    if name.split('/').rev().skip_while(|part| part.is_empty()).any(|part| part.is_empty() || hidden(part)) {
        return refuse("folders and files that begin with `.` or `_` are not data");
    }
    Ok(name)
}

fn hidden(name: &str) -> bool {
    name.starts_with('.') || name.starts_with('_')
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

/// Whether a name is a glob.
pub(super) fn has_wildcard(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

fn matcher(stream: &str, pattern: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build().map_err(|error| {
        ConnectorError::new(ErrorKind::Config, format!("find stream `{stream}`"), error.to_string())
            .remedy("write a glob, as `2026/**/*.csv`; a bracket that is meant literally is written `[[]`")
    })?;
    Ok(glob.compile_matcher())
}

/// The files of a stream, sorted by path. Blocking.
///
/// Hidden files, and folders and files that begin with `_` or `.`, are no data. Links are followed as long as they stay
/// below the root.
pub(super) fn list(root: &Path, stream: &str) -> Result<Listing> {
    let name = checked_name(stream)?;
    let pattern = pattern(root, name);
    let matcher = matcher(stream, &pattern)?;
    let literal: PathBuf = Path::new(&pattern)
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .take_while(|part| !has_wildcard(&part.as_os_str().to_string_lossy()))
        .collect();
    walk(root, &literal, stream, |path| matcher.is_match(path))
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
            let identity = Identity::of(&metadata).map_err(|error| failed(entry.path(), error))?;
            let file = DataFile { path: path.to_owned(), absolute: entry.path().to_owned(), identity };
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
    fn names_that_could_leave_the_root_are_refused() {
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../b",
            "a/..",
            "a\\..\\b",
            ".hidden/x",
            "_aggregator/x.json",
            "a\0b",
            "a//b",
        ] {
            let error = checked_name(name).expect_err(name);
            assert_eq!(error.kind, ErrorKind::Config, "{name:?}");
        }
        for name in ["a", "a/b.csv", "out/", "./a.csv", "2026/**/*.csv.gz", "a..b/c"] {
            assert!(checked_name(name).is_ok(), "{name:?}");
        }
    }

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

    #[test]
    fn partition_folders_are_decoded() {
        assert_eq!(partition("city=S%C3%A3o%20Paulo"), Some(("city".into(), Some("São Paulo".into()))));
        assert_eq!(partition("x=__HIVE_DEFAULT_PARTITION__"), Some(("x".into(), None)));
        assert_eq!(partition("plain"), None);
        assert_eq!(partition("=x"), None);
    }
}
