//! The words of a label selector.

/// A word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// A key or a value.
    Name(&'a str),
    /// An operator or a mark, as `in` or `(`.
    Mark(&'static str),
    /// The end of the text.
    End,
}

impl<'a> Word<'a> {
    /// As messages show it.
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::Name(text) | Self::Mark(text) => text,
            Self::End => "",
        }
    }

    /// Where a value may stand, `in` and `notin` are names like any other.
    pub(super) fn as_value(self) -> Self {
        match self {
            Self::Mark(text @ ("in" | "notin")) => Self::Name(text),
            other => other,
        }
    }
}

const MARKS: [&str; 9] = ["==", "!=", ")", ",", "!", "=", ">", "<", "("];

/// The words of a text, the last of which is its end.
pub(super) fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    // A zero byte ends the text.
    let mut rest = text.split('\0').next().unwrap_or_default();
    loop {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            break;
        }
        // Of two marks that begin alike, the longer one comes first.
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            words.push(Word::Mark(mark));
            rest = &rest[mark.len()..];
            continue;
        }
        let (name, after) =
            rest.split_at(rest.find(|letter| is_mark(letter) || is_space(letter)).unwrap_or(rest.len()));
        words.push(match name {
            "in" => Word::Mark("in"),
            "notin" => Word::Mark("notin"),
            name => Word::Name(name),
        });
        rest = after;
    }
    words.push(Word::End);
    words
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn is_mark(letter: char) -> bool {
    matches!(letter, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}
