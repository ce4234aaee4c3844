//! What counts as nothing; `coalesce`, `nullif`, `nvl` and `nvl2` are DataFusion's own.

use super::function::{Category, Example, Function, Parameter, Type};

const TEXT: Parameter = Parameter::text("text", "Any text.");

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "null_if_blank",
        category: Category::Null,
        summary: "NULL for a text that is empty or only white space, else the text as it is.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: "There is none: any text has an answer.",
        examples: &[Example::new("null_if_blank('  ')", "NULL"), Example::new("null_if_blank('a ')", "a ")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| text.at(row).filter(|text| !text.trim().is_empty()))
        },
    },
    Function {
        name: "null_if_any",
        category: Category::Null,
        summary: "NULL for a text that is one of the given words, whatever its case and the white space around it, \
                  else the text as it is.",
        parameters: &[TEXT, Parameter::text("word", "A word that means nothing, as `n/a`.").repeated()],
        returns: Type::Text,
        bad_input: "There is none: any text has an answer; a word that is NULL matches nothing.",
        examples: &[
            Example::new("null_if_any(' N/A ', 'n/a', '-', 'null')", "NULL"),
            Example::new("null_if_any('Ada', 'n/a', '-', 'null')", "Ada"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            let words = (1..arguments.len()).map(|index| arguments.text(index)).collect::<Result<Vec<_>, _>>()?;
            arguments.texts(|row| {
                let text = text.at(row)?;
                let folded = text.trim().to_lowercase();
                let nothing =
                    words.iter().any(|word| word.at(row).is_some_and(|word| word.trim().to_lowercase() == folded));
                (!nothing).then_some(text)
            })
        },
    },
    Function {
        name: "is_blank",
        category: Category::Null,
        summary: "Whether a text is NULL, empty or only white space. Never NULL.",
        parameters: &[TEXT],
        returns: Type::Boolean,
        bad_input: "There is none: any text has an answer.",
        examples: &[
            Example::new("is_blank(' ')", "true"),
            Example::new("is_blank(NULL)", "true"),
            Example::new("is_blank('a')", "false"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.booleans(|row| Some(text.at(row).is_none_or(|text| text.trim().is_empty())))
        },
    },
];
