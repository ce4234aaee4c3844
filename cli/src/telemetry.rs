//! What the program tells of itself: a log on standard error (warnings unless more is asked for, by `-v` or by `RUST_LOG`), and
//! traces where the variables of OpenTelemetry say where these go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aggregator_operator::controller::ABOUT;
use aggregator_telemetry::{Destination, Export, Lines, Said, Service, SpanId, Spans, Told, TraceId, Traces, traces};
use aggregator_worker::connector::Attempt;
use aggregator_worker::run::TRACE;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::args::{Arguments, Command, LogFormat, WorkerCommand};
use crate::output;

/// How long the end of the process waits for traces to be taken.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whom the program works for: said by every line of the log, and by its trace.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    said: Said,
    traces: Option<Traces>,
    sending: Arc<Mutex<Option<Export>>>,
}

/// Traces that are to be sent once there is a runtime.
pub(crate) struct Unsent(Option<(Told, Destination, Service)>);

/// Begins to tell.
pub(crate) fn start(arguments: &Arguments) -> (Telemetry, Unsent) {
    // A panic is a mistake of ours: one line says so, the trace is for those who ask for it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, "a mistake of the program: {said}. Please report it with the command and the manifests");
    }));
    let variable = |name: &str| std::env::var(name).ok();
    let service = service(&arguments.command);
    let destination = service.map_or(Ok(None), |_| Destination::of(variable));
    let (traces, unsent) = match (service, &destination) {
        (Some(name), Ok(Some(destination))) => {
            let (traces, told) = traces();
            let service = Service::of(name, env!("CARGO_PKG_VERSION"), variable);
            (Some(traces), Some((told, destination.clone(), service)))
        }
        _ => (None, None),
    };
    let telemetry = Telemetry { said: Said::default(), traces, sending: Arc::default() };
    telemetry.listen(arguments.global.verbose, arguments.global.log_format);
    if let Err(error) = destination {
        tracing::warn!(target: OWN, "there are no traces: {error}");
    }
    (telemetry, Unsent(unsent))
}

/// What a command that has a trace is called there.
fn service(command: &Command) -> Option<&'static str> {
    match command {
        Command::Run(_) => Some("aggregator"),
        Command::Operator(_) | Command::Up(_) => Some("aggregator-operator"),
        Command::Worker(worker) if matches!(worker.command, WorkerCommand::Run(_)) => Some("aggregator-worker"),
        _ => None,
    }
}

/// The crate that sends traces, whose warnings are shown without being asked for: who has set where traces go wants to know.
const OWN: &str = "aggregator_telemetry";

/// What is logged.
fn level(verbose: u8) -> &'static str {
    match verbose {
        // What goes wrong with a server is told by the command.
        0 => "error,kube_client=off,aggregator_telemetry=warn",
        1 => "aggregator_worker=debug,aggregator_compiler=debug,info",
        _ => "trace",
    }
}

/// Whether it is a span of ours: one of a trace, or one that says for whom something is done.
fn own(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && [TRACE, ABOUT].contains(&metadata.target())
}

impl Telemetry {
    fn listen(&self, verbose: u8, format: LogFormat) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level(verbose)));
        let exported = self.traces.clone().map(|traces| {
            let of_trace = filter_fn(|metadata| Spans::takes(TRACE, metadata)).with_max_level_hint(LevelFilter::INFO);
            Spans::new(TRACE, traces).with_filter(of_trace)
        });
        let registry = tracing_subscriber::registry().with(exported);
        match format {
            LogFormat::Text => {
                // People see what happens, without whom it was done for in front of each line.
                let others = filter_fn(|metadata| !own(metadata)).with_max_level_hint(LevelFilter::TRACE);
                let lines = tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(output::watched())
                    .with_target(verbose > 1);
                registry.with(lines.with_filter(filter.and(others))).init();
            }
            LogFormat::Json => {
                output::as_lines(self.said.clone());
                let around = filter_fn(own).with_max_level_hint(LevelFilter::INFO);
                let lines = tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(false)
                    .fmt_fields(JsonFields::new())
                    .event_format(Lines::new(self.said.clone()));
                registry.with(lines.with_filter(filter.or(around))).init();
            }
        }
    }

    /// Every line says this from now on.
    pub(crate) fn say(&self, name: &str, value: &str) {
        self.said.say(name, value);
    }

    /// The process works for an object of this UID: its trace is that one's, as a part of the attempt, where there is one.
    pub(crate) fn of_run(&self, uid: &str, attempt: Option<u32>) {
        let trace = TraceId::of_run(uid);
        self.said.say("trace_id", trace.to_string());
        if let Some(attempt) = attempt {
            self.said.say("attempt", attempt);
        }
        if let Some(traces) = &self.traces {
            traces.belongs(trace, attempt.map(|attempt| SpanId::of_attempt(uid, attempt)));
        }
    }

    /// An attempt of a run of its own begins. The log and the trace are that of the first one: a run that completes an earlier
    /// one has two, and one of many streams as many.
    pub(crate) fn begun(&self, attempt: &Attempt) {
        let trace = TraceId::of_run(&attempt.run);
        self.said.say_once("run", attempt.run.as_str());
        self.said.say_once("attempt", attempt.epoch);
        self.said.say_once("trace_id", trace.to_string());
        if let Some(traces) = &self.traces {
            traces.belongs(trace, None);
        }
        if output::in_lines() {
            tracing::info!("an attempt begins");
        }
    }

    /// Where spans are told that have times of their own.
    pub(crate) fn traces(&self) -> Option<Traces> {
        self.traces.clone()
    }

    /// Sends traces from now on. To be called within the runtime.
    pub(crate) fn send(&self, unsent: Unsent) {
        let Some((told, destination, service)) = unsent.0 else { return };
        match Export::start(told, destination, service) {
            Ok(export) => *self.sending() = Some(export),
            Err(error) => tracing::warn!(target: OWN, %error, "there are no traces"),
        }
    }

    /// Sends what is left of the traces, for a moment, and nothing more.
    pub(crate) async fn finish(&self) {
        let sending = self.sending().take();
        if let Some(export) = sending {
            export.finish(PATIENCE).await;
        }
    }

    /// Sends nothing more, for whoever does not wait: what is left of the traces is lost.
    pub(crate) fn give_up(&self) {
        *self.sending() = None;
    }

    fn sending(&self) -> MutexGuard<'_, Option<Export>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
