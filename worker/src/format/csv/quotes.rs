//! Finds quotes that stand where none may: the parser reads on over them, and could take two rows for one.

use super::dialect::Dialect;

/// Whether something stands between a closing quote and the end of its field. `raw` is one record without the line's end.
pub(super) fn misplaced(raw: &[u8], dialect: &Dialect) -> bool {
    let Some(quote) = dialect.quote else { return false };
    if !raw.contains(&quote) {
        return false;
    }
    let mut at = 0;
    while at < raw.len() {
        if raw[at] == quote {
            let Some(end) = closing(&raw[at + 1..], quote, dialect.escape) else { return false };
            at += 1 + end + 1;
            if at < raw.len() && raw[at] != dialect.delimiter {
                return true;
            }
        }
        match raw[at.min(raw.len())..].iter().position(|byte| *byte == dialect.delimiter) {
            Some(delimiter) => at += delimiter + 1,
            None => return false,
        }
    }
    false
}

/// Where the quote stands that closes the field.
fn closing(inside: &[u8], quote: u8, escape: Option<u8>) -> Option<usize> {
    let mut at = 0;
    while at < inside.len() {
        if Some(inside[at]) == escape {
            at += 2;
        } else if inside[at] != quote {
            at += 1;
        } else if escape.is_none() && inside.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use aggregator_crds::connector::CsvFormat;

    use super::*;

    #[test]
    fn only_quotes_in_the_wrong_place_are_found() {
        let dialect = Dialect::new(&CsvFormat::default()).unwrap();
        for fine in ["", "a,b", "\"a\",b", "a,\"b\"", "\"a\"\"b\",\"\"", "a\"b,c", "\"a,b\nc\",d", "\"\",\"\""] {
            assert!(!misplaced(fine.as_bytes(), &dialect), "{fine:?}");
        }
        for wrong in ["\"a\"b,c", "a,\"b\" ", "1,\"abc\n2,\"def\"", "\"a\"\"\"b"] {
            assert!(misplaced(wrong.as_bytes(), &dialect), "{wrong:?}");
        }
    }

    #[test]
    fn an_escape_keeps_a_quote_inside() {
        let dialect = Dialect::new(&CsvFormat { escape: Some("\\".into()), ..CsvFormat::default() }).unwrap();
        assert!(!misplaced(br#""a\"b",c"#, &dialect));
        assert!(misplaced(br#""a\\"b,c"#, &dialect));
    }
}
