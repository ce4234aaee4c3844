//! The read transactions of a run: all its sources see one state of the database.
//!
//! The first that begins exports its snapshot, and the others begin in it. It can be had only while the first one's
//! transaction lasts, so nobody starts to read before all have begun.

use tokio::sync::watch;

use super::session::{Session, get};
use super::source::quote;
use crate::connector::{ConnectorError, ErrorKind, Result};

/// One state of a database, seen through as many transactions as there are sources.
pub(super) struct Snapshot {
    sources: usize,
    exported: tokio::sync::Mutex<Option<Exported>>,
    begun: watch::Sender<usize>,
}

/// What the others begin with.
#[derive(Clone)]
struct Exported {
    id: String,
    horizon: String,
}

impl Snapshot {
    /// That of so many sources.
    pub(super) fn new(sources: usize) -> Self {
        Self { sources, exported: Default::default(), begun: watch::Sender::new(0) }
    }

    /// Begins a transaction that sees it. What is committed after the first one's call returned is not part of it. Gives
    /// the time before it was taken, as an expression.
    pub(super) async fn begin(&self, session: &mut Session, operation: &str) -> Result<String> {
        session.execute(operation, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        if self.sources <= 1 {
            // The first query takes the snapshot.
            session.execute(operation, "SELECT 1").await?;
            // In a transaction it is its start.
            return Ok("now()".to_owned());
        }
        let mut exported = self.exported.lock().await;
        let shared = match exported.as_ref() {
            Some(shared) => {
                session.execute(operation, &format!("SET TRANSACTION SNAPSHOT {}", quote(&shared.id))).await?;
                shared.clone()
            }
            None => {
                let query = sqlx::query("SELECT pg_export_snapshot() AS id, now()::text AS horizon");
                let rows = session.fetch(operation, query).await?;
                let row = rows
                    .first()
                    .ok_or_else(|| ConnectorError::new(ErrorKind::Bug, operation, "the server exported no snapshot"))?;
                let horizon = format!("{}::timestamptz", quote(&get::<String>(row, "horizon")?));
                exported.insert(Exported { id: get(row, "id")?, horizon }).clone()
            }
        };
        self.begun.send_modify(|begun| *begun += 1);
        Ok(shared.horizon)
    }

    /// Waits until every source has begun.
    pub(super) async fn all_begun(&self) {
        if self.sources > 1 {
            // The sender is our own: the wait ends no other way.
            drop(self.begun.subscribe().wait_for(|begun| *begun >= self.sources).await);
        }
    }
}
