//! A listener for requests by HTTP: so many connections at a time, each for one request and for a bounded time. Whoever sends
//! nothing, or too much, is in nobody's way for long.

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The most bytes of a request's headers; what of a body has come and is not asked for takes as much.
const HEADERS: usize = 32 * 1024;
/// How long it may take to say an answer that is there.
const SAYS: Duration = Duration::from_secs(1);
/// How soon the next connection is asked for when the system could not give one, say because too many files are open.
const AGAIN: Duration = Duration::from_millis(100);

/// How much clients may take of a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many connections are served at a time, each for one request; the next ones wait to be accepted.
    pub(crate) connections: usize,
    /// How long the headers of a request may take to come.
    pub(crate) headers: Duration,
    /// How long they may take while so many connections are served, and others may wait.
    pub(crate) crowded: Duration,
    /// How long all of a request may take, from its headers to its answer.
    pub(crate) request: Duration,
    /// How long requests are answered that have come before the end.
    pub(crate) grace: Duration,
}

/// A listener for requests by HTTP.
pub(crate) struct Listener {
    /// What it is for, in a word for the log.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) socket: TcpListener,
    /// How much clients may take of it.
    pub(crate) limits: Limits,
}

impl Listener {
    /// Serves until it is asked to stop, and then those that have asked before: for a while as ever, and then, when it is over,
    /// by saying so.
    pub(crate) async fn serve(self, routes: Router, stop: CancellationToken, over: CancellationToken) {
        let Self { name, socket, limits } = self;
        let crowd = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        loop {
            let is_crowded = connections.len() >= limits.connections;
            crowd.send_if_modified(|was| std::mem::replace(was, is_crowded) != is_crowded);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(closed) = connections.join_next() => check(name, closed),
                (stream, address) = accept(name, &socket), if !is_crowded => {
                    let (stop, crowd) = (stop.clone(), crowd.subscribe());
                    connections.spawn(connection(stream, address, routes.clone(), limits, stop, crowd));
                }
            }
        }
        // Who asks from now on is turned away, and finds another operator.
        drop(socket);
        if timeout(limits.grace, all_closed(name, &mut connections)).await.is_err() {
            over.cancel();
            if timeout(SAYS, all_closed(name, &mut connections)).await.is_err() {
                let connections = connections.len();
                tracing::debug!(listener = name, connections, "connections are cut on which no request has come whole");
            }
        }
        connections.shutdown().await;
    }
}

async fn all_closed(name: &str, connections: &mut JoinSet<()>) {
    while let Some(closed) = connections.join_next().await {
        check(name, closed);
    }
}

fn check(name: &str, closed: Result<(), JoinError>) {
    if let Err(error) = closed {
        tracing::error!(listener = name, %error, "a request was not answered: this is a mistake of the program");
    }
}

async fn accept(name: &str, socket: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(listener = name, %error, "a connection could not be accepted");
                sleep(AGAIN).await;
            }
        }
    }
}

/// Answers the request that comes on a connection. When it is asked to stop and nothing has come, the connection is closed.
async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    routes: Router,
    limits: Limits,
    stop: CancellationToken,
    crowd: watch::Receiver<bool>,
) {
    let asked = CancellationToken::new();
    let (routes, has_asked) = (TowerToHyperService::new(routes), asked.clone());
    let answers = service_fn(move |request: Request<Incoming>| {
        has_asked.cancel();
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(HEADERS)
        // Whoever has been answered makes room for the next one.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answers);
    let mut connection = pin!(connection);
    let served = async {
        tokio::select! {
            served = connection.as_mut() => return served,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.as_mut().await
    };
    let served = async {
        tokio::select! {
            // What has come already is read first.
            biased;
            served = served => Some(served),
            () = makes_room(limits.crowded, crowd, asked) => None,
        }
    };
    match timeout(limits.headers + limits.request + SAYS, served).await {
        Ok(Some(Ok(()))) => {}
        Ok(Some(Err(error))) => {
            tracing::debug!(%error, %address, "a connection has brought no request, or took no answer");
        }
        Ok(None) => tracing::debug!(%address, "a connection that has brought no request makes room for others"),
        Err(_) => tracing::debug!(%address, "a connection is cut that takes no answer"),
    }
}

/// Ends when a connection that has brought no request is to make room for others.
async fn makes_room(time: Duration, mut crowd: watch::Receiver<bool>, asked: CancellationToken) {
    sleep(time).await;
    let is_crowded = crowd.wait_for(|is_crowded| *is_crowded).await.is_ok();
    // Whoever has asked is answered, however many others come.
    if !is_crowded || asked.is_cancelled() {
        pending::<()>().await;
    }
}
