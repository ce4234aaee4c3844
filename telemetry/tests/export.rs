//! Spans on their way to a collector that takes them, puts them off, refuses them, or says nothing.

use std::net::TcpListener;
use std::time::{Duration, Instant, SystemTime};

use aggregator_telemetry::{Destination, Export, Service, Span, SpanId, TraceId, Traces, traces};
use aggregator_tests::collector::Collector;
use aggregator_tests::wait::eventually;

fn span(name: &'static str) -> Span {
    let now = SystemTime::now();
    let (id, name) = (SpanId::fresh(), name.into());
    Span { trace: None, id, parent: None, name, begun: now, ended: now, attributes: Vec::new() }
}

/// An export to that address, every 50 ms.
fn export(endpoint: &str) -> (Traces, Export) {
    let variable = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.to_owned()),
        "OTEL_BSP_SCHEDULE_DELAY" => Some("50".to_owned()),
        _ => None,
    };
    let destination = Destination::of(variable).expect("an address").expect("somewhere");
    let (traces, told) = traces();
    let service = Service::of("a-test", "0", |_| None);
    (traces, Export::start(told, destination, service).expect("a client"))
}

fn names(collector: &Collector) -> Vec<String> {
    collector.spans().into_iter().map(|span| span.name).collect()
}

/// The collectors have runtimes of their own, and are waited for.
fn blocking<T>(run: impl FnOnce(&tokio::runtime::Runtime) -> T) -> T {
    run(&tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"))
}

#[test]
fn spans_wait_until_their_trace_is_known() {
    let collector = Collector::start().expect("a collector");
    blocking(|runtime| {
        let (traces, export) = runtime.block_on(async { export(&collector.endpoint()) });
        traces.tell(span("before"));
        // One that says its trace itself is sent with the others, when these are.
        traces.tell(Span { trace: Some(TraceId::of_run("other")), ..span("elsewhere") });
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(names(&collector), [] as [String; 0]);
        traces.belongs(TraceId::of_run("u"), None);
        eventually("both spans", || (collector.spans().len() == 2).then_some(()));
        let of: Vec<String> = collector.spans().into_iter().map(|span| span.trace).collect();
        assert_eq!(of, [TraceId::of_run("u").to_string(), TraceId::of_run("other").to_string()]);
        runtime.block_on(export.finish(Duration::from_secs(2)));
    });
}

#[test]
fn what_is_put_off_is_sent_again_and_what_is_refused_is_not() {
    let collector = Collector::refusing(&[503, 429]).expect("a collector");
    blocking(|runtime| {
        let (traces, export) = runtime.block_on(async { export(&collector.endpoint()) });
        traces.belongs(TraceId::of_run("u"), None);
        traces.tell(span("put off twice"));
        eventually("the span", || (!collector.spans().is_empty()).then_some(()));
        assert_eq!((names(&collector), collector.headers().len()), (vec!["put off twice".to_owned()], 3));
        runtime.block_on(export.finish(Duration::from_secs(2)));
    });

    let collector = Collector::refusing(&[400]).expect("a collector");
    blocking(|runtime| {
        let (traces, export) = runtime.block_on(async { export(&collector.endpoint()) });
        traces.belongs(TraceId::of_run("u"), None);
        traces.tell(span("refused"));
        eventually("a request", || (!collector.headers().is_empty()).then_some(()));
        traces.tell(span("taken"));
        runtime.block_on(export.finish(Duration::from_secs(2)));
        assert_eq!(names(&collector), ["taken"]);
    });
}

#[test]
fn what_is_left_at_the_end_is_sent_and_a_collector_that_hangs_is_not_waited_for() {
    let collector = Collector::start().expect("a collector");
    blocking(|runtime| {
        let (traces, export) = runtime.block_on(async { export(&collector.endpoint()) });
        // Its trace never becomes known: it has one of its own.
        traces.tell(span("last"));
        runtime.block_on(export.finish(Duration::from_secs(2)));
        assert_eq!(names(&collector), ["last"]);
        assert_ne!(collector.spans()[0].trace, "0".repeat(32));
    });

    let hangs = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", hangs.local_addr().expect("an address"));
    blocking(|runtime| {
        let (traces, export) = runtime.block_on(async { export(&endpoint) });
        traces.tell(span("lost"));
        let begun = Instant::now();
        runtime.block_on(export.finish(Duration::from_millis(300)));
        let took = begun.elapsed();
        assert!((Duration::from_millis(290)..Duration::from_secs(2)).contains(&took), "{took:?}");
    });
    hangs.accept().expect("it was asked");
}

#[test]
fn more_spans_than_a_batch_has_arrive_all() {
    let collector = Collector::start().expect("a collector");
    blocking(|runtime| {
        let (traces, export) = runtime.block_on(async { export(&collector.endpoint()) });
        traces.belongs(TraceId::of_run("u"), None);
        for _ in 0..1500 {
            traces.tell(span("one"));
        }
        runtime.block_on(export.finish(Duration::from_secs(10)));
        assert_eq!(collector.spans().len(), 1500);
        assert!(collector.headers().len() >= 3, "{}", collector.headers().len());
    });
}
