//! The connections of the listener: so many at a time, each for one request and for a bounded time.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::limits::Limits;

/// The most bytes of a request's headers; what of a body has come and is not asked for takes as much.
pub(super) const HEADERS: usize = 32 * 1024;
/// How long it may take to say an answer that is there.
const SAYS: Duration = Duration::from_secs(1);
/// How soon the next connection is asked for when the system could not give one, say because too many files are open.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves until it is asked to stop, and then those that have asked before: for a while as ever, and then, when it is over, by
/// saying so.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: Limits,
    stop: CancellationToken,
    over: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(closed) = connections.join_next() => check(closed),
            (stream, address) = accept(&listener), if connections.len() < limits.connections => {
                connections.spawn(connection(stream, address, routes.clone(), limits, stop.clone()));
            }
        }
    }
    // Who asks from now on is turned away, and finds another operator.
    drop(listener);
    if timeout(limits.grace, all_closed(&mut connections)).await.is_err() {
        over.cancel();
        if timeout(SAYS, all_closed(&mut connections)).await.is_err() {
            tracing::debug!(connections = connections.len(), "connections are cut on which no request has come whole");
        }
    }
    connections.shutdown().await;
}

async fn all_closed(connections: &mut JoinSet<()>) {
    while let Some(closed) = connections.join_next().await {
        check(closed);
    }
}

fn check(closed: Result<(), JoinError>) {
    if let Err(error) = closed {
        tracing::error!(%error, "a request to a Schedule was not answered: this is a mistake of the program");
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection for requests to Schedules could not be accepted");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Answers the request that comes on a connection. When it is asked to stop and nothing has come, the connection is closed.
async fn connection(stream: TcpStream, address: SocketAddr, routes: Router, limits: Limits, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(HEADERS)
        // Whoever has been answered makes room for the next one.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    let served = async {
        tokio::select! {
            served = connection.as_mut() => return served,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.as_mut().await
    };
    match timeout(limits.headers + limits.request + SAYS, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, %address, "a connection has brought no request, or took no answer"),
        Err(_) => tracing::debug!(%address, "a connection is cut that takes no answer"),
    }
}
