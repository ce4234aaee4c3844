//! Logs go to standard error: warnings unless more is asked for, by `-v` or by `RUST_LOG`.

use tracing_subscriber::EnvFilter;

pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "aggregator_worker=debug,aggregator_compiler=debug,info",
        _ => "trace",
    };
    // A panic is a mistake of ours: one line says so, the trace is for those who ask for it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, "a mistake of the program: {said}. Please report it with the command and the manifests");
    }));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(crate::output::watched())
        .with_target(verbose > 1)
        .init();
}
