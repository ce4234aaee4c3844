//! A TCP proxy on loopback that breaks the road to a server in chosen ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the proxy does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They pass.
    Forward,
    /// New connections are closed at once.
    Refuse,
    /// Nothing passes any more; connections stay open.
    Hang,
}

/// Which way bytes flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens once a number of bytes has passed in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The direction whose bytes are counted, over all connections since the count began.
    pub direction: Direction,
    /// The number of bytes that still pass.
    pub after: u64,
    /// Whether the connection goes silent ([`Mode::Hang`]) or is cut (anything else).
    pub mode: Mode,
}

/// A running proxy; dropping it closes all connections.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    mode: watch::Sender<Mode>,
    fault: watch::Sender<Option<Fault>>,
    passed: [AtomicU64; 2],
    hits: AtomicU64,
    /// Whether the bytes of logins pass uncounted and whole.
    skips_logins: AtomicBool,
}

/// With these bytes a PostgreSQL server says that it is ready: `ReadyForQuery`, the first of which ends a login.
const READY: &[u8] = b"Z\0\0\0\x05";

impl Proxy {
    /// Starts a proxy in front of a port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            mode: watch::Sender::new(Mode::Forward),
            fault: watch::Sender::new(None),
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
            hits: AtomicU64::new(0),
            skips_logins: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if *shared.mode.borrow() == Mode::Refuse {
                    shared.hits.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                connections.spawn(join(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, state, task }
    }

    /// The proxy's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes what happens from now on, to open connections too.
    pub fn set(&self, mode: Mode) {
        self.state.mode.send_replace(mode);
    }

    /// Counts bytes from now on, and breaks the connection on which the last allowed one passed, once: other connections
    /// are whole.
    pub fn set_fault(&self, fault: Fault) {
        self.count();
        self.state.fault.send_replace(Some(fault));
    }

    /// Breaks nothing more, and counts bytes from now on.
    pub fn count(&self) {
        self.state.fault.send_replace(None);
        self.state.passed.iter().for_each(|passed| passed.store(0, Ordering::SeqCst));
    }

    /// From now on, bytes of logins to PostgreSQL pass uncounted and whole, or not: a login has random numbers of random
    /// length in it, so that no place behind it is at the same number of bytes twice.
    pub fn skip_logins(&self, skip: bool) {
        self.state.skips_logins.store(skip, Ordering::SeqCst);
    }

    /// How many bytes were to pass in that direction since the count began.
    #[must_use]
    pub fn passed(&self, direction: Direction) -> u64 {
        self.state.passed[direction as usize].load(Ordering::SeqCst)
    }

    /// How often a connection was refused, silenced or cut: a test whose fault was not hit proves nothing.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.state.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let logged_in = AtomicBool::new(false);
    // Whichever side ends first ends both: the other half is dropped and so closed.
    tokio::select! {
        () = pass(client_read, server_write, Direction::ToServer, &state, &logged_in) => {}
        () = pass(server_read, client_write, Direction::ToClient, &state, &logged_in) => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    direction: Direction,
    state: &State,
    logged_in: &AtomicBool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if state.skips_logins.load(Ordering::SeqCst) && !logged_in.load(Ordering::SeqCst) {
            let ready = buffer[..count].windows(READY.len()).any(|bytes| bytes == READY);
            if direction == Direction::ToClient && ready {
                logged_in.store(true, Ordering::SeqCst);
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
            continue;
        }
        let mut allowed = count;
        let before = state.passed[direction as usize].fetch_add(count as u64, Ordering::SeqCst);
        let mut fault = state.fault.borrow().filter(|fault| fault.direction == direction);
        if let Some(limit) = fault {
            allowed = usize::try_from(limit.after.saturating_sub(before)).unwrap_or(usize::MAX).min(count);
        }
        if allowed < count && !state.fault.send_if_modified(|set| set.is_some() && std::mem::take(set) == fault) {
            // Another connection was faster.
            (allowed, fault) = (count, None);
        }
        let mut mode = state.mode.subscribe();
        if *mode.borrow() == Mode::Hang {
            state.hits.fetch_add(1, Ordering::SeqCst);
            if mode.wait_for(|mode| *mode != Mode::Hang).await.is_err() {
                return;
            }
        }
        if to.write_all(&buffer[..allowed]).await.is_err() {
            return;
        }
        if allowed < count {
            state.hits.fetch_add(1, Ordering::SeqCst);
            if fault.is_some_and(|fault| fault.mode == Mode::Hang) {
                std::future::pending::<()>().await;
            }
            return;
        }
    }
}
