//! A session that may be busy with a COPY in the background, so that the next rows are encoded while the server takes
//! those before.

use bytes::BytesMut;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::session::Session;
use crate::connector::{ConnectorError, ErrorKind, Result};

/// Chunks that may wait for the server.
const AHEAD: usize = 2;

/// What the server said at the end of a COPY: how many rows it took, or what it refuses.
pub(super) type Answer = sqlx::Result<u64>;

/// A session, and what it is doing.
pub(super) struct Line {
    state: State,
}

enum State {
    Idle(Session),
    /// A COPY is going on; without `chunks`, no more rows will come.
    Copying {
        task: JoinHandle<(Session, Result<Answer>)>,
        chunks: Option<mpsc::Sender<BytesMut>>,
    },
    /// The connection was given up.
    Gone,
}

impl Line {
    pub(super) fn new(session: Session) -> Self {
        Self { state: State::Idle(session) }
    }

    /// The session, when no COPY is going on.
    pub(super) fn idle(&mut self) -> Result<&mut Session> {
        match &mut self.state {
            State::Idle(session) => Ok(session),
            State::Copying { .. } => Err(bug("a COPY is going on")),
            State::Gone => Err(bug("the connection was given up")),
        }
    }

    /// Begins a COPY.
    pub(super) fn begin(&mut self, operation: &str, statement: &str) -> Result<()> {
        let session = match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(session) => session,
            other => {
                self.state = other;
                return Err(bug("a COPY began before the one before it had ended"));
            }
        };
        let (chunks, received) = mpsc::channel(AHEAD);
        let task = tokio::spawn(copy(session, operation.to_owned(), statement.to_owned(), received));
        self.state = State::Copying { task, chunks: Some(chunks) };
        Ok(())
    }

    /// Gives rows to the COPY. When it has already failed they are dropped; [`Self::end`] tells.
    pub(super) async fn send(&mut self, chunk: BytesMut) -> Result<()> {
        let State::Copying { chunks: Some(chunks), .. } = &self.state else { return Err(bug("no COPY is going on")) };
        chunks.send(chunk).await.unwrap_or_default();
        Ok(())
    }

    /// No more rows will come.
    pub(super) fn close(&mut self) {
        if let State::Copying { chunks, .. } = &mut self.state {
            *chunks = None;
        }
    }

    /// Waits for the end of the COPY. The outer error ends the run.
    pub(super) async fn end(&mut self) -> Result<Answer> {
        self.close();
        let State::Copying { task, .. } = &mut self.state else { return Err(bug("no COPY is going on")) };
        let joined = task.await;
        let (session, answer) = joined.map_err(|error| bug(&error.to_string()))?;
        self.state = State::Idle(session);
        answer
    }

    /// Gives the connection up, unless it is idle: the server rolls back what was open.
    pub(super) fn give_up(&mut self) {
        if let State::Copying { task, .. } = &self.state {
            task.abort();
            self.state = State::Gone;
        }
    }
}

async fn copy(
    mut session: Session,
    operation: String,
    statement: String,
    mut chunks: mpsc::Receiver<BytesMut>,
) -> (Session, Result<Answer>) {
    let silence = session.silence;
    let answer = async {
        let begun = silence.attempt(&operation, session.connection.copy_in_raw(&statement)).await?;
        let mut copy = match begun {
            Ok(copy) => copy,
            Err(error) => return Ok(Err(error)),
        };
        while let Some(chunk) = chunks.recv().await {
            if let Err(error) = silence.attempt(&operation, copy.send(chunk)).await? {
                return Ok(Err(error));
            }
        }
        silence.attempt(&operation, copy.finish()).await
    };
    let answer = answer.await;
    (session, answer)
}

fn bug(detail: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Bug, "send rows to PostgreSQL", detail)
}
