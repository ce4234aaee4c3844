//! The read transactions of a run: all its sources see one state of the file.

use std::time::SystemTime;

use rusqlite::Connection;

use super::database::{Database, blocking, fault};
use super::identity::Identity;
use crate::connector::{ConnectorError, ErrorKind, Result};

/// How often a snapshot is taken until nobody has written meanwhile.
const TRIES: usize = 3;

/// One state of a file, seen through as many transactions as there are sources.
pub(super) struct Snapshot {
    database: Database,
    sources: usize,
    taken: tokio::sync::Mutex<Option<Taken>>,
}

/// Transactions that have begun, for those who have not asked for theirs yet.
struct Taken {
    waiting: Vec<Connection>,
    identity: Option<Identity>,
}

impl Snapshot {
    /// That of so many sources.
    pub(super) fn new(database: Database, sources: usize) -> Self {
        Self { database, sources: sources.max(1), taken: Default::default() }
    }

    /// A transaction that sees it, which is taken when the first one asks; and by what a later attempt knows that the
    /// file is still the same. None when it was written meanwhile, or, unless `settled` is asked for, just before.
    pub(super) async fn begin(&self, stream: &str, settled: bool) -> Result<(Connection, Option<Identity>)> {
        let mut taken = self.taken.lock().await;
        if taken.is_none() {
            *taken = Some(self.take(stream, settled).await?);
        }
        let operation = || format!("read {stream}");
        let found = taken.as_mut().and_then(|taken| Some((taken.waiting.pop()?, taken.identity.clone())));
        found.ok_or_else(|| ConnectorError::new(ErrorKind::Bug, operation(), "the source has begun its read already"))
    }

    async fn take(&self, stream: &str, settled: bool) -> Result<Taken> {
        let path = self.database.path.clone();
        let look = || {
            Identity::of(&path)
                .inspect_err(|error| tracing::debug!(%error, "cannot tell the state of {}", self.database.shown()))
                .ok()
        };
        let mut last = None;
        for _ in 0..TRIES {
            let mut before = look();
            let wait = before.as_ref().map(|file| file.settles_in(SystemTime::now())).unwrap_or_default();
            if settled && !wait.is_zero() {
                tokio::time::sleep(wait).await;
                before = look();
            }
            let before = before.filter(|file| file.settles_in(SystemTime::now()).is_zero());
            let (waiting, alone) = self.transactions(stream).await?;
            // What is written from here on would show: the state is that of the snapshot.
            let identity = before.filter(|file| look().as_ref() == Some(file));
            let one_state = alone || identity.is_some();
            if one_state && (identity.is_some() || !settled) {
                return Ok(Taken { waiting, identity });
            }
            last = one_state.then_some(waiting);
        }
        let waiting = last.ok_or_else(|| {
            let detail =
                format!("its {} sources would see different states: another program writes all the time", self.sources);
            ConnectorError::new(ErrorKind::Transient, format!("read {stream}"), detail).remedy(
                "give this process the right to write the file, so that it can lock it for a moment, or run again",
            )
        })?;
        Ok(Taken { waiting, identity: None })
    }

    /// A transaction for each source, and whether nobody can have written between the first and the last.
    async fn transactions(&self, stream: &str) -> Result<(Vec<Connection>, bool)> {
        let (database, sources, operation) = (self.database.clone(), self.sources, format!("read {stream}"));
        blocking(move || {
            let begin = || {
                let connection = database.read()?;
                let begun = connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema");
                begun.map_err(|error| fault(&operation, error))?;
                Ok(connection)
            };
            if sources == 1 {
                return Ok((vec![begin()?], true));
            }
            // Who may write the file can keep others from it for the moment that this takes.
            let lock = database.change().ok().filter(|lock| lock.execute_batch("BEGIN IMMEDIATE").is_ok());
            let connections = (0..sources).map(|_| begin()).collect::<Result<Vec<_>>>()?;
            Ok((connections, lock.is_some()))
        })
        .await
    }
}
