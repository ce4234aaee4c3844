//! What a cluster tells programs of its runs: one trace each, from the fire to the checkpoint, lines of JSON, and figures.

use std::collections::BTreeSet;

use aggregator_tests::collector::{Collector, Received};
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

/// An operator that sends traces, and whose workers do.
fn project(collector: &Collector) -> Project {
    let mut project = Project::without_operator(false);
    project.variables = vec![
        format!("OTEL_EXPORTER_OTLP_ENDPOINT={}", collector.endpoint()),
        "OTEL_BSP_SCHEDULE_DELAY=100".to_owned(),
        "AGGREGATOR_LOG_FORMAT=json".to_owned(),
        "RUST_LOG=info,kube_client=debug".to_owned(),
    ];
    project.arguments = vec!["--otlp-headers-secret".to_owned(), "collector".to_owned()];
    project.namespace.apply(
        "
apiVersion: v1
kind: Secret
metadata: {name: collector}
stringData: {headers: x-tenant=shop}
",
    );
    project.start();
    project
}

fn of_trace(collector: &Collector, uid: &str) -> Vec<Received> {
    let trace = uid.replace('-', "");
    collector.spans().into_iter().filter(|span| span.trace == trace).collect()
}

fn one<'a>(spans: &'a [Received], name: &str) -> &'a Received {
    let found: Vec<&Received> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).expect(path)
}

/// The value of a metric.
fn figure(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).expect(name)
}

#[test]
fn a_fire_is_one_trace_to_its_commit_and_counted() {
    let collector = Collector::start().expect("a collector");
    let project = project(&collector);
    project.write("in/a.csv", "id,name\n1,one\n2,two\n");
    project.copy_files("move", "{}");
    project.namespace.kubectl(["wait", "pipeline/move", "--for=condition=Ready", "--timeout=60s"]);
    project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: often}
spec: {pipelineRef: {name: move}, interval: {every: 2s}, concurrencyPolicy: Forbid}
",
    );
    let run = eventually("a fire", || project.list("pipelineruns").into_iter().next());
    let suspend = r#"{"spec":{"suspend":true}}"#;
    project.namespace.kubectl(["patch", "schedule", "often", "--type=merge", "--patch", suspend]);
    eventually("no other fire", || {
        let often = project.get("schedule", "often");
        (often["status"]["conditions"][0]["reason"] == "Suspended").then_some(())
    });
    let name = text(&run, "/metadata/name").to_owned();
    let run = project.ended(&name);
    assert_eq!(run["status"]["phase"], "Succeeded", "{run}");
    let uid = text(&run, "/metadata/uid");

    let spans = eventually("the whole trace", || {
        let spans = of_trace(&collector, uid);
        let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        ["fire", "run", "attempt", "worker"].iter().all(|name| names.contains(name)).then_some(spans)
    });
    let [fire, of_run, attempt, worker] = ["fire", "run", "attempt", "worker"].map(|name| one(&spans, name));
    assert_eq!(fire.parent, "", "{fire:?}");
    for (below, above) in [(of_run, fire), (attempt, of_run), (worker, attempt)] {
        assert_eq!(below.parent, above.id, "{below:?} is not below {above:?}");
        assert!(above.begun <= below.begun, "{below:?} begins before {above:?}");
    }
    for name in ["compile", "open sink", "fence sink", "read source", "write sink", "commit sink", "checkpoint"] {
        let span = one(&spans, name);
        assert_eq!((&span.parent, span.service.as_str()), (&worker.id, "aggregator-worker"), "{span:?}");
        assert!(worker.begun <= span.begun && span.ended <= worker.ended, "{span:?} {worker:?}");
    }
    assert!(worker.ended <= attempt.ended && attempt.ended <= of_run.ended, "{attempt:?} {worker:?} {of_run:?}");
    for span in [fire, of_run, attempt] {
        assert_eq!(span.service, "aggregator-operator", "{span:?}");
        assert_eq!(span.attributes["aggregator.schedule"], "often", "{span:?}");
    }
    for span in [fire, of_run, attempt, worker] {
        let told = ["k8s.namespace.name", "aggregator.pipeline", "aggregator.run"].map(|key| &span.attributes[key]);
        assert_eq!(told, [&json!(project.namespace.name()), &json!("move"), &json!(name)], "{span:?}");
        assert!(!span.failed, "{span:?}");
    }
    for span in [of_run, worker] {
        let told = ["aggregator.outcome", "aggregator.rows.read", "aggregator.rows.written"];
        assert_eq!(told.map(|key| &span.attributes[key]), [&json!("Succeeded"), &json!(2), &json!(2)], "{span:?}");
    }
    assert_eq!(
        (&attempt.attributes["aggregator.attempt"], &worker.attributes["aggregator.attempt"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(attempt.attributes["k8s.job.name"], run["status"]["job"]);
    // What the Secret says is said by workers alone: the operator was not told.
    let tenants: Vec<Option<String>> =
        collector.headers().into_iter().map(|headers| headers.get("x-tenant").cloned()).collect();
    assert!(tenants.contains(&Some("shop".to_owned())) && tenants.contains(&None), "{tenants:?}");

    lines_of_worker(&project, &name, uid);
    lines_of_operator(&project, &name, uid);
    figures(&project);
}

/// Each line of a log is an object.
fn objects(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Every line of the worker's log is an object that says whose it is, and the last one is the report.
fn lines_of_worker(project: &Project, name: &str, uid: &str) {
    let log = project.namespace.kubectl(["logs", &format!("job/{name}")]);
    let lines = objects(&log);
    let (report, lines) = lines.split_last().expect("a report");
    assert_eq!((&report["outcome"], &report["ledger"]["balanced"]), (&json!("Succeeded"), &json!(true)), "{log}");
    assert!(!lines.is_empty(), "{log}");
    for line in lines {
        for (field, value) in [
            ("run", json!(name)),
            ("run_uid", json!(uid)),
            ("trace_id", json!(uid.replace('-', ""))),
            ("attempt", json!(1)),
            ("pipeline", json!("move")),
            ("namespace", json!(project.namespace.name())),
        ] {
            assert_eq!(line[field], value, "{field} of {line}");
        }
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
}

/// So is the operator's; what it does for an object says for which, and for a run what its worker's lines say.
fn lines_of_operator(project: &Project, name: &str, uid: &str) {
    let log = project.log();
    let lines = objects(&log);
    let about = |line: &&Value| {
        line["target"].as_str().is_some_and(|target| target.starts_with("kube_client"))
            && (&line["kind"], &line["name"]) == (&json!("PipelineRun"), &json!(name))
    };
    let found: Vec<&Value> = lines.iter().filter(about).collect();
    assert!(!found.is_empty(), "{log}");
    let trace = uid.replace('-', "");
    let whose = [project.namespace.name(), uid, trace.as_str()].map(Some);
    for line in found {
        assert_eq!(["namespace", "run_uid", "trace_id"].map(|field| line[field].as_str()), whose, "{line}");
    }
}

/// The figures are those of the runs.
fn figures(project: &Project) {
    const PREFIX: &str = "aggregator_operator_";
    let runs = project.list("pipelineruns");
    let runs: Vec<Value> = runs.iter().map(|run| project.ended(text(run, "/metadata/name"))).collect();
    let sum = |path: &str| runs.iter().filter_map(|run| run.pointer(path)?.as_u64()).sum::<u64>();
    let of = |metrics: &str, name: &str| figure(metrics, &format!("{PREFIX}{name}"));
    let all = runs.len();
    let metrics = eventually("counted runs", || {
        let metrics = project.ask_operator("/metrics");
        let counted = format!("{PREFIX}runs_total{{phase=\"Succeeded\"}} {all}\n");
        metrics.contains(&counted).then_some(metrics)
    });
    for (name, path) in [
        ("rows_total{direction=\"read\"}", "/status/totals/read"),
        ("rows_total{direction=\"written\"}", "/status/totals/written"),
        ("rows_total{direction=\"rejected\"}", "/status/totals/rejected"),
        ("bytes_total{direction=\"read\"}", "/status/cost/bytesRead"),
        ("bytes_total{direction=\"written\"}", "/status/cost/bytesWritten"),
    ] {
        assert!((of(&metrics, name) - sum(path) as f64).abs() < 0.5, "{name}: {runs:?}\n{metrics}");
    }
    assert_eq!(sum("/status/totals/read"), 2, "{runs:?}");
    assert!(sum("/status/cost/bytesRead") > 0, "{runs:?}");
    for (name, at_least) in [
        ("run_seconds_count{phase=\"Succeeded\"}", all),
        ("fire_lag_seconds_count", all),
        ("fires_total{decision=\"Started\"}", all),
        ("queue_seconds_count{kind=\"PipelineRun\"}", all),
        ("api_calls_total{resource=\"jobs\",status=\"2xx\",verb=\"create\"}", all),
        ("api_calls_total{resource=\"pipelineruns\",status=\"2xx\",verb=\"watch\"}", 1),
        ("api_calls_total{resource=\"pipelineruns/status\",status=\"2xx\",verb=\"patch\"}", all),
        ("api_call_seconds_count{resource=\"pipelineruns\",verb=\"list\"}", 1),
    ] {
        assert!(of(&metrics, name) >= at_least as f64, "{name} is less than {at_least} in\n{metrics}");
    }
    // A fire is late by less than its run took, and not early.
    let (lag, took) = (of(&metrics, "fire_lag_seconds_sum"), of(&metrics, "run_seconds_sum{phase=\"Succeeded\"}"));
    assert!((0.0..60.0 * all as f64).contains(&lag) && took > 0.0, "{lag} {took}");
    // Nobody waits for long.
    eventually("an empty queue", || {
        let metrics = project.ask_operator("/metrics");
        let kinds = ["Connector", "Pipeline", "PipelineRun", "Schedule", "Transformation"];
        kinds.iter().all(|kind| of(&metrics, &format!("queue_depth{{kind=\"{kind}\"}}")) == 0.0).then_some(())
    });
    assert!(!metrics.contains(project.namespace.name()), "a name is a label of\n{metrics}");
}

#[test]
fn an_attempt_that_failed_is_a_span_of_its_own() {
    let collector = Collector::start().expect("a collector");
    let mut project = project(&collector);
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{retry: {limit: 1, backoff: {initial: 1s}}}");
    // Nobody listens there.
    project.read_from("{postgres: {host: 127.0.0.1, port: 1, database: nowhere, username: nobody}}", "public.t");
    project.run("lost", "move");
    // Another operator tells of what ends under it.
    eventually("a first attempt that failed", || {
        let run = project.get("pipelinerun", "lost");
        (run["status"]["retry"]["attempt"] == 1 || run["status"]["attempt"] == 2).then_some(())
    });
    project.stop();
    project.start();
    let run = project.ended("lost");
    assert_eq!((&run["status"]["phase"], &run["status"]["attempt"]), (&json!("Failed"), &json!(2)), "{run}");
    let uid = text(&run, "/metadata/uid");
    let spans = eventually("the whole trace", || {
        let spans = of_trace(&collector, uid);
        let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
        (count("run") == 1 && count("attempt") == 2 && count("worker") == 2).then_some(spans)
    });
    let of_run = one(&spans, "run");
    assert_eq!((of_run.parent.as_str(), of_run.failed), ("", true), "{of_run:?}");
    let reason = text(&run, "/status/conditions/0/reason");
    for number in [1, 2] {
        let of = |name: &str| -> &Received {
            let found = spans.iter().find(|span| {
                span.name == name && span.attributes.get("aggregator.attempt").and_then(Value::as_u64) == Some(number)
            });
            found.unwrap_or_else(|| panic!("no {name} {number}: {spans:#?}"))
        };
        let (attempt, worker) = (of("attempt"), of("worker"));
        assert_eq!((&attempt.parent, &worker.parent), (&of_run.id, &attempt.id), "{attempt:?} {worker:?}");
        for span in [attempt, worker] {
            assert_eq!((span.failed, span.attributes["error.type"].as_str()), (true, Some(reason)), "{span:?}");
        }
    }
    assert!(spans.iter().all(|span| span.name != "fire"), "{spans:#?}");
}
