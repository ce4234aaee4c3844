//! Content that cannot be of the format that was asked for, told by its first bytes.

use aggregator_crds::connector::FileFormat;

/// What a page for people, or a document, begins with. `<` alone does not count: there are files whose header is
/// `<TICKER>,<DATE>`.
const MARKUP: [&[u8]; 6] = [b"<!", b"<?xml", b"<html", b"<head", b"<body", b"<script"];
/// What every Parquet file begins with.
const PARQUET: &[u8] = b"PAR1";

/// What the content is instead of the format; None when it may be of the format. `head` is how it begins, without the
/// compression of the transfer; `media` is the answer's content type.
pub(super) fn instead(format: &FileFormat, media: Option<&str>, head: &[u8]) -> Option<&'static str> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let begins = |start: &[u8]| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    let html = matches!(media.as_str(), "text/html" | "application/xhtml+xml") && begins(b"<");
    if html || MARKUP.into_iter().any(begins) {
        return Some("a page of HTML or XML");
    }
    let json = media == "application/json" || media.ends_with("+json");
    match format {
        FileFormat::Csv(_) if json && (begins(b"{") || begins(b"[")) => Some("a JSON document"),
        FileFormat::Parquet(_) if head.is_empty() => Some("empty"),
        FileFormat::Parquet(_) if !head.starts_with(PARQUET) => Some("something else"),
        FileFormat::Csv(_) | FileFormat::Ndjson(_) | FileFormat::Json(_) | FileFormat::Parquet(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_people_is_told_from_data() {
        let (csv, lines) = (FileFormat::Csv(Default::default()), FileFormat::Ndjson(Default::default()));
        let parquet = FileFormat::Parquet(Default::default());
        let html = Some("text/html; charset=utf-8");
        for (format, media, head, expected) in [
            (&csv, None, "\u{feff} \n<!DOCTYPE html>", Some("a page of HTML or XML")),
            (&csv, Some("text/csv"), "<HTML><body>", Some("a page of HTML or XML")),
            (&lines, html, "<p>Please log in", Some("a page of HTML or XML")),
            (&parquet, html, "<p>Please log in", Some("a page of HTML or XML")),
            (&csv, Some("application/problem+json"), "{\"error\": 1}", Some("a JSON document")),
            (&lines, Some("application/json"), "{\"id\": 1}", None),
            (&csv, Some("text/csv"), "{a},b", None),
            // What some scripts say of all they give out.
            (&csv, html, "id,name", None),
            (&csv, Some("text/plain"), "<TICKER>,<DATE>", None),
            (&csv, None, "", None),
            (&parquet, None, "PAR1\x15\x04", None),
            (&parquet, None, "id,name", Some("something else")),
            (&parquet, None, "", Some("empty")),
        ] {
            assert_eq!(instead(format, media, head.as_bytes()), expected, "{media:?} {head:?}");
        }
    }
}
