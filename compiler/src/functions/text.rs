//! Cleaning of text that people or systems typed.

use std::borrow::Cow;

use deunicode::deunicode;
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::function::{Category, Example, Function, Parameter, Type};

const TEXT: Parameter = Parameter::text("text", "Any text.");
const NO_BAD: &str = "There is none: any text has an answer.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "collapse_whitespace",
        category: Category::Text,
        summary: "The text without white space at its ends and with one space for each run of it inside; tabs, line \
                  breaks and no-break spaces count.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: NO_BAD,
        examples: &[Example::new("collapse_whitespace('  Ada\u{a0}\t Lovelace ')", "Ada Lovelace")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            let mut collapsed = String::new();
            let mut column = arrow::array::StringBuilder::new();
            arguments.each(|row| {
                let Some(text) = text.at(row) else { return column.append_null() };
                collapsed.clear();
                for word in text.split_whitespace() {
                    if !collapsed.is_empty() {
                        collapsed.push(' ');
                    }
                    collapsed.push_str(word);
                }
                column.append_value(&collapsed);
            });
            Ok(std::sync::Arc::new(column.finish()))
        },
    },
    Function {
        name: "strip_accents",
        category: Category::Text,
        summary: "The text without accents and other combining marks; letters that are not accented ones (`ø`, `ß`) stay.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: NO_BAD,
        examples: &[Example::new("strip_accents('Crème Brûlée, Łódź')", "Creme Brulee, Łodz")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| {
                let text = text.at(row)?;
                if text.is_ascii() {
                    return Some(Cow::Borrowed(text));
                }
                Some(Cow::Owned(text.nfd().filter(|character| !is_combining_mark(*character)).nfc().collect()))
            })
        },
    },
    Function {
        name: "to_ascii",
        category: Category::Text,
        summary: "The text in ASCII, transliterated from whatever script as well as that can be done letter by letter.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: "Characters that have no likeness in ASCII become `[?]`.",
        examples: &[
            Example::new("to_ascii('Straße Ørsted')", "Strasse Orsted"),
            Example::new("to_ascii('Москва')", "Moskva"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| {
                let text = text.at(row)?;
                Some(if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(deunicode(text)) })
            })
        },
    },
    Function {
        name: "slugify",
        category: Category::Text,
        summary: "The text as part of an address: ASCII, lower case, words joined by `-`.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: "An empty text where nothing can be kept.",
        examples: &[Example::new("slugify('Größe & Preis (2026)!')", "grosse-preis-2026")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| text.at(row).map(slug::slugify))
        },
    },
    Function {
        name: "unicode_normalize",
        category: Category::Text,
        summary: "The text in Unicode's composed form NFC, so that what looks alike compares equal.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: NO_BAD,
        examples: &[Example::new("unicode_normalize('e\u{301}') = '\u{e9}'", "true")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| {
                let text = text.at(row)?;
                Some(if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) })
            })
        },
    },
    Function {
        name: "strip_control",
        category: Category::Text,
        summary: "The text without control characters (but for tab and line breaks), zero-width spaces and byte-order \
                  marks; many systems refuse them.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: NO_BAD,
        examples: &[Example::new("strip_control('a\u{feff}b\u{200b}\u{7}c')", "abc")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| text.at(row).map(|text| kept(text, |character| !is_invisible(character))))
        },
    },
    Function {
        name: "digits_only",
        category: Category::Text,
        summary: "The digits 0 to 9 of a text, in order.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: "An empty text where there is no digit.",
        examples: &[Example::new("digits_only('DE 89-3704')", "893704")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| text.at(row).map(|text| kept(text, |character| character.is_ascii_digit())))
        },
    },
    Function {
        name: "word_count",
        category: Category::Text,
        summary: "The number of words, as set apart by white space.",
        parameters: &[TEXT],
        returns: Type::Integer,
        bad_input: "0 for blank text.",
        examples: &[Example::new("word_count(' to be  or not ')", "4")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.integers(|row| i64::try_from(text.at(row)?.split_whitespace().count()).ok())
        },
    },
];

fn is_invisible(character: char) -> bool {
    let control = character.is_control() && !matches!(character, '\t' | '\n' | '\r');
    control || matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The characters that `keep` keeps, without a copy where it keeps all.
fn kept(text: &str, keep: fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(keep) { Cow::Borrowed(text) } else { Cow::Owned(text.chars().filter(|it| keep(*it)).collect()) }
}
