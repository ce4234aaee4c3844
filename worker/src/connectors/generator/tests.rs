//! Made-up streams, read through the connector.

use std::path::PathBuf;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::util::display::array_value_to_string;
use futures::StreamExt;
use serde_json::{Value, json};

use super::open;
use crate::connector::{
    Buffers, Connector, CursorWindow, Environment, ErrorKind, Result, Secrets, SourceEvent, SourceRequest,
};

fn generator(seed: u64, rows: u64, columns: Value) -> Result<Box<dyn Connector>> {
    let spec = json!({"generator": {"seed": seed, "streams": [{"name": "s", "rows": rows, "columns": columns}]}});
    open(Environment {
        name: "made-up".into(),
        spec: serde_json::from_value(spec).unwrap(),
        secrets: Secrets::default(),
        base: PathBuf::from("."),
        locator: None,
        buffers: Buffers::default(),
    })
}

fn every_kind() -> Value {
    json!([
        {"name": "id", "sequence": {"start": 100}},
        {"name": "at", "timestamp": {"start": "2026-01-01T00:00:00Z", "step": "250ms"}},
        {"name": "count", "integer": {"min": -5, "max": 5}},
        {"name": "share", "number": {"min": 0, "max": 2}, "nullShare": "0.25"},
        {"name": "word", "text": {"length": 6}},
        {"name": "colour", "choice": {"values": ["red", "green", "blue"]}},
        {"name": "flag", "boolean": {}},
    ])
}

fn request() -> SourceRequest {
    SourceRequest {
        stream: "s".into(),
        columns: None,
        window: None,
        incremental: false,
        from: None,
        to: None,
        rejects: false,
        batch_rows: 100,
        threads: 1,
        together: 1,
    }
}

async fn read(generator: &dyn Connector, request: SourceRequest) -> Result<(RecordBatch, u64)> {
    let most = request.batch_rows;
    let source = generator.source(request).await?;
    let schema = source.schema();
    let mut events = source.read().await?;
    let mut batches = Vec::new();
    while let Some(event) = events.next().await {
        match event? {
            SourceEvent::Batch(batch) => {
                assert!(batch.num_rows() <= most && batch.num_rows() > 0);
                batches.push(batch);
            }
            SourceEvent::End(end) => {
                assert!(events.next().await.is_none());
                return Ok((concat_batches(&schema, &batches).unwrap(), end.read));
            }
            SourceEvent::Rejects(rejects) => panic!("{rejects:?}"),
        }
    }
    panic!("no end");
}

#[tokio::test]
async fn every_kind_is_made_within_its_bounds() {
    let generator = generator(42, 1000, every_kind()).unwrap();
    let (rows, read) = read(generator.as_ref(), request()).await.unwrap();
    assert_eq!((rows.num_rows(), read), (1000, 1000));
    let ids = rows["id"].as_primitive::<Int64Type>();
    assert!(ids.values().iter().copied().eq(100..1100));
    assert_eq!(array_value_to_string(&rows["at"], 999).unwrap(), "2026-01-01T00:04:09.750Z");
    let counts = rows["count"].as_primitive::<Int64Type>();
    assert!((-5..=5).all(|count| counts.values().contains(&count)));
    assert!(counts.values().iter().all(|count| (-5..=5).contains(count)));
    let shares = rows["share"].as_primitive::<Float64Type>();
    assert!((200..300).contains(&shares.null_count()), "{}", shares.null_count());
    assert!(shares.iter().flatten().all(|share| (0.0..2.0).contains(&share)));
    let words = rows["word"].as_string::<i32>();
    assert!(words.iter().flatten().all(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_lowercase())));
    let colours = rows["colour"].as_string::<i32>();
    for colour in ["red", "green", "blue"] {
        assert!(colours.iter().flatten().filter(|made| *made == colour).count() > 250, "{colour}");
    }
    assert!((400..600).contains(&rows["flag"].as_boolean().true_count()));

    let stream = generator.describe("s").await.unwrap();
    assert_eq!((stream.primary_key.as_slice(), stream.estimated_rows), (["id".to_owned()].as_slice(), Some(1000)));
    assert_eq!(stream.schema().unwrap(), rows.schema());
    let nullable: Vec<&str> =
        stream.columns.iter().filter(|column| column.nullable).map(|column| column.name.as_str()).collect();
    assert_eq!(nullable, ["share"]);
}

#[tokio::test]
async fn values_depend_on_seed_column_and_row_alone() {
    let first = generator(42, 1000, every_kind()).unwrap();
    let (rows, _) = read(first.as_ref(), request()).await.unwrap();
    let columns = Some(vec!["word".to_owned(), "share".to_owned()]);
    let (some, _) = read(first.as_ref(), SourceRequest { columns, batch_rows: 7, ..request() }).await.unwrap();
    assert_eq!((&some["word"], &some["share"]), (&rows["word"], &rows["share"]));
    let longer = generator(42, 2000, json!([{"name": "word", "text": {"length": 6}}])).unwrap();
    let (more, _) = read(longer.as_ref(), request()).await.unwrap();
    assert_eq!(&more["word"].slice(0, 1000), &rows["word"]);
    let other = generator(43, 1000, every_kind()).unwrap();
    let (others, _) = read(other.as_ref(), request()).await.unwrap();
    assert_ne!(others["word"].as_ref(), rows["word"].as_ref());
    // Written down, so that a change of the algorithm is seen: data sets of tests depend on it.
    assert_eq!(array_value_to_string(&rows["word"], 0).unwrap(), array_value_to_string(&more["word"], 0).unwrap());
}

#[tokio::test]
async fn windows_of_even_columns_are_rows() {
    let generator = generator(1, 1000, every_kind()).unwrap();
    let window = |column: &str, lower: Option<&str>, upper: Option<&str>, lag| {
        let (lower, upper) = (lower.map(str::to_owned), upper.map(str::to_owned));
        SourceRequest {
            window: Some(CursorWindow { column: column.into(), lower, upper, lag }),
            columns: Some(vec!["id".into()]),
            ..request()
        }
    };
    let day = Some(Duration::from_secs(24 * 3600));
    let long = Some(Duration::from_secs(1 << 40));
    for (request, expected) in [
        (window("id", Some("1000"), None, None), 1000..1100),
        (window("id", Some("0"), Some("109"), None), 100..110),
        (window("id", Some("1100"), None, None), 0..0),
        (window("at", Some("2026-01-01T00:00:01Z"), Some("2026-01-01T00:00:02.1Z"), None), 104..109),
        (window("at", Some("2026-01-01T00:04:09.600Z"), None, day), 1099..1100),
        (window("at", None, None, long), 0..0),
        (window("count", Some("0"), None, None), 100..1100),
    ] {
        let (rows, read) = read(generator.as_ref(), request.clone()).await.unwrap();
        assert!(rows["id"].as_primitive::<Int64Type>().values().iter().copied().eq(expected), "{request:?}");
        assert_eq!(read, rows.num_rows() as u64);
    }
    let error = read(generator.as_ref(), window("id", Some("x"), None, None)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
}

#[tokio::test]
async fn what_cannot_be_made_is_refused() {
    for (column, words) in [
        (json!({"name": "c", "integer": {"min": 2, "max": 1}}), "min: 2"),
        (json!({"name": "c", "number": {"min": 1, "max": 1}}), "min: 1"),
        (json!({"name": "c", "choice": {"values": []}}), "no values"),
        (json!({"name": "c", "boolean": {}, "nullShare": "1.5"}), "nullShare: 1.5"),
        (json!({"name": "c", "sequence": {"start": i64::MAX}}), "do not fit"),
        (json!({"name": "c", "timestamp": {"start": "2026-01-01T00:00:00Z", "step": "0s"}}), "step: 0s"),
        (json!({"name": "c", "timestamp": {"start": "2026-01-01T00:00:00Z", "step": "1ns"}}), "step: 1ns"),
        (json!({"name": "c", "timestamp": {"start": "9999-12-30T00:00:00Z", "step": "24h"}}), "9999"),
    ] {
        let error = generator(0, 10, json!([column])).err().expect(words);
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.to_string().contains(words) && error.to_string().contains("`c`"), "{error}");
    }
    let twice = json!([{"name": "c", "boolean": {}}, {"name": "c", "boolean": {}}]);
    assert!(generator(0, 1, twice).err().unwrap().to_string().contains("twice"));
    let ok = generator(0, 0, every_kind()).unwrap();
    assert_eq!(read(ok.as_ref(), request()).await.unwrap().1, 0);
    let unknown = SourceRequest { columns: Some(vec!["nope".into()]), ..request() };
    assert_eq!(read(ok.as_ref(), unknown).await.unwrap_err().kind, ErrorKind::NotFound);
    let positioned = SourceRequest { incremental: true, ..request() };
    assert_eq!(read(ok.as_ref(), positioned).await.unwrap_err().kind, ErrorKind::Config);
}
