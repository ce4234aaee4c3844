//! What a node puts out, and who reads it: one reader gets the stream itself, several share a fan-out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{RecordBatchStream, SendableRecordBatchStream};
use futures::{Stream, StreamExt};
use tokio::sync::Notify;

use super::counters::{EdgeCounter, NodeCounters};
use super::fan_out::FanOut;
use crate::connector::Size;

/// What a node puts out.
///
/// Readers are registered while plans are made; then [`NodeOutput::connect`] gives it the stream; then readers read.
/// A reader that stops early (a `LIMIT`, a join that needs no more) leaves rows unread: [`NodeOutput::finish`] reads
/// them, so that every row of a source is seen and counted.
pub struct NodeOutput {
    size: Size,
    name: String,
    schema: SchemaRef,
    counters: Arc<NodeCounters>,
    state: Mutex<State>,
    /// Told when a reader's stream is dropped.
    released: Notify,
}

#[derive(Default)]
struct State {
    edges: Vec<ReaderState>,
    upstream: Option<SendableRecordBatchStream>,
    /// Readers' streams that are alive: a plan's tasks may let go of theirs a moment after the plan has ended.
    reading: usize,
    fan_out: Option<Arc<FanOut>>,
}

struct ReaderState {
    counter: Arc<EdgeCounter>,
    ended: bool,
}

impl std::fmt::Debug for NodeOutput {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NodeOutput").field("name", &self.name).finish_non_exhaustive()
    }
}

impl NodeOutput {
    /// The output of a node, not connected yet.
    #[must_use]
    pub fn new(counters: Arc<NodeCounters>, schema: SchemaRef, size: Size) -> Arc<Self> {
        Arc::new(Self {
            size,
            name: counters.name.clone(),
            schema,
            counters,
            state: Mutex::new(State::default()),
            released: Notify::new(),
        })
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema of its rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Registers a reader. Only before [`NodeOutput::connect`].
    pub fn reader(self: &Arc<Self>, to: &str) -> Reader {
        let counter = Arc::new(EdgeCounter { from: self.name.clone(), to: to.to_owned(), rows: Default::default() });
        let mut state = self.lock();
        state.edges.push(ReaderState { counter: Arc::clone(&counter), ended: false });
        Reader { output: Arc::clone(self), index: state.edges.len() - 1, counter }
    }

    /// How many readers are registered.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.lock().edges.len()
    }

    /// Gives the output its stream. Nothing is read before a reader asks.
    pub fn connect(&self, upstream: SendableRecordBatchStream, env: &Arc<RuntimeEnv>) {
        let mut state = self.lock();
        if state.edges.len() > 1 {
            let counters = Arc::clone(&self.counters);
            let counted = upstream.inspect(move |batch| {
                if let Ok(batch) = batch {
                    counters.out.add(batch.num_rows() as u64);
                }
            });
            let counted = Box::pin(RecordBatchStreamAdapter::new(self.schema(), counted));
            let fan_out = FanOut::start(&self.name, counted, state.edges.len(), Arc::clone(env));
            state.fan_out = Some(fan_out);
        } else {
            state.upstream = Some(upstream);
        }
    }

    /// Reads what no reader wanted, and counts it for the readers that stopped early. Called once all sinks have ended,
    /// for the nodes nearest to the sinks first.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn finish(&self) -> Result<()> {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if self.lock().reading == 0 {
                break;
            }
            released.await;
        }
        let (fan_out, upstream) = {
            let mut state = self.lock();
            (state.fan_out.clone(), state.upstream.take())
        };
        if let Some(fan_out) = fan_out {
            fan_out.drain().await?;
        }
        if let Some(mut upstream) = upstream {
            while let Some(batch) = upstream.next().await {
                self.counters.out.add(batch?.num_rows() as u64);
            }
        }
        self.counters.end();
        let total = self.counters.out.get();
        for reader in &mut self.lock().edges {
            if !reader.ended {
                reader.ended = true;
                reader.counter.rows.add(total.saturating_sub(reader.counter.rows.get()));
            }
        }
        Ok(())
    }

    /// The counters of all readers.
    #[must_use]
    pub fn edges(&self) -> Vec<Arc<EdgeCounter>> {
        self.lock().edges.iter().map(|reader| Arc::clone(&reader.counter)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to read a node's output once, from its first row.
#[derive(Debug)]
pub struct Reader {
    output: Arc<NodeOutput>,
    index: usize,
    counter: Arc<EdgeCounter>,
}

impl Reader {
    /// The schema of the rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.output.schema()
    }

    /// About how much it is.
    #[must_use]
    pub fn size(&self) -> Size {
        self.output.size
    }

    /// The node that is read.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.output.name
    }

    /// Starts reading.
    ///
    /// # Errors
    /// When the output was not connected: a mistake of the engine.
    pub fn stream(self) -> Result<SendableRecordBatchStream> {
        let mut state = self.output.lock();
        let inner = if let Some(fan_out) = &state.fan_out {
            fan_out.reader(self.index)
        } else {
            state
                .upstream
                .take()
                .ok_or_else(|| DataFusionError::Internal(format!("node `{}` was read twice", self.output.name)))?
        };
        let shared = state.fan_out.is_some();
        state.reading += 1;
        drop(state);
        Ok(Box::pin(CountedStream { reader: self, inner: Some(inner), shared }))
    }
}

/// Counts what a reader takes in; hands an unfinished stream back when it is dropped.
struct CountedStream {
    reader: Reader,
    inner: Option<SendableRecordBatchStream>,
    shared: bool,
}

impl Stream for CountedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let polled = inner.poll_next_unpin(context);
        match &polled {
            Poll::Ready(Some(Ok(batch))) => {
                let rows = batch.num_rows() as u64;
                this.reader.counter.rows.add(rows);
                if !this.shared {
                    this.reader.output.counters.out.add(rows);
                }
            }
            Poll::Ready(Some(Err(_))) => this.inner = None,
            Poll::Ready(None) => {
                this.inner = None;
                let output = &this.reader.output;
                output.lock().edges[this.reader.index].ended = true;
                output.counters.end();
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl RecordBatchStream for CountedStream {
    fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        let output = &self.reader.output;
        {
            let mut state = output.lock();
            state.reading -= 1;
            if let Some(inner) = self.inner.take()
                && !self.shared
            {
                state.upstream = Some(inner);
            }
        }
        output.released.notify_waiters();
    }
}
