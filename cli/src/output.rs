//! What people and programs see on standard output and standard error.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use aggregator_telemetry::Said;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, presets};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;

/// Why standard output could not be written, once it could not.
static UNWRITTEN: OnceLock<std::io::Error> = OnceLock::new();

/// What every line says, where lines are JSON: standard error, and the log that a worker writes to standard output.
static LINES: OnceLock<Said> = OnceLock::new();

/// Lines are JSON from now on.
pub(crate) fn as_lines(said: Said) {
    LINES.get_or_init(|| said);
}

/// Whether lines are JSON.
pub(crate) fn in_lines() -> bool {
    LINES.get().is_some()
}

/// Writes a line to standard output for whoever follows the log of a process that nobody sits in front of.
pub(crate) fn log_line(text: &str) {
    match LINES.get() {
        Some(said) => line(&said.line("INFO", TARGET, text).to_string()),
        None => line(text),
    }
}

/// Writes what such a process has found: indented for people, or in one line.
pub(crate) fn log_result(value: &impl Serialize) -> Result<(), Failure> {
    if !in_lines() {
        return json(value);
    }
    line(&serde_json::to_string(value).map_err(std::io::Error::from)?);
    Ok(())
}

/// Who says what is no event of the log.
const TARGET: &str = "aggregator";

/// Writes a line to standard output. A reader that has gone away (`| head`) is no error; a full disk is, which
/// [`unwritten`] tells at the end. Either way the command goes on: what it does counts more than what it says.
pub(crate) fn line(text: &str) {
    if UNWRITTEN.get().is_none()
        && let Err(error) = writeln!(std::io::stdout().lock(), "{text}")
    {
        UNWRITTEN.get_or_init(|| error);
    }
}

/// Why not all of the output was written, when somebody was there to read it.
pub(crate) fn unwritten() -> Option<&'static std::io::Error> {
    UNWRITTEN.get().filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe)
}

/// Writes a line to standard error, for people or as the log has them.
pub(crate) fn error_line(text: &str) {
    match LINES.get() {
        Some(said) => stderr(&said.line("WARN", TARGET, text).to_string()),
        None => stderr(&harmless(text)),
    }
}

/// Writes a line to standard error as it is. Nobody is left to tell when that fails.
pub(crate) fn stderr(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap_or_default();
}

/// Why a command has ended as a line, where lines are JSON: with all fields of the failure.
pub(crate) fn failure_line(failure: &Failure) -> Option<String> {
    let mut line = LINES.get()?.line("ERROR", TARGET, &failure.message);
    if let (Some(line), Ok(Value::Object(fields))) = (line.as_object_mut(), serde_json::to_value(failure)) {
        fields.into_iter().for_each(|(name, value)| {
            line.entry(name).or_insert(value);
        });
    }
    Some(line.to_string())
}

/// The text without characters that would steer a terminal: data may hold them. Line ends stay.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|character| if character.is_control() && character != '\n' { ' ' } else { character }).collect()
}

/// Writes a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value).map_err(std::io::Error::from)?);
    Ok(())
}

/// The columns of a line where none is known.
const USUAL_WIDTH: u16 = 80;

/// How many columns a line has: as `COLUMNS` says, else the terminal. None where nobody looks: programs get whole lines.
pub(crate) fn width() -> Option<u16> {
    const NARROWEST: u16 = 40;
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<u16>().ok());
    let seen = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0);
    told.or_else(seen).map(|width| width.max(NARROWEST))
}

/// An empty table in the house's style: no frame, so that it can be copied and cut.
pub(crate) fn table<T: Into<String>>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = list();
    table.set_header(header.into_iter().map(|name| Cell::new(name.into())));
    table
}

/// A table without a header.
pub(crate) fn list() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

/// Aligns columns of figures to the right, and keeps each figure in one line.
pub(crate) fn figures(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// Shows a table without blanks at line ends.
pub(crate) fn show(table: &Table) {
    indented(table, "");
}

/// Shows a table, some blanks from the left.
pub(crate) fn indented(table: &Table, blanks: &str) {
    let mut table = table.clone();
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(width) = table.width() {
        // The gap behind the last column needs no room.
        table.set_width(width + 2 - u16::try_from(blanks.len()).unwrap_or(0));
    }
    for text in table.to_string().lines() {
        line(&harmless(format!("{blanks}{text}").trim_end()));
    }
}

/// Shows a text in as many lines as it needs.
pub(crate) fn paragraph(text: &str) {
    hanging("", text);
}

/// Shows a text behind a prefix, in as many lines as it needs, each below the first one's begin.
pub(crate) fn hanging(prefix: &str, text: &str) {
    let blanks = " ".repeat(prefix.chars().count());
    let mut table = list();
    if let Some(width) = table.width() {
        table.set_width(width - u16::try_from(blanks.len()).unwrap_or(0).min(width / 2));
    }
    table.add_row([text]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
    }
    for (index, text) in table.to_string().lines().enumerate() {
        line(&harmless(format!("{}{text}", if index == 0 { prefix } else { &blanks }).trim_end()));
    }
}

/// Shows a text in one line: of the terminal, whole without one.
pub(crate) fn fitting(blanks: &str, text: &str) {
    cut(blanks, text, width().unwrap_or(u16::MAX - 2));
}

/// Shows a text in one line, cut at the terminal's edge, or where one usually has it.
pub(crate) fn cut_line(blanks: &str, text: &str) {
    cut(blanks, text, width().unwrap_or(USUAL_WIDTH));
}

fn cut(blanks: &str, text: &str, width: u16) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Cut where the line ends, and not at a word: the text is data.
    table.set_delimiter('\u{0}').set_truncation_indicator("…");
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    let mut row = Row::from([harmless(text).replace('\n', " ")]);
    row.max_height(1);
    table.add_row(row);
    indented(&table, blanks);
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
