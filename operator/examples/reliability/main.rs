//! `make reliability`: puts what the tests have noted into docs/reliability.md.
//!
//! ```text
//! tests ─► lines of JSON, in the file that AGGREGATOR_RELIABILITY names ─► tables ─► between the marks of the page
//! ```
//! A part of the page of which the tests have noted nothing stays as it is.

#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

mod sections;
mod table;

use std::error::Error;

use aggregator_tests::{folder, reliability};
use serde_json::Value;

/// The page.
const PAGE: &str = "docs/reliability.md";

fn main() -> Result<(), Box<dyn Error>> {
    let file = reliability::file().ok_or("AGGREGATOR_RELIABILITY names the file that the tests have written")?;
    let lines = reliability::lines(&std::fs::read_to_string(&file)?);
    let path = folder::workspace().join(PAGE);
    let mut page = std::fs::read_to_string(&path)?;
    for (section, lines) in of_sections(&lines) {
        let text = sections::text(section, &lines);
        page = placed(&page, section, &text).ok_or_else(|| format!("{PAGE} has no place for `{section}`"))?;
        println!("{section}: {} lines", lines.len());
    }
    Ok(std::fs::write(path, page)?)
}

/// The lines of each section, in the order in which they come.
fn of_sections(lines: &[Value]) -> Vec<(&str, Vec<&Value>)> {
    let mut sections: Vec<(&str, Vec<&Value>)> = Vec::new();
    for line in lines {
        let section = line["section"].as_str().unwrap_or_default();
        match sections.iter_mut().find(|(known, _)| *known == section) {
            Some((_, own)) => own.push(line),
            None => sections.push((section, vec![line])),
        }
    }
    sections
}

/// The page with that text between the marks of a section.
fn placed(page: &str, section: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {section}: begin -->"), format!("<!-- {section}: end -->"));
    let (head, rest) = page.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}\n{text}{end}{tail}"))
}
