//! `make bench-operator`: how the operator does with thousands of objects, on a real control plane.
//!
//! ```text
//! objects ─► operator starts ─► all Ready ─► rest ─► edits ─► fires ─► Pods of runs begin ─► figures
//! ```
//! There is no node: Jobs get Pods that stay pending, and what a kubelet would write is written here.
//! Figures that are missed are named at the end, and are no error.

#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

mod fires;
mod objects;
mod operator;
mod page;
mod reaction;
mod ready;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aggregator_tests::control_plane::ControlPlane;
use aggregator_tests::figures;
use clap::Parser;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use crate::fires::Fires;
use crate::objects::Objects;
use crate::operator::Operator;
use crate::page::{Cold, Figures};

/// What went wrong; a bench has nobody to be classed for.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures the operator on a real control plane.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// The program that is measured.
    #[arg(long, default_value = "dist/aggregator")]
    program: PathBuf,
    /// How many Connectors there are.
    #[arg(long, default_value_t = 2_000)]
    connectors: usize,
    /// How many Pipelines.
    #[arg(long, default_value_t = 5_000)]
    pipelines: usize,
    /// How many Schedules.
    #[arg(long, default_value_t = 5_000)]
    schedules: usize,
    /// In how many namespaces they are.
    #[arg(long, default_value_t = 10)]
    namespaces: usize,
    /// How many Schedules fire, each once.
    #[arg(long, default_value_t = 2_000)]
    fires: usize,
    /// How many of them in a second.
    #[arg(long, default_value_t = 50)]
    rate: usize,
    /// How many seconds the operator is watched at rest.
    #[arg(long, default_value_t = 60)]
    rest: u64,
    /// How many edits, and how many beginning Pods, are timed.
    #[arg(long, default_value_t = 100)]
    reactions: usize,
    /// Put the figures into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

/// The CPU time that the processes of the control plane have used.
fn control_plane(plane: &ControlPlane) -> Duration {
    plane.processes().map(|(_, process)| figures::cpu(process.id())).sum()
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let options = Options::parse();
    let load = figures::load();
    println!("starting the control plane …");
    let plane = Arc::new(ControlPlane::start());
    plane.install();
    let config = Kubeconfig::read_from(plane.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let objects = Objects::new(&options);
    println!("creating {} …", objects.words());
    objects.create(&client).await?;

    let settled = ready::Watch::begin(&client).await?;
    let others = control_plane(&plane);
    let mut operator = Operator::start(&options.program, &plane.kubeconfig())?;
    println!("the operator starts …");
    let cold = settled.all_ready(objects.waiting()).await?;
    let used = operator.usage()?;
    let cold = Cold { time: cold, own: used.cpu, writes: used.writes, others: control_plane(&plane) - others };
    println!("{}", cold.words());
    // What the last statuses have made it look at again.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let at_rest = operator.memory();
    let before = operator.usage()?;
    println!("at rest for {} s …", options.rest);
    tokio::time::sleep(Duration::from_secs(options.rest)).await;
    let rest = operator.usage()?.since(&before);
    println!("{:.2} % of a core, {} writes", rest.cpu_percent(), rest.writes);

    println!("{} edits …", options.reactions);
    let edits = reaction::edits(&client, &objects, options.reactions).await?;
    println!("{} fires, {} in a second …", options.fires, options.rate);
    let Fires { latencies, runs, seconds } = fires::measure(&client, &objects, &options).await?;
    println!("{} Pods begin …", options.reactions);
    let begins = reaction::begins(&client, &runs, options.reactions).await?;
    let most = operator.memory();
    operator.still_works()?;

    let measured = Figures { cold, at_rest, most, rest, edits, latencies, begins, fire_seconds: seconds };
    let text = page::text(&options, &objects, &measured, load);
    println!("\n{text}");
    if options.write {
        figures::write("operator", &text);
    }
    Ok(())
}
