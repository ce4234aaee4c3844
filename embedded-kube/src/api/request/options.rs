//! The options of a request (`meta/v1 ListOptions`, `CreateOptions`, `PatchOptions`).

use std::collections::HashMap;

use axum::extract::Query;
use http::Uri;

use super::super::Refusal;

/// The options of a request, by name; of several with one name, the last.
///
/// # Errors
/// When they cannot be decoded.
pub fn query(uri: &Uri) -> Result<HashMap<String, String>, Refusal> {
    let Query(options) = Query::try_from_uri(uri).map_err(|error| Refusal::bad_request(error.to_string()))?;
    Ok(options)
}

/// Which objects of a list, and which of what happens to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// A selector of labels; may be empty.
    pub label_selector: String,
    /// A selector of fields; may be empty.
    pub field_selector: String,
    /// The most objects of one answer.
    pub limit: Option<usize>,
    /// Where an earlier answer ended; may be empty.
    pub continue_token: String,
    /// From which version on; None when it does not matter.
    pub resource_version: Option<u64>,
    /// What that version is to be to the list's.
    pub version_match: Option<Match>,
    /// What happens is told, instead of what is.
    pub watch: bool,
    /// Now and then the version is told up to which there was nothing.
    pub bookmarks: bool,
    /// What is there is told first.
    pub initial_events: Option<bool>,
    /// How long it is told.
    pub timeout_seconds: Option<u64>,
}

/// What the version of a request is to be to the list's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The list is of that version.
    Exact,
    /// The list is of that version, or a later one.
    NotOlderThan,
}

/// What goes with a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Everything is done but the writing.
    pub dry_run: bool,
    /// Who writes; may be empty.
    pub field_manager: String,
    /// What is done about fields that are not known.
    pub field_validation: FieldValidation,
    /// Fields of others are taken over.
    pub force: Option<bool>,
}

/// What is done about fields that are not known, or are there twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are left out.
    Ignore,
    /// They are left out, and it is said.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

fn number<T: std::str::FromStr>(options: &HashMap<String, String>, name: &str) -> Result<Option<T>, Refusal> {
    let Some(text) = options.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed =
        text.parse().map_err(|_| Refusal::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")));
    parsed.map(Some)
}

fn flag(options: &HashMap<String, String>, name: &str) -> Option<bool> {
    // As the real one has it: everything but these two is true.
    options.get(name).map(|text| !matches!(text.to_ascii_lowercase().as_str(), "false" | "0"))
}

fn text(options: &HashMap<String, String>, name: &str) -> String {
    options.get(name).cloned().unwrap_or_default()
}

impl ListOptions {
    /// The options of a list or a watch.
    ///
    /// # Errors
    /// When one cannot be read, or they do not go together.
    pub fn of(options: &HashMap<String, String>) -> Result<Self, Refusal> {
        let limit: Option<i64> = number(options, "limit")?;
        let version = text(options, "resourceVersion");
        let resource_version = match version.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                let why = format!("Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
                Refusal::bad_request(format!("resourceVersion: {why}"))
            })?),
        };
        let version_match = match text(options, "resourceVersionMatch").as_str() {
            "" => None,
            "Exact" => Some(Match::Exact),
            "NotOlderThan" => Some(Match::NotOlderThan),
            other => {
                let why = format!(
                    "resourceVersionMatch: Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
                );
                return Err(Refusal::bad_request(why));
            }
        };
        Ok(Self {
            label_selector: text(options, "labelSelector"),
            field_selector: text(options, "fieldSelector"),
            // Zero and less is no limit.
            limit: limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0),
            continue_token: text(options, "continue"),
            resource_version,
            version_match,
            watch: flag(options, "watch").unwrap_or(false),
            bookmarks: flag(options, "allowWatchBookmarks").unwrap_or(false),
            initial_events: flag(options, "sendInitialEvents"),
            timeout_seconds: number(options, "timeoutSeconds")?,
        })
    }
}

impl WriteOptions {
    /// The options of a write.
    ///
    /// # Errors
    /// When one has another value than it may have.
    pub fn of(options: &HashMap<String, String>) -> Result<Self, Refusal> {
        let dry_run = match options.get("dryRun").map(String::as_str) {
            None | Some("") => false,
            Some("All") => true,
            Some(other) => {
                let why = format!("dryRun: Unsupported value: {other:?}: supported values: \"All\"");
                return Err(Refusal::bad_request(why));
            }
        };
        let field_validation = match options.get("fieldValidation").map(String::as_str) {
            None | Some("") => FieldValidation::default(),
            Some("Ignore") => FieldValidation::Ignore,
            Some("Warn") => FieldValidation::Warn,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let supported = "supported values: \"Ignore\", \"Strict\", \"Warn\"";
                let why = format!("fieldValidation: Unsupported value: {other:?}: {supported}");
                return Err(Refusal::bad_request(why));
            }
        };
        let force = flag(options, "force");
        Ok(Self { dry_run, field_manager: text(options, "fieldManager"), field_validation, force })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> HashMap<String, String> {
        query(&format!("/api/v1/pods?{text}").parse().expect("a path")).expect("options")
    }

    #[test]
    fn options_are_read_as_they_are_written() {
        let list =
            ListOptions::of(&options("limit=500&resourceVersion=7&watch=1&labelSelector=a%3Db%2Cc")).expect("options");
        assert_eq!((list.limit, list.resource_version, list.watch), (Some(500), Some(7), true));
        assert_eq!(list.label_selector, "a=b,c");
        let write = WriteOptions::of(&options("dryRun=All&fieldValidation=Strict&force=true")).expect("options");
        assert_eq!((write.dry_run, write.field_validation, write.force), (true, FieldValidation::Strict, Some(true)));
        for wrong in ["dryRun=Some", "fieldValidation=x"] {
            assert!(WriteOptions::of(&options(wrong)).is_err(), "{wrong}");
        }
        for wrong in ["limit=x", "resourceVersion=x", "resourceVersionMatch=x"] {
            assert!(ListOptions::of(&options(wrong)).is_err(), "{wrong}");
        }
    }
}
