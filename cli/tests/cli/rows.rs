//! Rows as sorted lines of text, wherever they are kept: what tests compare.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use serde_json::Value;

/// What an empty value is shown as.
pub(crate) const NULL: &str = "∅";

/// The numbers of made-up rows; each row follows from its number and the version.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) version: &'static str,
}

impl Made {
    fn fields(self) -> impl Iterator<Item = (u64, u64, f64, Option<String>)> {
        (self.first..self.end).map(move |id| {
            let account = id * 7919 % 1009;
            #[expect(clippy::cast_precision_loss, reason = "small, and quarters are exact")]
            let amount = (id * 31 % 100_003) as f64 / 4.0;
            let note = (id % 11 != 0).then(|| format!("{} {}", self.version, id * 13 % 9973));
            (id, account, amount, note)
        })
    }

    /// As a CSV file.
    pub(crate) fn csv(self) -> String {
        let mut text = String::from("id,account,amount,note\n");
        for (id, account, amount, note) in self.fields() {
            writeln!(text, "{id},{account},{amount:?},{}", note.unwrap_or_default()).expect("text");
        }
        text
    }

    /// As a query that PostgreSQL answers with these rows.
    pub(crate) fn sql(self) -> String {
        format!(
            "SELECT id, id * 7919 % 1009 AS account, (id * 31 % 100003)::float8 / 4 AS amount, \
             CASE WHEN id % 11 <> 0 THEN '{} ' || (id * 13 % 9973) END AS note FROM generate_series({}::bigint, {}) AS id",
            self.version,
            self.first,
            self.end - 1
        )
    }

    /// As lines.
    pub(crate) fn lines(self) -> Vec<String> {
        self.fields()
            .map(|(id, account, amount, note)| format!("{id}|{account}|{amount}|{}", note.as_deref().unwrap_or(NULL)))
            .collect()
    }
}

/// Sorted lines.
pub(crate) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

/// Compares many lines without printing all of them.
pub(crate) fn same(what: &str, came: &[String], expected: &[String]) {
    if came == expected {
        return;
    }
    let (mut missing, mut surplus) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (came.iter().peekable(), expected.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some(line), Some(wanted)) if line == wanted => {
                left.next();
                right.next();
            }
            (Some(line), Some(wanted)) if line < wanted => surplus.extend(left.next()),
            (Some(_), None) => surplus.extend(left.next()),
            (_, Some(_)) => missing.extend(right.next()),
            (None, None) => break,
        }
    }
    panic!(
        "{what}: {} rows came, {} were expected; {} are missing, as {:?}; {} are too many, as {:?}",
        came.len(),
        expected.len(),
        missing.len(),
        &missing[..missing.len().min(3)],
        surplus.len(),
        &surplus[..surplus.len().min(3)]
    );
}

/// The files below a folder that readers see: none whose path has a part that begins with `.` or `_`.
pub(crate) fn visible(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        match entry.file_type().expect("a type").is_dir() {
            true => files.extend(visible(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    files
}

/// The records of all visible NDJSON files below a folder.
pub(crate) fn ndjson(folder: &Path) -> Vec<Value> {
    let read = |file: PathBuf| std::fs::read_to_string(file).expect("a file");
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    visible(folder).into_iter().map(read).flat_map(|text| text.lines().map(parse).collect::<Vec<Value>>()).collect()
}

/// The rows of all visible NDJSON files below a folder, their values in the order of the columns.
pub(crate) fn of_files(folder: &Path) -> Vec<String> {
    let line = |row: Value| {
        let values: Vec<String> = row.as_object().expect("an object").values().map(shown).collect();
        values.join("|")
    };
    sorted(ndjson(folder).into_iter().map(line).collect())
}

/// A JSON value as a line shows it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => NULL.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().expect("a number").to_string(),
        other => other.to_string(),
    }
}

/// The rows that a query of a SQLite file gives; none when the file or a table is not there.
pub(crate) fn of_sqlite(file: &Path, query: &str) -> Vec<String> {
    if !file.exists() {
        return Vec::new();
    }
    let connection = rusqlite::Connection::open(file).expect("a database");
    connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout");
    let mut statement = match connection.prepare(query) {
        Ok(statement) => statement,
        Err(error) if error.to_string().contains("no such table") => return Vec::new(),
        Err(error) => panic!("{error}"),
    };
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let mut values = Vec::new();
        for column in 0..columns {
            values.push(match row.get_ref(column)? {
                ValueRef::Null => NULL.to_owned(),
                ValueRef::Integer(value) => value.to_string(),
                ValueRef::Real(value) => value.to_string(),
                ValueRef::Text(value) | ValueRef::Blob(value) => String::from_utf8_lossy(value).into_owned(),
            });
        }
        Ok(values.join("|"))
    });
    sorted(rows.and_then(Iterator::collect).expect("rows"))
}

/// Runs statements on a SQLite file, which is made when it is missing.
pub(crate) fn execute_sqlite(file: &Path, statements: &str) {
    let connection = rusqlite::Connection::open(file).expect("a database");
    connection.execute_batch(statements).unwrap_or_else(|error| panic!("{error}: {statements}"));
}
