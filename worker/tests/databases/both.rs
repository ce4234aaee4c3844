//! The two databases that can be written, under one roof.

use std::path::PathBuf;
use std::sync::Arc;

use aggregator_tests::postgres::Postgres;
use aggregator_worker::connector::Connector;
use serde_json::json;
use tempfile::TempDir;

use crate::rows::{execute, fresh, open, texts};

/// A fresh database and a connector to it.
pub(crate) struct Both {
    pub(crate) name: &'static str,
    pub(crate) connector: Box<dyn Connector>,
    place: Place,
}

enum Place {
    Postgres(Arc<Postgres>, String),
    Sqlite(TempDir),
}

impl Both {
    /// One of each.
    pub(crate) async fn fresh() -> [Self; 2] {
        [Self::postgres().await, Self::sqlite()]
    }

    pub(crate) async fn postgres() -> Self {
        let (server, database, connector) = fresh().await;
        Self { name: "postgres", connector, place: Place::Postgres(server, database) }
    }

    pub(crate) fn sqlite() -> Self {
        let folder = TempDir::new().expect("a folder");
        let connector = open(json!({"sqlite": {"path": folder.path().join("t.db")}}));
        Self { name: "sqlite", connector, place: Place::Sqlite(folder) }
    }

    /// A table as plans name it.
    pub(crate) fn table(&self, name: &str) -> String {
        if matches!(self.place, Place::Postgres(..)) { format!("public.{name}") } else { name.to_owned() }
    }

    /// Runs statements that both understand.
    pub(crate) async fn execute(&self, statements: &str) {
        match &self.place {
            Place::Postgres(server, database) => execute(server, database, statements).await,
            Place::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(file(folder)).expect("a file");
                connection.execute_batch(statements).expect(statements);
            }
        }
    }

    /// What a query gives that selects one text.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        match &self.place {
            Place::Postgres(server, database) => texts(server, database, query).await,
            Place::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(file(folder)).expect("a file");
                let mut statement = connection.prepare(query).expect(query);
                statement.query_map([], |row| row.get(0)).expect(query).collect::<Result<_, _>>().expect(query)
            }
        }
    }

    /// A table from which the row of that `id` cannot be deleted.
    pub(crate) async fn refuse_deletes(&self, table: &str, id: i64) {
        let statements = match &self.place {
            Place::Postgres(..) => format!(
                "CREATE FUNCTION keep_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF OLD.id = {id} THEN RAISE EXCEPTION 'row % stays', OLD.id; END IF; RETURN OLD; END $$; \
                 CREATE TRIGGER keep_row BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_row()"
            ),
            Place::Sqlite(_) => format!(
                "CREATE TRIGGER keep_row BEFORE DELETE ON {table} WHEN OLD.id = {id} \
                 BEGIN SELECT raise(ABORT, 'the row stays'); END"
            ),
        };
        self.execute(&statements).await;
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("t.db")
}
