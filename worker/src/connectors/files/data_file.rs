//! One file of a stream, and what tells its content from another.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// What Hive writes for null in the name of a partition folder.
pub(crate) const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// What tells one content of a file from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Bytes.
    pub(crate) size: u64,
    /// What is another when the content is.
    #[serde(flatten)]
    pub(crate) version: Version,
}

/// What is another when the content is, as the system that holds the file tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Version {
    /// The time of the last change.
    Changed {
        /// Nanoseconds since 1970-01-01 UTC.
        modified: i64,
    },
    /// The tag that a store gives each content.
    Tagged {
        /// As the store writes it, with its quotes.
        etag: String,
    },
}

/// One file of a stream.
#[derive(Clone, Debug)]
pub(crate) struct DataFile {
    /// The path below the Connector's root or prefix, with `/`.
    pub(crate) path: String,
    /// What is there now.
    pub(crate) identity: Identity,
    /// When it was last changed, in nanoseconds since 1970-01-01 UTC.
    pub(crate) modified: i64,
}

impl DataFile {
    /// The values of the partition folders it lies in, outermost first.
    pub(crate) fn partitions(&self) -> Vec<(String, Option<String>)> {
        let folders = self.path.rsplit_once('/').map_or("", |(folders, _)| folders);
        folders.split('/').filter_map(partition).collect()
    }
}

/// The column and value of a folder named `column=value`.
pub(crate) fn partition(folder: &str) -> Option<(String, Option<String>)> {
    let (column, value) = folder.split_once('=')?;
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    let value = if value == NULL_PARTITION { None } else { Some(decode(value)?) };
    Some((decode(column).filter(|column| !column.is_empty())?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_folders_are_decoded() {
        assert_eq!(partition("city=S%C3%A3o%20Paulo"), Some(("city".into(), Some("São Paulo".into()))));
        assert_eq!(partition("x=__HIVE_DEFAULT_PARTITION__"), Some(("x".into(), None)));
        assert_eq!(partition("plain"), None);
        assert_eq!(partition("=x"), None);
    }

    #[test]
    fn an_identity_is_stored_as_it_always_was() {
        for (text, version) in [
            (r#"{"size":3,"modified":-7}"#, Version::Changed { modified: -7 }),
            (r#"{"size":3,"etag":"\"a-2\""}"#, Version::Tagged { etag: "\"a-2\"".into() }),
        ] {
            let identity = Identity { size: 3, version };
            assert_eq!(serde_json::to_string(&identity).unwrap(), text);
            assert_eq!(serde_json::from_str::<Identity>(text).unwrap(), identity);
        }
    }
}
