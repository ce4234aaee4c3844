//! Names of streams: a file, a folder or a glob, never outside the Connector's root or prefix.

use std::path::{Component, Path};

use globset::{GlobBuilder, GlobMatcher};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::connector::{ConnectorError, ErrorKind, Result};

/// Everything but what is safe in the name of a file on every system.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// A name as one component of a path.
pub(crate) fn escaped(name: &str) -> String {
    utf8_percent_encode(name, UNSAFE).to_string()
}

/// Refuses names that could lead out of the root. Gives the name without a `./` before it.
pub(crate) fn checked_name(stream: &str) -> Result<&str> {
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
    if !is_below(name.trim_end_matches('/')) {
        return refuse("the path is absolute or has `..` in it: it could leave the root");
    }
    if name.split('/').rev().skip_while(|part| part.is_empty()).any(|part| part.is_empty() || hidden(part)) {
        return refuse("folders and files that begin with `.` or `_` are not data");
    }
    Ok(name)
}

/// Whether a path, joined to a folder, is of something below it.
pub(crate) fn is_below(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a folder or file of that name is no data.
pub(crate) fn hidden(name: &str) -> bool {
    name.starts_with('.') || name.starts_with('_')
}

/// Whether a name is a glob.
pub(crate) fn has_wildcard(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

/// What tells the paths that a glob means.
pub(crate) fn matcher(stream: &str, pattern: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build().map_err(|error| {
        ConnectorError::new(ErrorKind::Config, format!("find stream `{stream}`"), error.to_string())
            .remedy("write a glob, as `2026/**/*.csv`; a bracket that is meant literally is written `[[]`")
    })?;
    Ok(glob.compile_matcher())
}

/// The folder that all paths of a glob lie in; empty for the root.
pub(crate) fn fixed_folder(pattern: &str) -> String {
    let folders = pattern.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').take_while(|part| !has_wildcard(part)).collect::<Vec<_>>().join("/")
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
    fn the_folder_of_a_glob_ends_before_its_first_wildcard() {
        for (pattern, folder) in
            [("a.csv", ""), ("*.csv", ""), ("a/b/*.csv", "a/b"), ("a/*/c/d.csv", "a"), ("a/**/*", "a")]
        {
            assert_eq!(fixed_folder(pattern), folder, "{pattern}");
        }
    }
}
