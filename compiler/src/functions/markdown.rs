//! The page of our functions in the book, written from the registry.

use super::function::{Category, Function, Need};
use super::registry;

const HEAD: &str = "# Functions

SQL transforms, filters and mappings may call every function of [DataFusion](https://datafusion.apache.org/user-guide/sql/)
(scalar, array, aggregate, window) and the ones on this page, which the platform adds.
`aggregator functions` lists them all, `aggregator functions NAME` describes one.

All of these give the same for the same input, whatever the time and machine.
A NULL argument gives NULL, and a value that cannot be read gives NULL (or false, where the question is whether it can), never an error: each says so.
An argument written as a literal that can never be right (a malformed JSONPath, an unknown time zone) is an error when the
pipeline is checked, as is a wrong number or type of arguments. Text may be of any Arrow string type.

<!-- Written from the registry; after a change of it run: UPDATE_DOCS=1 cargo test -p aggregator-compiler functions -->
";

/// The page, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for category in Category::ALL {
        section(&mut page, category.title(), registry::all().filter(|function| function.category == category));
    }
    page
}

fn section(page: &mut String, title: &str, functions: impl Iterator<Item = &'static Function>) {
    line(page, &format!("\n## {title}"));
    for function in functions {
        line(page, &format!("\n### `{}`\n", function.name));
        line(page, &format!("```\n{}\n```\n", function.signature()));
        line(page, &format!("{}\n", function.summary));
        for parameter in function.parameters {
            let need = match parameter.need {
                Need::Required => "",
                Need::Optional => " Optional.",
                Need::Repeated => " One or more.",
            };
            line(page, &format!("- `{}`: {}{need}", parameter.name, parameter.description));
        }
        line(page, &format!("\nBad input: {}\n", function.bad_input));
        line(page, "| expression | gives |\n|---|---|");
        for example in function.examples {
            line(page, &format!("| {} | `{}` |", code(example.sql), example.result));
        }
    }
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

/// Code inside a table: bars must be escaped, and what cannot be seen must be named.
fn code(sql: &str) -> String {
    let mut shown = String::new();
    for character in sql.chars() {
        match character {
            '|' => shown.push_str("\\|"),
            '\u{a0}' | '\u{200b}' | '\u{feff}' | '\u{301}' => shown.extend(character.escape_unicode()),
            character if character.is_control() => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use aggregator_tests::folder;

    use super::*;

    #[test]
    fn the_page_in_the_book_is_the_one_of_the_registry() {
        let path = folder::workspace().join("docs/functions.md");
        let page = markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("docs/");
            std::fs::write(&path, &page).expect("written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page, "docs/functions.md is not the registry's page; run this test with UPDATE_DOCS=1");
    }

    #[test]
    fn every_function_has_its_place() {
        let page = markdown();
        for function in registry::all() {
            assert_eq!(page.matches(&format!("\n### `{}`\n", function.name)).count(), 1, "{}", function.name);
        }
        assert!(page.contains("| `money_amount('(12.00)')` | `-12.0000` |"));
    }
}
