//! The options of a request (`meta/v1 ListOptions`, `CreateOptions`, `PatchOptions`).

use std::collections::HashMap;
use std::num::{IntErrorKind, ParseIntError};

use http::Uri;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::super::schema::go;
use super::super::schema::mistake::{forbidden, invalid_text, not_supported, too_long};
use super::super::schema::path::Path;
use super::super::{Cause, Refusal, RefusalReason};
use super::Verb;

/// The most bytes of a field manager's name.
const LONGEST_MANAGER: i64 = 128;

/// The options of a request, by name; of several with one name, the first. What cannot be decoded is left out.
#[must_use]
pub fn query(uri: &Uri) -> HashMap<String, String> {
    let mut options = HashMap::new();
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(name), Some(value)) = (unescaped(name), unescaped(value)) {
            options.entry(name).or_insert(value);
        }
    }
    options
}

/// A word of a query; None when something is escaped in it that is nothing.
fn unescaped(word: &str) -> Option<String> {
    let is_escaped = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    if !word.split('%').skip(1).all(is_escaped) {
        return None;
    }
    let word = word.replace('+', " ");
    Some(percent_decode_str(&word).decode_utf8_lossy().into_owned())
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

pub(super) fn number(options: &HashMap<String, String>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = options.get(name) else { return Ok(None) };
    let parsed = text.parse::<i64>().map_err(|error: ParseIntError| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        Refusal::bad_request(format!("strconv.ParseInt: parsing {}: {why}", go::quoted(text)))
    });
    parsed.map(Some)
}

/// The version that a text names; None when it does not matter.
fn version(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<u64>().map(Some).map_err(|_| {
        let text = go::quoted(text);
        format!("resourceVersion: Invalid value: {text}: strconv.ParseUint: parsing {text}: invalid syntax")
    })
}

/// Looks at the options of a request for one object.
///
/// # Errors
/// When its version is none, in the words of whoever keeps objects, which are no words for clients.
pub fn check_get(options: &HashMap<String, String>) -> Result<(), Refusal> {
    let version = version(options.get("resourceVersion").map_or("", String::as_str));
    version.map(drop).map_err(|why| Refusal::new(RefusalReason::Unknown, why))
}

pub(super) fn flag(options: &HashMap<String, String>, name: &str) -> Option<bool> {
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
        let timeout_seconds = number(options, "timeoutSeconds")?;
        let limit = number(options, "limit")?;
        let watch = flag(options, "watch").unwrap_or(false);
        let causes = if watch { watch_mistakes(options) } else { list_mistakes(options) };
        if !causes.is_empty() {
            return Err(Refusal::wrong_options("ListOptions", causes));
        }
        let resource_version = version(&text(options, "resourceVersion")).map_err(|why| {
            if watch {
                Refusal::new(RefusalReason::Unknown, why)
            } else {
                Refusal::bad_request(format!("invalid resource version: {why}"))
            }
        })?;
        let version_match = match text(options, "resourceVersionMatch").as_str() {
            "Exact" => Some(Match::Exact),
            "NotOlderThan" => Some(Match::NotOlderThan),
            _ => None,
        };
        Ok(Self {
            label_selector: text(options, "labelSelector"),
            field_selector: text(options, "fieldSelector"),
            // Zero and less is no limit.
            limit: limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0),
            continue_token: text(options, "continue"),
            resource_version,
            version_match,
            watch,
            bookmarks: flag(options, "allowWatchBookmarks").unwrap_or(false),
            initial_events: flag(options, "sendInitialEvents"),
            timeout_seconds: timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok()),
        })
    }
}

fn list_mistakes(options: &HashMap<String, String>) -> Vec<Cause> {
    let place = Path::of("resourceVersionMatch");
    let mut causes = Vec::new();
    let matched = text(options, "resourceVersionMatch");
    if !matched.is_empty() {
        let version = text(options, "resourceVersion");
        if version.is_empty() {
            causes.push(forbidden(&place, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !text(options, "continue").is_empty() {
            causes.push(forbidden(&place, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(matched.as_str(), "Exact" | "NotOlderThan") {
            causes.push(not_supported(&place, &json!(matched), &["Exact", "NotOlderThan", ""]));
        }
        if matched == "Exact" && version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            causes.push(forbidden(&place, why));
        }
    }
    if options.contains_key("sendInitialEvents") {
        causes.push(forbidden(&Path::of("sendInitialEvents"), "sendInitialEvents is forbidden for list"));
    }
    causes
}

fn watch_mistakes(options: &HashMap<String, String>) -> Vec<Cause> {
    let place = Path::of("resourceVersionMatch");
    let mut causes = Vec::new();
    let matched = text(options, "resourceVersionMatch");
    let starts = options.contains_key("sendInitialEvents");
    if starts && matched != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        causes.push(forbidden(&place, why));
    }
    if !matched.is_empty() {
        if !starts {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(forbidden(&place, why));
        }
        if matched != "NotOlderThan" {
            causes.push(not_supported(&place, &json!(matched), &["NotOlderThan"]));
        }
        if !text(options, "continue").is_empty() {
            causes.push(forbidden(&place, "resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    causes
}

/// What is wrong with the name of a field manager, which is that of an option.
#[must_use]
pub fn manager_mistakes(name: &str) -> Vec<Cause> {
    let place = Path::of("fieldManager");
    let mut causes = Vec::new();
    if i64::try_from(name.len()).is_ok_and(|length| length > LONGEST_MANAGER) {
        causes.push(too_long(&place, LONGEST_MANAGER));
    }
    for (at, letter) in name.char_indices().filter(|(_, letter)| !go::printable(*letter)) {
        let why = format!("invalid character U+{:04X} (at position {at})", u32::from(letter));
        causes.push(invalid_text(&place, name, &why));
    }
    causes
}

impl WriteOptions {
    /// The options of a write.
    ///
    /// # Errors
    /// When one has another value than it may have.
    pub fn of(options: &HashMap<String, String>, verb: Verb) -> Result<Self, Refusal> {
        let kind = match verb {
            Verb::Update => "UpdateOptions",
            Verb::Patch => "PatchOptions",
            Verb::Delete | Verb::DeleteCollection => "DeleteOptions",
            _ => "CreateOptions",
        };
        let field_manager = text(options, "fieldManager");
        let mut causes = match kind {
            "CreateOptions" | "UpdateOptions" => manager_mistakes(&field_manager),
            // A patch is looked at together with what else it says; who deletes is not written down.
            _ => Vec::new(),
        };
        let dry_run = options.get("dryRun");
        if let Some(other) = dry_run.filter(|what| *what != "All") {
            causes.push(not_supported(&Path::of("dryRun"), &json!([other]), &["All"]));
        }
        let field_validation = match options.get("fieldValidation").map(String::as_str) {
            None | Some("") => FieldValidation::default(),
            Some("Ignore") => FieldValidation::Ignore,
            Some("Warn") => FieldValidation::Warn,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let known = ["", "Ignore", "Strict", "Warn"];
                if kind != "DeleteOptions" {
                    causes.push(not_supported(&Path::of("fieldValidation"), &json!(other), &known));
                }
                FieldValidation::default()
            }
        };
        if !causes.is_empty() {
            return Err(Refusal::wrong_options(kind, causes));
        }
        Ok(Self { dry_run: dry_run.is_some(), field_manager, field_validation, force: flag(options, "force") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> HashMap<String, String> {
        query(&format!("/api/v1/pods?{text}").parse().expect("a path"))
    }

    #[test]
    fn options_are_read_as_they_are_written() {
        let list =
            ListOptions::of(&options("limit=500&resourceVersion=7&watch=1&labelSelector=a%3Db%2Cc")).expect("options");
        assert_eq!((list.limit, list.resource_version, list.watch), (Some(500), Some(7), true));
        assert_eq!(list.label_selector, "a=b,c");
        let write =
            WriteOptions::of(&options("dryRun=All&fieldValidation=Strict&force=true"), Verb::Patch).expect("options");
        assert_eq!((write.dry_run, write.field_validation, write.force), (true, FieldValidation::Strict, Some(true)));
        for (wrong, field) in
            [("dryRun=Some", "dryRun"), ("fieldValidation=x", "fieldValidation"), ("dryRun=", "dryRun")]
        {
            let refusal = WriteOptions::of(&options(wrong), Verb::Create).expect_err("it is refused");
            assert_eq!(refusal.details.expect("details").causes[0].field, field);
        }
        for (wrong, message) in [
            ("limit=x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("limit=", "strconv.ParseInt: parsing \"\": invalid syntax"),
            ("limit=99999999999999999999", "strconv.ParseInt: parsing \"99999999999999999999\": value out of range"),
            (
                "sendInitialEvents=true",
                "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
            ),
        ] {
            assert_eq!(ListOptions::of(&options(wrong)).expect_err("it is refused").message, message);
        }
        assert!(ListOptions::of(&options("resourceVersionMatch=x")).is_err());
        assert!(ListOptions::of(&options("resourceVersion=x")).is_err());
        assert!(check_get(&options("resourceVersion=7")).is_ok() && check_get(&options("resourceVersion=x")).is_err());
    }

    #[test]
    fn words_that_cannot_be_decoded_are_left_out() {
        let read = options("a=%ZZ&b=1%2B1+2&b=3&c;d=4&%=5&e");
        let mut read: Vec<_> = read.iter().map(|(name, value)| format!("{name}={value}")).collect();
        read.sort_unstable();
        assert_eq!(read, ["b=1+1 2", "e="]);
    }
}
