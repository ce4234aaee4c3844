//! What files a stream has at one moment, in few words.

use std::time::Duration;

use aggregator_crds::schedule::FilesFound;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{DataFile, Store};
use crate::connector::Result;

/// The files of a stream that have stayed as they are for at least `settle`. Blocking.
pub(crate) fn found<S: Store>(store: &S, stream: &str, settle: Duration) -> Result<FilesFound> {
    let whole_since = Timestamp::now().checked_sub(SignedDuration::try_from(settle).unwrap_or(SignedDuration::MAX));
    Ok(of(store.list(stream)?.files, whole_since.unwrap_or(Timestamp::MIN)))
}

/// Of these files, those that were last changed no later than that.
fn of(files: Vec<DataFile>, whole_since: Timestamp) -> FilesFound {
    let mut digest = Sha256::new();
    let (mut count, mut newest) = (0, None);
    for file in files {
        let changed = Timestamp::from_nanosecond(file.modified.into()).ok();
        if changed.is_some_and(|changed| changed > whole_since) {
            continue;
        }
        count += 1;
        newest = newest.max(changed);
        let identity = format!("{:?}", file.identity);
        // With the length in front, two lists of files never give the same bytes.
        for part in [file.path.as_str(), &identity] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
    }
    let digest = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    FilesFound { files: count, newest, digest }
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, Version};
    use super::*;

    #[test]
    fn files_that_have_not_settled_are_not_there_yet() {
        let second = |second: i64| Timestamp::from_second(second).expect("a time");
        let file = |path: &str, changed: i64| {
            let modified = changed * 1_000_000_000;
            let identity = Identity { size: 3, version: Version::Changed { modified } };
            DataFile { path: path.into(), identity, modified }
        };
        let both = || vec![file("a.csv", 100), file("b.csv", 130)];
        let early = of(both(), second(120));
        assert_eq!((early.files, early.newest), (1, Some(second(100))));
        assert_eq!(early, of(vec![file("a.csv", 100)], second(500)));
        let late = of(both(), second(130));
        assert_eq!((late.files, late.newest), (2, Some(second(130))));
        assert!(late.arrived_since(Some(&early)));
        let changed = of(vec![file("a.csv", 100), file("b.csv", 131)], second(500));
        assert!(changed.arrived_since(Some(&late)), "the same names");
        assert_eq!(of(Vec::new(), second(0)).files, 0);
    }
}
