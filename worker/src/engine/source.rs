//! A source's events as a stream of batches: rejects leave for their lane, the source's own counts are noted.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::counters::NodeCounters;
use crate::connector::{ConnectorError, Cut, ErrorKind, EventStream, Position, SourceEvent};
use crate::cursor::CursorTracker;
use crate::pace::Pace;
use crate::rejects::RejectLane;

/// What a source left behind when it had been read.
#[derive(Clone, Debug, Default)]
pub struct SourceOutcome(Arc<Mutex<Left>>);

#[derive(Debug, Default)]
struct Left {
    position: Option<Position>,
    note: Option<String>,
    cut: Option<Box<Cut>>,
}

impl SourceOutcome {
    /// Where the next run goes on.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).position.clone()
    }

    /// What the connector says, as `3 files, 1 already read`.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note.clone()
    }

    /// The split that was read in part, and the rest of it.
    #[must_use]
    pub fn cut(&self) -> Option<Box<Cut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cut.clone()
    }

    /// Notes what is known at the end.
    pub fn set(&self, position: Option<Position>, note: Option<String>, cut: Option<Box<Cut>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Left { position, note, cut };
    }
}

struct Reading {
    events: EventStream,
    counters: Arc<NodeCounters>,
    lane: RejectLane,
    tracker: Option<CursorTracker>,
    pace: Option<Pace>,
    outcome: SourceOutcome,
}

/// The stream of a source node. With a tracker, rows outside the cursor's window and rows already seen are dropped
/// and counted. With a pace, rows come no faster than it allows.
#[must_use]
pub fn source_stream(
    schema: SchemaRef,
    events: EventStream,
    counters: Arc<NodeCounters>,
    lane: RejectLane,
    tracker: Option<CursorTracker>,
    pace: Option<Pace>,
    outcome: SourceOutcome,
) -> SendableRecordBatchStream {
    let reading = Reading { events, counters, lane, tracker, pace, outcome };
    let stream = futures::stream::try_unfold(reading, |mut reading| async move {
        match reading.next().await {
            Ok(Some(batch)) => Ok(Some((batch, reading))),
            Ok(None) => Ok(None),
            Err(error) => Err(DataFusionError::External(Box::new(error))),
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

impl Reading {
    async fn next(&mut self) -> Result<Option<arrow::array::RecordBatch>, ConnectorError> {
        loop {
            match self.events.next().await {
                Some(Ok(SourceEvent::Batch(batch))) => {
                    if let Some(pace) = &self.pace {
                        pace.pass(batch.num_rows()).await;
                    }
                    let batch = match &mut self.tracker {
                        None => batch,
                        Some(tracker) => {
                            let tracked = tracker.track(&batch)?;
                            self.counters.filtered.add(tracked.outside);
                            self.counters.deduplicated.add(tracked.seen);
                            self.lane.send(&self.counters, tracked.rejects).await?;
                            tracked.batch
                        }
                    };
                    if batch.num_rows() > 0 {
                        return Ok(Some(batch));
                    }
                }
                Some(Ok(SourceEvent::Rejects(rejects))) => self.lane.send(&self.counters, rejects).await?,
                Some(Ok(SourceEvent::End(end))) => {
                    self.counters.read.add(end.read);
                    self.counters.bytes.add(end.bytes);
                    let position = match self.tracker.take() {
                        Some(tracker) => tracker.position(),
                        None => end.position,
                    };
                    self.outcome.set(position, end.note, end.cut);
                    return Ok(None);
                }
                Some(Err(error)) => return Err(error),
                None => {
                    return Err(ConnectorError::new(
                        ErrorKind::Bug,
                        format!("read source `{}`", self.counters.name),
                        "the stream stopped without saying that it had ended",
                    ));
                }
            }
        }
    }
}
