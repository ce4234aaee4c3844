//! What the SQL connectors share: names inside statements, query streams, suggestions, rows as text for rejects.

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::connector::{ConnectorError, ErrorKind, EventStream, Reject, Result, SourceEvent};

/// A name as a statement takes it: quoted, so that it is never anything but a name.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Several names, quoted, with commas between them.
pub(super) fn identifiers<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(identifier).collect::<Vec<_>>().join(", ")
}

/// The query, if the stream is one: text that begins with `SELECT` or `WITH`. A final semicolon is dropped.
pub(super) fn query(stream: &str) -> Option<&str> {
    let text = stream.trim();
    let word = text.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_query = ["select", "with"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
        && text.len() > word.len()
        && !text[word.len()..].starts_with(['.', '_']);
    is_query.then(|| text.trim_end_matches(|character: char| character == ';' || character.is_whitespace()))
}

/// The parts of a dotted name. A part in double quotes may hold anything; otherwise it is taken as it stands.
pub(super) fn name_parts(stream: &str) -> Result<Vec<String>> {
    let wrong = |detail: &str| {
        ConnectorError::new(ErrorKind::Config, format!("read the stream name `{stream}`"), detail)
            .remedy("write `schema.table`; a part that holds a dot or a quote stands in double quotes")
    };
    let mut parts = Vec::new();
    let mut rest = stream.trim();
    loop {
        let part;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut characters = quoted.char_indices().peekable();
            let mut end = None;
            while let Some((at, character)) = characters.next() {
                if character != '"' {
                    name.push(character);
                } else if characters.next_if(|(_, next)| *next == '"').is_some() {
                    name.push('"');
                } else {
                    end = Some(at + 1);
                    break;
                }
            }
            let Some(end) = end else { return Err(wrong("a quote is not closed")) };
            (part, rest) = (name, &quoted[end..]);
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (part, rest) = (rest[..end].to_owned(), &rest[end..]);
        }
        if part.is_empty() {
            return Err(wrong("a part of the name is empty"));
        }
        parts.push(part);
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(parts),
            None => return Err(wrong("a quoted part is followed by something else than a dot")),
        }
    }
}

/// A part of a stream's name as discovery shows it: quoted only where it must be.
pub(super) fn shown(part: &str) -> String {
    if part.contains(['.', '"']) || part.trim() != part || query(part).is_some() {
        identifier(part)
    } else {
        part.to_owned()
    }
}

/// A sentence that names what could have been meant; None when nothing is near.
pub(super) fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = wanted.to_lowercase();
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let mut near: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| {
            let lower = name.to_lowercase();
            let whole = strsim::jaro_winkler(&wanted, &lower);
            (whole.max(strsim::jaro_winkler(&last(&wanted), &last(&lower))), name)
        })
        .filter(|(score, _)| *score >= 0.82)
        .collect();
    near.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(right.1)));
    near.truncate(3);
    if near.is_empty() {
        return None;
    }
    let names: Vec<String> = near.iter().map(|(_, name)| format!("`{name}`")).collect();
    Some(format!("did you mean {}?", names.join(" or ")))
}

/// The error for a column that a stream does not have.
pub(super) fn no_such_column<'a>(
    stream: &str,
    column: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> ConnectorError {
    let error = ConnectorError::new(
        ErrorKind::NotFound,
        format!("read column `{column}` of {stream}"),
        "there is no such column",
    );
    let remedy = did_you_mean(column, known.clone())
        .unwrap_or_else(|| format!("its columns are {}", known.into_iter().collect::<Vec<_>>().join(", ")));
    error.remedy(remedy)
}

/// One row as a JSON object, cut at [`Reject::MAX_RAW`].
pub(super) fn row_json(batch: &RecordBatch, row: usize) -> String {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    let written = writer.write(&batch.slice(row, 1)).and_then(|()| writer.finish());
    match written {
        Ok(()) => cut(String::from_utf8_lossy(&writer.into_inner()).trim_end().to_owned()),
        Err(error) => format!("a row that cannot be shown: {error}"),
    }
}

/// Text cut at [`Reject::MAX_RAW`] bytes.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > Reject::MAX_RAW {
        let end = (0..=Reject::MAX_RAW).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

/// The events of a task that reads. A task that vanished without an end is an error, never a short stream.
pub(super) fn events(receiver: mpsc::Receiver<Result<SourceEvent>>) -> EventStream {
    futures::stream::unfold((receiver, false), |(mut receiver, ended)| async move {
        if ended {
            return None;
        }
        let event = receiver.recv().await.unwrap_or_else(|| {
            Err(ConnectorError::new(
                ErrorKind::Bug,
                "read a stream",
                "the reading task ended without an end of the stream",
            ))
        });
        let ended = !matches!(event, Ok(SourceEvent::Batch(_) | SourceEvent::Rejects(_)));
        Some((event, (receiver, ended)))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_told_from_a_table_that_is_named_like_one() {
        assert_eq!(query(" select 1 ;\n"), Some("select 1"));
        assert_eq!(query("WITH a AS (SELECT 1) SELECT * FROM a"), Some("WITH a AS (SELECT 1) SELECT * FROM a"));
        assert_eq!(query("SELECT* FROM a"), Some("SELECT* FROM a"));
        for table in ["public.select", "selected", "select.t", "with_a", "select"] {
            assert_eq!(query(table), None, "{table}");
        }
    }

    #[test]
    fn names_are_split_at_dots_outside_of_quotes() {
        let parts = |name: &str| name_parts(name).map_err(|error| error.detail);
        assert_eq!(parts("public.airports"), Ok(vec!["public".into(), "airports".into()]));
        assert_eq!(parts(r#""a.b"."c""d""#), Ok(vec!["a.b".into(), "c\"d".into()]));
        assert_eq!(parts("a..b"), Err("a part of the name is empty".into()));
        assert_eq!(parts("\"a"), Err("a quote is not closed".into()));
        assert_eq!(parts("\"a\"b"), Err("a quoted part is followed by something else than a dot".into()));
        for name in ["a.b", "c\"d", "Plain", " edge "] {
            assert_eq!(parts(&shown(name)), Ok(vec![name.to_owned()]));
        }
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["public.airports", "public.airlines", "ref.countries"];
        assert_eq!(
            did_you_mean("public.airport", known).as_deref(),
            Some("did you mean `public.airports` or `public.airlines`?")
        );
        assert_eq!(
            did_you_mean("Airports", known).as_deref().map(|text| text.contains("`public.airports`")),
            Some(true)
        );
        assert_eq!(did_you_mean("zzz", known), None);
    }

    #[test]
    fn text_is_cut_between_characters() {
        let long = "é".repeat(Reject::MAX_RAW);
        assert_eq!(cut(long).len(), Reject::MAX_RAW);
        assert_eq!(cut(format!("a{}", "é".repeat(Reject::MAX_RAW))).len(), Reject::MAX_RAW - 1);
    }
}
