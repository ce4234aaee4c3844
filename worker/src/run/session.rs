//! The DataFusion session of one run: its memory, its place for spill files, its parallelism.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;

use super::memory;
use super::spill::Spill;
use crate::connector::Buffers;

/// What a run may use of the machine.
#[derive(Clone, Debug)]
pub struct Resources {
    /// Bytes for rows that wait: sorts, joins, groups, readers that lag.
    pub memory: u64,
    /// Where rows go that do not fit; default: the system's folder for temporary files.
    pub spill: Option<PathBuf>,
    /// How many rows a batch has at most.
    pub batch_rows: usize,
    /// How many threads a plan uses.
    pub threads: usize,
}

/// What each of the parts needs in which a plan sorts and joins, to bring together again what it has put on the disk: one
/// that has less is starved by the others.
const PARTITION_BYTES: usize = 16 << 20;

/// In how many parts a plan sorts and joins.
fn partitions(resources: &Resources) -> usize {
    resources.threads.min(bytes(resources) / PARTITION_BYTES).max(1)
}

impl Resources {
    /// The most of the machine's memory that is taken without being asked.
    const DEFAULT_CEILING: u64 = 2 << 30;

    /// Half of what the process's cgroup or the machine has, at most 2 GiB; all cores.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let available = memory::limit().unwrap_or(Self::DEFAULT_CEILING);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory: (available / 2).min(Self::DEFAULT_CEILING), spill: None, batch_rows: 8192, threads }
    }

    /// Whether there is so little memory that buffers are small, and what is freed should go back to the system at once.
    #[must_use]
    pub fn are_scarce(&self) -> bool {
        self.memory < Buffers::FULL_FROM
    }
}

/// The memory and the place for spill files of one run.
pub(super) struct Machine {
    /// Both, as plans take them.
    env: Arc<RuntimeEnv>,
    /// The spill files.
    pub(super) spill: Arc<Spill>,
}

/// The memory and the place for spill files of one run.
///
/// # Errors
/// When the folder for spill files cannot be used.
pub(super) fn machine(resources: &Resources) -> Result<Machine> {
    let top = std::num::NonZeroUsize::MIN.saturating_add(4);
    let pool = TrackConsumersPool::new(FairSpillPool::new(bytes(resources)), top);
    let spill = Spill::new(resources.spill.as_deref())?;
    let files = DiskManagerBuilder::default().with_temp_file_factory(Arc::clone(&spill) as _);
    let builder = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).with_disk_manager_builder(files);
    Ok(Machine { env: builder.build_arc()?, spill })
}

fn bytes(resources: &Resources) -> usize {
    usize::try_from(resources.memory).unwrap_or(usize::MAX)
}

/// The session of one run. It knows no tables and no functions: plans arrive compiled.
pub(super) fn session(resources: &Resources, buffers: Buffers, machine: &Machine) -> SessionState {
    // What a sort keeps back for merging its spilled runs; the default of 10 MB would be most of a small budget.
    let merging = (bytes(resources) / 16).min(10 << 20);
    let mut config = SessionConfig::new()
        .with_batch_size(resources.batch_rows)
        .with_target_partitions(partitions(resources))
        // Rows keep their order through a node that only filters or computes: "the last row wins" must mean something.
        .with_round_robin_repartition(false)
        .with_sort_spill_reservation_bytes(merging)
        .with_extension(Arc::new(buffers));
    // What a filter keeps is not known. To take it for little would build a join from its larger side.
    config.options_mut().optimizer.default_filter_selectivity = 100;
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(Arc::clone(&machine.env));
    let mut state = builder.build();
    // All nodes of a run see one `now()`.
    state.mark_start_execution();
    state
}
