//! Bodies that do not come, or are too large, and requests that are there at the end.

use super::*;
use crate::listener::fixture::{Listening, SHORT, SOON, assert_answer};
use crate::webhook::request::BODY;

/// The first line of all requests.
const LINE: &str = "POST /webhooks/demo/ordered HTTP/1.1\r\n";

impl Place {
    /// A listener at work.
    async fn listening(&self) -> Listening {
        let webhooks = self.webhooks.clone();
        Listening::of(|socket, stop| webhooks.serve(socket, stop)).await
    }
}

/// A request with the token, these headers as well, and so much of its body.
fn with_token(headers: &str, body: &str) -> String {
    format!("{LINE}Host: it\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn a_body_is_small_and_comes_in_time() {
    let mut place = place(&json!({}));
    place.webhooks.limits.body = SHORT;
    let listening = place.listening().await;
    assert_answer(&listening.answer(&with_token("", "")).await, 202, "\"fire\"");
    // It is refused before it is sent.
    let large = with_token(&format!("Content-Length: {}\r\n", BODY + 1), "");
    assert_answer(&listening.answer(&large).await, 413, "the body has more than 65536 bytes");
    let part = format!("{:x}\r\n{}", BODY + 1, "x".repeat(BODY + 1));
    let parts = with_token("Transfer-Encoding: chunked\r\n", &part);
    assert_answer(&listening.answer(&parts).await, 413, "the body has more than 65536 bytes");
    let slow = with_token("Content-Length: 10\r\n", "12345");
    assert_answer(&listening.answer(&slow).await, 408, "the body did not come within 200ms");
    assert_eq!(place.requests().len(), 1);
}

#[tokio::test]
async fn who_has_asked_before_the_end_is_answered() {
    let place = place(&json!({}));
    let listening = place.listening().await;
    let (idle, mut asks, mut sends) = (listening.client().await, listening.client().await, listening.client().await);
    sends.send(&with_token("Content-Length: 2\r\nExpect: 100-continue\r\n", "")).await;
    sends.is_awaited().await;
    place.answers.send_replace(false);
    asks.send(&with_token("", "")).await;
    timeout(SOON, place.asked.notified()).await.expect("the API server is asked");
    listening.stop.cancel();
    assert_eq!(idle.told().await, "");
    listening.is_closed().await;
    sends.send("{}").await;
    place.answers.send_replace(true);
    let (one, other) = tokio::join!(asks.told(), sends.told());
    assert_answer(&one, 202, "\"fire\"");
    assert_answer(&other, 202, "\"fire\"");
    listening.ended().await;
    assert_eq!(place.requests().len(), 2);
}

#[tokio::test]
async fn who_cannot_be_answered_before_the_end_is_told_to_ask_again() {
    let mut place = place(&json!({}));
    place.webhooks.limits.listener.grace = SHORT;
    let listening = place.listening().await;
    let (mut asks, mut sends, mut begins) =
        (listening.client().await, listening.client().await, listening.client().await);
    begins.send(LINE).await;
    sends.send(&with_token("Content-Length: 2\r\nExpect: 100-continue\r\n", "")).await;
    sends.is_awaited().await;
    place.answers.send_replace(false);
    asks.send(&with_token("", "")).await;
    timeout(SOON, place.asked.notified()).await.expect("the API server is asked");
    listening.stop.cancel();
    let (asked, sent, begun) = tokio::join!(asks.told(), sends.told(), begins.told());
    for told in [asked, sent] {
        let why =
            "the operator ends, and it is not known whether the request was taken: send it again, with the same key";
        assert_answer(&told, 503, why);
        assert!(told.contains("retry-after: 5\r\n"), "{told}");
    }
    assert_eq!(begun, "");
    listening.ended().await;
    let text = place.metrics.text().expect("text");
    assert!(text.contains("webhook_requests_total{status=\"503\"} 2\n"), "{text}");
    place.answers.send_replace(true);
    assert_eq!(place.requests(), []);
}
