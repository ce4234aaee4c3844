//! What tests have found out about reliability, for the page that tells of it: lines of JSON, if somebody wants them.

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

/// Names the file that the lines are added to. Not set: nobody wants them.
const VARIABLE: &str = "AGGREGATOR_RELIABILITY";

/// The file that the lines are added to, if somebody wants them.
#[must_use]
pub fn file() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// Adds a line to a section of the report.
///
/// # Panics
/// When the value is no object, or the file cannot be written.
pub fn note(section: &str, value: Value) {
    let Some(file) = file() else { return };
    let opened = std::fs::File::options().create(true).append(true).open(&file);
    let mut opened = opened.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    // At once: others may write to it at the same time.
    opened.write_all(line(section, value).as_bytes()).unwrap();
}

fn line(section: &str, value: Value) -> String {
    let Value::Object(fields) = value else { panic!("a line of {section} is an object, and not {value}") };
    let mut line = json!({"section": section});
    for (field, value) in fields {
        line[field] = value;
    }
    format!("{line}\n")
}

/// The sections that a page has marks for, in order.
pub fn marks(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter_map(|line| line.strip_prefix("<!-- ")?.strip_suffix(": begin -->"))
}

/// The lines of a report, in order.
///
/// # Panics
/// When one is no JSON.
#[must_use]
pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::folder;

    fn page(name: &str) -> String {
        std::fs::read_to_string(folder::workspace().join(name)).unwrap()
    }

    fn entries(folder: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// The text of every file of Rust in the packages of the project.
    fn sources() -> Vec<String> {
        let (mut folders, mut sources) = (entries(&folder::workspace()), Vec::new());
        folders.retain(|path| path.join("Cargo.toml").is_file());
        while let Some(folder) = folders.pop() {
            for path in entries(&folder) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    sources.push(std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        sources
    }

    /// What stands in quotes behind each of these words, where that is the name of a section.
    fn named<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = &'a str> {
        let quoted = |rest: &'a str| Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0);
        let is_name = |name: &&str| !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase());
        text.split(words).skip(1).filter_map(quoted).filter(is_name)
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let text = line("faults", json!({"hit": 1, "fault": "killed"})) + &line("zones", json!({"zones": 598}));
        assert_eq!(
            lines(&text),
            [json!({"section": "faults", "hit": 1, "fault": "killed"}), json!({"section": "zones", "zones": 598})]
        );
        assert!(text.starts_with(r#"{"section":"faults","hit":1"#), "the order stays: {text}");
    }

    #[test]
    fn the_page_has_a_place_for_every_section_and_no_other() {
        let mut noted = BTreeSet::new();
        let sources = sources();
        for source in sources.iter().filter(|source| source.contains("aggregator_tests::reliability")) {
            noted.extend(named(source, "note("));
        }
        let script = page("scripts/mutants");
        noted.extend(named(&script, "\"section\":"));
        let page = page("docs/reliability.md");
        let places: Vec<&str> = marks(&page).collect();
        assert_eq!(places.iter().copied().collect::<BTreeSet<_>>(), noted);
        assert_eq!(places.len(), noted.len(), "a section has two places: {places:?}");
        for section in places {
            assert_eq!(page.matches(&format!("\n<!-- {section}: end -->\n")).count(), 1, "the end of {section}");
        }
    }

    #[test]
    fn every_bug_that_was_found_is_kept_from_coming_back_by_a_test_that_is_there() {
        let (page, sources) = (page("docs/design/2026-11-found-by-faults.md"), sources());
        let rows = page.lines().filter_map(|line| line.strip_prefix("| **")?.strip_suffix(" |"));
        let (mut bugs, mut missing) = (0, Vec::new());
        for row in rows {
            bugs += 1;
            let (_, tests) = row.rsplit_once(" | ").unwrap();
            let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
            assert!(!tests.is_empty(), "no test is named: {row}");
            let is_there = |test: &str| sources.iter().any(|source| source.contains(&format!("fn {test}() {{")));
            missing.extend(tests.into_iter().filter(|test| !is_there(test)));
        }
        assert!(bugs >= 20, "{bugs} bugs");
        assert!(missing.is_empty(), "there are no such tests: {missing:#?}");
    }
}
