//! What a run tells programs of itself: log lines as JSON, and a trace over OTLP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use aggregator_tests::collector::{Collector, Received};
use aggregator_tests::folder;
use aggregator_tests::http::HttpServer;
use axum::Router;
use axum::routing::get;
use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};

use crate::aggregator::{CONNECTORS, Place, Said};
use crate::rows::of_files;

/// Three rows and one that is none, into a folder, with its rejects.
fn place() -> Place {
    let place = Place::new();
    place.write("in/rows.csv", "id,word\n1,one\n2,two\n3,three\n4,four,4\n");
    place.write(
        "m/move.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
             sources: [{{name: rows, connector: in, stream: rows.csv}}]\n  \
             sinks: [{{name: kept, from: rows, connector: out, stream: rows/}}]\n  \
             rejects: {{connector: out, stream: rejects/, budget: {{rows: 4}}}}\n"
        ),
    );
    place
}

const RUN: &str = "run -f m --state state --output json";

fn run(place: &Place, arguments: &str, variables: &[(&str, &str)]) -> (Said, Duration) {
    let begun = Instant::now();
    let said = place.start_with(arguments, variables).wait();
    (said, begun.elapsed())
}

fn report(said: &Said) -> Value {
    assert_eq!(said.code(), Some(0), "{}\n{}", said.stdout, said.stderr);
    serde_json::from_str(&said.stdout).expect("a report")
}

/// The lines of standard error: each of them is an object.
fn lines(said: &Said) -> Vec<Map<String, Value>> {
    let line = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    said.stderr.lines().map(line).collect()
}

#[test]
fn every_line_is_an_object_that_says_whose_it_is() {
    // Files are read in silence; who asks an API has more to say.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let rows = || async { axum::Json(json!([{"id": 1}, {"id": 2}])) };
    let server = runtime.block_on(HttpServer::start(Router::new().route("/rows", get(rows)))).expect("a server");
    let place = Place::new();
    place.write(
        "m/move.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: api, namespace: test}}\nspec:\n  \
             http:\n    url: {}\n    endpoints:\n      \
             - {{name: rows, path: /rows, records: \"$[*]\", schema: {{columns: [{{name: id, type: Int64}}]}}}}\n---\n\
             apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
             sources: [{{name: rows, connector: api, stream: rows}}]\n  \
             sinks: [{{name: kept, from: rows, connector: out, stream: rows/}}]\n",
            server.url()
        ),
    );
    let (said, _) = run(&place, &format!("{RUN} -vv --log-format json"), &[]);
    let report = report(&said);
    let id = report["run"].as_str().expect("an identity");
    let lines = lines(&said);
    for line in &lines {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field} of {line:?}");
        }
    }
    // Which attempt it is, is known when that begins.
    let begun = lines.iter().position(|line| line.contains_key("run")).expect("an attempt that begins");
    for line in &lines[begun..] {
        let told = ["namespace", "pipeline", "run", "attempt", "trace_id"].map(|field| line.get(field).cloned());
        let known = [json!("test"), json!("move"), json!(id), report["attempt"].clone(), json!(id.replace('-', ""))];
        assert_eq!(told, known.map(Some), "{line:?}");
    }
    // The source is asked by the sink, and is the one that has something to say.
    let of_source =
        lines.iter().filter(|line| line.get("source") == Some(&json!("rows")) && !line.contains_key("sink"));
    assert!(of_source.count() > 5, "{lines:?}");
    assert_eq!(lines[begun]["message"], "an attempt begins");
    let ended = lines.iter().find(|line| line["message"] == "the run has ended").expect("its end");
    assert_eq!((&ended["level"], &ended["outcome"]), (&json!("INFO"), &json!("Succeeded")), "{ended:?}");
    assert_eq!((&ended["rows.read"], &ended["rows.written"]), (&json!(2), &json!(2)), "{ended:?}");

    // By the variable, and only what is wrong: nothing.
    let (said, _) = run(&place, RUN, &[("AGGREGATOR_LOG_FORMAT", "json")]);
    assert_eq!((said.code(), said.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_failure_is_one_line_with_all_that_is_known_of_it() {
    let place = place();
    place.remove("in/rows.csv");
    for output in ["json", "table"] {
        let (said, _) = run(&place, &format!("run -f m --state state -o {output} --log-format json"), &[]);
        let lines = lines(&said);
        if output == "json" {
            // The result has it already.
            assert_eq!((said.code(), lines.len()), (Some(1), 0), "{lines:?}");
            continue;
        }
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(said.code(), line["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()));
        assert_eq!((&line["level"], &line["pipeline"]), (&json!("ERROR"), &json!("move")), "{line:?}");
        assert_eq!(line["reason"], "NotFound", "{line:?}");
        assert!(line["message"].as_str().is_some_and(|message| message.contains("rows.csv")), "{line:?}");
        assert!(line["remedy"].is_string(), "{line:?}");
    }
    // What nobody could run.
    let (said, _) = run(&place, "run -f nowhere -o json --log-format json", &[]);
    let lines = lines(&said);
    assert_eq!((said.code(), lines.len(), &lines[0]["level"]), (Some(2), 1, &json!("ERROR")), "{lines:?}");
}

#[test]
fn text_is_as_it_was_with_and_without_a_trace() {
    let place = place();
    let collector = Collector::start().expect("a collector");
    let (said, _) = run(&place, &format!("{RUN} -vv"), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]);
    report(&said);
    assert!(!collector.spans().is_empty());
    assert!(said.stderr.lines().count() > 10, "{}", said.stderr);
    for word in ["write sink", "aggregator.sink", "aggregator.rows", "k8s.namespace"] {
        assert!(!said.stderr.contains(word), "{word} is in\n{}", said.stderr);
    }
}

/// The only span of that name about that source or sink.
fn one<'a>(spans: &'a [Received], name: &str, of: Option<&str>) -> &'a Received {
    let about = |span: &Received| {
        let named = ["aggregator.source", "aggregator.sink"].iter().find_map(|key| span.attributes.get(*key));
        named.and_then(Value::as_str).map(str::to_owned)
    };
    let found: Vec<&Received> =
        spans.iter().filter(|span| span.name == name && (of.is_none() || about(span).as_deref() == of)).collect();
    assert_eq!(found.len(), 1, "{name} {of:?}: {spans:#?}");
    found[0]
}

#[test]
fn a_run_is_one_trace_from_the_source_to_the_checkpoint() {
    let place = place();
    let collector = Collector::start().expect("a collector");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b".to_owned()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test".to_owned()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (said, _) = run(&place, RUN, &variables);
    assert_eq!(said.stderr, "");
    let report = report(&said);
    assert_eq!(of_files(&place.file("out/rows")).len(), 3);
    let spans = collector.spans();
    for headers in collector.headers() {
        assert_eq!(headers["x-tenant"], "a b");
    }

    let mut names = BTreeMap::<&str, usize>::new();
    spans.iter().for_each(|span| *names.entry(span.name.as_str()).or_default() += 1);
    let expected = [
        ("checkpoint", 1),
        ("commit sink", 2),
        ("compile", 1),
        ("fence sink", 2),
        ("open sink", 2),
        ("read source", 1),
        ("run", 1),
        ("write sink", 2),
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
    let root = one(&spans, "run", None);
    assert_eq!(root.parent, "");
    let id = report["run"].as_str().expect("an identity");
    for span in &spans {
        assert_eq!(span.trace, id.replace('-', ""), "{span:?}");
        assert_eq!(span.service, "aggregator");
        assert!(!span.failed, "{span:?}");
        assert!(root.begun <= span.begun && span.begun <= span.ended && span.ended <= root.ended, "{span:?} {root:?}");
        if span.name != "run" {
            assert_eq!(span.parent, root.id, "{span:?}");
        }
    }

    let attributes = |span: &Received, names: &[&str]| -> Vec<Value> {
        names.iter().map(|name| span.attributes.get(*name).cloned().unwrap_or_default()).collect()
    };
    assert_eq!(
        attributes(root, &["k8s.namespace.name", "aggregator.pipeline", "aggregator.run", "aggregator.outcome"]),
        [json!("test"), json!("move"), json!(id), json!("Succeeded")]
    );
    assert_eq!(
        attributes(root, &["aggregator.rows.read", "aggregator.rows.written", "aggregator.rows.rejected"]),
        [json!(4), json!(3), json!(1)]
    );
    assert_eq!(
        attributes(root, &["aggregator.attempt", "aggregator.bytes.read", "aggregator.bytes.written"]),
        [report["attempt"].clone(), report["cost"]["bytesRead"].clone(), report["cost"]["bytesWritten"].clone()]
    );
    let read = one(&spans, "read source", Some("rows"));
    let bytes = std::fs::metadata(place.file("in/rows.csv")).expect("a file").len();
    assert_eq!(attributes(read, &["aggregator.rows.read", "aggregator.bytes.read"]), [json!(4), json!(bytes)]);
    for (sink, rows) in [("kept", 3), ("rejects", 1)] {
        let [open, fence, write, commit] =
            ["open sink", "fence sink", "write sink", "commit sink"].map(|name| one(&spans, name, Some(sink)));
        assert!(open.ended <= fence.begun && fence.ended <= write.begun && write.ended <= commit.begun, "{spans:#?}");
        assert_eq!(write.attributes["aggregator.rows.taken"], rows, "{write:?}");
    }
    let checkpoint = one(&spans, "checkpoint", None);
    assert!(spans.iter().filter(|span| span.name == "commit sink").all(|span| span.ended <= checkpoint.begun));
}

#[test]
fn each_stream_is_a_part_of_the_trace_with_its_own_figures() {
    let place = Place::new();
    place.write("in/a/1.csv", "id\n1\n2\n");
    place.write("in/b/1.csv", "id\n3\n");
    place.write(
        "m/all.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: all, namespace: test}}\nspec:\n  \
             sources: [{{name: rows, connector: in, streams: {{include: [\"*\"]}}}}]\n  \
             sinks: [{{name: kept, from: rows, connector: out, stream: \"${{stream.name}}/\"}}]\n"
        ),
    );
    let collector = Collector::start().expect("a collector");
    let (said, _) = run(&place, RUN, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]);
    report(&said);
    let spans = collector.spans();
    let root = one(&spans, "run", None);
    assert!(spans.iter().all(|span| span.trace == root.trace), "{spans:#?}");
    for (stream, rows) in [("a/*.csv", 2), ("b/*.csv", 1)] {
        let found: Vec<&Received> = spans
            .iter()
            .filter(|span| span.attributes.get("aggregator.stream").and_then(Value::as_str) == Some(stream))
            .collect();
        let [own] = found[..] else { panic!("{stream}: {spans:#?}") };
        assert_eq!((own.name.as_str(), &own.parent), ("stream", &root.id));
        assert_eq!(own.attributes["aggregator.rows.read"], rows, "{own:?}");
        let below: Vec<&str> =
            spans.iter().filter(|span| span.parent == own.id).map(|span| span.name.as_str()).collect();
        for name in ["compile", "read source", "write sink", "commit sink", "checkpoint"] {
            assert!(below.contains(&name), "{name} is not in {below:?}");
        }
    }
}

#[test]
fn a_run_that_fails_says_so_in_its_trace() {
    let place = place();
    place.remove("in/rows.csv");
    let collector = Collector::start().expect("a collector");
    let (said, _) = run(&place, RUN, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]);
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    let spans = collector.spans();
    let root = one(&spans, "run", None);
    assert_eq!((root.failed, &root.attributes["error.type"]), (true, &json!("NotFound")), "{root:?}");
    assert_eq!(root.attributes["aggregator.outcome"], "Failed");
    // It never had an attempt: its trace is one all the same.
    assert!(root.trace.len() == 32 && root.trace != "0".repeat(32) && root.parent.is_empty(), "{root:?}");
}

#[test]
fn a_run_that_is_interrupted_says_so_in_its_trace() {
    let place = place();
    place.write(
        "m/slow.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: made, namespace: test}}\nspec:\n  \
             generator: {{streams: [{{name: rows, rows: 1000000, columns: [{{name: id, sequence: {{}}}}]}}]}}\n  \
             limits: {{rowsPerSecond: 1000}}\n---\n\
             apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: slow, namespace: test}}\nspec:\n  \
             sources: [{{name: rows, connector: made, stream: rows}}]\n  \
             sinks: [{{name: kept, from: rows, connector: out, stream: rows/}}]\n"
        ),
    );
    let collector = Collector::start().expect("a collector");
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()), ("OTEL_BSP_SCHEDULE_DELAY", "20".into())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut running = place.start_with("run -f m/slow.yaml --pipeline slow --state state", &variables);
    // Sent while the run goes on: what has ended by then.
    assert!(running.until(|_| collector.spans().iter().any(|span| span.name == "fence sink")), "it ended before");
    assert!(collector.spans().iter().all(|span| span.name != "run"));
    running.signal(Signal::SIGTERM);
    let said = running.wait();
    assert_eq!(said.code(), Some(130), "{}", said.stderr);
    let spans = collector.spans();
    let root = one(&spans, "run", None);
    assert!(spans.iter().all(|span| span.trace == root.trace), "{spans:#?}");
    assert_eq!(root.attributes["aggregator.outcome"], "Interrupted", "{root:?}");
    assert!(one(&spans, "write sink", Some("kept")).failed, "{spans:#?}");
}

/// The warnings of a run that went well. They are text, and there is nothing else.
fn warnings(said: &Said) -> Vec<&str> {
    report(said);
    said.stderr.lines().collect()
}

#[test]
fn a_collector_that_is_away_or_hangs_costs_a_warning_and_nothing_else() {
    let place = place();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    let (_, usual) = run(&place, RUN, &[]);
    let (said, took) = run(&place, RUN, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    let [warning] = warnings(&said)[..] else { panic!("{}", said.stderr) };
    assert!(warning.contains(&format!("traces cannot be sent to {address}/v1/traces: ")), "{warning}");
    assert!(warning.contains("WARN"), "{warning}");
    assert!(took < usual + Duration::from_secs(4), "{took:?}, and {usual:?} without traces");

    // It takes connections, and says nothing.
    let hangs = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", hangs.local_addr().expect("an address"));
    let (said, took) = run(&place, RUN, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    let [warning] = warnings(&said)[..] else { panic!("{}", said.stderr) };
    assert!(warning.contains(&format!("traces are lost: {address}/v1/traces did not take them in 2 s")), "{warning}");
    assert!(took < usual + Duration::from_secs(6), "{took:?}, and {usual:?} without traces");
    hangs.accept().expect("it was asked");

    let collector = Collector::refusing(&[403]).expect("a collector");
    let (said, _) = run(&place, RUN, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]);
    let [warning] = warnings(&said)[..] else { panic!("{}", said.stderr) };
    assert!(warning.ends_with("it answers 403 Forbidden; everything else goes on"), "{warning}");

    for (name, value, word) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "is no address"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "`http/protobuf` alone"),
    ] {
        let (said, _) = run(&place, RUN, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address), (name, value)]);
        let [warning] = warnings(&said)[..] else { panic!("{}", said.stderr) };
        assert!(warning.contains("there are no traces: ") && warning.contains(word), "{warning}");
    }
}

#[test]
fn a_command_that_moves_nothing_has_no_trace() {
    let place = place();
    let collector = Collector::start().expect("a collector");
    let (said, _) = run(&place, "plan -f m", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]);
    assert_eq!((said.code(), said.stderr.as_str()), (Some(0), ""));
    assert!(collector.spans().is_empty() && collector.headers().is_empty());
}

/// The texts of the files that make spans.
fn makers() -> String {
    let files = [
        "operator/src/traces.rs",
        "cli/src/commands/run.rs",
        "cli/src/commands/worker/run.rs",
        "worker/src/run/execute.rs",
        "worker/src/run/read.rs",
        "worker/src/run/rejected.rs",
        "worker/src/run/sinks.rs",
        "worker/src/run/streams.rs",
        "worker/src/run/traced.rs",
    ];
    files.map(|file| std::fs::read_to_string(folder::workspace().join(file)).expect("a file")).concat()
}

#[test]
fn the_page_has_every_span_and_attribute() {
    let page = folder::workspace().join("docs/operations/telemetry.md");
    let (page, makers) = (std::fs::read_to_string(page).expect("a page"), makers());
    let quoted = |text: &str| text.split('"').nth(1).map(str::to_owned);
    let spans: BTreeSet<String> = makers
        .split("target: TRACE")
        .skip(1)
        .chain(makers.split("spans.push(span(").skip(1))
        .filter_map(quoted)
        .collect();
    assert!(spans.len() >= 11 && spans.contains("fire") && spans.contains("commit sink"), "{spans:?}");
    let attributes: BTreeSet<&str> = makers
        .match_indices("aggregator.")
        .map(|(at, _)| {
            let end = makers[at..].find(|it: char| !it.is_ascii_lowercase() && it != '.').unwrap_or(0);
            makers[at..at + end].trim_end_matches('.')
        })
        .filter(|name| !name.starts_with("aggregator.dev"))
        .collect();
    assert!(attributes.len() > 15 && attributes.contains("aggregator.rows.taken"), "{attributes:?}");
    let unsaid: Vec<&str> = spans
        .iter()
        .map(String::as_str)
        .filter(|name| !page.contains(&format!(" {name} ")) && !page.contains(&format!("`{name}`")))
        .chain(attributes.into_iter().filter(|name| !page.contains(&format!("`{name}`"))))
        .collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
}
