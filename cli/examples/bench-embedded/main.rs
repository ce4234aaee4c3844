//! `make bench-embedded`: how `aggregator up` does: its start, its writes and watchers, its fires, and kills.
//!
//! ```text
//! start, over and over ─► writes: over TLS, without ─► the same with watchers ─► fires of a Schedule ─► kills ─► figures
//! ```
//! Figures that are missed are named at the end, and are no error; what kills have broken is one.

#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

mod fires;
mod inside;
mod page;
mod start;
#[path = "../../tests/cli/up_kills/mod.rs"]
mod up_kills;
mod watchers;
mod writes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aggregator_embedded_kube::supervisor;
use aggregator_tests::figures;
use aggregator_tests::random::Random;
use clap::Parser;
use kube::Client;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Runtime;

use crate::page::Figures;
use crate::up_kills::Cluster;
use crate::writes::{Scene, Written};

/// What went wrong; a bench has nobody to be classed for.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures `aggregator up`.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// The program that is measured.
    #[arg(long, default_value = "dist/aggregator")]
    program: PathBuf,
    /// How often it is started, each time in memory and in a folder.
    #[arg(long, default_value_t = 10)]
    starts: usize,
    /// How many clients write at the same time.
    #[arg(long, default_value_t = 32)]
    writers: usize,
    /// How many objects they write, while nobody watches.
    #[arg(long, default_value_t = 1_000)]
    objects: usize,
    /// How often each of these is written.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// How many watch.
    #[arg(long, default_value_t = 1_000)]
    watchers: usize,
    /// How many writes everybody is told of, when all watch everything.
    #[arg(long, default_value_t = 500)]
    told: usize,
    /// How many fires are timed.
    #[arg(long, default_value_t = 20)]
    fires: usize,
    /// How often it is killed.
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Put the figures into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

fn main() -> Outcome<ExitCode> {
    // A cluster within this process needs it.
    if let Some(code) = supervisor::take_over() {
        return Ok(code);
    }
    let options = Options::parse();
    let load = figures::load();
    // Each watcher has a connection, which is a file at both ends.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let program = options.program.canonicalize()?;
    let measured = measure(&options, &program)?;
    let text = page::text(&options, &program, &measured, load);
    println!("\n{text}");
    if options.write {
        figures::write("embedded", &text);
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Options, program: &Path) -> Outcome<Figures> {
    let temporary = tempfile::Builder::new().prefix("aggregator-bench-").tempdir()?;
    let folder = temporary.path().canonicalize()?;
    println!("starting it {} times in memory, and as often in a folder …", options.starts);
    let in_memory = start::measure(program, &folder, &["--ephemeral"], options.starts)?;
    let in_folder = start::measure(program, &folder, &["--data-dir", "started"], options.starts)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let alone = Scene { name: "alone", objects: options.objects, rounds: options.rounds };
    println!("{} writes by {} clients …", alone.writes(), options.writers);
    let written_in_memory = {
        let cluster = Cluster::start(program, &folder, &["--ephemeral"]);
        let written = runtime.block_on(write(&cluster, options, alone));
        start::end(cluster)?;
        written?
    };
    let cluster = Cluster::start(program, &folder, &["--data-dir", "written"]);
    let written_in_folder = runtime.block_on(write(&cluster, options, alone))?;
    println!("the same with {} watchers …", options.watchers);
    let (each, everything) = runtime.block_on(watched(&cluster, options))?;
    let most = figures::memory(cluster.child.id()).most;
    start::end(cluster)?;
    println!("the same without TLS, within this process …");
    let inside = inside::measure(&runtime, &folder, options.writers, alone)?;

    println!("{} fires …", options.fires);
    let fires = in_a_new_one(&runtime, program, &folder, options.fires)?;
    println!("{} kills …", options.kills);
    let kills = up_kills::play(program, options.kills, &mut Random::seeded("kills"));
    Ok(Figures {
        in_memory,
        in_folder,
        written_in_memory,
        written_in_folder,
        each,
        everything,
        most,
        inside,
        fires,
        kills,
    })
}

/// Clients, each with connections of its own.
async fn clients(cluster: &Cluster, count: usize) -> Vec<Client> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        clients.push(cluster.client().await);
    }
    clients
}

/// Writes while nobody watches.
async fn write(cluster: &Cluster, options: &Options, scene: Scene) -> Outcome<Written> {
    let clients = clients(cluster, options.writers).await;
    let first = clients.first().ok_or("nobody writes")?;
    scene.prepare(first).await?;
    scene.write(&clients).await
}

/// Writes while many watch one object each, and while many watch everything.
async fn watched(cluster: &Cluster, options: &Options) -> Outcome<(watchers::Told, watchers::Told)> {
    let clients = clients(cluster, options.writers).await;
    let each = Scene { name: "each", objects: options.watchers, rounds: 5 };
    let each = watchers::measure(&clients, each, options.watchers, true).await?;
    let everything = Scene { name: "everything", objects: options.told.div_ceil(5), rounds: 5 };
    let everything = watchers::measure(&clients, everything, options.watchers, false).await?;
    Ok((each, everything))
}

fn in_a_new_one(runtime: &Runtime, program: &Path, folder: &Path, count: usize) -> Outcome<fires::Fires> {
    let cluster = Cluster::start(program, folder, &["--data-dir", "fired"]);
    let fires = runtime.block_on(async {
        let client = cluster.client().await;
        fires::measure(&client, &folder.join("out"), count).await
    });
    start::end(cluster)?;
    fires
}
