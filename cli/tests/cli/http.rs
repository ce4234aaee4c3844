//! Files that an HTTP API gives out page by page: the ledger, the rejects and the position, as for files on a disk.

use aggregator_tests::http::RawServer;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::aggregator::Place;
use crate::rows::{ndjson, of_files};

const RUN: &str = "run -f m.yaml --state state";

/// A whole answer with its length.
fn answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A Pipeline from the server's pages to files, and its server, which answers so.
fn place(answers: Vec<Vec<u8>>) -> (Place, RawServer, Runtime) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = runtime.block_on(RawServer::start(answers)).expect("a server");
    let place = Place::new();
    place.write(
        "m.yaml",
        &format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: api, namespace: test}}
spec:
  http:
    url: {}
    retries: 0
    endpoints:
      - name: words
        path: /words
        query: {{from: \"${{cursor:-0}}\"}}
        pagination: {{page: {{parameter: page}}}}
        format: {{csv: {{schema: {{columns: [{{name: id, type: Int64, nullable: false}}, {{name: word, type: Utf8}}]}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: out, namespace: test}}
spec:
  file: {{root: out, format: {{ndjson: {{}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: source, connector: api, stream: words, sync: {{mode: Incremental, cursor: id}}}}]
  sinks: [{{name: sink, from: source, connector: out, stream: words/, write: {{mode: Append}}}}]
  rejects: {{connector: out, stream: rejects/, budget: {{rows: 5}}}}
",
            server.url()
        ),
    );
    (place, server, runtime)
}

fn source(report: &Value) -> &Value {
    let found = report["nodes"].as_array().and_then(|nodes| nodes.iter().find(|node| node["name"] == "source"));
    found.expect("the source's entry")
}

#[test]
fn two_runs_account_for_every_record_of_every_page() {
    let first = ["id,word\nfirst,a\n1,one\n2,two\n", "id,word\n3,three\n4,four,4\n5,five\nlast,z", "id,word\n"];
    let second = ["id,word\n5,five\n6,six\n", "id,word\n"];
    let answers: Vec<Vec<u8>> = first.into_iter().chain(second).map(answer).collect();
    let bytes = |pages: &[&str]| pages.iter().map(|page| page.len()).sum::<usize>();
    let (place, server, _runtime) = place(answers);

    let report = place.json(RUN);
    assert_eq!(report["ledger"], json!({"balanced": true}));
    let entry = source(&report);
    assert_eq!((&entry["read"], &entry["out"], &entry["rejected"]), (&json!(7), &json!(4), &json!(3)));
    assert_eq!((&entry["bytes"], &entry["note"]), (&json!(bytes(&first)), &json!("3 pages")));
    assert_eq!(of_files(&place.file("out/words")), ["1|one", "2|two", "3|three", "5|five"]);
    let mut kept = ndjson(&place.file("out/rejects"));
    kept.sort_by_key(|row| (row["location"].to_string(), row["line"].as_i64()));
    let brief: Vec<Value> = kept
        .iter()
        .map(|row| {
            json!([row["location"], row["line"], row["byte_offset"], row["column_name"], row["reason"], row["raw"]])
        })
        .collect();
    let page = |number: u32| format!("{}/words?from=0&page={number}", server.url());
    assert_eq!(
        brief,
        [
            json!([page(1), 2, 8, "id", "CastFailed", "first,a"]),
            json!([page(2), 3, 16, null, "FieldCount", "4,four,4"]),
            json!([page(2), 5, 32, "id", "CastFailed", "last,z"]),
        ]
    );

    let report = place.json(RUN);
    let entry = source(&report);
    assert_eq!((&entry["read"], &entry["out"], &entry["deduplicated"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(of_files(&place.file("out/words")), ["1|one", "2|two", "3|three", "5|five", "6|six"]);
    assert_eq!(server.connections(), 5);
}

#[test]
fn a_page_that_is_cut_fails_the_run_and_the_next_run_has_it_all() {
    let pages = ["id,word\n1,one\n2,two\n", "id,word\n3,three\n4,four\n", "id,word\n"].map(answer);
    let [one, two, last] = pages;
    let cut = two[..two.len() - 8].to_vec();
    let (place, server, _runtime) = place(vec![one.clone(), cut, one, two, last]);

    let said = place.say(RUN);
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    let begin = format!(
        "error[Transient]: node `source`: read page 2 of `words` from {}/words?from=0&page=2: the answer was cut off",
        server.url()
    );
    assert!(said.stderr.starts_with(&begin), "{}", said.stderr);
    assert!(of_files(&place.file("out")).is_empty(), "rows are visible");

    let report = place.json(RUN);
    assert_eq!(source(&report)["read"], 4);
    assert_eq!(of_files(&place.file("out/words")), ["1|one", "2|two", "3|three", "4|four"]);
    assert_eq!(server.connections(), 5);
}
