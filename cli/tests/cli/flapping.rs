//! An HTTP API that gives no page out at once: it refuses, breaks off and is silent before. A run has all rows once. A page
//! that never comes fails it, which it says, and the next run has them all.

use std::time::Duration;

use aggregator_tests::gateway::{Gateway, Rule, Wrong};
use aggregator_tests::http::HttpServer;
use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use tokio::runtime::Runtime;

use crate::aggregator::Place;
use crate::outcome::truthful;
use crate::rows::{of_files, sorted};

const RUN: &str = "run -f m.yaml --state state";

/// The streams, each with what its requests have in common, and whether it is CSV, which is read as it comes. The others are
/// documents, each of which is read as a whole. They are read at the same time, and together have twenty pages.
const STREAMS: [(&str, &str, bool); 4] =
    [("t0", "/t0?", true), ("t1", "/t1?", false), ("t2", "/t2?", true), ("t3", "/t3?", false)];
const PAGES: usize = 5;
const ROWS: usize = 100;

/// How long a request may take by the Connector, and how long the server is silent.
const TIMEOUT: &str = "400ms";
const SILENCE: Duration = Duration::from_secs(1);

/// What goes wrong with a page, and what a run says of it in the end.
const WRONGS: [(Wrong, &str, &str); 3] = [
    (Wrong::Answer(503, ""), "Transient", "the server answered 503"),
    (Wrong::Torn, "Transient", "the answer was cut off"),
    (Wrong::Slow(SILENCE), "Unreachable", "no whole answer came in time"),
];

/// What a page of that number holds; nothing behind the last one.
fn page(number: usize, is_csv: bool) -> String {
    let ids = ROWS * (number - 1)..ROWS * number;
    let ids = ids.filter(|_| number <= PAGES);
    if is_csv {
        ids.fold("id,word\n".to_owned(), |text, id| text + &format!("{id},word {id}\n"))
    } else {
        let rows: Vec<String> = ids.map(|id| format!("{{\"id\": {id}, \"word\": \"word {id}\"}}")).collect();
        format!("[{}]", rows.join(", "))
    }
}

/// The rows of all pages.
fn lines() -> Vec<String> {
    sorted((0..ROWS * PAGES).map(|id| format!("{id}|word {id}")).collect())
}

/// A Pipeline from the API's streams to a folder of files for each, and the API behind a gateway.
struct Api {
    place: Place,
    gateway: Gateway,
    _server: HttpServer,
    _runtime: Runtime,
}

impl Api {
    /// With the streams that are read, and how often a request is tried again.
    fn new(streams: &str, retries: u32) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (mut router, mut endpoints) = (Router::new(), Vec::new());
        for (name, _, is_csv) in STREAMS {
            let give = move |RawQuery(query): RawQuery| async move {
                let number = query.and_then(|query| query.strip_prefix("page=")?.parse().ok()).expect("a page");
                page(number, is_csv)
            };
            router = router.route(&format!("/{name}"), get(give));
            let columns = "schema: {columns: [{name: id, type: Int64}, {name: word, type: Utf8}]}";
            let content = if is_csv { format!("format: {{csv: {{{columns}}}}}") } else { columns.to_owned() };
            endpoints
                .push(format!("{{name: {name}, path: /{name}, pagination: {{page: {{parameter: page}}}}, {content}}}"));
        }
        let server = runtime.block_on(HttpServer::start(router)).expect("a server");
        let gateway = runtime.block_on(Gateway::start(server.port()));
        let place = Place::new();
        place.write(
            "m.yaml",
            &format!(
                "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: api, namespace: test}}
spec:
  http: {{url: \"{}\", timeout: {TIMEOUT}, retries: {retries}, endpoints: [{}]}}
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
  sources: [{{name: source, connector: api, streams: {{include: [\"{streams}\"]}}, sync: {{mode: FullRefresh}}}}]
  sinks: [{{name: sink, from: source, connector: out, stream: \"${{stream.name}}/\", write: {{mode: Append}}}}]
",
                gateway.url(),
                endpoints.join(", ")
            ),
        );
        Self { place, gateway, _server: server, _runtime: runtime }
    }

    /// What readers see of a stream.
    fn shown(&self, stream: &str) -> Vec<String> {
        of_files(&self.place.file("out").join(stream))
    }
}

/// Each page of each stream goes wrong in each way, one after the other, before it comes.
fn flapping() -> Vec<Rule> {
    let mut rules = Vec::new();
    for (_, part, _) in STREAMS {
        for page in 0..PAGES {
            for number in 0..WRONGS.len() {
                let (wrong, _, _) = WRONGS[(page + number) % WRONGS.len()].clone();
                // The page before comes first.
                let skip = usize::from(page > 0 && number == 0);
                rules.push(Rule { method: "GET", part, skip, times: 1, wrong });
            }
        }
    }
    rules
}

#[test]
fn twenty_pages_of_which_each_fails_three_times_are_read_in_one_run() {
    let api = Api::new("t*", 5);
    api.gateway.set_all(flapping());
    let report = api.place.json(RUN);
    assert_eq!((&report["outcome"], &report["ledger"]["balanced"]), (&"Succeeded".into(), &true.into()), "{report}");
    assert_eq!(api.gateway.hits(), STREAMS.len() * PAGES * WRONGS.len());
    let seen = api.gateway.seen();
    for (stream, part, _) in STREAMS {
        assert_eq!(api.shown(stream), lines(), "{stream}");
        for page in 1..=PAGES {
            let asked = seen.iter().filter(|seen| seen.ends_with(&format!("{part}page={page}"))).count();
            assert!(asked > WRONGS.len(), "page {page} of {stream} was asked for {asked} times");
        }
    }
}

#[test]
fn a_page_that_never_comes_fails_the_run_and_the_next_run_has_it_all() {
    for (stream, _, _) in &STREAMS[..2] {
        let api = Api::new(stream, 2);
        for (wrong, reason, words) in WRONGS {
            let name = format!("{stream}, {wrong:?}");
            api.gateway.set(Rule { method: "GET", part: "page=4 ", skip: 0, times: usize::MAX, wrong });
            let said = api.place.say(&format!("{RUN} --output json"));
            assert_eq!(api.gateway.hits(), 3, "{name}: {}{}", said.stdout, said.stderr);
            let report = truthful(&name, &said);
            assert_eq!(report["error"]["reason"], reason, "{name}: {report}");
            let message = report["error"]["message"].as_str().expect("a message");
            for part in [format!("read page 4 of `{stream}`"), words.to_owned(), "(tried 3 times)".to_owned()] {
                assert!(message.contains(&part), "{name}: {part}: {message}");
            }
            assert!(api.shown(stream).is_empty(), "{name}: rows are visible");
        }
        api.gateway.set_all(Vec::new());
        api.place.ok(RUN);
        assert_eq!(api.shown(stream), lines(), "{stream}");
    }
}
