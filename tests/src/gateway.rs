//! An HTTP gateway on loopback in front of a server: it passes requests on, and does wrong what it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Wrong {
    /// It is not passed on; this is the answer: a status, and an S3 error's code (none for an empty answer).
    Answer(u16, &'static str),
    /// It is not passed on; the answer begins with this status, and its body never comes.
    Stuck(u16),
    /// It is done, and the answer is lost.
    Lost,
    /// It is done, and only so many bytes of the answer arrive.
    Cut(usize),
    /// The connection breaks in the middle of a body. That of an object on its way to the server: nothing of it arrives. For
    /// every other request, that of the answer: it is done.
    Torn,
    /// It is done after this time.
    Slow(Duration),
}

/// Which requests go wrong.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What the request's first line begins with: its method.
    pub method: &'static str,
    /// What stands in its path or query.
    pub part: &'static str,
    /// How many such requests pass before.
    pub skip: usize,
    /// How many go wrong then.
    pub times: usize,
    /// What becomes of them.
    pub wrong: Wrong,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<String>,
    hits: usize,
    under_way: usize,
}

/// A request that is under way until this is dropped.
struct UnderWay<'s>(&'s Mutex<State>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).under_way -= 1;
    }
}

/// A running gateway; dropping it closes all connections.
pub struct Gateway {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Starts a gateway in front of a port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    // A connection that breaks is the client's to notice.
                    serve(client, port, &state).await.unwrap_or_default();
                });
            }
        });
        Self { address, state, task }
    }

    /// The gateway's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, requests like that go wrong, and no others.
    pub fn set(&self, rule: Rule) {
        self.set_all(vec![rule]);
    }

    /// From now on, requests like those go wrong, and no others. Of rules for the same request, each begins when those
    /// before it are used up.
    pub fn set_all(&self, rules: Vec<Rule>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules = rules;
        state.hits = 0;
    }

    /// How many requests went wrong since the rule was set: a test whose fault was not hit proves nothing.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).hits
    }

    /// Whether nothing is under way. A request may be whose client is gone.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).under_way == 0
    }

    /// Every request so far: method, path and query.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// A request begins. Gives what becomes of it, if it goes wrong.
    fn begin(&mut self, line: &str) -> Option<Wrong> {
        self.under_way += 1;
        self.seen.push(line.trim_end_matches(" HTTP/1.1").to_owned());
        let fits = |rule: &Rule| rule.times > 0 && line.starts_with(rule.method) && line.contains(rule.part);
        let rule = self.rules.iter_mut().find(|rule| fits(rule))?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        self.hits += 1;
        Some(rule.wrong.clone())
    }
}

/// One request for each connection: the server is asked to close it, and says so.
async fn serve(mut client: TcpStream, port: u16, state: &Mutex<State>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 2;
        }
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap_or_default());
    let line = text.lines().next().unwrap_or_default();
    let wrong = state.lock().unwrap_or_else(PoisonError::into_inner).begin(line);
    let _under_way = UnderWay(state);
    let breaks = matches!(wrong, Some(Wrong::Torn)) && length > 0 && line.starts_with("PUT");
    let arrives = if breaks { length / 2 } else { length };
    while request.len() < head + 2 + arrives {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    if breaks {
        return Ok(());
    }
    if let Some(Wrong::Answer(status, code)) = wrong {
        let body = match code {
            "" => String::new(),
            code => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>made up</Message></Error>"),
        };
        let answer = format!(
            "HTTP/1.1 {status} X\r\nETag: \"made-up\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        return client.write_all(answer.as_bytes()).await;
    }
    if let Some(Wrong::Stuck(status)) = wrong {
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 100\r\nConnection: close\r\n\r\n");
        client.write_all(answer.as_bytes()).await?;
        // Until the client goes.
        while client.read_buf(&mut request).await? > 0 {}
        return Ok(());
    }
    if let Some(Wrong::Slow(time)) = wrong {
        tokio::time::sleep(time).await;
    }
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    server.write_all(&request[..head]).await?;
    server.write_all(b"Connection: close\r\n").await?;
    server.write_all(&request[head..]).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    match wrong {
        Some(Wrong::Lost) => Ok(()),
        Some(Wrong::Cut(bytes)) => client.write_all(&answer[..bytes.min(answer.len())]).await,
        Some(Wrong::Torn) => client.write_all(&answer[..middle(&answer)]).await,
        _ => client.write_all(&answer).await,
    }
}

/// The middle of an answer's body; of an answer without one, its own.
fn middle(answer: &[u8]) -> usize {
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| end + 4);
    let start = if body < answer.len() { body } else { 0 };
    start + (answer.len() - start) / 2
}
