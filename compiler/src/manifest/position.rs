//! Where in a file each field of a document stands.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span};

/// Where a field stands, and how its text maps to lines of the file.
#[derive(Clone, Debug)]
struct Mark {
    /// Of the key, or of the list item's value.
    key: (u32, u32),
    /// Of the value.
    value: (u32, u32),
    /// Of the value, when it is a scalar.
    style: Option<ScalarStyle>,
    /// The parsed text, when it is a scalar.
    text: String,
}

/// One document of a file: its fields' places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Positions {
    marks: HashMap<String, Mark>,
    /// The lines of the whole file; shared work is not worth it: files are small.
    lines: Vec<String>,
}

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its text, as it stands in the file.
    pub(crate) text: String,
    /// Where its fields stand.
    pub(crate) positions: Positions,
    /// Keys that stand twice in one mapping, by path: where the second one is.
    pub(crate) duplicates: Vec<(String, (u32, u32))>,
    /// Bare words that YAML 1.1 takes for truth values, by path: the word.
    pub(crate) bare_booleans: Vec<(String, String)>,
    /// Keys that are such words, by path.
    pub(crate) bare_keys: Vec<String>,
    /// Whether it holds nothing.
    pub(crate) empty: bool,
    /// Whether the line that should part it from the object before is missing.
    pub(crate) unparted: bool,
}

/// A mistake in the YAML itself.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// What the parser says.
    pub(crate) message: String,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The column, from 1.
    pub(crate) column: u32,
}

/// The path of a field below another: `spec` and `a.b` give `spec["a.b"]`.
pub(crate) fn child(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[\"{key}\"]"),
    }
}

/// The path that a JSON pointer names. An item of a list is a number in it.
pub(crate) fn from_pointer(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, segment| {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        match segment.parse::<usize>() {
            Ok(index) => format!("{path}[{index}]"),
            Err(_) => child(&path, &segment),
        }
    })
}

impl Positions {
    /// The place of a field's value (its key, when the value is a collection), or of the nearest field around it that
    /// was written.
    pub(crate) fn of(&self, path: &str) -> (u32, u32) {
        self.nearest(path).map_or((1, 1), |mark| if mark.style.is_some() { mark.value } else { mark.key })
    }

    /// The place of a field's key.
    pub(crate) fn of_key(&self, path: &str) -> (u32, u32) {
        self.nearest(path).map_or((1, 1), |mark| mark.key)
    }

    /// The place of a line and column (from 1) inside a field's text. The start of the text where that is not known,
    /// as in folded text.
    pub(crate) fn inside(&self, path: &str, line: u32, column: u32) -> (u32, u32) {
        let start = self.of(path);
        let Some(mark) = self.marks.get(path) else { return start };
        let Some(content) = mark.text.lines().nth(line as usize - 1) else { return start };
        match mark.style {
            Some(ScalarStyle::Literal) => {
                // The parser names either the indicator or the first character of the content, by its version.
                let first = mark.text.lines().next().unwrap_or_default();
                let offset = (0..=1).find(|offset| {
                    let at = mark.value.0 as usize - 1 + offset;
                    self.lines.get(at).is_some_and(|written| {
                        written.trim_start() == first.trim_start() && !written.trim_end().ends_with('|')
                    })
                });
                let Some(offset) = offset else { return start };
                let at = mark.value.0 as usize - 1 + offset + line as usize - 1;
                let Some(written) = self.lines.get(at) else { return start };
                let indent = written.chars().count().saturating_sub(content.chars().count());
                (at as u32 + 1, indent as u32 + column)
            }
            Some(ScalarStyle::Plain) if mark.text.lines().count() == 1 => (mark.value.0, mark.value.1 + column - 1),
            Some(ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) if self.is_verbatim(mark) => {
                (mark.value.0, mark.value.1 + column)
            }
            _ => start,
        }
    }

    /// Whether quoted text stands on one line without escapes.
    fn is_verbatim(&self, mark: &Mark) -> bool {
        self.lines.get(mark.value.0 as usize - 1).is_some_and(|written| {
            let rest: String = written.chars().skip(mark.value.1 as usize).collect();
            rest.starts_with(&mark.text)
        })
    }

    /// The place of the document's first field, or of the document.
    pub(crate) fn first(&self) -> (u32, u32) {
        self.marks.values().map(|mark| mark.key).min().unwrap_or((1, 1))
    }

    fn nearest(&self, path: &str) -> Option<&Mark> {
        let mut path = path;
        loop {
            if let Some(mark) = self.marks.get(path) {
                return Some(mark);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// The documents of a file, and the mistake at which reading stopped.
pub(crate) fn documents(text: &str) -> (Vec<Document>, Option<SyntaxError>) {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut documents = Vec::new();
    let mut walk = Walk::default();
    let mut start = 0;
    for next in Parser::new_from_str(text) {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let (line, column) = place(*error.marker());
                return (documents, Some(SyntaxError { message: error.info(), line, column }));
            }
        };
        match event {
            Event::DocumentStart(..) => {
                start = span.start.byte_offset().unwrap_or(start);
                walk = Walk::default();
            }
            Event::DocumentEnd => {
                let end = span.start.byte_offset().unwrap_or(text.len());
                let done = std::mem::take(&mut walk);
                if let Some(parted) = parted(text, start..end, &done.duplicates) {
                    documents.extend(parted);
                    continue;
                }
                documents.push(Document {
                    text: text.get(start..end).unwrap_or_default().to_owned(),
                    positions: Positions { marks: done.marks, lines: lines.clone() },
                    duplicates: done.duplicates,
                    bare_booleans: done.bare_booleans,
                    bare_keys: done.bare_keys,
                    empty: done.nodes <= 1 && !done.collections,
                    unparted: false,
                });
            }
            Event::Scalar(value, style, _, tag) => walk.scalar(&value, style, tag.is_some(), span),
            Event::Alias(_) => {
                walk.value(span, None, "");
            }
            Event::SequenceStart(..) => walk.open(span, Frame::Sequence { path: String::new(), next: 0 }),
            Event::MappingStart(..) => {
                walk.open(span, Frame::Mapping { path: String::new(), key: None, seen: Vec::new() });
            }
            Event::SequenceEnd | Event::MappingEnd => walk.close(),
            _ => {}
        }
    }
    (documents, None)
}

/// The objects of one document, each as a document of its own, when they begin one after the other and only the line
/// between them is missing.
fn parted(text: &str, document: std::ops::Range<usize>, duplicates: &[(String, (u32, u32))]) -> Option<Vec<Document>> {
    /// So many objects in a row nobody has written; each is read with all lines before it.
    const MOST: usize = 100;
    // In braces the key stands farther right.
    let begins =
        |(path, (line, column)): &(String, (u32, u32))| (path == "apiVersion" && *column == 1).then_some(*line);
    let mut cuts: Vec<usize> = duplicates.iter().filter_map(begins).map(|line| line as usize - 1).collect();
    if cuts.is_empty() || cuts.len() > MOST {
        return None;
    }
    let first = text.get(..document.start)?.matches('\n').count();
    let lines: Vec<&str> = text.get(document)?.split_inclusive('\n').collect();
    cuts.insert(0, first);
    cuts.push(first + lines.len());
    let mut found = Vec::new();
    for (index, cut) in cuts.windows(2).enumerate() {
        // What is before it stays as empty lines, so that every place is one of the file.
        let part = "\n".repeat(cut[0]) + &lines.get(cut[0] - first..cut[1] - first)?.concat();
        let (documents, error) = self::documents(&part);
        if error.is_some() {
            return None;
        }
        found.extend(documents.into_iter().map(|part| Document { unparted: index > 0, ..part }));
    }
    Some(found)
}

fn place(marker: granit_parser::Marker) -> (u32, u32) {
    (u32::try_from(marker.line()).unwrap_or(u32::MAX), u32::try_from(marker.col() + 1).unwrap_or(u32::MAX))
}

#[derive(Debug)]
enum Frame {
    Sequence { path: String, next: usize },
    Mapping { path: String, key: Option<(String, (u32, u32))>, seen: Vec<String> },
}

/// What is known while the events of one document go by.
#[derive(Debug, Default)]
struct Walk {
    frames: Vec<Frame>,
    marks: HashMap<String, Mark>,
    duplicates: Vec<(String, (u32, u32))>,
    bare_booleans: Vec<(String, String)>,
    bare_keys: Vec<String>,
    nodes: usize,
    collections: bool,
}

impl Walk {
    fn scalar(&mut self, value: &str, style: ScalarStyle, tagged: bool, span: Span) {
        self.nodes += 1;
        let words = ["yes", "no", "on", "off", "y", "n"];
        let bare = style == ScalarStyle::Plain && !tagged && words.contains(&value.to_ascii_lowercase().as_str());
        if let Some(Frame::Mapping { path, key: key @ None, seen }) = self.frames.last_mut() {
            let path = child(path, value);
            if seen.iter().any(|known| known == value) {
                self.duplicates.push((path.clone(), place(span.start)));
            }
            seen.push(value.to_owned());
            if bare {
                self.bare_keys.push(path.clone());
            }
            *key = Some((path, place(span.start)));
            return;
        }
        let path = self.value(span, Some(style), value);
        if bare {
            self.bare_booleans.push((path, value.to_owned()));
        }
    }

    /// Notes a value and gives its path.
    fn value(&mut self, span: Span, style: Option<ScalarStyle>, text: &str) -> String {
        let value = place(span.start);
        let (path, key) = match self.frames.last_mut() {
            None => (String::new(), value),
            Some(Frame::Sequence { path, next }) => {
                *next += 1;
                (format!("{path}[{}]", *next - 1), value)
            }
            Some(Frame::Mapping { path, key, .. }) => key.take().unwrap_or_else(|| (path.clone(), value)),
        };
        self.marks.insert(path.clone(), Mark { key, value, style, text: text.to_owned() });
        path
    }

    fn open(&mut self, span: Span, mut frame: Frame) {
        self.collections = true;
        let at = self.value(span, None, "");
        match &mut frame {
            Frame::Sequence { path, .. } | Frame::Mapping { path, .. } => *path = at,
        }
        self.frames.push(frame);
    }

    fn close(&mut self) {
        self.frames.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: 1\n---\nspec:\n  list:\n    - {x: yes, \"k.k\": 2}\n  query: |\n    SELECT a\n      FROM b\n  one: 'SELECT c'\n  bare: SELECT d\n  one: 2\n";

    #[test]
    fn every_field_has_a_place() {
        let (documents, error) = documents(TEXT);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(documents.len(), 2);
        let second = &documents[1];
        assert_eq!(second.positions.of("spec.list[0].x"), (5, 11));
        assert_eq!(second.positions.of("spec.list[0][\"k.k\"]"), (5, 23));
        assert_eq!(second.positions.of("spec.list"), (4, 3));
        assert_eq!(second.positions.of("spec.list[7].deep"), (4, 3), "the nearest that was written");
        assert_eq!(second.duplicates, [("spec.one".to_owned(), (11, 3))]);
        assert_eq!(second.bare_booleans, [("spec.list[0].x".to_owned(), "yes".to_owned())]);
        assert!(second.text.contains("spec:") && !second.text.contains("a: 1"));
    }

    #[test]
    fn a_place_inside_text_is_a_place_in_the_file() {
        let text = TEXT.replace("  one: 2\n", "");
        let (documents, _) = documents(&text);
        let positions = &documents[1].positions;
        assert_eq!(positions.inside("spec.query", 2, 8), (8, 12), "literal text");
        assert_eq!(positions.inside("spec.one", 1, 8), (9, 16), "quoted text");
        assert_eq!(positions.inside("spec.bare", 1, 8), (10, 16), "plain text");
    }

    #[test]
    fn objects_without_a_line_between_them_are_parted_and_keep_their_places() {
        let object = |name: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n");
        let text = format!("# first\n{}{}---\n{}{}", object("a"), object("b"), object("c"), object("d"));
        let (found, error) = documents(&text);
        assert!(error.is_none(), "{error:?}");
        let brief: Vec<_> = found
            .iter()
            .map(|document| (document.unparted, document.positions.of("metadata.name"), document.duplicates.len()))
            .collect();
        assert_eq!(brief, [(false, (4, 18), 0), (true, (7, 18), 0), (false, (11, 18), 0), (true, (14, 18), 0)]);
        assert!(
            found[1].text.starts_with("apiVersion: v1\n") && found[1].text.contains("name: b"),
            "{:?}",
            found[1].text
        );
        let (found, _) = documents(&object("a").repeat(2000));
        assert_eq!(found.len(), 1, "time would grow with the square");
        // In braces nothing is missing but a name.
        let (found, _) = documents("{apiVersion: v1, apiVersion: v2}\n");
        assert_eq!((found.len(), found[0].duplicates.len()), (1, 1));
    }

    #[test]
    fn a_syntax_error_has_a_place_and_keeps_what_came_before() {
        let (documents, error) = documents("a: 1\n---\nb: [1\nc: 2\n");
        assert_eq!(documents.len(), 1);
        assert!(error.expect("an error").line >= 3);
    }
}
