//! The violations found so far, and the checks that many fields share.

use std::collections::HashMap;

use super::Violation;
use super::path::Path;

/// The violations found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    violations: Vec<Violation>,
}

impl Report {
    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    pub(super) fn add(&mut self, path: &Path, message: impl Into<String>, help: impl Into<String>) {
        self.violations.push(Violation { path: path.to_string(), message: message.into(), help: help.into() });
    }

    /// Text that says something.
    pub(super) fn filled(&mut self, path: &Path, what: &str, text: &str) {
        if text.trim().is_empty() {
            self.add(path, format!("{what} is empty"), format!("give {what}"));
        }
    }

    /// A list that has at least one item, each of them filled and different from the others.
    pub(super) fn names(&mut self, path: &Path, what: &str, names: &[String]) {
        if names.is_empty() {
            self.add(path, "the list is empty", format!("give at least one {what}"));
        }
        self.optional_names(path, what, names);
    }

    /// As `names`, but the list may be empty.
    pub(super) fn optional_names(&mut self, path: &Path, what: &str, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            self.filled(&path.index(index), &format!("the {what}"), name);
        }
        self.unique(what, names.iter().enumerate().map(|(index, name)| (path.index(index), name.as_str())));
    }

    /// Names that differ. Each repetition is reported with the place of the first.
    pub(super) fn unique<'name>(&mut self, what: &str, names: impl Iterator<Item = (Path, &'name str)>) {
        let mut first: HashMap<&str, Path> = HashMap::new();
        for (path, name) in names.filter(|(_, name)| !name.is_empty()) {
            match first.get(name) {
                Some(other) => {
                    let message = format!("the {what} `{name}` is already taken by {other}");
                    self.add(&path, message, format!("give each {what} once"));
                }
                None => {
                    first.insert(name, path);
                }
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn range(&mut self, path: &Path, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            let help = match most {
                u64::MAX => format!("use {least} or more"),
                _ => format!("use a number from {least} to {most}"),
            };
            self.add(path, format!("{value} is out of range"), help);
        }
    }
}
