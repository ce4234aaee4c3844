//! Connections over which nothing comes, or too much, and those that are there at the end.

use std::net::SocketAddr;
use std::pin::pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::webhook::connections::HEADERS;
use crate::webhook::request::BODY;

/// A time that is over soon.
const SHORT: Duration = Duration::from_millis(200);
/// The first line of all requests.
const LINE: &str = "POST /webhooks/demo/ordered HTTP/1.1\r\n";

/// A listener at work.
struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    serving: AbortOnDropHandle<()>,
}

impl Listening {
    async fn at(place: &Place, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, stop) = (listener.local_addr().expect("bound"), CancellationToken::new());
        let webhooks = Webhooks { limits, ..place.webhooks.clone() };
        let serving = AbortOnDropHandle::new(tokio::spawn(webhooks.serve(listener, stop.clone())));
        Self { address, stop, serving }
    }

    async fn client(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.expect("a connection"), told: Vec::new() }
    }

    /// What is answered to this.
    async fn answer(&self, text: &str) -> String {
        let mut client = self.client().await;
        client.send(text).await;
        client.told().await
    }

    /// Waits until nobody listens any more.
    async fn is_closed(&self) {
        let closed = async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, closed).await.expect("nobody listens");
    }

    async fn ended(self) {
        timeout(SOON, self.serving).await.expect("an end").expect("no mistake");
    }
}

/// A client, and what it was told.
struct Client {
    stream: TcpStream,
    told: Vec<u8>,
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("a connection");
    }

    /// Whether there was more, before the connection was closed.
    async fn hears(&mut self) -> bool {
        let read = timeout(SOON, self.stream.read_buf(&mut self.told)).await.expect("an answer, or an end");
        read.is_ok_and(|read| read > 0)
    }

    /// Waits until its body is asked for: its headers are read, and its token is right.
    async fn is_awaited(&mut self) {
        while !self.told.ends_with(b"HTTP/1.1 100 Continue\r\n\r\n") {
            assert!(self.hears().await, "{:?}", String::from_utf8_lossy(&self.told));
        }
        self.told.clear();
    }

    /// All that it is told until the connection is closed.
    async fn told(mut self) -> String {
        while self.hears().await {}
        String::from_utf8(self.told).expect("text")
    }
}

/// A request with the token, these headers as well, and so much of its body.
fn with_token(headers: &str, body: &str) -> String {
    format!("{LINE}Host: it\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n{body}")
}

fn assert_answer(told: &str, status: u16, words: &str) {
    assert!(told.starts_with(&format!("HTTP/1.1 {status} ")) && told.contains(words), "{told}");
}

#[tokio::test]
async fn who_does_not_end_the_headers_is_cut_off() {
    let place = place(&json!({}));
    let listening = Listening::at(&place, Limits { headers: SHORT, ..Limits::default() }).await;
    let begun = Instant::now();
    let (silent, mut half) = (listening.client().await, listening.client().await);
    half.send(LINE).await;
    assert_eq!(tokio::join!(silent.told(), half.told()), (String::new(), String::new()));
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
    // A header from time to time does not win any.
    let mut slow = listening.client().await;
    slow.send(LINE).await;
    let trickles = async {
        while slow.stream.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    timeout(SOON, trickles).await.expect("it is cut off");
    assert_answer(&listening.answer(&with_token("", "")).await, 202, "\"fire\"");
}

#[tokio::test]
async fn more_connections_than_are_served_wait_for_their_turn() {
    let place = place(&json!({}));
    let listening = Listening::at(&place, Limits { connections: 2, ..Limits::default() }).await;
    let (one, _other) = (listening.client().await, listening.client().await);
    let mut third = listening.client().await;
    third.send(&with_token("", "")).await;
    let mut told = pin!(third.told());
    assert!(timeout(SHORT, told.as_mut()).await.is_err(), "two others are connected");
    assert_eq!(place.requests(), []);
    drop(one);
    assert_answer(&told.await, 202, "\"fire\"");
}

#[tokio::test]
async fn a_connection_is_for_one_request_of_bounded_size() {
    let place = place(&json!({}));
    let listening = Listening::at(&place, Limits { body: SHORT, ..Limits::default() }).await;
    let two = with_token("", "").repeat(2);
    let told = listening.answer(&two).await;
    assert_answer(&told, 202, "connection: close\r\n");
    assert_eq!((told.matches("HTTP/1.1").count(), place.requests().len()), (1, 1), "{told}");

    let long = format!("{LINE}x: ");
    let long = format!("{long}{}", "y".repeat(HEADERS - long.len()));
    assert_answer(&listening.answer(&long).await, 431, "");
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
    let listening = Listening::at(&place, Limits::default()).await;
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
    let place = place(&json!({}));
    let listening = Listening::at(&place, Limits { grace: SHORT, ..Limits::default() }).await;
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
