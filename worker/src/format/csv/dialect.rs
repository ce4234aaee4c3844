//! The dialect of delimited text: the manifest's words, checked, as the bytes that a parser works with.

use aggregator_crds::connector::{CsvFormat, RaggedRows};
use csv_core::{ReaderBuilder, Terminator};
use encoding_rs::Encoding;

use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::encoding;

/// How delimited text reads.
#[derive(Clone, Debug)]
pub(crate) struct Dialect {
    pub(crate) header: bool,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    pub(crate) terminator: Option<u8>,
    pub(crate) skip_rows: u64,
    pub(crate) null_values: Vec<String>,
    pub(crate) trim: bool,
    pub(crate) encoding: &'static Encoding,
    pub(crate) ragged: RaggedRows,
}

impl Dialect {
    /// Checks what the manifest says.
    pub(crate) fn new(format: &CsvFormat) -> Result<Self> {
        let quote = if format.quote.is_empty() { None } else { Some(byte("quote", &format.quote)?) };
        let delimiter = byte("delimiter", &format.delimiter)?;
        let terminator = optional("terminator", format.terminator.as_deref())?;
        if quote == Some(delimiter) || terminator == Some(delimiter) {
            return Err(wrong("delimiter", &format.delimiter, "stands for two things"));
        }
        Ok(Self {
            header: format.header,
            columns: format.columns.clone(),
            delimiter,
            quote,
            escape: optional("escape", format.escape.as_deref())?.filter(|escape| Some(*escape) != quote),
            comment: optional("comment", format.comment.as_deref())?,
            terminator,
            skip_rows: format.skip_rows,
            null_values: format.null_values.clone(),
            trim: format.trim,
            encoding: encoding::by_label(&format.encoding)?,
            ragged: format.ragged_rows,
        })
    }

    /// The parser of this dialect.
    pub(crate) fn parser(&self) -> csv_core::Reader {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.delimiter).comment(self.comment).escape(self.escape);
        match self.quote {
            Some(quote) => builder.quote(quote).double_quote(self.escape.is_none()),
            None => builder.quoting(false),
        };
        if let Some(terminator) = self.terminator {
            builder.terminator(Terminator::Any(terminator));
        }
        let mut parser = builder.build();
        // The parser passes over a byte order mark before the first thing it reads. The reader has done that for the file, and
        // a part of it may begin with the same character: what it reads first is a blank line.
        parser.read_record(&[self.terminator.unwrap_or(b'\n')], &mut [0; 1], &mut [0; 1]);
        parser
    }

    /// Whether it has only what most files have: no escape, no comments, lines that end as everywhere.
    pub(crate) fn is_plain(&self) -> bool {
        self.escape.is_none() && self.comment.is_none() && self.terminator.is_none()
    }

    /// Whether a byte ends a line.
    pub(crate) fn ends_line(&self, byte: u8) -> bool {
        match self.terminator {
            Some(terminator) => byte == terminator,
            None => byte == b'\n' || byte == b'\r',
        }
    }

    /// The lines that end in `text`. `after_return` says that the byte before it is `\r`: a `\n` after that ends no line
    /// of its own.
    pub(crate) fn count_lines(&self, text: &[u8], after_return: bool) -> u64 {
        let count = |wanted: u8| memchr::memchr_iter(wanted, text).count() as u64;
        if let Some(terminator) = self.terminator {
            return count(terminator);
        }
        let halves = u64::from(after_return && text.first() == Some(&b'\n'));
        match count(b'\r') {
            0 => count(b'\n') - halves,
            returns => {
                let pairs = text.windows(2).filter(|pair| *pair == b"\r\n").count() as u64;
                returns + count(b'\n') - pairs - halves
            }
        }
    }

    /// A field without the spaces around it, if they are not part of it.
    pub(crate) fn trimmed<'a>(&self, field: &'a str) -> &'a str {
        if self.trim { field.trim_matches([' ', '\t']) } else { field }
    }

    /// Whether a field means "no value".
    pub(crate) fn is_null(&self, field: &str) -> bool {
        self.null_values.iter().any(|null| null == field)
    }
}

fn optional(name: &str, text: Option<&str>) -> Result<Option<u8>> {
    text.map(|text| byte(name, text)).transpose()
}

fn byte(name: &str, text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        b"\\n" => Ok(b'\n'),
        b"\\r" => Ok(b'\r'),
        _ => Err(wrong(name, text, "is not one ASCII character")),
    }
}

fn wrong(name: &str, text: &str, why: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Config, "read the format `csv`", format!("`{name}: {text:?}` {why}"))
        .remedy("give one ASCII character, as `;` or `\\t`")
}
