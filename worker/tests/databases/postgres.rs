//! Reading PostgreSQL.

use std::time::Duration;

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{CursorWindow, ErrorKind, RejectReason, SourceRequest};

use crate::rows::{execute, fresh, into, read, request, texts, window, write};

const EVERY_TYPE: &str = r#"
    CREATE TYPE mood AS ENUM ('calm', 'wild');
    CREATE DOMAIN cents AS numeric(10, 2);
    CREATE TABLE every (
        id int PRIMARY KEY, flag bool, small int2, big int8, f4 float4, f8 float8,
        money numeric(10, 2), wide numeric(38, 0), free numeric, price cents,
        words text, var varchar(20), fixed char(4), uid uuid, doc json, docb jsonb, feeling mood, net inet,
        bytes bytea, day date, clock time, moment timestamp, instant timestamptz, span interval,
        ints int4[], names text[], free_list numeric[], ranges int4range);
    INSERT INTO every VALUES
        (1, true, -32768, -9223372036854775808, 'NaN', 'infinity', -99999999.99, -99999999999999999999999999999999999999,
         123456789012345678901234567890123456789012345.000001, 12.30, '', 'é€😀', 'ab',
         'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a" : 1}', '{"a" : 1}', 'wild', '10.0.0.1/8', '\x00ff', '0001-01-01',
         '00:00', '0001-01-01 00:00:00', '2026-01-02 03:04:05.123456+02', '1 day 02:03:04', '{1,NULL,3}', '{a,NULL,""}',
         '{1.5,2}', '[1,3)'),
        (2, false, 32767, 9223372036854775807, 1.5, -0.1, 99999999.99, 99999999999999999999999999999999999999,
         0, 0, repeat('x', 1048576), 'NULL', '', '00000000-0000-0000-0000-000000000000', 'null', '[]', 'calm', '::1',
         '', '9999-12-31', '23:59:59.999999', '9999-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999+00', '0', '{}', '{}',
         '{}', 'empty'),
        (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"#;

#[tokio::test]
async fn every_type_is_read_and_written_back() {
    let (server, database, connector) = fresh().await;
    execute(&server, &database, EVERY_TYPE).await;
    let read = read(&*connector, SourceRequest { batch_rows: 2, ..request("public.every") }).await.expect("a read");
    let long = "x".repeat(1_048_576);
    let expected = [
        "1|true|-32768|-9223372036854775808|NaN|inf|-99999999.99|-99999999999999999999999999999999999999|123456789012345678901234567890123456789012345.000001|12.30||é€😀|ab  |a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|{\"a\" : 1}|{\"a\": 1}|wild|10.0.0.1/8|00ff|0001-01-01|00:00:00|0001-01-01T00:00:00|2026-01-02T01:04:05.123456Z|1 day 02:03:04|[1, NULL, 3]|[a, NULL, ]|[1.5, 2]|[1,3)".to_owned(),
        format!("2|false|32767|9223372036854775807|1.5|-0.1|99999999.99|99999999999999999999999999999999999999|0|0.00|{long}|NULL|    |00000000-0000-0000-0000-000000000000|null|[]|calm|::1/128||9999-12-31|23:59:59.999999|9999-12-31T23:59:59.999999|1969-12-31T23:59:59.999999Z|00:00:00|[]|[]|[]|empty"),
        format!("3{}", "|NULL".repeat(27)),
    ];
    let rows = read.rows();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row.replace(&long, "LONG"), expected.replace(&long, "LONG"));
    }
    assert_eq!(connector.describe("public.every").await.expect("there").schema().expect("known types"), read.schema);

    // Into a table of the same shape, where text goes to uuid, json, enum and the rest; and into a new one.
    execute(&server, &database, "CREATE TABLE same (LIKE every)").await;
    for target in ["public.same", "public.new"] {
        let request = into(target, &read.batches[0], WriteMode::Append, &[]);
        let staged = write(&*connector, request, if target.ends_with("new") { 2 } else { 1 }, &read.batches).await;
        assert_eq!(staged.expect("written").written, 3, "{target}");
    }
    let count = "SELECT count(*)::text FROM every a JOIN same b ON a::text = b::text";
    assert_eq!(texts(&server, &database, count).await, ["3"]);
    let again = crate::rows::read(&*connector, request("public.new")).await.expect("a read");
    assert_eq!(again.rows(), rows);
    let types = "SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM pg_attribute \
                 WHERE attrelid = 'new'::regclass AND attnum BETWEEN 1 AND 8";
    assert_eq!(
        texts(&server, &database, types).await,
        ["integer,boolean,smallint,bigint,real,double precision,numeric(10,2),numeric(38,0)"]
    );
}

#[tokio::test]
async fn values_that_arrow_cannot_hold_are_rejected_and_never_changed() {
    let (server, database, connector) = fresh().await;
    execute(
        &server,
        &database,
        "CREATE TABLE odd (id int, moment timestamp, day date, amount numeric(10,2), clock time, grid int[]);
         INSERT INTO odd VALUES (1, 'infinity', NULL, NULL, NULL, NULL), (2, '0044-03-15 BC', NULL, NULL, NULL, NULL),
           (3, '2026-01-01', 'infinity', NULL, NULL, NULL), (4, '294276-12-31', NULL, NULL, NULL, NULL),
           (5, NULL, NULL, 'NaN', NULL, NULL), (6, NULL, NULL, NULL, '24:00', NULL),
           (7, NULL, NULL, NULL, NULL, '{{1,2},{3,4}}'), (8, '2026-01-01', '2026-01-01', 1.5, '12:00', '{1}')",
    )
    .await;
    let found = read(&*connector, SourceRequest { rejects: true, ..request("public.odd") }).await.expect("a read");
    assert_eq!(found.rows(), ["8|2026-01-01T00:00:00|2026-01-01|1.50|12:00:00|[1]"]);
    let rejects: Vec<(Option<u64>, &str, &str)> = found
        .rejects
        .iter()
        .map(|reject| (reject.line, reject.column.as_deref().unwrap_or_default(), reject.message.as_str()))
        .collect();
    assert_eq!(
        rejects,
        [
            (Some(1), "moment", "the timestamp is infinity"),
            (Some(2), "moment", "the timestamp is before the year 1"),
            (Some(3), "day", "the date is infinity"),
            (Some(4), "moment", "the timestamp is after the year 262142"),
            (Some(5), "amount", "the number is NaN"),
            (Some(6), "clock", "the time is 24:00:00, which is not a time of a day"),
            (Some(7), "grid", "the array has 2 dimensions; a list has one"),
        ]
    );
    assert!(found.rejects.iter().all(|reject| reject.reason == RejectReason::CastFailed));
    assert_eq!(
        found.rejects[0].raw,
        r#"{"id":1,"moment":"infinity","day":null,"amount":null,"clock":null,"grid":null}"#
    );
    let error = read(&*connector, request("public.odd")).await.expect_err("rejects are not allowed");
    assert_eq!(error.kind, ErrorKind::Data);
    assert!(error.to_string().contains("row 1, column `moment`: the timestamp is infinity"), "{error}");
}

#[tokio::test]
async fn a_read_is_one_snapshot() {
    let (server, database, connector) = fresh().await;
    execute(&server, &database, "CREATE TABLE t AS SELECT n FROM generate_series(1, 5000) n").await;
    let source = connector.source(request("public.t")).await.expect("a source");
    let schema = source.schema();
    let mut events = source.read().await.expect("started");
    execute(&server, &database, "INSERT INTO t SELECT 999999; DELETE FROM t WHERE n <= 2500").await;
    let mut sum = 0;
    let mut read = 0;
    while let Some(event) = futures::StreamExt::next(&mut events).await {
        match event.expect("good rows") {
            aggregator_worker::connector::SourceEvent::Batch(batch) => {
                assert_eq!(batch.schema(), schema);
                let column = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int32Type>(batch.column(0));
                sum += column.iter().flatten().map(i64::from).sum::<i64>();
            }
            aggregator_worker::connector::SourceEvent::End(end) => read = end.read,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((read, sum), (5000, 5000 * 5001 / 2));
}

#[tokio::test]
async fn a_window_holds_both_its_bounds_and_orders_by_the_cursor() {
    let (server, database, connector) = fresh().await;
    execute(
        &server,
        &database,
        "CREATE TABLE t (id int, at timestamptz, label text);
         INSERT INTO t VALUES (4, '2026-01-01T00:00:00.000004Z', 'b'), (1, '2026-01-01T00:00:00.000001Z', 'B'),
           (2, '2026-01-01T00:00:00.000002Z', 'a'), (3, '2026-01-01T00:00:00.000003Z', '_'), (5, NULL, NULL);
         INSERT INTO t VALUES (6, now() + interval '1 hour', 'z')",
    )
    .await;
    let ids = async |column: &str, lower: Option<&str>, upper: Option<&str>| {
        let request = SourceRequest {
            columns: Some(vec!["id".into()]),
            window: window(column, lower, upper),
            ..request("public.t")
        };
        read(&*connector, request).await.expect("a read").rows().join(" ")
    };
    let bounds = (Some("2026-01-01T00:00:00.000002Z"), Some("2026-01-01T00:00:00.000003Z"));
    // Row 5 has no cursor: it comes through, for the engine to reject.
    assert_eq!(ids("at", bounds.0, bounds.1).await, "2 3 5");
    assert_eq!(ids("at", bounds.0, None).await, "2 3 4 6 5");
    assert_eq!(ids("at", None, bounds.1).await, "1 2 3 5");
    assert_eq!(ids("label", Some("B"), Some("a")).await, "1 3 2 5", "text is ordered by its bytes");
    assert_eq!(ids("id", Some("3"), Some("4")).await, "3 4");
    let lag = CursorWindow { column: "at".into(), lower: None, upper: None, lag: Some(Duration::from_secs(60)) };
    let held = SourceRequest { columns: Some(vec!["id".into()]), window: Some(lag), ..request("public.t") };
    assert_eq!(read(&*connector, held).await.expect("a read").rows().join(" "), "1 2 3 4 5");
}

#[tokio::test]
async fn discovery_knows_comments_keys_and_queries() {
    let (server, database, connector) = fresh().await;
    execute(
        &server,
        &database,
        r#"CREATE SCHEMA "odd.schema"; CREATE TABLE "odd.schema"."T" (b int, a int NOT NULL, PRIMARY KEY (a, b));
           COMMENT ON TABLE "odd.schema"."T" IS 'things'; COMMENT ON COLUMN "odd.schema"."T".a IS 'first';
           CREATE VIEW v AS SELECT 1 AS one; CREATE TABLE _aggregator_commits (x int);
           CREATE TABLE money (amount numeric(12, 3))"#,
    )
    .await;
    let found = connector.discover().await.expect("a catalogue");
    let names: Vec<&str> = found.streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["\"odd.schema\".T", "public.money", "public.v"]);
    let stream = &found.streams[0];
    assert_eq!((stream.comment.as_deref(), stream.primary_key.join(" ").as_str()), (Some("things"), "a b"));
    assert_eq!(stream.columns[1].comment.as_deref(), Some("first"));
    assert!(!stream.columns[1].nullable);
    assert_eq!(connector.describe("\"odd.schema\".T").await.expect("there").columns, stream.columns);

    let query = "SELECT amount, amount + 1 AS more, 'x'::text AS word FROM money -- with a comment";
    let types: Vec<String> =
        connector.describe(query).await.expect("a query").columns.into_iter().map(|column| column.data_type).collect();
    assert_eq!(types, ["Decimal128(12, 3)", "Utf8", "Utf8"]);
    execute(&server, &database, "INSERT INTO money VALUES (1.5)").await;
    assert_eq!(read(&*connector, request(query)).await.expect("a read").rows(), ["1.500|2.500|x"]);
    let error = read(&*connector, request("WITH d AS (DELETE FROM money RETURNING 1 AS n) SELECT n FROM d"))
        .await
        .expect_err("a read writes nothing");
    assert!(matches!(error.kind, ErrorKind::Refused | ErrorKind::Config), "{error:?}");
    assert_eq!(texts(&server, &database, "SELECT count(*)::text FROM money").await, ["1"]);
    let none = SourceRequest { columns: Some(vec![]), ..request("public.money") };
    assert_eq!(read(&*connector, none).await.expect("rows without columns").end.read, 1);
}
