//! Delimited text that was made up, read by us and by DuckDB: the same rows, and the same ones left out. What the two read
//! differently on purpose is not made: quotes that are not closed, and text behind a closing quote.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aggregator_crds::pipeline::WriteMode;
use aggregator_tests::random::Random;
use aggregator_tests::{folder, python};
use aggregator_worker::connector::WriteOptions;
use arrow::array::RecordBatch;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc::reader::FileReader;
use serde_json::{Value, json};

use crate::harness::{Lake, Outcome};

/// Name, type as a Connector declares it, type of DuckDB.
const COLUMNS: [(&str, &str, &str); 8] = [
    ("id", "Int64", "BIGINT"),
    ("number", "Int64", "BIGINT"),
    ("ratio", "Float64", "DOUBLE"),
    ("text", "Utf8", "VARCHAR"),
    ("yes", "Boolean", "BOOLEAN"),
    ("day", "Date32", "DATE"),
    ("at", "Timestamp(Microsecond)", "TIMESTAMP"),
    ("price", "Decimal128(10, 2)", "DECIMAL(10,2)"),
];

fn schema() -> SchemaRef {
    let types = [
        DataType::Int64,
        DataType::Int64,
        DataType::Float64,
        DataType::Utf8,
        DataType::Boolean,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Decimal128(10, 2),
    ];
    let fields = std::iter::zip(COLUMNS, types).map(|((name, ..), data_type)| Field::new(name, data_type, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How a file is written, told to both.
struct Dialect {
    delimiter: char,
    quote: char,
    escape: Option<char>,
    header: bool,
    line_end: &'static str,
    null: &'static str,
    skip: usize,
}

impl Dialect {
    fn made_up(random: &mut Random) -> Self {
        let escape = *random.pick(&[None, None, Some('\\')]);
        Self {
            delimiter: *random.pick(&[',', ';', '\t', '|']),
            quote: *random.pick(&['"', '"', '\'']),
            escape,
            header: random.below(4) > 0,
            line_end: *random.pick(&["\n", "\n", "\r\n"]),
            // An escape in it would be read as such.
            null: *random.pick(if escape.is_some() { &["", "NA"] } else { &["", "", "NA", "\\N"] }),
            skip: *random.pick(&[0, 0, 0, 2]),
        }
    }

    fn format(&self) -> Value {
        let columns: Vec<Value> =
            COLUMNS.iter().map(|(name, data_type, _)| json!({"name": name, "type": data_type})).collect();
        let mut csv = json!({
            "delimiter": self.delimiter, "quote": self.quote, "header": self.header, "skipRows": self.skip,
            "nullValues": [self.null], "schema": {"columns": columns},
        });
        if let Some(escape) = self.escape {
            csv["escape"] = json!(escape);
        }
        json!({"csv": csv})
    }

    /// The query by which DuckDB reads a file.
    fn query(&self, path: &Path) -> String {
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let columns: Vec<String> = COLUMNS.iter().map(|(name, _, kind)| format!("'{name}': '{kind}'")).collect();
        format!(
            "SELECT * FROM read_csv({}, auto_detect = false, columns = {{{}}}, delim = {}, quote = {}, escape = {}, \
             header = {}, skip = {}, nullstr = {}, new_line = {}, store_rejects = true)",
            text(&path.display().to_string()),
            columns.join(", "),
            text(&self.delimiter.to_string()),
            text(&self.quote.to_string()),
            text(&self.escape.unwrap_or(self.quote).to_string()),
            self.header,
            self.skip,
            text(self.null),
            text(if self.line_end == "\n" { "\\n" } else { "\\r\\n" }),
        )
    }

    /// A value as it stands in a file: in quotes where it needs them, and sometimes where it does not.
    fn field(&self, value: Option<String>, random: &mut Random) -> String {
        let Some(value) = value else { return self.null.to_owned() };
        let needs = value.contains([self.delimiter, self.quote, '\n', '\r', '\\']) || value.trim() != value;
        if !needs && random.below(8) > 0 {
            return value;
        }
        let mut written = String::from(self.quote);
        for character in value.chars() {
            if character == self.quote || Some(character) == self.escape {
                written.push(self.escape.unwrap_or(self.quote));
            }
            written.push(character);
        }
        written.push(self.quote);
        written
    }
}

/// Text of pieces that make trouble together.
fn text(random: &mut Random, null: &str) -> String {
    const PIECES: [&str; 16] =
        ["a", "é", "日本", "😀", ",", ";", "\t", "|", "\"", "'", "\n", "\r\n", " ", "\\", "0", "longer text, of words"];
    let text: String = (0..1 + random.below(6)).map(|_| *random.pick(&PIECES)).collect();
    // Either would be read as no value.
    if text == null { "x".into() } else { text }
}

/// The values of a row; some rows have one that is none of its column's type.
fn values(id: u64, random: &mut Random, null: &str) -> Vec<Option<String>> {
    let day = |random: &mut Random| {
        format!("{:04}-{:02}-{:02}", 1600 + random.below(800), 1 + random.below(12), 1 + random.below(28))
    };
    let sign = |random: &mut Random| if random.below(3) == 0 { "-" } else { "" };
    let number = match random.below(6) {
        0 => i64::MAX.to_string(),
        1 => i64::MIN.to_string(),
        _ => (random.next() as i64 >> random.below(60)).to_string(),
    };
    let ratio = match random.below(6) {
        0 => "1.7976931348623157e308".into(),
        1 => "5e-324".into(),
        _ => format!("{}{}.{}", sign(random), random.below(1_000_000), random.below(1_000_000)),
    };
    let time = format!("{:02}:{:02}:{:02}", random.below(24), random.below(60), random.below(60));
    let fraction = if random.below(2) == 0 { String::new() } else { format!(".{:06}", random.below(1_000_000)) };
    let between = *random.pick(&[" ", "T"]);
    let mut values = vec![
        Some(id.to_string()),
        Some(number),
        Some(ratio),
        Some(text(random, null)),
        Some((*random.pick(&["true", "false"])).to_string()),
        Some(day(random)),
        Some(format!("{}{between}{time}{fraction}", day(random))),
        Some(format!("{}{}.{:02}", sign(random), random.below(100_000_000), random.below(100))),
    ];
    for value in &mut values[1..] {
        if random.below(8) == 0 {
            *value = None;
        }
    }
    values
}

/// A file's text.
fn file(dialect: &Dialect, rows: u64, random: &mut Random) -> String {
    let joined = |fields: Vec<String>| fields.join(&dialect.delimiter.to_string()) + dialect.line_end;
    let mut written = String::new();
    for _ in 0..dialect.skip {
        written += "made by nobody";
        written += dialect.line_end;
    }
    if dialect.header {
        written += &joined(COLUMNS.iter().map(|(name, ..)| (*name).to_owned()).collect());
    }
    for id in 0..rows {
        let mut values = values(id, random, dialect.null);
        match random.below(16) {
            0 => values[*random.pick(&[1, 2, 4, 5, 6, 7])] = Some("none".into()),
            1 => values.truncate(1 + random.below(6)),
            2 => values.push(Some("more".into())),
            _ => {}
        }
        written += &joined(values.into_iter().map(|value| dialect.field(value, random)).collect());
    }
    written
}

/// Rows that DuckDB gave, with our types, and where the rows begin that it has left out.
fn of_duckdb(folder: &Path, queries: &[String]) -> Vec<(RecordBatch, Vec<u64>)> {
    let place = |number: usize, ending: &str| folder.join(format!("{number}.{ending}"));
    let jobs = queries.iter().enumerate().map(
        |(number, query)| json!({"query": query, "rows": place(number, "arrow"), "left_out": place(number, "json")}),
    );
    let list = folder.join("jobs.json");
    std::fs::write(&list, Value::from_iter(jobs).to_string()).unwrap();
    let script = folder::workspace().join("worker/tests/files/read_by_duckdb.py");
    let run = Command::new(python::interpreter()).arg(script).arg(list).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let outcome = |number| {
        let reader = FileReader::try_new(File::open(place(number, "arrow")).unwrap(), None).unwrap();
        let theirs = reader.schema();
        let batch = concat_batches(&theirs, &reader.collect::<Result<Vec<_>, _>>().unwrap()).unwrap();
        let ours = std::iter::zip(batch.columns(), schema().fields())
            .map(|(column, field)| cast(column, field.data_type()).unwrap())
            .collect();
        let left_out = serde_json::from_slice(&std::fs::read(place(number, "json")).unwrap()).unwrap();
        (RecordBatch::try_new(schema(), ours).unwrap(), left_out)
    };
    (0..queries.len()).map(outcome).collect()
}

fn by_column(batch: &RecordBatch, row: usize) -> Vec<String> {
    let outcome = Outcome { batch: batch.slice(row, 1), rejects: Vec::new(), end: Default::default() };
    outcome.rows().remove(0)
}

fn same(what: &str, ours: &RecordBatch, theirs: &RecordBatch) {
    for row in 0..ours.num_rows().min(theirs.num_rows()) {
        assert_eq!(by_column(ours, row), by_column(theirs, row), "{what}, row {row}: ours, and that of DuckDB");
    }
    assert_eq!(ours, theirs, "{what}");
}

#[tokio::test]
async fn files_that_are_made_up_read_as_duckdb_reads_them() {
    let mut random = Random::seeded("files_that_are_made_up_read_as_duckdb_reads_them");
    let place = tempfile::tempdir().unwrap();
    let (mut queries, mut made, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..24 {
        let dialect = Dialect::made_up(&mut random);
        let lake = Lake::new(Some(dialect.format()));
        let rows = *random.pick(&[1, 30, 400]);
        let text = file(&dialect, rows, &mut random);
        lake.put("made.csv", &text);
        queries.push(dialect.query(&lake.root().join("made.csv")));
        outcomes.push(lake.read("made.csv").await.unwrap());
        made.push((lake, text));
    }
    let (mut rows, mut rejects) = (0, 0);
    for (number, (theirs, left_out)) in of_duckdb(place.path(), &queries).into_iter().enumerate() {
        let outcome = &outcomes[number];
        assert!(outcome.balanced());
        same(&queries[number], &outcome.batch, &theirs);
        let ours: Vec<u64> = outcome.rejects.iter().map(|reject| reject.offset.unwrap()).collect();
        // DuckDB counts the second half of a line's end to the line behind it.
        let text = made[number].1.as_bytes();
        let begin = |place: u64| place + u64::from(text[place as usize] == b'\n');
        let left_out: Vec<u64> = left_out.into_iter().map(begin).collect();
        assert_eq!(ours, left_out, "{}: where bad rows begin", queries[number]);
        rows += theirs.num_rows();
        rejects += left_out.len();
    }
    assert!(rows > 500 && rejects > 50, "{rows} rows and {rejects} rejects are no test");
}

#[tokio::test]
async fn files_that_we_write_are_read_back_by_duckdb() {
    let mut random = Random::seeded("files_that_we_write_are_read_back_by_duckdb");
    let place = tempfile::tempdir().unwrap();
    let (mut queries, mut written) = (Vec::new(), Vec::new());
    for number in 0..12 {
        let mut dialect = Dialect { line_end: "\n", skip: 0, ..Dialect::made_up(&mut random) };
        dialect.header = true;
        let lake = Lake::new(Some(dialect.format()));
        // Rows without a fault, by way of a file that is read first.
        let lines: Vec<String> = (0..200)
            .map(|id| {
                let values = values(id, &mut random, dialect.null);
                let fields: Vec<String> = values.into_iter().map(|value| dialect.field(value, &mut random)).collect();
                fields.join(&dialect.delimiter.to_string())
            })
            .collect();
        let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
        let text = names.join(&dialect.delimiter.to_string()) + "\n" + &lines.join("\n") + "\n";
        let batch = lake.put("in.csv", text).read("in.csv").await.unwrap().batch;
        assert_eq!(batch.num_rows(), 200);
        let quoting = *random.pick(&["Minimal", "Always", "NonNumeric"]);
        let mut format = dialect.format();
        format["csv"]["quoting"] = json!(quoting);
        let lake = lake.reopen(Some(format));
        let append = WriteOptions { mode: WriteMode::Append, ..WriteOptions::default() };
        lake.write("out.csv", &batch, append, 1).await;
        let again = lake.read("out.csv").await.unwrap();
        assert!(again.rejects.is_empty(), "{number}: by ourselves, {quoting}: {:?}", again.rejects[0]);
        assert_eq!(again.batch, batch, "{number}: by ourselves, {quoting}");
        queries.push(dialect.query(&lake.root().join("out.csv")));
        written.push((lake, batch));
    }
    for (number, (theirs, left_out)) in of_duckdb(place.path(), &queries).into_iter().enumerate() {
        same(&queries[number], &written[number].1, &theirs);
        assert_eq!(left_out, Vec::<u64>::new(), "{}", queries[number]);
    }
}
