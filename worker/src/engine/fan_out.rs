//! One stream, several readers: computed once, kept until the slowest reader has it, in memory or on local disk.
//!
//! A task pulls the stream when, and only when, some reader has taken everything there is. So the fastest reader sets
//! the pace and never waits for another one: two branches that meet again in a join cannot wait for each other. What
//! slower readers still need stays in memory as far as the memory pool gives room, and goes to a spill file beyond.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SpillFile;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::spill::SpillManager;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{FutureExt, StreamExt};
use tokio::sync::Notify;

/// The most bytes that wait in memory for slower readers.
const WINDOW_BYTES: usize = 64 * 1024 * 1024;
/// The part of the pool that they take at most: a join or sort behind the readers needs the rest, and what it cannot have,
/// ends the run, whereas what waits here can as well wait on disk.
const WINDOW_OF_POOL: usize = 4;

/// One stream, several readers.
pub(super) struct FanOut {
    name: String,
    schema: SchemaRef,
    /// The most bytes that are kept in memory.
    window: usize,
    spill: SpillManager,
    state: Mutex<State>,
    /// Told when a batch, the end or an error has arrived.
    arrived: Notify,
    /// Told when a reader has taken everything there is.
    wanted: Arc<Notify>,
    pump: Mutex<Option<SpawnedTask<()>>>,
}

struct State {
    /// The number of the oldest kept batch.
    base: u64,
    kept: VecDeque<Kept>,
    /// The number of the next batch of each reader; None when it has gone.
    cursors: Vec<Option<u64>>,
    hungry: bool,
    draining: bool,
    end: Option<std::result::Result<(), Arc<DataFusionError>>>,
    reservation: MemoryReservation,
}

enum Kept {
    Memory {
        batch: RecordBatch,
        bytes: usize,
    },
    /// `fresh` is the batch itself until the first reader has it: the fastest reader never waits for the disk.
    Spilled {
        file: Arc<dyn SpillFile>,
        fresh: Option<RecordBatch>,
    },
}

enum Taken {
    Batch(RecordBatch),
    Spilled(Arc<dyn SpillFile>),
    End,
    Nothing,
}

impl FanOut {
    pub(super) fn start(
        name: &str,
        upstream: SendableRecordBatchStream,
        readers: usize,
        env: Arc<RuntimeEnv>,
    ) -> Arc<Self> {
        let reservation = MemoryConsumer::new(format!("readers of {name}")).register(&env.memory_pool);
        let window = match env.memory_pool.memory_limit() {
            MemoryLimit::Finite(limit) => WINDOW_BYTES.min(limit / WINDOW_OF_POOL),
            MemoryLimit::Infinite | MemoryLimit::Unknown => WINDOW_BYTES,
        };
        let schema = upstream.schema();
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        let fan_out = Arc::new(Self {
            name: name.to_owned(),
            spill: SpillManager::new(env, metrics, Arc::clone(&schema)),
            schema,
            window,
            state: Mutex::new(State {
                base: 0,
                kept: VecDeque::new(),
                cursors: vec![Some(0); readers],
                hungry: false,
                draining: false,
                end: None,
                reservation,
            }),
            arrived: Notify::new(),
            wanted: Arc::new(Notify::new()),
            pump: Mutex::new(None),
        });
        // The task keeps no strong reference while it waits: when the last reader and the engine have let go of the
        // fan-out, it is dropped and takes the task with it.
        let weak = Arc::downgrade(&fan_out);
        let wanted = Arc::clone(&fan_out.wanted);
        let task = SpawnedTask::spawn(async move {
            let pumped = AssertUnwindSafe(pump(weak.clone(), wanted, upstream)).catch_unwind().await;
            if let (Some(fan_out), Err(_)) = (weak.upgrade(), pumped) {
                let error = DataFusionError::Internal(format!("the plan of node `{}` panicked", fan_out.name));
                fan_out.lock().end = Some(Err(Arc::new(error)));
                fan_out.arrived.notify_waiters();
            }
        });
        *fan_out.pump.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        fan_out
    }

    /// The stream of one reader.
    pub(super) fn reader(self: &Arc<Self>, index: usize) -> SendableRecordBatchStream {
        let place = Place { fan_out: Arc::clone(self), index };
        let stream = futures::stream::try_unfold(place, |place| async move {
            let batch = place.fan_out.next(place.index).await?;
            Ok(batch.map(|batch| (batch, place)))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }

    /// Pulls the stream to its end for nobody.
    pub(super) async fn drain(&self) -> Result<()> {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(end) = &state.end {
                    return end.clone().map_err(DataFusionError::Shared);
                }
                state.draining = true;
            }
            self.wanted.notify_one();
            arrived.await;
        }
    }

    async fn next(&self, index: usize) -> Result<Option<RecordBatch>> {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            match self.take(index)? {
                Taken::Batch(batch) => return Ok(Some(batch)),
                Taken::Spilled(file) => {
                    let mut stream = self.spill.read_spill_as_stream(file, None)?;
                    return match stream.next().await {
                        Some(batch) => batch.map(Some),
                        None => {
                            Err(DataFusionError::Internal(format!("a spill file of node `{}` is empty", self.name)))
                        }
                    };
                }
                Taken::End => return Ok(None),
                Taken::Nothing => {}
            }
            self.wanted.notify_one();
            arrived.await;
        }
    }

    fn take(&self, index: usize) -> Result<Taken> {
        let mut state = self.lock();
        let Some(cursor) = state.cursors[index] else { return Ok(Taken::End) };
        let offset = usize::try_from(cursor - state.base).unwrap_or(usize::MAX);
        let taken = match state.kept.get_mut(offset) {
            Some(Kept::Memory { batch, .. }) => Taken::Batch(batch.clone()),
            Some(Kept::Spilled { file, fresh }) => match fresh.take() {
                Some(batch) => Taken::Batch(batch),
                None => Taken::Spilled(Arc::clone(file)),
            },
            None => {
                return match &state.end {
                    Some(Ok(())) => Ok(Taken::End),
                    Some(Err(error)) => Err(DataFusionError::Shared(Arc::clone(error))),
                    None => {
                        state.hungry = true;
                        Ok(Taken::Nothing)
                    }
                };
            }
        };
        state.cursors[index] = Some(cursor + 1);
        state.trim();
        Ok(taken)
    }

    fn push(&self, batch: RecordBatch) -> Result<()> {
        let bytes = batch.get_array_memory_size();
        {
            let mut state = self.lock();
            if state.cursors.iter().all(Option::is_none) {
                state.base += 1;
                return Ok(());
            }
            if state.reservation.size() + bytes <= self.window && state.reservation.try_grow(bytes).is_ok() {
                state.kept.push_back(Kept::Memory { batch, bytes });
                return Ok(());
            }
        }
        let file = self.spill.spill_record_batch_and_finish(std::slice::from_ref(&batch), &self.name)?;
        let file = file.ok_or_else(|| DataFusionError::Internal("an empty batch cannot be spilled".into()))?;
        self.lock().kept.push_back(Kept::Spilled { file, fresh: Some(batch) });
        Ok(())
    }

    fn leave(&self, index: usize) {
        let mut state = self.lock();
        state.cursors[index] = None;
        state.trim();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets what every reader has.
    fn trim(&mut self) {
        let produced = self.base + self.kept.len() as u64;
        let needed = self.cursors.iter().flatten().min().copied().unwrap_or(produced);
        while self.base < needed {
            if let Some(Kept::Memory { bytes, .. }) = self.kept.pop_front() {
                self.reservation.shrink(bytes);
            }
            self.base += 1;
        }
    }
}

/// Pulls the stream whenever it is wanted, until its end.
async fn pump(fan_out: Weak<FanOut>, wanted: Arc<Notify>, mut upstream: SendableRecordBatchStream) {
    loop {
        let go = {
            let Some(shared) = fan_out.upgrade() else { return };
            let mut state = shared.lock();
            let go = state.hungry || state.draining;
            state.hungry = false;
            go
        };
        if !go {
            // A permit given between the look above and this line is kept by `Notify`.
            wanted.notified().await;
            continue;
        }
        let arrived = upstream.next().await;
        let Some(shared) = fan_out.upgrade() else { return };
        let end = match arrived {
            Some(Ok(batch)) if batch.num_rows() == 0 => None,
            Some(Ok(batch)) => shared.push(batch).err().map(|error| Err(Arc::new(error))),
            Some(Err(error)) => Some(Err(Arc::new(error))),
            None => Some(Ok(())),
        };
        let ended = end.is_some();
        if ended {
            shared.lock().end = end;
        }
        shared.arrived.notify_waiters();
        if ended {
            return;
        }
    }
}

/// A reader's place; leaving it frees what only this reader still needed.
struct Place {
    fan_out: Arc<FanOut>,
    index: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.fan_out.leave(self.index);
    }
}
