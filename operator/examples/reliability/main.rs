//! `make reliability`: puts what the tests have noted into docs/reliability.md.
//!
//! ```text
//! tests ─► lines of JSON, in the file that AGGREGATOR_RELIABILITY names ─► tables ─► between the marks of the page
//! ```
//! A part of the page of which nothing was noted stays as it is, and is named. So is one that was noted and has no place on
//! the page, when everything else has been written.

#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

mod sections;
mod table;

use std::error::Error;

use aggregator_tests::figures::placed;
use aggregator_tests::{folder, reliability};
use serde_json::Value;

/// The page.
const PAGE: &str = "docs/reliability.md";

fn main() -> Result<(), Box<dyn Error>> {
    let file = reliability::file().ok_or("AGGREGATOR_RELIABILITY names the file that the tests have written")?;
    let lines = reliability::lines(&std::fs::read_to_string(&file)?);
    let path = folder::workspace().join(PAGE);
    let mut page = std::fs::read_to_string(&path)?;
    let (mut written, mut homeless) = (Vec::new(), Vec::new());
    for (section, lines) in of_sections(&lines) {
        match placed(&page, section, &sections::text(section, &lines)) {
            Some(with) => {
                println!("{section}: {} lines", lines.len());
                page = with;
                written.push(section);
            }
            None => homeless.push(section),
        }
    }
    std::fs::write(path, &page)?;
    let others: Vec<&str> = reliability::marks(&page).filter(|section| !written.contains(section)).collect();
    if !others.is_empty() {
        println!("as it was, because nothing was noted of it: {}", others.join(", "));
    }
    if homeless.is_empty() { Ok(()) } else { Err(format!("{PAGE} has no place for {}", homeless.join(", ")).into()) }
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
