//! A store that is busy, slow, loses answers, refuses, or is not there.

use std::time::{Duration, Instant};

use aggregator_crds::pipeline::WriteMode;
use aggregator_tests::gateway::Wrong;
use aggregator_tests::http::HttpServer;
use aggregator_tests::s3::{ACCESS_KEY, SECRET_KEY};
use aggregator_worker::connector::ErrorKind;
use axum::Router;
use axum::http::StatusCode;
use serde_json::json;

use super::harness::{Behind, Lake, attempt, batch, open, positions, read, request, rule, sink};
use super::writing::mode;

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_store_is_asked_again_and_nothing_is_lost_or_doubled() {
    let behind = Behind::new(json!({"format": {"csv": {}}})).await;
    let mut epoch = 0;
    for (method, part) in [
        ("PUT", "_aggregator/demo"),
        ("PUT", "_aggregator/staging"),
        ("PUT", "/out/"),
        ("GET", "list-type=2"),
        ("GET", "_aggregator/demo"),
        ("HEAD", "/out/"),
        ("POST", "delete"),
        ("GET", "/out/part-"),
    ] {
        for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (429, "")] {
            epoch += 1;
            behind.gateway.set(rule(method, part, 0, 2, Wrong::Answer(status, code)));
            let id = i64::try_from(epoch).unwrap();
            assert_eq!(behind.write(epoch, &[id]).await.unwrap(), 1, "{method} {part} {status}");
            assert_eq!(behind.ids().await, [id.to_string()], "{method} {part} {status}");
            assert_eq!(behind.gateway.hits(), 2, "{method} {part} {status}");
            assert_eq!(behind.lake.data().await.len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_busy_or_silent_is_given_up_in_time() {
    let behind = Behind::new(json!({"format": {"csv": {}}, "timeout": "300ms"})).await;
    behind.write(1, &[1]).await.unwrap();
    let started = Instant::now();
    behind.gateway.set(rule("GET", "list-type=2", 0, usize::MAX, Wrong::Answer(503, "SlowDown")));
    let busy = behind.connector.check().await.unwrap_err();
    assert_eq!((busy.kind, busy.detail.as_str()), (ErrorKind::Transient, "the store answered 503 SlowDown: made up"));
    assert!(behind.gateway.hits() > 1);
    behind.gateway.set(rule("GET", "", 0, usize::MAX, Wrong::Slow(Duration::from_secs(5))));
    let silent = behind.connector.check().await.unwrap_err();
    assert_eq!((silent.kind, silent.detail.as_str()), (ErrorKind::Unreachable, "no whole answer came in time"));
    assert!(behind.gateway.hits() > 0);
    let slow = Duration::from_secs(20);
    assert!(started.elapsed() < slow, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_store_is_asked_again_before_it_has_said_all() {
    let behind = Behind::new(json!({"format": {"csv": {}}})).await;
    let started = Instant::now();
    let mut epoch = 0;
    for (method, part) in [("PUT", "_aggregator/demo"), ("PUT", "/out/"), ("GET", "list-type=2"), ("POST", "delete")] {
        for status in [500, 503, 429, 408] {
            epoch += 1;
            behind.gateway.set(rule(method, part, 0, 1, Wrong::Stuck(status)));
            let id = i64::try_from(epoch).unwrap();
            assert_eq!(behind.write(epoch, &[id]).await.unwrap(), 1, "{method} {part} {status}");
            assert_eq!(behind.ids().await, [id.to_string()], "{method} {part} {status}");
            assert_eq!(behind.gateway.hits(), 1, "{method} {part} {status}");
        }
    }
    // One body that is waited for would take as long as a request may.
    let request = Duration::from_secs(30);
    assert!(started.elapsed() < request, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_does_not_hide_what_was_done() {
    let behind = Behind::new(json!({"format": {"csv": {}}})).await;
    // The record is written five times and probed twice by a run: whichever of the answers is lost, the run ends well.
    for number in 0..6 {
        let epoch = number + 1;
        let skip = usize::try_from(number).unwrap();
        behind.gateway.set(rule("PUT", "_aggregator/demo", skip, 1, Wrong::Lost));
        let id = i64::try_from(epoch).unwrap();
        assert_eq!(behind.write(epoch, &[id]).await.unwrap(), 1, "lost the answer to write {number}");
        assert_eq!(behind.ids().await, [id.to_string()]);
        assert_eq!(behind.gateway.hits(), 1);
        let mut after =
            sink(behind.connector.as_ref(), "out/", batch(&[]).schema(), mode(WriteMode::Append)).await.unwrap();
        let record = after.last_commit().await.unwrap().unwrap();
        assert_eq!(
            (record.epoch, record.run, record.positions),
            (epoch, Some(format!("run-{epoch}")), positions(epoch))
        );
    }
    for (method, part) in [("PUT", "/out/"), ("POST", "delete"), ("PUT", "_aggregator/staging")] {
        behind.gateway.set(rule(method, part, 0, 1, Wrong::Lost));
        let epoch = 10 + behind.gateway.seen().len() as u64;
        assert_eq!(behind.write(epoch, &[7]).await.unwrap(), 1, "{method} {part}");
        assert_eq!((behind.ids().await, behind.gateway.hits()), (vec!["7".to_owned()], 1), "{method} {part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_cut_off_is_fetched_again() {
    let behind = Behind::new(json!({})).await;
    let text: String = std::iter::once("id\n".to_owned()).chain((0..1_000_000).map(|id| format!("{id}\n"))).collect();
    behind.lake.bucket.put("in.csv", text.clone()).await;
    behind.gateway.set(rule("GET", "/in.csv", 1, 2, Wrong::Cut(100_000)));
    let outcome = read(behind.connector.as_ref(), request("in.csv")).await.unwrap();
    assert_eq!((outcome.end.read, outcome.end.bytes), (1_000_000, text.len() as u64));
    let found = outcome.batch.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
    assert!(found.values().iter().copied().eq(0..1_000_000));
    assert_eq!(behind.gateway.hits(), 2);
    behind.gateway.set(rule("GET", "/in.csv", 1, usize::MAX, Wrong::Cut(100_000)));
    let cut = read(behind.connector.as_ref(), request("in.csv")).await.unwrap_err();
    assert_eq!(cut.kind, ErrorKind::Transient, "{cut}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_off_in_its_body_is_asked_for_again() {
    let behind = Behind::new(json!({"format": {"csv": {}}})).await;
    let mut epoch = 0;
    for (method, part) in [
        // There is no record yet: the body of a 404.
        ("GET", "_aggregator/demo"),
        ("GET", "list-type=2"),
        ("PUT", "/out/"),
        ("POST", "delete"),
        ("GET", "_aggregator/demo"),
    ] {
        epoch += 1;
        behind.gateway.set(rule(method, part, 0, 2, Wrong::Torn));
        let id = i64::try_from(epoch).unwrap();
        assert_eq!(behind.write(epoch, &[id]).await.unwrap(), 1, "{method} {part}");
        assert_eq!(behind.ids().await, [id.to_string()], "{method} {part}");
        assert_eq!(behind.gateway.hits(), 2, "{method} {part}");
        assert_eq!((behind.lake.data().await.len(), behind.lake.staged().await), (1, Vec::new()), "{method} {part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_off_again_and_again_are_given_up() {
    let behind = Behind::new(json!({"format": {"csv": {}}})).await;
    behind.write(1, &[1]).await.unwrap();
    for (method, part) in [("GET", "list-type=2"), ("PUT", "/out/"), ("POST", "delete")] {
        behind.gateway.set(rule(method, part, 0, usize::MAX, Wrong::Torn));
        let epoch = 2 + behind.gateway.seen().len() as u64;
        let error = behind.write(epoch, &[2]).await.expect_err(part);
        assert_eq!(error.kind, ErrorKind::Transient, "{method} {part}: {error}");
        assert!(error.detail.starts_with("the connection broke: the answer was cut off: "), "{method} {part}: {error}");
        // Once, and four times again, as it is with an answer that is lost.
        assert_eq!(behind.gateway.hits(), 5, "{method} {part}");
    }
    behind.gateway.set_all(Vec::new());
    assert_eq!(behind.write(10_000, &[3]).await.unwrap(), 1);
    assert_eq!(behind.ids().await, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_conditions_is_refused_before_anything_is_written() {
    let behind = Behind::new(json!({"format": {"csv": {}}})).await;
    // The record itself, then the two probes, of which one or the other is answered as if there were no condition.
    for (skip, header) in [(1, "If-None-Match"), (2, "If-Match")] {
        behind.gateway.set(rule("PUT", "_aggregator/demo", skip, 1, Wrong::Answer(200, "")));
        let refused = behind.write(skip as u64, &[1]).await.unwrap_err();
        assert_eq!((refused.kind, behind.gateway.hits()), (ErrorKind::Refused, 1), "{header}");
        assert!(refused.to_string().contains(&format!("the store does not look at {header},")), "{refused}");
    }
    assert_eq!((behind.lake.data().await, behind.lake.staged().await), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_whose_fault_they_are_and_show_no_secret() {
    let lake = Lake::plain();
    let (endpoint, name) = (lake.bucket.endpoint.as_str(), lake.bucket.name.as_str());
    let wrong = json!({"accessKeyId": {"secretKey": "id"}, "secretAccessKey": {"secretKey": "wrong"}});
    let token = json!({"accessKeyId": {"secretKey": "id"}, "secretAccessKey": {"secretKey": "wrong"}, "sessionToken": {"secretKey": "token"}});
    for (endpoint, bucket, fields, kind, part) in [
        (endpoint, name, json!({"credentials": wrong}), ErrorKind::Credentials, "403 SignatureDoesNotMatch"),
        (endpoint, name, json!({"credentials": token}), ErrorKind::Credentials, "400 InvalidToken"),
        (endpoint, "no-such-bucket", json!({}), ErrorKind::NotFound, "404 NoSuchBucket"),
        ("http://127.0.0.1:1", name, json!({"timeout": "1s"}), ErrorKind::Unreachable, "no connection"),
    ] {
        let connector = open(endpoint, bucket, &fields).unwrap();
        let mut told = vec![connector.check().await.unwrap_err()];
        told.push(connector.discover().await.unwrap_err());
        told.push(connector.describe("a.csv").await.unwrap_err());
        let mut writer = sink(connector.as_ref(), "out.d/x/", batch(&[]).schema(), mode(WriteMode::Append)).await;
        if let Ok(writer) = &mut writer {
            told.push(writer.fence(&attempt(1)).await.unwrap_err());
        }
        for error in told {
            let text = format!("{error:?} {error}");
            assert!(error.kind == kind && error.remedy.is_some(), "{part}: {text}");
            for secret in [SECRET_KEY, ACCESS_KEY, "not-the-secret", "session-token", "StringToSign", "AWS4-HMAC"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
        let text = connector.check().await.unwrap_err().to_string();
        assert!(text.contains(part), "{part}: {text}");
    }
    let none = json!({"credentials": null});
    let missing = open(endpoint, name, &none).err().unwrap();
    assert_eq!(missing.kind, ErrorKind::Credentials);
    let unknown = json!({"accessKeyId": {"secretKey": "id"}, "secretAccessKey": {"secretKey": "nowhere"}});
    let missing = open(endpoint, name, &json!({"credentials": unknown})).err().unwrap();
    assert_eq!((missing.kind, missing.operation.contains("`nowhere`")), (ErrorKind::Credentials, true));
    for (fields, part) in [
        (json!({"prefix": "a/../b"}), "`prefix`: `a/../b` has an empty step"),
        (json!({"endpoint": "ftp://store"}), "`endpoint`: it is no http or https address"),
        (json!({"endpoint": "http://me:secret@store"}), "`endpoint`: it holds a user's name or password"),
        (json!({"ca": {"pem": "x"}}), "it holds no certificate"),
        (json!({"timeout": "soon"}), "`timeout`"),
    ] {
        let wrong = open(endpoint, name, &fields).err().unwrap();
        assert_eq!(wrong.kind, ErrorKind::Config, "{wrong}");
        assert!(wrong.to_string().contains(part), "{part}: {wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_against_the_authority_that_is_named() {
    let empty =
        "<ListBucketResult><Name>lake</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";
    let router = Router::new().fallback(move || async move { (StatusCode::OK, empty) });
    let (server, authority) = HttpServer::start_tls(router).await.unwrap();
    let trusted = open(&server.url(), "lake", &json!({"ca": {"pem": authority}})).unwrap();
    assert!(trusted.check().await.unwrap().message.ends_with("no object is there yet"));
    let untrusted = open(&server.url(), "lake", &json!({})).unwrap().check().await.unwrap_err();
    assert_eq!(untrusted.kind, ErrorKind::Unreachable);
    assert!(untrusted.detail.starts_with("the store's certificate is not trusted: "), "{untrusted}");
    assert!(untrusted.remedy.unwrap().contains("`ca`"));
}
