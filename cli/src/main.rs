//! The `aggregator` binary: parses the arguments, runs one command, maps its result to an exit code.

mod args;
mod commands;
mod failure;
mod help;
mod manifests;
mod output;
mod progress;
mod remedy;
mod report;
mod telemetry;

use std::process::ExitCode;

use aggregator_embedded_kube::supervisor;
use aggregator_worker::run::Resources;
use clap::Parser;

use crate::args::{Arguments, Command, WorkerCommand};
use crate::failure::Failure;
use crate::telemetry::Telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plans are trees, and planning recurses: a thread needs more room than the default.
const STACK_BYTES: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    // A container of `aggregator up` is supervised by this program, in a process of one thread.
    if let Some(code) = supervisor::take_over() {
        return code;
    }
    let arguments = Arguments::parse();
    let kept = if is_scarce(&arguments.command) { give_back() } else { None };
    let (telemetry, unsent) = telemetry::start(&arguments);
    if let Some(error) = kept {
        tracing::debug!(%error, "what is freed is kept for a while: memory may be short");
    }
    small_pages();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(error).show(&arguments.global),
    };
    let global = arguments.global.clone();
    // The command runs on a worker thread: the main thread's stack is the system's business.
    let told = telemetry.clone();
    let done = runtime.block_on(async move {
        told.send(unsent);
        tokio::spawn(dispatch(arguments, told)).await
    });
    let code = match done {
        Ok(Ok(0)) => match output::unwritten() {
            Some(error) => Failure::unwritten(error).show(&global),
            None => ExitCode::SUCCESS,
        },
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(failure)) => failure.show(&global),
        Err(error) => Failure::from(std::io::Error::other(error)).show(&global),
    };
    runtime.block_on(telemetry.finish());
    // Blocking reads of a stream that was given up must not hold the process.
    runtime.shutdown_background();
    code
}

/// Memory comes in small pages. The allocator asks for large ones, which the system fills with zeros whole, over and over,
/// as buffers come and go: a fifth of the time of a query over delimited text, and fifty MiB that nobody uses.
#[cfg(target_os = "linux")]
fn small_pages() {
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "large pages stay: memory may take longer");
    }
}

#[cfg(not(target_os = "linux"))]
fn small_pages() {}

/// Whether the command moves rows with little memory.
fn is_scarce(command: &Command) -> bool {
    let asked = match command {
        Command::Run(args) => args.memory,
        Command::Worker(worker) if matches!(worker.command, WorkerCommand::Run(_)) => None,
        _ => return false,
    };
    let mut resources = Resources::of_this_machine();
    resources.memory = asked.unwrap_or(resources.memory);
    resources.are_scarce()
}

/// Memory that is freed goes back to the system at once. The allocator keeps it for a while, which spares time; but of rows
/// that come and go these are some hundred MiB, for which the kernel would end the program in a small container. It is told
/// in its environment, at which it looks when the program begins: so the program begins once more. Gives why it could not.
#[cfg(target_os = "linux")]
fn give_back() -> Option<std::io::Error> {
    use std::os::unix::process::CommandExt;

    const DELAY: &str = "MIMALLOC_PURGE_DELAY";
    if std::env::var_os(DELAY).is_some() {
        return None;
    }
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    match std::env::current_exe() {
        Ok(program) => Some(std::process::Command::new(program).arg0(name).args(words).env(DELAY, "0").exec()),
        Err(error) => Some(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn give_back() -> Option<std::io::Error> {
    None
}

async fn dispatch(arguments: Arguments, telemetry: Telemetry) -> Result<u8, Failure> {
    let global = &arguments.global;
    match arguments.command {
        Command::Run(args) => commands::run::run(args, global, &telemetry).await,
        Command::Lint(args) => commands::lint::lint(&args, global),
        Command::Plan(args) => commands::plan::plan(args, global).await,
        Command::Preview(args) => commands::preview::preview(args, global).await,
        Command::Test(args) => commands::test::test(args, global).await,
        Command::Connectors(args) => commands::connectors::connectors(args, global).await,
        Command::Functions(args) => commands::functions::functions(&args, global),
        Command::Codegen(args) => commands::codegen::codegen(&args, global),
        Command::Up(args) => commands::up::up(&args, global, &telemetry).await,
        Command::Get(args) => commands::objects::get::get(args, global).await,
        Command::Describe(args) => commands::objects::describe::describe(args, global).await,
        Command::Apply(args) => commands::objects::apply::apply(args, global).await,
        Command::Delete(args) => commands::objects::delete::delete(args, global).await,
        Command::Logs(args) => commands::objects::logs::logs(args).await,
        Command::Export(args) => commands::objects::export::export(args, global).await,
        Command::Operator(args) => commands::operator::operator(args, global, &telemetry).await,
        Command::Worker(args) => commands::worker::worker(args, &telemetry).await,
        Command::Completions(args) => commands::completions::completions(&args),
    }
}
