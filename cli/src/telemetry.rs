//! Logs go to standard error: warnings unless more is asked for, by `-v` or by `RUST_LOG`.

use tracing_subscriber::EnvFilter;

pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "aggregator_worker=debug,aggregator_compiler=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(verbose > 1).init();
}
