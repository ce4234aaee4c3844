//! Answers that are files and break off, stall, or are something else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aggregator_tests::http::{HttpServer, RawServer};
use aggregator_worker::connector::{Connector, ErrorKind, SourceEvent, SourceRequest};
use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::content::{Write, by_page, csv, gzip, ndjson, pages, parquet, raw, sized, spec};
use crate::read::{columns, connect, items, items_of, number, read};

fn as_csv() -> Value {
    json!({"csv": {"schema": columns()}})
}

/// The format, and how it writes records.
fn streamed() -> [(Value, Write); 3] {
    [
        (as_csv(), |ids| csv(ids)),
        (json!({"ndjson": {"schema": columns()}}), |ids| ndjson(ids)),
        (json!({"parquet": {}}), |ids| parquet(ids)),
    ]
}

/// The answer in two chunks, with the end that says that there are no more, or without it.
fn chunked(body: &[u8], whole: bool) -> Vec<u8> {
    let (one, two) = body.split_at(body.len() / 2);
    let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in [one, two] {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    if whole {
        answer.extend_from_slice(b"0\r\n\r\n");
    }
    answer
}

#[tokio::test]
async fn a_file_that_is_cut_before_its_first_rows_are_out_is_asked_again_and_then_told() {
    // Each waits between its tries: they wait together.
    join_all(streamed().map(|(format, write)| async move {
        let body = write(1..4);
        let whole = sized("", &body);
        let cut = whole[..whole.len() - 5].to_vec();
        let coded = gzip(&body);
        // The length is right, but what was compressed is not all of it.
        let half = sized("content-encoding: gzip\r\n", &coded[..coded.len() - 6]);
        // Described from the first answer, where the format does not declare its columns.
        let first = if format["parquet"].is_object() { vec![chunked(&body, true)] } else { vec![] };
        let answers = [first.clone(), vec![cut.clone(), chunked(&body, false), whole.clone()]].concat();
        let server = RawServer::start(answers).await.unwrap();
        let outcome = read(connect(spec(&server.url(), &format, json!({})), &[]).unwrap().as_ref(), items()).await;
        let outcome = outcome.unwrap();
        assert_eq!((outcome.rows, outcome.end.read), (items_of(1..=3), 3), "{format}");
        assert_eq!(server.connections(), 3 + first.len(), "{format}");

        for (broken, kind, words) in [
            (cut, ErrorKind::Transient, "the answer was cut off"),
            (chunked(&body, false), ErrorKind::Transient, "the answer was cut off"),
            (half, ErrorKind::Data, "the answer's gzip is broken or was cut off"),
        ] {
            let server = RawServer::start([first.clone(), vec![broken]].concat()).await.unwrap();
            let connector = connect(spec(&server.url(), &format, json!({})), &[]).unwrap();
            let error = read(connector.as_ref(), items()).await.unwrap_err();
            assert_eq!(error.kind, kind, "{format}: {error}");
            assert!(error.detail.starts_with(words) && error.detail.ends_with("(tried 3 times)"), "{format}: {error}");
            assert!(
                error.remedy.as_ref().is_some_and(|remedy| remedy.starts_with("run again; ")),
                "{format}: {error:?}"
            );
            assert!(error.operation.starts_with("read page 1 of `items` from http://"), "{format}: {error}");
            assert_eq!(server.connections(), 3 + first.len(), "{format}");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_file_that_is_cut_behind_rows_that_are_out_is_an_error_and_not_asked_again() {
    // So large that its first rows are out long before it is cut.
    let body = csv(1..=200_000);
    let large = |answer: Vec<u8>| answer[..answer.len() * 3 / 4].to_vec();
    let coded = "content-encoding: gzip\r\n";
    for (answer, words) in [
        (large(sized("", &body)), "the answer was cut off"),
        (large(chunked(&body, true)), "the answer was cut off"),
        (large(sized(coded, &gzip(&body))), "the answer was cut off"),
        (sized(coded, &large(gzip(&body))), "the answer's gzip is broken or was cut off"),
    ] {
        let server = RawServer::start(vec![answer]).await.unwrap();
        let connector = connect(spec(&server.url(), &as_csv(), json!({})), &[]).unwrap();
        let request = SourceRequest { batch_rows: 1000, ..items() };
        let mut events = connector.source(request).await.unwrap().read().await.unwrap();
        let (mut rows, mut failed) = (0, None);
        while let Some(event) = events.next().await {
            match event {
                Ok(SourceEvent::Batch(batch)) => rows += batch.num_rows(),
                Ok(other) => panic!("{other:?}"),
                Err(error) => failed = Some(error),
            }
        }
        let error = failed.expect("a file that is cut is no short file");
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
        assert!(error.detail.starts_with(words), "{error}");
        assert!(error.detail.ends_with(&format!("; the {rows} records before had been handed on already")), "{error}");
        assert!(error.remedy.is_some_and(|remedy| remedy.starts_with("run again")));
        assert!((1..200_000).contains(&rows), "{rows}");
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_file_without_a_length_is_read_with_a_note_that_a_cut_cannot_be_told() {
    let server = RawServer::start(vec![raw("", &csv(1..=3))]).await.unwrap();
    let outcome = read(connect(spec(&server.url(), &as_csv(), json!({})), &[]).unwrap().as_ref(), items()).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.rows, outcome.end.read), (items_of(1..=3), 3));
    assert_eq!(
        outcome.end.note.as_deref(),
        Some("1 page; an answer had no length: if it was cut off, nobody could tell")
    );
    for (format, body) in [
        (json!({"csv": {"schema": columns(), "compression": "gzip"}}), gzip(&csv(1..=300))),
        (json!({"parquet": {}}), parquet(1..=300)),
    ] {
        // These say themselves where they end.
        let server = RawServer::start(vec![raw("", &body)]).await.unwrap();
        let connector = connect(spec(&server.url(), &format, json!({})), &[]).unwrap();
        assert_eq!(read(connector.as_ref(), items()).await.unwrap().end.note.as_deref(), Some("1 page"));
        let server = RawServer::start(vec![raw("", &body[..body.len() - 9])]).await.unwrap();
        let connector = connect(spec(&server.url(), &format, json!({})), &[]).unwrap();
        let error = read(connector.as_ref(), SourceRequest { rejects: true, ..items() }).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Data, "{error}");
    }
}

#[tokio::test]
async fn a_page_for_people_is_not_read_as_data() {
    let html = "<html><body>Please log in</body></html>";
    let csv_error = (as_csv(), "application/json", r#"{"error": "quota"}"#);
    for (format, media, body) in [
        (as_csv(), "text/html", html),
        (as_csv(), "", html),
        (json!({"ndjson": {"schema": columns()}}), "text/html", html),
        (json!({"parquet": {}}), "text/html", html),
        (json!({"parquet": {}}), "text/csv", "id,name\n1,a\n"),
        (json!({"csv": {"schema": columns(), "compression": "gzip"}}), "text/html", html),
        csv_error,
    ] {
        let answer = move || async move { ([("content-type", media)], body) };
        let server = HttpServer::start(Router::new().route("/items", get(answer))).await.unwrap();
        let connector = connect(spec(&server.url(), &format, json!({})), &[]).unwrap();
        let error = read(connector.as_ref(), SourceRequest { rejects: true, ..items() }).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Data, "{error}");
        let name = format.as_object().unwrap().keys().next().unwrap();
        let what = match (name.as_str(), body) {
            (_, body) if body == html => "a page of HTML or XML",
            ("parquet", _) => "something else",
            _ => "a JSON document",
        };
        let said = body.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            error.to_string(),
            format!(
                "read page 1 of `items` from {}/items: page 1 is {what}, not {name} (content type {media}): {said}",
                server.url()
            )
        );
        assert!(error.remedy.is_some_and(|remedy| remedy.contains("a page for people")));
        assert_eq!(server.seen().len(), 1, "another try would not change it");
    }
}

#[tokio::test]
async fn a_message_in_place_of_a_header_is_not_an_empty_page() {
    let answer = || async { "Daily quota exceeded, come back tomorrow\n" };
    let server = HttpServer::start(Router::new().route("/items", get(answer))).await.unwrap();
    let connector = connect(spec(&server.url(), &as_csv(), json!({})), &[]).unwrap();
    let request = SourceRequest { columns: Some(vec!["name".into()]), ..items() };
    let error = read(connector.as_ref(), request).await.unwrap_err();
    assert_eq!(
        (error.kind, error.to_string()),
        (
            ErrorKind::Data,
            format!(
                "read {}/items: the header has none of the columns id, name; it is: Daily quota exceeded,  come back tomorrow",
                server.url()
            )
        )
    );
}

#[tokio::test]
async fn a_server_that_is_busy_between_two_pages_is_asked_again() {
    join_all(streamed().map(|(format, write)| async move {
        let count = Arc::new(AtomicUsize::new(0));
        let busy = Arc::clone(&count);
        let router = Router::new().route(
            "/items",
            get(move |Query(query): Query<HashMap<String, String>>| {
                let page = number(&query, "page").unwrap();
                let first = page == 2 && busy.fetch_add(1, Ordering::SeqCst) == 0;
                async move {
                    match page {
                        _ if first => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
                        1 | 2 => write(page * 5 - 4..page * 5 + 1).into_response(),
                        _ => StatusCode::NOT_FOUND.into_response(),
                    }
                }
            }),
        );
        let server = HttpServer::start(router).await.unwrap();
        let mut more = by_page();
        more["maxPages"] = json!(9);
        let connector = connect(spec(&server.url(), &format, more), &[]).unwrap();
        if format["parquet"].is_object() {
            connector.describe("items").await.unwrap();
            count.store(0, Ordering::SeqCst);
        }
        let before = server.seen().len();
        let outcome = read(connector.as_ref(), items()).await.unwrap();
        assert_eq!((outcome.rows, outcome.end.read), (items_of(1..=10), 10), "{format}");
        let seen = &server.seen()[before..];
        let asked: Vec<&str> = seen.iter().map(|seen| seen.query.as_str()).collect();
        assert_eq!(asked, ["page=1", "page=2", "page=2", "page=3"], "{format}");
        assert!(seen[2].at - seen[1].at >= Duration::from_secs(1), "{format}: {:?}", seen[2].at - seen[1].at);
    }))
    .await;
}

#[tokio::test]
async fn pages_that_lie_are_found_out() {
    let router = Router::new()
        .route("/deaf", get(|| async { csv(1..=4) }))
        // Compressed anew each time, and so with other bytes.
        .route(
            "/deaf-gzip",
            get(|Query(query): Query<HashMap<String, String>>| async move {
                let level = u32::try_from(number(&query, "page").unwrap()).unwrap();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level % 2 * 9));
                std::io::Write::write_all(&mut encoder, &csv(1..=400)).unwrap();
                ([("content-encoding", "gzip")], encoder.finish().unwrap())
            }),
        )
        .route(
            "/forgetful",
            get(|Query(query): Query<HashMap<String, String>>| async move {
                let page = number(&query, "page").unwrap();
                ([("x-total-count", "9")], csv((page * 4 - 3..=page * 4).take_while(|id| *id <= 8)))
            }),
        );
    let server = HttpServer::start(router).await.unwrap();
    for (path, words) in [
        ("/deaf", "page 2 is the same as page 1"),
        ("/deaf-gzip", "page 2 is the same as page 1"),
        ("/forgetful", "page 3 is the last one, but the server announced 9 records and its pages held 8"),
    ] {
        let mut more = by_page();
        more["path"] = json!(path);
        let connector = connect(spec(&server.url(), &as_csv(), more), &[]).unwrap();
        let error = read(connector.as_ref(), items()).await.unwrap_err();
        assert_eq!((error.kind, error.detail.as_str()), (ErrorKind::Data, words));
    }
}

/// Tells when it is dropped.
struct Told(Option<oneshot::Sender<()>>);

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            sender.send(()).ok();
        }
    }
}

/// Gives out lines, up to so many chunks of 64 KiB, and says how many chunks it has given and when nobody wants more.
fn flood(chunks: usize) -> (Router, Arc<AtomicUsize>, oneshot::Receiver<()>) {
    let given = Arc::new(AtomicUsize::new(0));
    let (sender, dropped) = oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(Told(Some(sender)))));
    let counted = Arc::clone(&given);
    let router = Router::new().route(
        "/items",
        get(move || async move {
            let lines = Bytes::from("1,item 1\n".repeat(64 * 1024 / 9));
            let told = told.lock().unwrap().take();
            let body = stream::iter(0..chunks).map(move |chunk| {
                // Kept as long as the body is.
                let _told = &told;
                counted.fetch_add(1, Ordering::SeqCst);
                let header = Bytes::from_static(b"id,name\n");
                Ok::<_, std::io::Error>(if chunk == 0 { header } else { lines.clone() })
            });
            Body::from_stream(body)
        }),
    );
    (router, given, dropped)
}

async fn first_batch(connector: &dyn Connector) -> aggregator_worker::connector::EventStream {
    let mut events = connector.source(items()).await.unwrap().read().await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    assert!(matches!(&first, SourceEvent::Batch(batch) if batch.num_rows() == 4), "{first:?}");
    events
}

#[tokio::test]
async fn no_more_is_taken_in_than_is_wanted() {
    const CHUNKS: usize = 2000;
    let (router, given, dropped) = flood(CHUNKS);
    let server = HttpServer::start(router).await.unwrap();
    let connector = connect(spec(&server.url(), &as_csv(), json!({})), &[]).unwrap();
    drop(first_batch(connector.as_ref()).await);
    tokio::time::timeout(Duration::from_secs(20), dropped).await.unwrap().unwrap();
    // What the pipe and the sockets hold, of 125 MiB.
    assert!(given.load(Ordering::SeqCst) < CHUNKS / 2, "{given:?} chunks");
}

#[tokio::test]
async fn a_check_does_not_wait_for_the_end_of_a_long_answer() {
    let (router, given, dropped) = flood(usize::MAX);
    let server = HttpServer::start(router).await.unwrap();
    let connector = connect(spec(&server.url(), &as_csv(), json!({})), &[]).unwrap();
    let report = connector.check().await.unwrap();
    assert_eq!(report.message, format!("200 OK from {}/items", server.url()));
    tokio::time::timeout(Duration::from_secs(20), dropped).await.unwrap().unwrap();
    assert!(given.load(Ordering::SeqCst) < 2000, "{given:?} chunks");
}

#[tokio::test]
async fn a_slow_reader_is_not_a_slow_server() {
    const CHUNKS: usize = 400;
    let (router, given, _dropped) = flood(CHUNKS);
    let server = HttpServer::start(router).await.unwrap();
    let mut spec = spec(&server.url(), &as_csv(), json!({}));
    spec["timeout"] = json!("1s");
    let connector = connect(spec, &[]).unwrap();
    let request = SourceRequest { batch_rows: 8192, ..items() };
    let mut events = connector.source(request).await.unwrap().read().await.unwrap();
    let (mut read, begin) = (0, Instant::now());
    loop {
        match events.next().await.unwrap().unwrap() {
            SourceEvent::Batch(batch) if read == 0 => {
                read += batch.num_rows();
                // Longer than the server may be silent, and most of the answer is not here yet.
                tokio::time::sleep(Duration::from_millis(1500)).await;
                assert!(given.load(Ordering::SeqCst) < CHUNKS, "the pipe holds all of it");
            }
            SourceEvent::Batch(batch) => read += batch.num_rows(),
            SourceEvent::Rejects(rejects) => panic!("{rejects:?}"),
            SourceEvent::End(end) => {
                assert_eq!(end.read, read as u64);
                break;
            }
        }
    }
    assert_eq!(read, (CHUNKS - 1) * (64 * 1024 / 9));
    assert!(begin.elapsed() > Duration::from_millis(1500));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_in_time() {
    for (rows, tries) in [(0, 3), (10_000, 1)] {
        let begun = move || async move {
            let begin = stream::iter([Ok::<_, std::io::Error>(Bytes::from(csv(1..=rows)))]);
            Body::from_stream(begin.chain(stream::pending()))
        };
        let server = HttpServer::start(Router::new().route("/items", get(begun))).await.unwrap();
        let mut spec = spec(&server.url(), &as_csv(), json!({}));
        spec["timeout"] = json!("500ms");
        let error = read(connect(spec, &[]).unwrap().as_ref(), items()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
        assert!(error.detail.starts_with("no whole answer came in time"), "{error}");
        assert!(error.remedy.is_some_and(|remedy| remedy.contains("`timeout`")));
        assert_eq!(server.seen().len(), tries);
    }
}

#[tokio::test]
async fn statuses_mean_the_same_in_every_format() {
    for (format, _) in streamed() {
        let server = HttpServer::start(pages(vec![])).await.unwrap();
        let connector = connect(spec(&server.url(), &format, by_page()), &[]).unwrap();
        let error = read(connector.as_ref(), items()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
        assert_eq!(error.remedy.as_deref(), Some("check `url` and the endpoint's `path`"));
        // Not offered, so not understood.
        let server = RawServer::start(vec![sized("content-encoding: br\r\n", b"x")]).await.unwrap();
        let connector = connect(spec(&server.url(), &format, json!({})), &[]).unwrap();
        let error = read(connector.as_ref(), items()).await.unwrap_err();
        assert!(error.detail.contains("encoded as `br`, though only gzip was offered"), "{error}");
        assert_eq!(server.connections(), 1);
    }
}
