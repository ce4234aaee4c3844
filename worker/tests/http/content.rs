//! Answers as they are in each format, and servers that give them out page by page.

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::read::{item, items_of, number};

/// How a format writes records by their numbers.
pub(crate) type Write = fn(Range<u64>) -> Vec<u8>;

/// Records by their numbers, as delimited text with a header.
pub(crate) fn csv(ids: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut text = String::from("id,name\n");
    ids.into_iter().for_each(|id| text.push_str(&format!("{id},item {id}\n")));
    text.into_bytes()
}

/// Records by their numbers, one a line.
pub(crate) fn ndjson(ids: impl IntoIterator<Item = u64>) -> Vec<u8> {
    ids.into_iter().map(|id| format!("{}\n", item(id))).collect::<String>().into_bytes()
}

/// Records by their numbers, in a document.
pub(crate) fn document(ids: impl IntoIterator<Item = u64>) -> Vec<u8> {
    serde_json::to_vec(&json!({"data": items_of(ids)})).unwrap()
}

/// Records by their numbers, as a Parquet file.
pub(crate) fn parquet(ids: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let ids: Vec<i64> = ids.into_iter().map(|id| i64::try_from(id).unwrap()).collect();
    let names: StringArray = ids.iter().map(|id| Some(format!("item {id}"))).collect();
    parquet_of(vec![("id", Arc::new(Int64Array::from(ids))), ("name", Arc::new(names))])
}

/// A Parquet file of these columns.
pub(crate) fn parquet_of(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Answers `/items` with these pages, by the parameter `page` from 1; there is none behind them.
pub(crate) fn pages(pages: Vec<Vec<u8>>) -> Router {
    let pages = Arc::new(pages);
    Router::new().route(
        "/items",
        get(move |Query(query): Query<HashMap<String, String>>| async move {
            let page = usize::try_from(number(&query, "page").unwrap_or(1)).unwrap();
            let answer: Response = match pages.get(page - 1) {
                Some(page) => page.clone().into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            };
            answer
        }),
    )
}

/// A whole answer to a connection that is closed behind it.
pub(crate) fn raw(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// As [`raw`], with its length.
pub(crate) fn sized(headers: &str, body: &[u8]) -> Vec<u8> {
    raw(&format!("{headers}content-length: {}\r\n", body.len()), body)
}

/// An API whose endpoint `items` at `/items` has this format, and these fields more.
pub(crate) fn spec(url: &str, format: &Value, more: Value) -> Value {
    let mut endpoint = json!({"name": "items", "path": "/items", "format": format});
    endpoint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"url": url, "retries": 2, "endpoints": [endpoint]})
}

/// Pages by their number.
pub(crate) fn by_page() -> Value {
    json!({"pagination": {"page": {"parameter": "page"}}})
}
