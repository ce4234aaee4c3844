//! Every type from PostgreSQL to Parquet and to SQLite, from each of these to the other, and back: what arrives is what this table
//! says.

use std::process::Command;

use aggregator_tests::python;

use crate::aggregator::Place;
use crate::postgres::Database;
use crate::rows::{NULL, ndjson, of_sqlite};

/// A type, with values at its limits, and what it becomes.
struct Trip {
    /// The type in PostgreSQL.
    server: &'static str,
    /// Its values, as PostgreSQL shows them as text.
    values: &'static [&'static str],
    /// Its type in Parquet, as DuckDB names it.
    parquet: &'static str,
    /// Its type in a table that is made of the Parquet.
    back: &'static str,
    /// Its type in SQLite, its values there, its type in Parquet and in a PostgreSQL table that are made of it, and its values there.
    sqlite: Option<(&'static str, Stored, &'static str, &'static str, Stored)>,
}

/// What became of the values.
#[derive(Clone, Copy)]
enum Stored {
    Same,
    As(&'static [&'static str]),
}

impl Stored {
    fn of(self, values: &'static [&'static str]) -> &'static [&'static str] {
        match self {
            Self::Same => values,
            Self::As(other) => other,
        }
    }
}

use Stored::{As, Same};

/// SQLite keeps no sign of a zero, and reals of one size.
#[rustfmt::skip]
const TRIPS: &[Trip] = &[
    Trip { server: "boolean", values: &["true", "false"], parquet: "BOOLEAN", back: "boolean", sqlite: Some(("BOOLEAN", As(&["1", "0"]), "BOOLEAN", "boolean", Same)) },
    Trip { server: "smallint", values: &["-32768", "32767", "0"], parquet: "SMALLINT", back: "smallint", sqlite: Some(("INTEGER", Same, "BIGINT", "bigint", Same)) },
    Trip { server: "integer", values: &["-2147483648", "2147483647"], parquet: "INTEGER", back: "integer", sqlite: Some(("INTEGER", Same, "BIGINT", "bigint", Same)) },
    Trip { server: "bigint", values: &["-9223372036854775808", "9223372036854775807"], parquet: "BIGINT", back: "bigint", sqlite: Some(("INTEGER", Same, "BIGINT", "bigint", Same)) },
    Trip { server: "real", values: &["3.4028235e+38", "1e-45", "-0", "0.1", "Infinity"], parquet: "FLOAT", back: "real", sqlite: Some(("REAL", As(&["3.4028234663852886e+38", "1.4012984643248171e-45", "0.0", "0.10000000149011612", "Inf"]), "DOUBLE", "double precision", As(&["3.4028234663852886e+38", "1.401298464324817e-45", "0", "0.10000000149011612", "Infinity"]))) },
    Trip { server: "double precision", values: &["1.7976931348623157e+308", "-1.5", "0.1", "-Infinity"], parquet: "DOUBLE", back: "double precision", sqlite: Some(("REAL", As(&["1.7976931348623157e+308", "-1.5", "0.10000000000000001", "-Inf"]), "DOUBLE", "double precision", Same)) },
    Trip { server: "numeric(10,2)", values: &["-99999999.99", "99999999.99", "0.00", "0.05"], parquet: "DECIMAL(10,2)", back: "numeric(10,2)", sqlite: Some(("DECIMAL_TEXT(10, 2)", Same, "DECIMAL(10,2)", "numeric(10,2)", Same)) },
    Trip { server: "numeric(38,0)", values: &["-99999999999999999999999999999999999999", "99999999999999999999999999999999999999"], parquet: "DECIMAL(38,0)", back: "numeric(38,0)", sqlite: Some(("DECIMAL_TEXT(38, 0)", Same, "DECIMAL(38,0)", "numeric(38,0)", Same)) },
    Trip { server: "numeric(38,38)", values: &["0.99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001"], parquet: "DECIMAL(38,38)", back: "numeric(38,38)", sqlite: Some(("DECIMAL_TEXT(38, 38)", Same, "DECIMAL(38,38)", "numeric(38,38)", Same)) },
    Trip { server: "numeric", values: &["123456789012345678901234567890123456789012345.6789", "NaN"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "text", values: &["", "é😀\u{1}", "a\nb\t\"c\"", "∅∅", "=1+1"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "varchar(5)", values: &["äöüéß", ""], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "uuid", values: &["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "bytea", values: &["\\x", "\\x00ff7f"], parquet: "BLOB", back: "bytea", sqlite: Some(("BLOB", As(&["", "00FF7F"]), "BLOB", "bytea", Same)) },
    Trip { server: "date", values: &["0001-01-01", "9999-12-31", "1970-01-01", "2000-02-29"], parquet: "DATE", back: "date", sqlite: Some(("DATE", Same, "DATE", "date", Same)) },
    Trip { server: "time", values: &["00:00:00", "23:59:59.999999", "12:30:00.5"], parquet: "TIME", back: "time without time zone", sqlite: Some(("TIME", As(&["00:00:00", "23:59:59.999999", "12:30:00.500"]), "TIME", "time without time zone", Same)) },
    Trip { server: "timestamp", values: &["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.5"], parquet: "TIMESTAMP", back: "timestamp without time zone", sqlite: Some(("TIMESTAMP", As(&["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "1969-12-31T23:59:59.500"]), "TIMESTAMP", "timestamp without time zone", Same)) },
    Trip { server: "timestamptz", values: &["0001-01-01 00:00:00+00", "9999-12-31 21:59:59.999999+00"], parquet: "TIMESTAMP WITH TIME ZONE", back: "timestamp with time zone", sqlite: Some(("TIMESTAMP WITH TIME ZONE", As(&["0001-01-01T00:00:00Z", "9999-12-31T21:59:59.999999Z"]), "TIMESTAMP WITH TIME ZONE", "timestamp with time zone", Same)) },
    Trip { server: "json", values: &["{\"a\": [1, null]}", "null"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "jsonb", values: &["{\"a\": 1.0}"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "interval", values: &["1 year 2 mons -3 days +04:05:06.789"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "inet", values: &["192.168.0.0/16", "::1/128"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "mood", values: &["sad", "o'k"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "numeric(38,10)", values: &["-9999999999999999999999999999.9999999999", "0.0000000001"], parquet: "DECIMAL(38,10)", back: "numeric(38,10)", sqlite: Some(("DECIMAL_TEXT(38, 10)", Same, "DECIMAL(38,10)", "numeric(38,10)", Same)) },
    Trip { server: "numeric(5,-2)", values: &["-9999900", "1200"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "amount", values: &["0.001", "999999999.999"], parquet: "DECIMAL(12,3)", back: "numeric(12,3)", sqlite: Some(("DECIMAL_TEXT(12, 3)", Same, "DECIMAL(12,3)", "numeric(12,3)", Same)) },
    Trip { server: "char(5)", values: &["ab   ", "äöüéß", "     "], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "name", values: &["pg_class"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "\"char\"", values: &["x"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "word", values: &["a", ""], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "cidr", values: &["192.168.100.128/25", "2001:db8::/32", "10.0.0.0/8"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "macaddr", values: &["08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "macaddr8", values: &["08:00:2b:01:02:03:04:05"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "timetz", values: &["23:59:59.999999+14", "00:00:00-15:59:59", "24:00:00+00"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "money", values: &["-$92,233,720,368,547,758.08", "$0.01"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "bit(4)", values: &["1010", "0000"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "varbit", values: &["", "101010101"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "xml", values: &["<a b=\"1\">é</a>", "text"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "int4range", values: &["[-2147483648,2147483647)", "empty", "(,)"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "int8range", values: &["[1,)"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "numrange", values: &["[1.5,2.50)", "(,0.1]"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "daterange", values: &["[2026-01-01,2026-02-01)", "(,infinity)"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "tsrange", values: &["[\"2026-01-01 00:00:00\",\"2026-01-01 00:00:00.000001\")"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "tstzrange", values: &["[\"2026-01-01 00:00:00+00\",)"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "int4multirange", values: &["{[1,3),[5,7)}", "{}"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "tsvector", values: &["'and':2 'fish':1A", ""], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "tsquery", values: &["'fish' & !'cat'"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "jsonpath", values: &["$.\"a\"[*]?(@ > 1)"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "point", values: &["(1.5,-2)", "(Infinity,0)"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "line", values: &["{1,-1,0}"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "lseg", values: &["[(0,0),(1,1)]"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "box", values: &["(1,1),(0,0)"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "path", values: &["[(0,0),(1,1)]", "((0,0),(1,1))"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "polygon", values: &["((0,0),(1,1),(1,0))"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "circle", values: &["<(0,0),1.5>"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "oid", values: &["4294967295", "0"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "regclass", values: &["pg_class"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "pg_lsn", values: &["16/B374D848"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "pair", values: &["(1,\"a,b\")", "(,)"], parquet: "VARCHAR", back: "text", sqlite: Some(("TEXT", Same, "VARCHAR", "text", Same)) },
    Trip { server: "bigint[]", values: &["{}", "{9223372036854775807,NULL,-1}"], parquet: "BIGINT[]", back: "bigint[]", sqlite: None },
    Trip { server: "text[]", values: &["{a,NULL,\"\",\"a,b\"}"], parquet: "VARCHAR[]", back: "text[]", sqlite: None },
    Trip { server: "numeric(5,2)[]", values: &["{999.99,-0.01,NULL}"], parquet: "DECIMAL(5,2)[]", back: "numeric(5,2)[]", sqlite: None },
    Trip { server: "timestamptz[]", values: &["{\"2026-01-02 03:04:05.000006+00\"}"], parquet: "TIMESTAMP WITH TIME ZONE[]", back: "timestamp with time zone[]", sqlite: None },
    Trip { server: "boolean[]", values: &["{t,NULL,f}"], parquet: "BOOLEAN[]", back: "boolean[]", sqlite: None },
    Trip { server: "smallint[]", values: &["{-32768,32767}"], parquet: "SMALLINT[]", back: "smallint[]", sqlite: None },
    Trip { server: "double precision[]", values: &["{0.1,Infinity,NULL}"], parquet: "DOUBLE[]", back: "double precision[]", sqlite: None },
    Trip { server: "date[]", values: &["{0001-01-01,9999-12-31}"], parquet: "DATE[]", back: "date[]", sqlite: None },
    Trip { server: "timestamp[]", values: &["{\"2026-01-02 03:04:05.000006\"}"], parquet: "TIMESTAMP[]", back: "timestamp without time zone[]", sqlite: None },
    Trip { server: "bytea[]", values: &["{\"\\\\x\",\"\\\\x00ff\"}"], parquet: "BLOB[]", back: "bytea[]", sqlite: None },
    Trip { server: "uuid[]", values: &["{00000000-0000-0000-0000-000000000000,NULL}"], parquet: "VARCHAR[]", back: "text[]", sqlite: None },
    Trip { server: "jsonb[]", values: &["{\"{\\\"a\\\": 1}\",NULL}"], parquet: "VARCHAR[]", back: "text[]", sqlite: None },
    Trip { server: "inet[]", values: &["{10.0.0.1/32,NULL}"], parquet: "VARCHAR[]", back: "text[]", sqlite: None },
    Trip { server: "mood[]", values: &["{sad,o'k}"], parquet: "VARCHAR[]", back: "text[]", sqlite: None },
    Trip { server: "interval[]", values: &["{\"1 day\",-01:00:00}"], parquet: "VARCHAR[]", back: "text[]", sqlite: None },
];

/// One more than the most values of a type: each column has a null.
const ROWS: usize = 6;

/// The columns of a table with those types that SQLite has, or those that it has not.
fn columns(in_sqlite: bool) -> impl Iterator<Item = (String, &'static Trip)> {
    let named = TRIPS.iter().enumerate().map(|(number, trip)| (format!("c{number:02}"), trip));
    named.filter(move |(_, trip)| trip.sqlite.is_some() == in_sqlite)
}

fn literal(value: Option<&&str>) -> String {
    value.map_or_else(|| "NULL".into(), |value| format!("'{}'", value.replace('\'', "''")))
}

fn table(name: &str, in_sqlite: bool) -> String {
    let declared: Vec<String> = columns(in_sqlite).map(|(name, trip)| format!("{name} {}", trip.server)).collect();
    let rows = (0..ROWS).map(|row| {
        let values = columns(in_sqlite).map(|(_, trip)| literal(trip.values.get(row)));
        format!("({row}, {})", values.collect::<Vec<_>>().join(", "))
    });
    let rows: Vec<String> = rows.collect();
    format!("CREATE TABLE {name} (id integer, {}); INSERT INTO {name} VALUES {};", declared.join(", "), rows.join(", "))
}

/// Moves streams, as source and sink name them, from one Connector to another.
fn moved(place: &Place, name: &str, from: &str, to: &str, streams: &[(&str, &str)]) {
    let mut sources = String::new();
    let mut sinks = String::new();
    for (number, (source, sink)) in streams.iter().enumerate() {
        sources += &format!("    - {{name: s{number}, connector: {from}, stream: {source}}}\n");
        sinks += &format!(
            "    - {{name: t{number}, from: s{number}, connector: {to}, stream: {sink}, write: {{mode: Append}}}}\n"
        );
    }
    place.write(
        &format!("m/{name}.yaml"),
        &format!(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: {name}, namespace: test}}\nspec:\n  sources:\n{sources}  sinks:\n{sinks}"
        ),
    );
    place.ok(&format!("run -f m --pipeline {name} --state state"));
}

/// A column's type and values in a PostgreSQL table.
fn in_postgres(database: &Database, table: &str, column: &str) -> (String, Vec<String>) {
    let data_type = database.rows(&format!(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = '{column}'"
    ));
    let mut session = database.session();
    session.execute("SET timezone = 'UTC'");
    let values = session
        .lines(&format!("SELECT id || ' ' || coalesce({column}::text, '{NULL}') AS line FROM {table} WHERE id < 10"));
    (data_type.join(" "), values)
}

/// A column's values in SQLite.
fn in_sqlite(place: &Place, table: &str, column: &str) -> (String, Vec<String>) {
    let file = place.file("db.sqlite");
    let declared = of_sqlite(&file, &format!("SELECT type FROM pragma_table_info('{table}') WHERE name = '{column}'"));
    let shown = format!(
        "CASE typeof({column}) WHEN 'blob' THEN hex({column}) WHEN 'real' THEN printf('%!.17g', {column}) ELSE {column} END"
    );
    let values = of_sqlite(&file, &format!("SELECT id, {shown} FROM {table}"));
    (declared.join(" "), values.into_iter().map(|line| line.replacen('|', " ", 1)).collect())
}

/// The types of the columns in a folder of Parquet files, as DuckDB names them.
fn in_parquet(place: &Place, folder: &str) -> Vec<(String, String)> {
    const SCRIPT: &str = "import duckdb, sys\n\
        for row in duckdb.sql(f\"DESCRIBE SELECT * FROM '{sys.argv[1]}/*.parquet'\").fetchall(): print(row[0], row[1], sep='|')";
    let run =
        Command::new(python::interpreter()).args(["-c", SCRIPT]).arg(place.file(folder)).output().expect("python");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8(run.stdout).expect("text");
    text.lines().filter_map(|line| line.split_once('|')).map(|(name, kind)| (name.into(), kind.into())).collect()
}

fn lines(values: &[&str]) -> Vec<String> {
    (0..ROWS).map(|row| format!("{row} {}", values.get(row).unwrap_or(&NULL))).collect()
}

#[test]
fn every_type_arrives_as_the_table_says() {
    let database = Database::new();
    let place = Place::new();
    database.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'o''k'); CREATE TYPE pair AS (number int, word text); \
         CREATE DOMAIN amount AS numeric(12,3) CHECK (value > 0); CREATE DOMAIN word AS varchar(5)",
    );
    database.execute(&(table("given", true) + &table("lists", false)));
    place.write("m/db.yaml", &database.manifest());
    place.write(
        "m/places.yaml",
        "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: lake, namespace: test}\nspec: {file: {root: ../lake, format: {parquet: {}}}}\n---\n\
         apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: file, namespace: test}\nspec: {sqlite: {path: ../db.sqlite}}\n",
    );
    moved(&place, "one", "db", "lake", &[("public.given", "given/"), ("public.lists", "lists/")]);
    moved(&place, "two", "lake", "db", &[("given/", "of_parquet"), ("lists/", "lists_of_parquet")]);
    moved(&place, "three", "db", "file", &[("public.given", "given")]);
    moved(&place, "four", "file", "db", &[("given", "of_sqlite")]);
    moved(&place, "five", "file", "lake", &[("given", "of-sqlite/")]);
    moved(&place, "six", "lake", "file", &[("given/", "of_parquet")]);
    moved(&place, "seven", "lake", "db", &[("of-sqlite/", "of_both")]);

    let mut wrong = Vec::new();
    let mut expect = |what: String, came: (String, Vec<String>), data_type: &str, values: &[&str]| {
        let wanted = (data_type.to_owned(), lines(values));
        if came != wanted {
            wrong.push(format!("{what}:\n    came {came:?}\n  wanted {wanted:?}"));
        }
    };
    let types = ["lake/given", "lake/lists"].map(|folder| in_parquet(&place, folder)).concat();
    let again = in_parquet(&place, "lake/of-sqlite");
    let of = |types: &[(String, String)], column: &str| -> String {
        types.iter().find(|(name, _)| name == column).map(|(_, data_type)| data_type.clone()).unwrap_or_default()
    };
    for (column, trip) in columns(true).chain(columns(false)) {
        let Trip { server, values, parquet, back, sqlite } = trip;
        expect(format!("{server} in Parquet"), (of(&types, &column), lines(&[])), parquet, &[]);
        let table = if sqlite.is_some() { "of_parquet" } else { "lists_of_parquet" };
        expect(format!("{server} by way of Parquet"), in_postgres(&database, table, &column), back, values);
        let Some((declared, stored, parquet, back, last)) = sqlite else { continue };
        for table in ["given", "of_parquet"] {
            expect(
                format!("{server} in SQLite, {table}"),
                in_sqlite(&place, table, &column),
                declared,
                stored.of(values),
            );
        }
        expect(format!("{server} in Parquet by way of SQLite"), (of(&again, &column), lines(&[])), parquet, &[]);
        for table in ["of_sqlite", "of_both"] {
            let came = in_postgres(&database, table, &column);
            expect(format!("{server} by way of SQLite, {table}"), came, back, last.of(values));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A value without a place somewhere: its type, where it is refused (reading PostgreSQL, or writing SQLite), and
/// what the reject says.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, Refused, &str)] = &[
    ("date", "infinity", Refused::BySource, "infin"),
    ("date", "0001-01-01 BC", Refused::BySource, "the date is before the year 1"),
    ("timestamp", "-infinity", Refused::BySource, "infin"),
    ("timestamptz", "294276-12-31 00:00:00+00", Refused::BySource, "262142"),
    ("time", "24:00:00", Refused::BySource, "24:00"),
    ("numeric(10,2)", "NaN", Refused::BySource, "NaN"),
    ("bigint[]", "{{1,2},{3,4}}", Refused::BySource, "dimension"),
    ("real", "NaN", Refused::BySqlite, "NaN, which SQLite would store as null"),
    ("double precision", "NaN", Refused::BySqlite, "NaN, which SQLite would store as null"),
    ("date", "10000-01-01", Refused::BySqlite, "9999"),
    ("timestamp", "262142-12-31 00:00:00", Refused::BySqlite, "9999"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Refused {
    BySource,
    BySqlite,
}

#[test]
fn what_has_no_place_is_rejected_with_its_reason_and_the_rest_arrives() {
    let database = Database::new();
    let place = Place::new();
    place.write("m/db.yaml", &database.manifest());
    place.write(
        "m/places.yaml",
        "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: lake, namespace: test}\nspec: {file: {root: ../lake, format: {parquet: {}}}}\n---\n\
         apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: bad, namespace: test}\nspec: {file: {root: ../bad, format: {ndjson: {}}}}\n---\n\
         apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: file, namespace: test}\nspec: {sqlite: {path: ../db.sqlite}}\n",
    );
    let mut wrong = Vec::new();
    for (number, (kind, value, refused, reason)) in REFUSED.iter().enumerate() {
        let name = format!("t{number:02}");
        database.execute(&format!(
            "CREATE TABLE {name} (id integer, v {kind}); INSERT INTO {name} VALUES (1, '{value}'), (2, NULL)"
        ));
        let (connector, stream) =
            if *refused == Refused::BySource { ("lake", format!("{name}/")) } else { ("file", name.clone()) };
        place.write(
            &format!("m/{name}.yaml"),
            &format!(
                "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: {name}, namespace: test}}\nspec:\n  sources: [{{name: s, connector: db, stream: public.{name}}}]\n  \
                 sinks: [{{name: t, from: s, connector: {connector}, stream: {stream}, write: {{mode: Append}}}}]\n  rejects: {{connector: bad, stream: {name}/, budget: {{rows: 1}}}}\n"
            ),
        );
        let said = place.say(&format!("run -f m --pipeline {name} --state state"));
        let rejects: Vec<String> =
            ndjson(&place.file(&format!("bad/{name}"))).iter().map(ToString::to_string).collect();
        if !said.status.success() || rejects.len() != 1 || !rejects[0].contains(reason) || !rejects[0].contains("\"v\"")
        {
            wrong.push(format!("{kind} {value} {refused:?}, wanted {reason}: {rejects:?} {}", said.stderr));
        }
        if *refused == Refused::BySqlite {
            let rows = of_sqlite(&place.file("db.sqlite"), &format!("SELECT id FROM {name}"));
            assert_eq!(rows, ["2"], "{kind} {value}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lists_have_no_place_in_sqlite_and_that_is_said_before_the_run() {
    let database = Database::new();
    let place = Place::new();
    database.execute("CREATE TABLE t (id integer, many bigint[])");
    place.write("m/db.yaml", &database.manifest());
    place.write("m/file.yaml", "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: file, namespace: test}\nspec: {sqlite: {path: ../db.sqlite}}\n");
    place.write("m/p.yaml", "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: p, namespace: test}\nspec:\n  sources: [{name: s, connector: db, stream: public.t}]\n  sinks: [{name: t, from: s, connector: file, stream: t, write: {mode: Append}}]\n");
    let said = place.say("run -f m --state state");
    assert!(!said.status.success());
    assert!(said.stderr.contains("`many`") && said.stderr.contains("List(Int64)"), "{}", said.stderr);
    assert_eq!(of_sqlite(&place.file("db.sqlite"), "SELECT name FROM sqlite_schema"), Vec::<String>::new());
}
