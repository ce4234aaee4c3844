//! What a sink of files may find in place of its record, which has the journal of a commit that was decided: any text.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use aggregator_worker::connector::{Buffers, Environment, ErrorKind, Secrets, Sink, SinkRequest, WriteOptions};
use aggregator_worker::connectors;
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::json;

const BESIDE: &str = "beside";
const OLD: &str = "root/out/old";
const STAGED: &str = "root/.aggregator-staging/demo%2Fp.lake/run-1-1/0";
const RECORD: &str = "root/_aggregator/demo%2Fp.lake.json";

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));

/// A record is finished, or refused with a word about why; what was finished reads the same again, and nothing beside the
/// Connector's root is touched.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let place = tempfile::tempdir().expect("a folder");
    for (path, content) in [(BESIDE, &b"beside"[..]), (OLD, b"old"), (STAGED, b"new"), (RECORD, input)] {
        let path = place.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }
    let mut sink = RUNTIME.block_on(sink(&place.path().join("root")));
    let last = RUNTIME.block_on(sink.last_commit());
    assert_eq!(std::fs::read(place.path().join(BESIDE)).expect("what is beside the root"), b"beside");
    assert_eq!(std::fs::read_dir(place.path()).expect("the folder").count(), 2, "something came beside the root");
    let record = match last {
        Ok(record) => record.expect("a record that is there"),
        Err(error) => {
            assert!(!error.detail.is_empty(), "nothing is said: {error}");
            let told = error.remedy.as_ref().is_some_and(|remedy| !remedy.is_empty());
            assert!(told || error.kind != ErrorKind::Data, "nothing is said of what helps: {error}");
            return match error.detail.as_str() {
                detail if detail.starts_with("the record is broken: its path") => "outside",
                detail if detail.starts_with("the record is broken") => "broken",
                detail if detail.ends_with("is gone") => "lost",
                _ => "failed",
            };
        }
    };
    let kept = std::fs::read(place.path().join(RECORD)).expect("the record");
    let again = RUNTIME.block_on(sink.last_commit()).expect("read again").expect("a record");
    assert_eq!((again.epoch, &again.run, again.rows), (record.epoch, &record.run, record.rows), "read again");
    assert!(again.positions.keys().eq(record.positions.keys()), "{again:?}");
    assert_eq!(std::fs::read(place.path().join(RECORD)).expect("the record"), kept, "there is nothing left to finish");
    if kept == input { "at rest" } else { "finished" }
}

/// The sink whose record it is.
async fn sink(root: &Path) -> Box<dyn Sink> {
    let spec = json!({"file": {"root": root, "format": {"csv": {}}}});
    let connector = connectors::open(Environment {
        name: "lake".into(),
        spec: serde_json::from_value(spec).expect("a spec"),
        secrets: Secrets::default(),
        base: root.to_owned(),
        locator: None,
        buffers: Buffers::default(),
    });
    let request = SinkRequest {
        pipeline: "demo/p".into(),
        node: "lake".into(),
        stream: "out/".into(),
        schema: Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)])),
        write: WriteOptions::default(),
        rejects: false,
    };
    connector.expect("a Connector").sink(request).await.expect("a sink")
}
