//! The `aggregator` binary: parses the arguments, runs one command, maps its result to an exit code.

mod args;
mod commands;
mod failure;
mod help;
mod manifests;
mod output;
mod progress;
mod report;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plans are trees, and planning recurses: a thread needs more room than the default.
const STACK_BYTES: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::start(arguments.global.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(error).show(&arguments.global),
    };
    let global = arguments.global.clone();
    // The command runs on a worker thread: the main thread's stack is the system's business.
    let done = runtime.block_on(async move { tokio::spawn(dispatch(arguments)).await });
    let code = match done {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(failure)) => failure.show(&global),
        Err(error) => Failure::from(std::io::Error::other(error)).show(&global),
    };
    // Blocking reads of a stream that was given up must not hold the process.
    runtime.shutdown_background();
    code
}

async fn dispatch(arguments: Arguments) -> Result<u8, Failure> {
    let global = &arguments.global;
    match arguments.command {
        Command::Run(args) => commands::run::run(args, global).await,
        Command::Lint(args) => commands::lint::lint(&args, global),
        Command::Plan(args) => commands::plan::plan(args, global).await,
        Command::Preview(args) => commands::preview::preview(args, global).await,
        Command::Test(args) => commands::test::test(args, global).await,
        Command::Connectors(args) => commands::connectors::connectors(args, global).await,
        Command::Functions(args) => commands::functions::functions(&args, global),
        Command::Codegen(args) => commands::codegen::codegen(&args, global),
        Command::Completions(args) => commands::completions::completions(&args),
    }
}
