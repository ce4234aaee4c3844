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
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let text = line("faults", json!({"hit": 1, "fault": "killed"})) + &line("zones", json!({"zones": 598}));
        assert_eq!(
            lines(&text),
            [json!({"section": "faults", "hit": 1, "fault": "killed"}), json!({"section": "zones", "zones": 598})]
        );
        assert!(text.starts_with(r#"{"section":"faults","hit":1"#), "the order stays: {text}");
    }
}
