//! Text as it must stand in a file: what an escape means by itself is escaped, and what a spreadsheet would run is not left to it.

use std::borrow::Cow;
use std::sync::Arc;

use aggregator_crds::connector::{CsvFormat, Formulas};
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};

use super::dialect::Dialect;
use crate::connector::{ConnectorError, ErrorKind, Result};

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Changes the texts of batches before they are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts {
    /// The writer puts it before a quote, and not before itself.
    escape: Option<char>,
    /// An apostrophe is put before a formula.
    prefix: bool,
}

impl Texts {
    /// What a format wants of them; None when they stand as they are.
    pub(crate) fn of(format: &CsvFormat, dialect: &Dialect) -> Option<Self> {
        let texts = Self { escape: dialect.escape.map(char::from), prefix: format.formulas == Formulas::Prefix };
        (texts.escape.is_some() || texts.prefix).then_some(texts)
    }

    /// The rows, and the columns' names, as they are written.
    pub(crate) fn written(self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = batch.schema();
        let fields = schema.fields().iter();
        let fields: Vec<Field> =
            fields.map(|field| field.as_ref().clone().with_name(self.text(field.name()))).collect();
        let columns = batch.columns().iter().map(|column| self.column(column)).collect::<Result<Vec<_>>>()?;
        let fields: Vec<Field> = std::iter::zip(fields, &columns)
            .map(|(field, column)| field.with_data_type(column.data_type().clone()))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)
    }

    fn column(self, column: &ArrayRef) -> Result<ArrayRef> {
        let is_text = match column.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
            DataType::Dictionary(_, value) => value.is_string(),
            _ => false,
        };
        if !is_text {
            return Ok(Arc::clone(column));
        }
        let texts = cast(column, &DataType::Utf8).map_err(failed)?;
        let written: StringArray =
            texts.as_string::<i32>().iter().map(|text| text.map(|text| self.text(text))).collect();
        Ok(Arc::new(written))
    }

    fn text(self, text: &str) -> Cow<'_, str> {
        let formula = self.prefix && text.starts_with(FORMULA);
        let escaped = match self.escape {
            Some(escape) if text.contains(escape) => Cow::Owned(text.replace(escape, &format!("{escape}{escape}"))),
            _ => Cow::Borrowed(text),
        };
        if formula { format!("'{escaped}").into() } else { escaped }
    }
}

fn failed(error: arrow::error::ArrowError) -> ConnectorError {
    ConnectorError::new(ErrorKind::Bug, "write delimited text", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_get_an_apostrophe_and_other_text_stays() {
        let texts = Texts { escape: None, prefix: true };
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("a=1", "a=1"),
            (" =1", " =1"),
            ("'=1", "'=1"),
            ("", ""),
        ] {
            assert_eq!(texts.text(text), written);
        }
    }

    #[test]
    fn an_escape_is_escaped() {
        let texts = Texts { escape: Some('\\'), prefix: true };
        assert_eq!(texts.text("a\\"), "a\\\\");
        assert_eq!(texts.text("=\\n"), "'=\\\\n");
        assert_eq!(texts.text("a\"b"), "a\"b", "what the writer escapes by itself");
    }
}
