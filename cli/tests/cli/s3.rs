//! A bucket of the shared S3 server, looked at without the binary: rows as `docs/connectors/s3.md` says they are read.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregator_tests::s3::{ACCESS_KEY, Bucket, S3, SECRET_KEY};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::rows::{shown, sorted};

/// A bucket of the test's own.
pub(crate) struct Store {
    server: Arc<S3>,
    runtime: Arc<Runtime>,
    bucket: Bucket,
}

impl Store {
    pub(crate) fn new() -> Self {
        let server = S3::shared();
        let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
        let bucket = server.bucket();
        Self { server, runtime, bucket }
    }

    /// Another bucket with the same objects.
    pub(crate) fn copy(&self) -> Self {
        let other =
            Self { server: Arc::clone(&self.server), runtime: Arc::clone(&self.runtime), bucket: self.server.bucket() };
        self.runtime.block_on(async {
            for key in self.bucket.keys().await {
                other.bucket.put(&key, self.bucket.get(&key).await).await;
            }
        });
        other
    }

    /// The port of the server.
    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// The address of the server, as it stands in the manifest.
    pub(crate) fn endpoint(&self) -> &str {
        &self.bucket.endpoint
    }

    pub(crate) fn put(&self, key: &str, text: &str) {
        self.runtime.block_on(self.bucket.put(key, text));
    }

    pub(crate) fn delete(&self, key: &str) {
        self.runtime.block_on(self.bucket.delete(key));
    }

    fn keys(&self) -> Vec<String> {
        self.runtime.block_on(self.bucket.keys())
    }

    fn text(&self, key: &str) -> String {
        String::from_utf8(self.runtime.block_on(self.bucket.get(key))).expect("text")
    }

    /// Whether the server has noticed every connection that the other side has closed, and so ended what it did for it.
    pub(crate) fn is_idle(&self) -> bool {
        const CLOSE_WAIT: &str = "08";
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the connections");
        let port = format!(":{:04X}", self.server.port());
        table.lines().skip(1).all(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            !(words[1].ends_with(&port) && words[3] == CLOSE_WAIT)
        })
    }

    /// Whether anything is staged.
    pub(crate) fn staged(&self) -> bool {
        self.keys().iter().any(|key| key.starts_with("_aggregator/staging/"))
    }

    /// How many splits have a manifest.
    pub(crate) fn saved(&self) -> usize {
        self.keys().iter().filter(|key| key.contains("/split-") && key.ends_with(".json")).count()
    }

    fn records(&self) -> Vec<Value> {
        let keys = self.keys().into_iter();
        let records = keys.filter(|key| key.starts_with("_aggregator/") && key.matches('/').count() == 1);
        records.map(|key| serde_json::from_str(&self.text(&key)).expect("a record")).collect()
    }

    /// A commit that is decided and whose objects have not all got their names: readers see none of them.
    pub(crate) fn copying(&self) -> Option<String> {
        let mut records = self.records().into_iter().filter(|record| record["journal"]["phase"] == "copying");
        records.next().map(|record| record["journal"]["next"].to_string())
    }

    /// The rows of all NDJSON objects whose keys begin like that, as of the last commit that readers are to see.
    pub(crate) fn rows(&self, prefix: &str) -> Vec<String> {
        let keys = self.keys();
        let mut hidden = BTreeSet::new();
        for record in self.records() {
            let names = |list: &Value| -> Vec<String> {
                // What has a fixed name is whole at any moment.
                let list = list.as_array().into_iter().flatten().filter(|name| name["replaces"] != true);
                list.map(|name| name.as_str().or(name["to"].as_str()).expect("a name").to_owned()).collect()
            };
            let journal = &record["journal"];
            match journal["phase"].as_str() {
                None => {}
                Some("copying") => hidden.extend(names(&journal["moves"])),
                Some("deleting") => hidden.extend(names(&journal["deletes"])),
                Some(other) => panic!("a phase that is not documented: {other}"),
            }
        }
        let data = keys.iter().filter(|key| key.starts_with(prefix) && !hidden.contains(*key));
        let mut lines = Vec::new();
        for text in data.map(|key| self.text(key)) {
            for line in text.lines() {
                let row: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                let values: Vec<String> = row.as_object().expect("an object").values().map(shown).collect();
                lines.push(values.join("|"));
            }
        }
        sorted(lines)
    }

    /// Connectors named `store` (the bucket) and `drops` (what lies below `in/`), and the Secrets with the keys.
    pub(crate) fn manifest(&self) -> String {
        let mut text = String::new();
        for (name, more) in [("store", "format: {ndjson: {}}"), ("drops", "prefix: in")] {
            text += &format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: connector-{name}, namespace: test}}\n\
                 stringData: {{id: {ACCESS_KEY}, secret: {SECRET_KEY}}}\n---\n\
                 apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: {name}, namespace: test}}\n\
                 spec:\n  s3:\n    bucket: {}\n    endpoint: {}\n    {more}\n    \
                 credentials: {{accessKeyId: {{secretKey: id}}, secretAccessKey: {{secretKey: secret}}}}\n---\n",
                self.bucket.name, self.bucket.endpoint
            );
        }
        text
    }
}

mod tests {
    use std::time::Duration;

    use aggregator_tests::gateway::{Gateway, Rule, Wrong};
    use nix::sys::signal::Signal;

    use super::Store;
    use crate::aggregator::Place;
    use crate::rows::{Made, same, sorted};

    const OLD: Made = Made { first: 0, end: 1000, version: "old" };
    const NEW: Made = Made { first: 500, end: 3000, version: "new" };

    /// Kills a run that replaces the old rows while the store takes its time over one request of the commit; gives what
    /// readers of the record see then, and what is listed.
    fn killed_while(method: &'static str, part: &'static str) -> (Store, Place, Vec<String>, usize) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (place, store) = (Place::new(), Store::new());
        place.write(
            "m/pipeline.yaml",
            &format!(
                "{}apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: in, namespace: test}}\n\
                 spec: {{file: {{root: ../in}}}}\n---\n\
                 apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
                 sources: [{{name: source, connector: in, stream: \"*.csv\"}}]\n  \
                 sinks: [{{name: sink, from: source, connector: store, stream: rows/, write: {{mode: Overwrite}}}}]\n",
                store.manifest()
            ),
        );
        place.write("in/a.csv", &OLD.csv());
        place.ok("run -f m --state state");
        place.write("in/a.csv", &NEW.csv());
        let gateway = runtime.block_on(Gateway::start(store.server.port()));
        gateway.set(Rule { method, part, skip: 0, times: 1, wrong: Wrong::Slow(Duration::from_secs(600)) });
        let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
        place.write("m/pipeline.yaml", &manifest.replace(&store.bucket.endpoint, &gateway.url()));
        let mut running = place.start("run -f m --state state");
        assert!(running.until(|_| gateway.hits() > 0), "the run ended before it was slow");
        running.signal(Signal::SIGKILL);
        assert_eq!(running.wait().signal(), Some(9));
        drop(gateway);
        place.write("m/pipeline.yaml", &manifest);
        let seen = store.rows("rows/");
        let listed = store.keys().iter().filter(|key| key.starts_with("rows/")).count();
        (store, place, seen, listed)
    }

    #[test]
    fn killed_while_parts_get_their_names_nothing_is_seen_and_the_next_attempt_finishes_it() {
        let (store, place, seen, listed) = killed_while("PUT", "/rows/");
        same("killed", &seen, &sorted(OLD.lines()));
        assert_eq!(listed, 1, "the old one alone");
        let report = place.json("run -f m --state state");
        assert_eq!(report["outcome"], "Succeeded", "{report}");
        same("finished", &store.rows("rows/"), &sorted(NEW.lines()));
        assert!(!store.staged());
    }

    #[test]
    fn killed_while_what_was_replaced_is_deleted_only_the_new_is_seen() {
        let (store, place, seen, listed) = killed_while("POST", "delete");
        same("killed", &seen, &sorted(NEW.lines()));
        assert_eq!(listed, 2, "a reader that knows of no record lists both");
        place.ok("run -f m --state state");
        same("finished", &store.rows("rows/"), &sorted(NEW.lines()));
        assert_eq!(store.keys().iter().filter(|key| key.starts_with("rows/")).count(), 1);
        assert!(!store.staged());
    }
}
