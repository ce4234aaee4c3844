//! Where the parts of a program's view of the file system go: pure but for looking at the machine's folders.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::error::Error;

/// The absolute path with links followed as far as it exists on this machine, and the rest as it is.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, Error> {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain {
        return Err(Error::Refused(format!(
            "{} cannot be mounted on: it is not absolute, or has `..`",
            path.display()
        )));
    }
    let mut rest: Vec<OsString> = Vec::new();
    let mut there = path;
    loop {
        match fs::canonicalize(there) {
            Ok(real) => return Ok(rest.iter().rev().fold(real, |path, part| path.join(part))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Path { what: "cannot look at", path: there.to_owned(), source }),
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else {
            return Ok(path.to_owned());
        };
        rest.push(name.to_owned());
        there = parent;
    }
}

/// What becomes of one entry of a folder of the machine in the view.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Seen as it is.
    Folder,
    /// A file, socket or device, seen as it is.
    File,
    /// Made again.
    Link(PathBuf),
    /// A folder of the view's own with the same entries, because something is to be mounted below it where the machine
    /// has nothing: the view can have a new name there, and the machine must not get one.
    Copy,
}

/// The entries of the machine's folder by their names; `missing` are the resolved mount points that the machine lacks.
pub(super) fn entries(folder: &Path, missing: &[PathBuf]) -> Result<Vec<(OsString, Entry)>, Error> {
    let failed = || Error::path::<std::io::Error>("cannot list", folder);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let path = entry.path();
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            // It went while we looked.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(failed()(source)),
        };
        let entry_kind = if kind.is_symlink() {
            match fs::read_link(&path) {
                Ok(target) => Entry::Link(target),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(source) => return Err(failed()(source)),
            }
        } else if !kind.is_dir() {
            Entry::File
        } else if missing.iter().any(|target| target.starts_with(&path)) {
            Entry::Copy
        } else {
            Entry::Folder
        };
        entries.push((entry.file_name(), entry_kind));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_far_as_the_path_exists() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        fs::create_dir(home.join("real")).unwrap();
        std::os::unix::fs::symlink("real", home.join("link")).unwrap();
        assert_eq!(resolve(&home.join("link/a/b")).unwrap(), home.join("real/a/b"));
        assert_eq!(resolve(&home.join("link")).unwrap(), home.join("real"));
        assert!(matches!(resolve(Path::new("a")), Err(Error::Refused(_))));
        assert!(matches!(resolve(Path::new("/a/../b")), Err(Error::Refused(_))));
    }

    #[test]
    fn only_folders_on_the_way_to_something_new_are_copied() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for folder in ["way", "aside"] {
            fs::create_dir(home.join(folder)).unwrap();
        }
        fs::write(home.join("file"), "").unwrap();
        std::os::unix::fs::symlink("file", home.join("link")).unwrap();
        let mut found = entries(home, &[home.join("way/new/deep")]).unwrap();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            ("aside", Entry::Folder),
            ("file", Entry::File),
            ("link", Entry::Link("file".into())),
            ("way", Entry::Copy),
        ];
        assert_eq!(found, expected.map(|(name, entry)| (OsString::from(name), entry)));
    }
}
