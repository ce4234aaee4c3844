//! What people and programs see on standard output and standard error.

use std::io::{IsTerminal, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// Writes a line to standard output. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: &str) {
    write_line(&mut std::io::stdout().lock(), text);
}

/// Writes a line to standard error.
pub(crate) fn error_line(text: &str) {
    write_line(&mut std::io::stderr().lock(), text);
}

fn write_line(stream: &mut impl Write, text: &str) {
    // Nobody is left to tell when writing fails.
    if writeln!(stream, "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Writes a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value).map_err(std::io::Error::from)?);
    Ok(())
}

/// An empty table in the house's style: no frame, so that it can be copied and cut.
pub(crate) fn table<T: Into<String>>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.into_iter().map(|name| comfy_table::Cell::new(name.into())));
    table
}

/// Aligns columns of figures to the right.
pub(crate) fn figures(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Shows a table without blanks at line ends.
pub(crate) fn show(table: &Table) {
    for text in table.to_string().lines() {
        line(text.trim_end());
    }
}

/// Rows as a table; long values are cut.
pub(crate) fn rows_table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Table, Failure> {
    const WIDEST: usize = 60;
    let mut table = table(schema.fields().iter().map(|field| field.name().clone()));
    let options = FormatOptions::default().with_null("∅");
    for batch in batches {
        let formatters = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(std::io::Error::other)?;
        for row in 0..batch.num_rows() {
            table.add_row(formatters.iter().map(|formatter| {
                let text: String =
                    formatter.value(row).to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                if text.chars().count() > WIDEST {
                    text.chars().take(WIDEST - 1).chain(['…']).collect()
                } else {
                    text
                }
            }));
        }
    }
    let numbers: Vec<usize> = schema
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.data_type().is_numeric())
        .map(|(index, _)| index)
        .collect();
    figures(&mut table, numbers);
    Ok(table)
}

/// Rows as JSON objects.
pub(crate) fn rows_json(batches: &[RecordBatch]) -> Result<Vec<serde_json::Value>, Failure> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
    for batch in batches {
        writer.write(batch).map_err(std::io::Error::other)?;
    }
    writer.finish().map_err(std::io::Error::other)?;
    drop(writer);
    let rows = serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<Vec<_>, _>>();
    Ok(rows.map_err(std::io::Error::from)?)
}

/// Whether a person watches standard error.
pub(crate) fn watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A count with thin separators, as `1 234 567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_grouped_by_three() {
        let shown: Vec<String> = [0, 12, 999, 1_000, 1_234_567].into_iter().map(count).collect();
        assert_eq!(shown, ["0", "12", "999", "1 000", "1 234 567"]);
    }
}
