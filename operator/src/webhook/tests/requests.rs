//! What is answered to a request, and what stands in its Schedule's status then.

use super::*;
use crate::webhook::request::{BODY, VALUES};

#[tokio::test]
async fn who_has_no_token_is_not_told_which_schedules_there_are() {
    let place = place(&json!({}));
    let other = self::place(&json!({"interval": {"every": "1h"}}));
    let path = "/webhooks/demo/ordered";
    let bearer = format!("bearer  {TOKEN} ");
    let right = [("authorization", bearer.as_str())];
    let (status, none) = place.asked(path, &[], "").await;
    assert_eq!((status, &none["error"]), (401, &json!("there is no such Schedule, or this is not its token")));
    for wrong in [TOKEN, "Bearer", "Bearer ", "Bearer another", "Basic YTpi"] {
        assert_eq!(place.asked(path, &[("authorization", wrong)], "").await, (401, none.clone()), "{wrong}");
    }
    for unknown in ["/webhooks/demo/nobody", "/webhooks/other/ordered"] {
        assert_eq!(place.asked(unknown, &right, "").await, (401, none.clone()), "{unknown}");
    }
    assert_eq!(other.asked(path, &right, "").await, (401, none.clone()), "it waits for no requests");
    // It was given another token, which the cache does not know.
    place.server().schedule["spec"]["webhook"]["tokenSha256"] = hash_of("another").into();
    assert_eq!(place.asked(path, &right, "").await, (401, none));
    assert_eq!(place.requests(), []);
    let calls = "aggregator_operator_api_calls_total{resource=\"schedules\",status=\"2xx\",verb=\"list\"} 1\n";
    let text = place.metrics.text().expect("text");
    assert!(text.contains(calls), "who has no token makes the API server no work: {text}");
    assert!(text.contains("webhook_requests_total{status=\"401\"} 9\n"), "{text}");
}

#[tokio::test]
async fn a_request_stands_in_the_status_before_it_is_answered() {
    let place = place(&json!({}));
    place.server().schedule["status"] = json!({"counts": {"started": 3, "skipped": 0, "missed": 0}});
    // Somebody else writes twice in between.
    place.server().rivals = 2;
    let (status, said) = place.posted("", "").await;
    assert_eq!(status, 202, "{said}");
    let requests = place.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(said["fire"], request.id);
    assert_eq!(said["time"], json!(request.time));
    let run = said["run"].as_str().expect("a name");
    assert!(run.starts_with(&format!("ordered-{}-", request.time.strftime("%Y%m%d-%H%M%S"))), "{run}");
    assert!(!request.decided && request.params.is_empty());
    assert_eq!(place.server().schedule["status"]["counts"]["started"], 3, "the rest of it stays");
    let text = place.metrics.text().expect("text");
    let conflicts = "writes_total{kind=\"Schedule\",outcome=\"conflict\",verb=\"status\"} 2\n";
    assert!(text.contains(conflicts) && text.contains("webhook_requests_total{status=\"202\"} 1\n"), "{text}");
}

#[tokio::test]
async fn the_same_key_is_the_same_fire() {
    let place = place(&json!({}));
    let first = place.posted("order 7", "").await;
    assert_eq!((first.0, place.posted("order 7", "otherwise").await), (202, first.clone()));
    let other = place.posted("order 8", "").await;
    assert_eq!(other.0, 202);
    assert_ne!((&other.1["fire"], &other.1["run"]), (&first.1["fire"], &first.1["run"]));
    // Each without one is a fire of its own.
    let (one, two) = (place.posted("", "").await, place.posted("", "").await);
    assert_ne!(one.1["fire"], two.1["fire"]);
    assert_eq!(place.requests().len(), 4);
    // It is known after it was decided on, and while nothing new is taken.
    place.server().schedule["status"]["requests"][0]["decided"] = true.into();
    place.server().schedule["spec"]["suspend"] = true.into();
    assert_eq!(place.posted("order 7", "").await, first);

    let named = self::place(&json!({"eventIdHeader": "X-Order"}));
    let bearer = format!("Bearer {TOKEN}");
    let asked = |order: &'static str| {
        let headers = [("authorization", bearer.as_str()), ("x-order", order), ("Idempotency-Key", "k")];
        let named = &named;
        async move { named.asked("/webhooks/demo/ordered", &headers, "").await.1["fire"].clone() }
    };
    assert_eq!(asked("7").await, asked("7").await);
    assert_ne!(asked("7").await, asked("8").await);
}

#[tokio::test]
async fn no_more_is_taken_than_can_be_decided_on() {
    let place = place(&json!({}));
    for number in 0..16 {
        assert_eq!(place.posted(&number.to_string(), "").await.0, 202, "{number}");
    }
    let (status, said) = place.posted("16", "").await;
    assert_eq!((status, said["error"].as_str()), (429, Some("16 requests wait to be decided on")));
    assert_eq!(place.posted("3", "").await.0, 202, "it was taken before");
    let times: std::collections::BTreeSet<Timestamp> = place.requests().iter().map(|it| it.time).collect();
    assert_eq!(times.len(), 16, "each has a time of its own");
    place.server().schedule["status"]["requests"][0]["decided"] = true.into();
    assert_eq!(place.posted("16", "").await.0, 202);

    let suspended = self::place(&json!({"suspend": true}));
    let (status, said) = suspended.posted("", "").await;
    assert_eq!((status, said["error"].as_str()), (409, Some("the Schedule is suspended")));
    let wrong = self::place(&json!({"pipelineRef": {"name": "No Name"}}));
    let (status, said) = wrong.posted("", "").await;
    assert_eq!(status, 409);
    assert!(said["error"].as_str().is_some_and(|error| error.contains("spec.pipelineRef.name")), "{said}");
    let failing = self::place(&json!({}));
    failing.server().fails = true;
    assert_eq!(failing.posted("", "").await.0, 503);
}

#[tokio::test]
async fn values_are_taken_from_the_body_and_large_ones_are_refused() {
    let place = place(&json!({"params": {"least": "$.order.sum", "what": "$.what", "new": "$.new"}}));
    let body = r#"{"order": {"sum": 12.50, "more": [1]}, "what": "a \"word\"", "new": true}"#;
    assert_eq!(place.posted("", body).await.0, 202);
    let requests = place.requests();
    let taken = ["least", "what", "new"].map(|name| requests[0].params[name].as_str());
    assert_eq!(taken, ["12.5", "a \"word\"", "true"]);
    for (wrong, why) in [
        ("what", "the body is not JSON: "),
        ("{}", "the body has not one value at `$.order.sum`, of which `least` is taken"),
        (r#"{"order": {"sum": null}, "what": "", "new": 1}"#, "not one value at `$.order.sum`"),
        (r#"{"order": {"sum": [1]}, "what": "", "new": 1}"#, "not one value at `$.order.sum`"),
    ] {
        let (status, said) = place.posted("", wrong).await;
        assert!(status == 400 && said["error"].as_str().is_some_and(|it| it.contains(why)), "{wrong}: {said}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let long = json!({"order": {"sum": 1}, "what": "x".repeat(VALUES), "new": 1}).to_string();
    let (status, said) = place.asked("/webhooks/demo/ordered", &headers, long).await;
    assert_eq!((status, said["error"].as_str().map(|it| it.contains("4096 bytes"))), (413, Some(true)), "{said}");
    let plain = self::place(&json!({}));
    assert_eq!(plain.asked("/webhooks/demo/ordered", &headers, "x".repeat(BODY)).await.0, 202);
    let (status, said) = plain.asked("/webhooks/demo/ordered", &headers, "x".repeat(BODY + 1)).await;
    assert_eq!((status, said["error"].as_str().map(|it| it.contains("65536 bytes"))), (413, Some(true)), "{said}");
    // Who has no token is not asked how long it is.
    assert_eq!(plain.asked("/webhooks/demo/ordered", &[], "x".repeat(BODY + 1)).await.0, 401);
}

#[tokio::test]
async fn what_is_taken_of_a_request_is_told_by_the_schedule_that_was_read() {
    let place = place(&json!({}));
    // The cache does not know of this edit.
    let edited = json!({"tokenSha256": hash_of(TOKEN), "eventIdHeader": "X-Order", "params": {"what": "$.what"}});
    place.server().schedule["spec"]["webhook"] = edited;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("x-order", "7"), ("Idempotency-Key", "k")];
    let path = "/webhooks/demo/ordered";
    let (status, said) = place.asked(path, &headers, "").await;
    assert!(status == 400 && said["error"].as_str().is_some_and(|it| it.contains("is not JSON")), "{said}");
    let first = place.asked(path, &headers, r#"{"what": "this"}"#).await;
    assert_eq!(first.0, 202, "{}", first.1);
    assert_eq!(place.requests()[0].params["what"], "this");
    assert_eq!(place.asked(path, &headers[..2], r#"{"what": "that"}"#).await, first, "its event is the same");
    assert_eq!(place.requests().len(), 1);
}

#[tokio::test]
async fn a_request_is_tried_again_ever_later_and_not_for_ever() {
    let mut place = place(&json!({}));
    place.webhooks.limits.tries = Duration::from_millis(300);
    place.server().rivals = u32::MAX;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("Idempotency-Key", "order 7")];
    let ((status, said), again) = place.advised("/webhooks/demo/ordered", &headers, "").await;
    let why = "others write to the Schedule all the time, and the request was not taken: send it again, with the same key \
               if it has one";
    assert_eq!((status, said["error"].as_str(), again.as_deref()), (503, Some(why), Some("5")));
    // After pauses of 20, 40 and 80 ms, the next one would be too long.
    let tries = u32::MAX - place.server().rivals;
    assert!(tries <= 4, "{tries}");
    assert_eq!(place.requests(), []);
    place.server().rivals = 0;
    assert_eq!(place.posted("order 7", "").await.0, 202);
}

#[tokio::test]
async fn a_request_that_takes_too_long_may_be_sent_again() {
    let mut place = place(&json!({}));
    place.webhooks.limits.listener.request = Duration::from_millis(200);
    place.answers.send_replace(false);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("Idempotency-Key", "order 7")];
    let ((status, said), again) = place.advised("/webhooks/demo/ordered", &headers, "").await;
    let why = "there was no answer within 200ms, and it is not known whether the request was taken: send it again, with the \
               same key if it has one";
    assert_eq!((status, said["error"].as_str(), again.as_deref()), (504, Some(why), Some("5")));
    let text = place.metrics.text().expect("text");
    assert!(text.contains("webhook_requests_total{status=\"504\"} 1\n"), "{text}");
    place.answers.send_replace(true);
    place.webhooks.limits = Limits::default();
    assert_eq!(place.posted("order 7", "").await.0, 202);
    assert_eq!(place.requests().len(), 1);
}
