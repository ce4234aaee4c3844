//! What the tests of listeners share: one at work, and its clients.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A time that is over soon.
pub(crate) const SHORT: Duration = Duration::from_millis(200);
/// How long anything may take that takes no time.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A listener at work.
pub(crate) struct Listening {
    address: SocketAddr,
    pub(crate) stop: CancellationToken,
    serving: AbortOnDropHandle<()>,
}

impl Listening {
    /// What serves at a socket, until it is asked to stop.
    pub(crate) async fn of<S>(serve: impl FnOnce(TcpListener, CancellationToken) -> S) -> Self
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, stop) = (socket.local_addr().expect("bound"), CancellationToken::new());
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(socket, stop.clone())));
        Self { address, stop, serving }
    }

    pub(crate) async fn client(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.expect("a connection"), told: Vec::new() }
    }

    /// What is answered to this.
    pub(crate) async fn answer(&self, text: &str) -> String {
        let mut client = self.client().await;
        client.send(text).await;
        client.told().await
    }

    /// Waits until nobody listens any more.
    pub(crate) async fn is_closed(&self) {
        let closed = async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, closed).await.expect("nobody listens");
    }

    pub(crate) async fn ended(self) {
        timeout(SOON, self.serving).await.expect("an end").expect("no mistake");
    }
}

/// A client, and what it was told.
pub(crate) struct Client {
    stream: TcpStream,
    told: Vec<u8>,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        assert!(self.sends(text).await, "the connection is closed");
    }

    /// Whether the connection still takes this.
    pub(crate) async fn sends(&mut self, text: &str) -> bool {
        self.stream.write_all(text.as_bytes()).await.is_ok()
    }

    /// Whether there was more, before the connection was closed.
    async fn hears(&mut self) -> bool {
        let read = timeout(SOON, self.stream.read_buf(&mut self.told)).await.expect("an answer, or an end");
        read.is_ok_and(|read| read > 0)
    }

    /// Waits until its body is asked for: its headers are read, and it is known who it is.
    pub(crate) async fn is_awaited(&mut self) {
        while !self.told.ends_with(b"HTTP/1.1 100 Continue\r\n\r\n") {
            assert!(self.hears().await, "{:?}", String::from_utf8_lossy(&self.told));
        }
        self.told.clear();
    }

    /// All that it is told until the connection is closed.
    pub(crate) async fn told(mut self) -> String {
        while self.hears().await {}
        String::from_utf8(self.told).expect("text")
    }
}

/// It was answered so.
pub(crate) fn assert_answer(told: &str, status: u16, words: &str) {
    assert!(told.starts_with(&format!("HTTP/1.1 {status} ")) && told.contains(words), "{told}");
}
