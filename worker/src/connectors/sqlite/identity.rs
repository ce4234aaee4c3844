//! Whether a database file is as it was: by what its folder tells of it and of its write-ahead log.
//!
//! The file is never opened to look at its header: whoever closes a file again loses all locks that his process has on it,
//! those of SQLite too. What the folder tells is enough when the last change is old enough for another one to get another
//! time.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Two changes that are so far apart have different times, on every file system.
const TICK: Duration = Duration::from_secs(2);

/// What tells a state of a database file from others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    file: Stat,
    /// The write-ahead log; None when there is none, or an empty one.
    log: Option<Stat>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stat {
    inode: u64,
    size: u64,
    /// When it was changed, in nanoseconds since 1970.
    changed: u64,
}

impl Identity {
    /// As it is now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = std::fs::metadata(path)?;
        let file = Stat { changed: change_of(&file)?, ..Stat::of(&file)? };
        let log = match std::fs::metadata(beside(path, "-wal")) {
            Ok(log) => Some(Stat::of(&log)?).filter(|log| log.size > 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { file, log })
    }

    /// How long it takes until the next change surely gets another time than the last one.
    pub(super) fn settles_in(&self, now: SystemTime) -> Duration {
        let changed = self.log.iter().map(|log| log.changed).fold(self.file.changed, u64::max);
        let settled = UNIX_EPOCH + Duration::from_nanos(changed) + TICK;
        // A time in the future settles never; it is not waited for.
        settled.duration_since(now).unwrap_or_default().min(TICK)
    }
}

impl Stat {
    fn of(data: &Metadata) -> io::Result<Self> {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(data);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Self { inode, size: data.len(), changed: modification_of(data)? })
    }
}

fn modification_of(data: &Metadata) -> io::Result<u64> {
    let since = data.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// When a file was changed, by a time that cannot be set. That of a log says nothing, because SQLite changes the owner of
/// one that it opens when it runs as root.
#[cfg(unix)]
fn change_of(data: &Metadata) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let nanoseconds = i128::from(data.ctime()) * 1_000_000_000 + i128::from(data.ctime_nsec());
    Ok(u64::try_from(nanoseconds).unwrap_or_default())
}

#[cfg(not(unix))]
fn change_of(data: &Metadata) -> io::Result<u64> {
    modification_of(data)
}

/// The file that SQLite keeps beside another one. It follows links first.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_shows_once_the_one_before_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        std::fs::write(&path, "one").unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let first = Identity::of(&path).unwrap();
        assert_eq!(Identity::of(&link).unwrap(), first);
        let wait = first.settles_in(SystemTime::now());
        assert!(wait > Duration::ZERO && wait <= TICK, "{wait:?}");
        assert_eq!(first.settles_in(SystemTime::now() + TICK), Duration::ZERO);

        let log = folder.path().join("t.db-wal");
        std::fs::write(&log, "").unwrap();
        assert_eq!(Identity::of(&link).unwrap(), first, "an empty log says nothing");
        std::fs::write(&log, "frame").unwrap();
        let logged = Identity::of(&link).unwrap();
        assert_ne!(logged, first);
        std::fs::write(&log, "frame of more").unwrap();
        assert_ne!(Identity::of(&link).unwrap(), logged);

        // The same content under the same name, of the same size and the same time of modification.
        std::fs::remove_file(&log).unwrap();
        let modified = std::fs::metadata(&path).and_then(|data| data.modified()).unwrap();
        let copy = folder.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        std::fs::File::options().write(true).open(&copy).and_then(|file| file.set_modified(modified)).unwrap();
        std::fs::rename(&copy, &path).unwrap();
        assert_ne!(Identity::of(&path).unwrap(), first);
    }
}
