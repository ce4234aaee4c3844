//! A look for files that have arrived: what its worker says, and what is remembered of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The files of a stream at one moment, in few words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesFound {
    /// How many there are.
    pub files: u64,
    /// When the newest of them was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<jiff::Timestamp>,
    /// A hash of their paths, sizes and versions.
    pub digest: String,
}

impl FilesFound {
    /// Whether files have come since an earlier look, or were changed. Files that only went are no arrival.
    #[must_use]
    pub fn arrived_since(&self, before: Option<&Self>) -> bool {
        let Some(before) = before else { return self.files > 0 };
        let fewer = self.files < before.files && self.newest <= before.newest;
        self.digest != before.digest && !fewer && self.files > 0
    }
}

/// How a look ended, as its worker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookOutcome {
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<FilesFound>,
    /// Why nothing could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<LookFailure>,
}

/// Why a look saw nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookFailure {
    /// In a word.
    pub reason: String,
    /// For people.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// The last look for files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastLook {
    /// When its end was seen.
    pub time: jiff::Timestamp,
    /// Its Job.
    pub job: String,
    /// The generation of the spec that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// What the last look that could see has found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<FilesFound>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_or_changed_has_arrived_and_what_only_went_has_not() {
        let found = |files: u64, second: i64, digest: &str| FilesFound {
            files,
            newest: jiff::Timestamp::from_second(second).ok(),
            digest: digest.into(),
        };
        let before = found(3, 100, "abc");
        for (now, arrived) in [
            (found(3, 100, "abc"), false),
            (found(4, 100, "abcd"), true),
            (found(3, 120, "abx"), true),
            (found(2, 100, "ab"), false),
            (found(2, 90, "bc"), false),
            (found(2, 120, "ax"), true),
            (FilesFound { newest: None, ..found(0, 0, "") }, false),
        ] {
            assert_eq!(now.arrived_since(Some(&before)), arrived, "{now:?}");
        }
        assert!(before.arrived_since(None), "nobody has read them");
        assert!(!FilesFound::default().arrived_since(None));
    }
}
