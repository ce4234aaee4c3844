//! A container's processes, from the runner's side: the supervisor is told what to run, and tells what has become of it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::log::{Log, Stream};
use super::sweep::OWNER;
use crate::supervisor::{KILL, Order, Report, SUPERVISE, TERMINATE, frame};

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The program cannot be run like that.
    #[error("{0}")]
    Refused(String),
    #[error("the supervisor failed: {0}")]
    Supervisor(#[from] io::Error),
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) code: i32,
    pub(crate) signal: Option<i32>,
    pub(crate) out_of_memory: bool,
}

impl Exit {
    /// The end of a container whose supervisor is gone: the kernel has killed the program.
    pub(crate) const UNKNOWN: Self = Self { code: 137, signal: Some(9), out_of_memory: false };
}

/// A container that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    words: mpsc::UnboundedSender<u8>,
}

impl Running {
    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.say(TERMINATE);
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        self.say(KILL);
    }

    fn say(&self, word: u8) {
        // Nobody listens when it has ended.
        self.words.send(word).unwrap_or_default();
    }
}

/// The supervisor's side of the talk.
struct Supervisor {
    child: Child,
    reports: Lines<BufReader<OwnedReadHalf>>,
    orders: OwnedWriteHalf,
    copies: Vec<JoinHandle<()>>,
    log: Arc<Log>,
}

/// Starts a container, and gives back the task that ends with it. `owner` marks its processes.
pub(crate) async fn launch(
    supervisor: &Path,
    owner: &str,
    order: &Order,
    log: Arc<Log>,
) -> Result<(Running, JoinHandle<Exit>), Failure> {
    let mut supervisor = Supervisor::start(supervisor, owner, log)?;
    let bytes = frame(order).map_err(io::Error::other)?;
    supervisor.orders.write_all(&bytes).await?;
    match supervisor.report().await {
        Some(Report::Started { .. }) => {}
        Some(Report::Refused { message }) => {
            supervisor.finish().await;
            return Err(Failure::Refused(message));
        }
        Some(Report::Ended { .. }) | None => {
            supervisor.finish().await;
            return Err(Failure::Supervisor(io::Error::other("it ended at its start")));
        }
    }
    let (words, heard) = mpsc::unbounded_channel();
    Ok((Running { words }, tokio::spawn(supervisor.attend(heard))))
}

impl Supervisor {
    fn start(program: &Path, owner: &str, log: Arc<Log>) -> io::Result<Self> {
        let (ours, theirs) = Socket::pair()?;
        ours.set_nonblocking(true)?;
        let mut child = Command::new(program)
            .arg(SUPERVISE)
            .env_clear()
            .env(OWNER, owner)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // An interrupt from a terminal is for the runner.
            .process_group(0)
            .spawn()?;
        let mut copies = Vec::new();
        if let Some(out) = child.stdout.take() {
            let log = Arc::clone(&log);
            copies.push(tokio::spawn(async move { log.copy(Stream::Out, out).await }));
        }
        if let Some(err) = child.stderr.take() {
            let log = Arc::clone(&log);
            copies.push(tokio::spawn(async move { log.copy(Stream::Err, err).await }));
        }
        let (reports, orders) = UnixStream::from_std(ours)?.into_split();
        Ok(Self { child, reports: BufReader::new(reports).lines(), orders, copies, log })
    }

    /// The next report; nothing when none will come.
    async fn report(&mut self) -> Option<Report> {
        let line = self.reports.next_line().await.ok().flatten()?;
        serde_json::from_str(&line).ok()
    }

    /// Passes words on until the container has ended.
    async fn attend(mut self, mut words: mpsc::UnboundedReceiver<u8>) -> Exit {
        let mut listen = true;
        let exit = loop {
            tokio::select! {
                word = words.recv(), if listen => {
                    listen = word.is_some();
                    // It does not listen any more when it is about to report.
                    self.orders.write_all(&[word.unwrap_or(KILL)]).await.unwrap_or_default();
                }
                report = self.report() => match report {
                    Some(Report::Ended { code, signal, out_of_memory }) => break Exit { code, signal, out_of_memory },
                    Some(_) => {}
                    // Somebody killed the supervisor, and the kernel the program.
                    None => break Exit::UNKNOWN,
                },
            }
        };
        self.finish().await;
        exit
    }

    /// Waits for the last of it: its end, and the end of what it has put out.
    async fn finish(mut self) {
        drop(self.orders);
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "the end of a supervisor was not seen");
        }
        for copy in self.copies {
            if let Err(error) = copy.await {
                tracing::warn!(%error, "a log ends early");
            }
        }
        self.log.end();
    }
}
