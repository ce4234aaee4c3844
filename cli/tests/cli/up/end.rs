//! How `aggregator up` ends: soon, whatever goes on, and at once for whoever does not wait.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use aggregator_crds::{Connector, PipelineRun, Schedule};
use aggregator_tests::wait::eventually;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{SOON, Up, read, words};
use crate::aggregator::Place;
use crate::up_kills::{processes, until_none};

/// What nobody waits for is over within this.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often a cluster is started, at most, to meet it while it makes the demo.
const TRIES: usize = 10;

/// An address that takes connections, and says nothing.
fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Whether a process is a worker, by the first argument of its program.
fn is_worker(id: i32) -> bool {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(b"worker".as_slice())
}

/// Lets a worker begin that does not hear that it is to end, and so has two seconds for it. What it waits for comes from the
/// address, which does not answer.
fn begin_a_deaf_worker(up: &Up, place: &Place, address: SocketAddr) {
    let connector = serde_json::from_value(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "Connector", "metadata": {"name": "silent"},
        "spec": {"http": {
            "url": format!("http://{address}"),
            "endpoints": [{"name": "words", "path": "/words", "format": {"ndjson": {}}}],
        }},
    }));
    let connectors: Api<Connector> = Api::namespaced(up.client("root"), "shop");
    up.ask(connectors.create(&PostParams::default(), &connector.expect("a Connector"))).expect("it is new");
    let data = place.file("data");
    let worker = eventually("a worker", || processes(&data).into_iter().find(|id| is_worker(*id)));
    kill(Pid::from_raw(worker), Signal::SIGSTOP).expect("a process of ours");
}

/// A collector that takes connections, and says nothing; and the connection by which it is told of a run.
type Collector = (TcpListener, TcpStream);

/// Starts a cluster that tells such a collector of a run that has ended, and waits for an answer.
fn start_traced(place: &Place) -> (Up, Collector) {
    let (collector, address) = silent();
    collector.set_nonblocking(true).expect("a listener");
    let mut command = place.command(&words("--data-dir data"));
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "600000").env("OTEL_BSP_SCHEDULE_DELAY", "20");
    let up = Up::started(place, command);
    up.create_namespace("shop");
    let run = serde_json::from_value(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "PipelineRun", "metadata": {"name": "lost"},
        "spec": {"pipelineRef": {"name": "nothing"}},
    }));
    let runs: Api<PipelineRun> = Api::namespaced(up.client("root"), "shop");
    up.ask(runs.create(&PostParams::default(), &run.expect("a run"))).expect("it is new");
    let (asked, _) = eventually("a trace that is sent", || collector.accept().ok());
    (up, (collector, asked))
}

#[test]
fn whoever_interrupts_its_end_does_not_wait_for_it() {
    let place = Place::new();
    let mut up = Up::start(&place, "--data-dir data");
    up.create_namespace("shop");
    let (_silent, address) = silent();
    begin_a_deaf_worker(&up, &place, address);

    let (begun, id) = (Instant::now(), up.id());
    let status = eventually("its end", || {
        // Of two that come before it has heard the first it hears one.
        kill(id, Signal::SIGINT).expect("a process of ours");
        up.child.try_wait().expect("a child of ours")
    });
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(130), "{}", up.said());
    assert!(took < SOON, "{took:?}");
    until_none(&place.file("data"));
}

#[test]
fn neither_a_worker_that_does_not_hear_nor_a_silent_collector_holds_its_end_up() {
    let place = Place::new();
    let (up, _collector) = start_traced(&place);
    let (_silent, address) = silent();
    begin_a_deaf_worker(&up, &place, address);
    up.end(Signal::SIGINT);
    until_none(&place.file("data"));
    let said = read(&place.file("up.err"));
    assert!(said.contains("traces are lost: "), "{said}");
}

#[test]
fn whoever_interrupts_the_last_traces_does_not_wait_for_them() {
    let place = Place::new();
    let (mut up, _collector) = start_traced(&place);
    let url = up.told["url"].as_str().and_then(|url| url.strip_prefix("https://"));
    let address: SocketAddr = url.expect("a URL").parse().expect("an address");
    kill(up.id(), Signal::SIGINT).expect("a process of ours");
    // Its port is the last of the cluster to go.
    eventually("a port that is closed", || TcpStream::connect(address).is_err().then_some(()));
    let begun = Instant::now();
    kill(up.id(), Signal::SIGINT).expect("a process of ours");
    let status = eventually("its end", || up.child.try_wait().expect("a child of ours"));
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(130), "{}", up.said());
    assert!(took < AT_ONCE, "{took:?}");
}

/// Starts a cluster that is to have the demo, and interrupts it when it begins to make that. Says whether that was so: it has
/// told nobody that it is there.
fn interrupted_while_it_seeds(place: &Place) -> bool {
    let data = place.file("data");
    let mut running = place.start("up --port 0 --output json --data-dir data --seed demo");
    // It says so when it serves, and then it makes the demo.
    assert!(running.until(|_| read(&data.join("lock")).contains("https://")), "it has ended");
    let begun = Instant::now();
    running.signal(Signal::SIGINT);
    let said = running.wait();
    let took = begun.elapsed();
    assert!(took < SOON, "{took:?}: {}", said.stderr);
    until_none(&data);
    let seeding = said.stdout.is_empty();
    assert_eq!(said.code(), Some(if seeding { 130 } else { 0 }), "{}", said.stderr);
    seeding
}

#[test]
fn whoever_interrupts_its_beginning_does_not_wait_for_it_and_finds_the_demo_the_next_time() {
    let mut places = (0..TRIES).map(|_| Place::new());
    let place = places.find(interrupted_while_it_seeds).expect("one that was met while it made the demo");
    let up = Up::start(&place, "--data-dir data --seed demo");
    let schedules: Api<Schedule> = Api::namespaced(up.client("viewer"), "demo");
    let schedule = up.ask(schedules.get("turnover")).expect("all of the demo");
    assert_eq!(schedule.spec.pipeline_ref.name, "turnover");
    let namespaces: Api<Namespace> = Api::all(up.client("root"));
    let namespace = up.ask(namespaces.get("demo")).expect("its namespace");
    assert!(namespace.annotations().is_empty(), "{namespace:?}");
    up.end(Signal::SIGINT);
}
