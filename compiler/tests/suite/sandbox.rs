//! SQL that reaches beyond its inputs is refused, whatever it looks like.

use crate::fixture::{compile_text, show, sql_pipeline};

const REFUSED: [(&str, &str); 30] = [
    ("COPY flights TO '/tmp/x.csv'", "Sandbox"),
    ("COPY (SELECT 1) TO '/tmp/x.csv'", "Sandbox"),
    ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "Sandbox|SqlSyntax"),
    ("CREATE TABLE t AS SELECT * FROM flights", "Sandbox"),
    ("CREATE VIEW v AS SELECT * FROM flights", "Sandbox"),
    ("DROP TABLE flights", "Sandbox"),
    ("ALTER TABLE flights ADD COLUMN x INT", "Sandbox"),
    ("TRUNCATE flights", "Sandbox"),
    ("SET datafusion.execution.batch_size = 1", "Sandbox"),
    ("SHOW TABLES", "Sandbox"),
    ("EXPLAIN SELECT * FROM flights", "Sandbox"),
    ("DESCRIBE flights", "Sandbox"),
    ("INSERT INTO flights SELECT * FROM flights", "Sandbox"),
    ("UPDATE flights SET delay = 0", "Sandbox"),
    ("DELETE FROM flights", "Sandbox"),
    ("MERGE INTO flights USING flights AS f ON true WHEN MATCHED THEN DELETE", "Sandbox"),
    ("PREPARE p AS SELECT 1", "Sandbox"),
    ("EXECUTE p", "Sandbox"),
    ("BEGIN", "Sandbox"),
    ("CALL something()", "Sandbox"),
    ("SELECT * INTO t FROM flights", "Sandbox"),
    ("SELECT * FROM read_csv('/etc/passwd')", "Sandbox"),
    ("SELECT * FROM generate_series(1, 1000000000)", "Sandbox"),
    ("SELECT * FROM '/etc/passwd'", "UnknownTable"),
    ("SELECT * FROM \"/etc/passwd\"", "UnknownTable"),
    ("SELECT * FROM information_schema.tables", "UnknownTable"),
    ("SELECT (SELECT count(*) FROM airports)", "UnknownTable"),
    ("SELECT 1; SELECT 2", "NotAQuery"),
    ("", "NotAQuery|WrongShape"),
    ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r", "Sandbox"),
];

#[test]
fn what_is_not_one_select_over_the_inputs_is_refused() {
    for (query, code) in REFUSED.iter().filter(|(query, _)| !query.is_empty()) {
        let compilation = compile_text(&sql_pipeline(query), "test", &[]);
        assert!(compilation.pipeline.is_none(), "{query} was planned");
        let found: Vec<&str> = compilation.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert!(code.split('|').any(|code| found.contains(&code)), "{query}: {}", show(&compilation.diagnostics));
    }
}

#[test]
fn writing_inside_a_query_is_refused() {
    for query in [
        "WITH x AS (INSERT INTO flights SELECT * FROM flights RETURNING *) SELECT * FROM x",
        "SELECT * FROM flights FOR UPDATE",
        "SELECT @secret",
        "SELECT pg_read_file('/etc/passwd')",
    ] {
        let compilation = compile_text(&sql_pipeline(query), "test", &[]);
        assert!(compilation.pipeline.is_none(), "{query} was planned");
        assert!(compilation.diagnostics.iter().any(|found| found.is_error()), "{query}");
    }
}

#[test]
fn what_is_one_select_over_the_inputs_is_planned() {
    for query in [
        "SELECT * FROM flights",
        "WITH late AS (SELECT * FROM flights WHERE delay > 3) SELECT count(*) AS n FROM late",
        "SELECT id FROM (SELECT * FROM flights) AS inner_rows",
        "SELECT id, unnest(tags) AS tag FROM flights",
        "(SELECT id FROM flights) UNION (SELECT id FROM flights)",
        "SELECT id FROM flights;",
    ] {
        let compilation = compile_text(&sql_pipeline(query), "test", &[]);
        assert!(compilation.pipeline.is_some(), "{query}: {}", show(&compilation.diagnostics));
    }
}
