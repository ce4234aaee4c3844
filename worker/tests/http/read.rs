//! Opens connectors and reads streams to their end.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use aggregator_worker::connector::{
    Buffers, Connector, CursorWindow, Environment, Reject, Result, SecretValue, Secrets, SourceEnd, SourceEvent,
    SourceRequest,
};
use aggregator_worker::connectors::open;
use arrow::datatypes::SchemaRef;
use arrow::json::ArrayWriter;
use futures::StreamExt;
use serde_json::{Value, json};

/// All that a read gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) schema: SchemaRef,
    pub(crate) rows: Vec<Value>,
    /// The rows of each batch.
    pub(crate) batches: Vec<usize>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) end: SourceEnd,
}

/// Opens a Connector with these fields and this Secret.
pub(crate) fn connect(http: Value, secrets: &[(&str, &str)]) -> Result<Box<dyn Connector>> {
    connect_within(Buffers::default(), http, secrets)
}

/// The same with these buffers.
pub(crate) fn connect_within(buffers: Buffers, http: Value, secrets: &[(&str, &str)]) -> Result<Box<dyn Connector>> {
    let values: BTreeMap<String, SecretValue> =
        secrets.iter().map(|(key, value)| ((*key).to_owned(), SecretValue::new(*value))).collect();
    open(Environment {
        name: "api".into(),
        spec: serde_json::from_value(json!({"http": http})).unwrap(),
        secrets: Secrets { name: "connector-api".into(), values, ..Secrets::default() },
        base: PathBuf::from("."),
        locator: None,
        buffers,
    })
}

/// A request for the whole of stream `items`.
pub(crate) fn items() -> SourceRequest {
    SourceRequest {
        stream: "items".into(),
        columns: None,
        window: None,
        incremental: false,
        from: None,
        to: None,
        rejects: false,
        batch_rows: 4,
        threads: 2,
        together: 1,
    }
}

/// A request for stream `items` from a cursor's text on.
pub(crate) fn items_from(column: &str, lower: &str) -> SourceRequest {
    let window = CursorWindow { column: column.into(), lower: Some(lower.into()), upper: None, lag: None };
    SourceRequest { window: Some(window), ..items() }
}

/// Reads a stream to its end.
pub(crate) async fn read(connector: &dyn Connector, request: SourceRequest) -> Result<Outcome> {
    let source = connector.source(request).await?;
    let schema = source.schema();
    let mut events = source.read().await?;
    let mut writer = ArrayWriter::new(Vec::new());
    let (mut batches, mut rejects, mut end) = (Vec::new(), Vec::new(), None);
    while let Some(event) = events.next().await {
        assert!(end.is_none(), "an event after the end: {event:?}");
        match event? {
            SourceEvent::Batch(batch) => {
                assert_eq!(batch.schema(), schema);
                batches.push(batch.num_rows());
                writer.write(&batch).unwrap();
            }
            SourceEvent::Rejects(mut more) => rejects.append(&mut more),
            SourceEvent::End(last) => end = Some(last),
        }
    }
    writer.finish().unwrap();
    let text = writer.into_inner();
    let rows = if text.is_empty() { Vec::new() } else { serde_json::from_slice(&text).unwrap() };
    Ok(Outcome { schema, rows, batches, rejects, end: end.expect("a read ends with its end") })
}

/// Record number `id`, as the servers give it.
pub(crate) fn item(id: u64) -> Value {
    json!({"id": id, "name": format!("item {id}")})
}

/// Records by their numbers.
pub(crate) fn items_of(ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    ids.into_iter().map(item).collect()
}

/// The declared columns of [`item`].
pub(crate) fn columns() -> Value {
    json!({"columns": [{"name": "id", "type": "Int64"}, {"name": "name", "type": "Utf8"}]})
}

/// A number among query parameters.
pub(crate) fn number(query: &HashMap<String, String>, name: &str) -> Option<u64> {
    query.get(name).map(|text| text.parse().unwrap())
}
