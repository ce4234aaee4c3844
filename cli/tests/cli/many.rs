//! Kill -9 at every named point of a run of many streams: each of them is as it was, or as it is to be; after the next run
//! all are as they are to be.

use std::collections::BTreeSet;

use aggregator_worker::points::OF_A_RUN;
use nix::sys::signal::Signal;

use crate::aggregator::{CONNECTORS, Place};
use crate::delivery::Mode;
use crate::pair::{RUN, Round, Sink};
use crate::postgres::Database;
use crate::rows::{of_files, of_sqlite, same};
use crate::s3::Store;

/// The tables that are streams.
const TABLES: [&str; 5] = ["t0", "t1", "t2", "t3", "t4"];

/// A Pipeline from the tables of a database to one sink.
struct World {
    sink: Sink,
    /// One that a repeated run changes nothing with.
    mode: Mode,
    place: Place,
    database: Database,
    store: Option<Store>,
}

impl World {
    fn new(sink: Sink, mode: Mode) -> Self {
        let (place, database) = (Place::new(), Database::new());
        let store = (sink == Sink::S3).then(Store::new);
        let to = match sink {
            Sink::File => "connector: out, stream: \"rows/${stream.name}/\"",
            Sink::S3 => "connector: store, stream: \"rows/${stream.name}/\"",
            Sink::Postgres => "connector: db, stream: \"public.copy_${stream.name}\"",
            Sink::Sqlite => "connector: lite, stream: \"copy_${stream.name}\"",
        };
        place.write(
            "m/pipeline.yaml",
            &format!(
                "{CONNECTORS}{}{}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\n\
                 metadata: {{name: move, namespace: test}}\nspec:\n  \
                 sources: [{{name: source, connector: db, streams: {{include: [\"public.t*\"]}}, sync: {{mode: FullRefresh}}}}]\n  \
                 sinks: [{{name: sink, from: source, {to}, write: {{{}}}}}]\n  execution: {{splitSize: 100Ki}}\n",
                database.manifest(),
                store.as_ref().map(Store::manifest).unwrap_or_default(),
                mode.write("id % 7 = 3")
            ),
        );
        for table in TABLES {
            database.execute(&format!("CREATE TABLE {table} (id bigint, note text)"));
        }
        Self { sink, mode, place, database, store }
    }

    fn fill(&self, round: Round) {
        TABLES.iter().for_each(|table| self.database.execute(&round.statements(table)));
    }

    /// The lines that readers of each stream's target see.
    fn visible(&self) -> Vec<Vec<String>> {
        let of = |table: &&str| {
            let query = format!("SELECT id || '|' || note AS line FROM copy_{table}");
            match self.sink {
                Sink::File => of_files(&self.place.file(&format!("out/rows/{table}"))),
                Sink::S3 => self.store.as_ref().expect("a store").rows(&format!("rows/{table}/")),
                Sink::Postgres => self.database.session().lines(&query),
                Sink::Sqlite => of_sqlite(&self.place.file("out.sqlite"), &query),
            }
        };
        TABLES.iter().map(of).collect()
    }

    fn play(&self) {
        self.fill(Round(0));
        self.place.ok(RUN);
        let mut before = self.mode.apply(&[], Round(0));
        let (mut hit, mut apart) = (BTreeSet::new(), 0);
        for (number, point) in (1..).zip(OF_A_RUN) {
            let (name, round) = (format!("{:?}, {:?}, at `{point}`", self.sink, self.mode), Round(number));
            self.fill(round);
            if self.place.die_at(point, RUN).signal() == Some(Signal::SIGKILL as i32) {
                hit.insert(point);
            }
            let applied = self.mode.apply(&before, round);
            let between = self.visible();
            for (table, came) in TABLES.iter().zip(&between).filter(|(_, came)| **came != applied) {
                // Of files, a commit that is decided may have some of its names to give yet.
                if self.sink != Sink::File {
                    same(&format!("{name}, {table}, killed"), came, &before);
                }
            }
            apart += u32::from(between.contains(&applied) && between.contains(&before));
            let report = self.place.json(RUN.trim_end_matches(" --output json"));
            assert_eq!(
                (&report["ledger"]["balanced"], &report["outcome"]),
                (&true.into(), &"Succeeded".into()),
                "{report}"
            );
            for (table, came) in TABLES.iter().zip(self.visible()) {
                same(&format!("{name}, {table}, resumed"), &came, &applied);
            }
            before = applied;
        }
        assert_eq!(hit, BTreeSet::from(OF_A_RUN), "{:?}: not every point was hit", self.sink);
        assert!(apart > 0, "{:?}: no kill came between the commits of two streams", self.sink);
    }
}

#[test]
fn many_streams_into_files() {
    World::new(Sink::File, Mode::Overwrite).play();
}

#[test]
fn many_streams_into_objects() {
    World::new(Sink::S3, Mode::Overwrite).play();
}

#[test]
fn many_streams_into_postgres() {
    World::new(Sink::Postgres, Mode::Upsert).play();
}

#[test]
fn many_streams_into_sqlite() {
    World::new(Sink::Sqlite, Mode::Merge).play();
}
