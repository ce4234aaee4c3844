//! Connections over which nothing comes, or too much, and those that are there at the end.

use std::sync::Arc;
use std::time::Instant;

use axum::routing::get;
use tokio::sync::Notify;

use super::fixture::{Listening, SHORT, SOON, assert_answer};
use super::*;

/// None of which is met.
const WIDE: Limits = Limits {
    connections: 100,
    headers: Duration::from_secs(300),
    crowded: Duration::from_secs(300),
    request: Duration::from_secs(300),
    grace: Duration::from_secs(300),
};
/// The first line of all requests, and a whole one.
const LINE: &str = "GET / HTTP/1.1\r\n";
const WHOLE: &str = "GET / HTTP/1.1\r\nHost: it\r\n\r\n";

/// A listener that says `here`, after which it waits until it is over where that is asked for.
struct Place {
    over: CancellationToken,
    /// Told when somebody waits.
    waits: Arc<Notify>,
    listening: Listening,
}

impl Place {
    async fn within(limits: Limits) -> Self {
        let (over, waits) = (CancellationToken::new(), Arc::new(Notify::new()));
        let (ends, asked) = (over.clone(), Arc::clone(&waits));
        let late = move || async move {
            asked.notify_one();
            ends.cancelled().await;
            "it is over"
        };
        let routes = Router::new().route("/", get(|| async { "here" })).route("/late", get(late));
        let ends = over.clone();
        let serve = move |socket, stop| Listener { name: "tests", socket, limits }.serve(routes, stop, ends);
        Self { over, waits, listening: Listening::of(serve).await }
    }
}

#[tokio::test]
async fn who_does_not_end_the_headers_is_cut_off() {
    let Place { listening, .. } = Place::within(Limits { headers: SHORT, ..WIDE }).await;
    let begun = Instant::now();
    let (silent, mut half) = (listening.client().await, listening.client().await);
    half.send(LINE).await;
    assert_eq!(tokio::join!(silent.told(), half.told()), (String::new(), String::new()));
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
    // A header from time to time does not win any.
    let mut slow = listening.client().await;
    slow.send(LINE).await;
    let trickles = async {
        while slow.sends("x: y\r\n").await {
            sleep(SHORT / 10).await;
        }
    };
    timeout(SOON, trickles).await.expect("it is cut off");
    assert_answer(&listening.answer(WHOLE).await, 200, "here");
}

#[tokio::test]
async fn more_connections_than_are_served_wait_for_their_turn() {
    let Place { listening, .. } = Place::within(Limits { connections: 2, ..WIDE }).await;
    let (one, _other) = (listening.client().await, listening.client().await);
    let mut third = listening.client().await;
    third.send(WHOLE).await;
    let mut told = pin!(third.told());
    assert!(timeout(SHORT, told.as_mut()).await.is_err(), "two others are connected");
    drop(one);
    assert_answer(&told.await, 200, "here");
}

#[tokio::test]
async fn who_has_not_asked_makes_room_where_it_is_crowded() {
    let Place { listening, waits, over } = Place::within(Limits { connections: 2, crowded: SHORT, ..WIDE }).await;
    let begun = Instant::now();
    let mut asks = listening.client().await;
    asks.send(&WHOLE.replace("GET / ", "GET /late ")).await;
    timeout(SOON, waits.notified()).await.expect("it is asked");
    let mut half = listening.client().await;
    half.send(LINE).await;
    assert_answer(&listening.answer(WHOLE).await, 200, "here");
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
    assert_eq!(half.told().await, "");
    over.cancel();
    assert_answer(&asks.told().await, 200, "it is over");
    // One alone is in nobody's way.
    let mut alone = listening.client().await;
    sleep(SHORT * 2).await;
    alone.send(WHOLE).await;
    assert_answer(&alone.told().await, 200, "here");
}

#[tokio::test]
async fn a_connection_is_for_one_request_of_bounded_size() {
    let Place { listening, .. } = Place::within(WIDE).await;
    let told = listening.answer(&WHOLE.repeat(2)).await;
    assert_answer(&told, 200, "connection: close\r\n");
    assert_eq!(told.matches("HTTP/1.1").count(), 1, "{told}");
    let long = format!("{LINE}x: ");
    let long = format!("{long}{}", "y".repeat(HEADERS - long.len()));
    assert_answer(&listening.answer(&long).await, 431, "");
}

#[tokio::test]
async fn who_has_asked_before_the_end_is_answered_and_told_when_it_is_over() {
    let Place { listening, waits, over } = Place::within(Limits { grace: SHORT, ..WIDE }).await;
    let (idle, mut asks, mut begins) = (listening.client().await, listening.client().await, listening.client().await);
    begins.send(LINE).await;
    asks.send(&WHOLE.replace("GET / ", "GET /late ")).await;
    timeout(SOON, waits.notified()).await.expect("it is asked");
    let begun = Instant::now();
    listening.stop.cancel();
    assert_eq!(idle.told().await, "");
    listening.is_closed().await;
    assert_answer(&asks.told().await, 200, "it is over");
    assert!(begun.elapsed() >= SHORT && over.is_cancelled(), "{:?}", begun.elapsed());
    assert_eq!(begins.told().await, "", "its request has not come whole");
    listening.ended().await;
}
