//! The spans of a run, for a trace: what was done, to which source or sink, with how many rows.
//!
//! They cost next to nothing where no trace is wanted. Names and attributes are in docs/operations/telemetry.md.

use std::task::Poll;

use futures::{StreamExt, stream};
use tracing::{Instrument, Span};

use super::error::RunError;
use super::report::RunReport;
use crate::connector::{EventStream, SourceEvent};
use crate::ledger::{Entry, EntryKind};

/// The target of the spans that belong to a trace.
pub const TRACE: &str = "aggregator::trace";

/// Does something in this span, and notes when it does not end well.
pub(super) async fn within<T>(span: Span, what: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    let result = what.instrument(span.clone()).await;
    if let Err(error) = &result {
        failed(&span, error);
    }
    result
}

/// The events of a source that is read in this span: it ends with the last of them, and has their figures. Who asks for rows
/// may be in the span of a sink; what is done for it is about the source all the same.
pub(super) fn events(span: Span, node: &str, mut events: EventStream) -> EventStream {
    let node = node.to_owned();
    let mut open = Some(span);
    let told = stream::poll_fn(move |context| {
        let within = open.as_ref().map(Span::enter);
        let event = events.poll_next_unpin(context);
        drop(within);
        match &event {
            Poll::Pending | Poll::Ready(Some(Ok(SourceEvent::Batch(_) | SourceEvent::Rejects(_)))) => {}
            Poll::Ready(Some(Ok(SourceEvent::End(end)))) => {
                if let Some(span) = open.take() {
                    span.record("aggregator.rows.read", end.read).record("aggregator.bytes.read", end.bytes);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(span) = open.take() {
                    let node = Some(node.as_str().into());
                    failed(&span, &RunError::Connector { node, error: error.clone() });
                }
            }
            Poll::Ready(None) => drop(open.take()),
        }
        event
    });
    told.boxed()
}

/// Notes that what was done in this span did not end well.
pub(super) fn failed(span: &Span, error: &RunError) {
    span.record("error.type", error.reason());
}

impl RunReport {
    /// Notes in a span how the run ended, and what it moved. The span has to have been made with these fields.
    pub fn record(&self, span: &Span) {
        let sum = |kind: EntryKind, figure: fn(&Entry) -> u64| -> u64 {
            self.nodes.iter().filter(|node| node.entry.kind == kind).map(|node| figure(&node.entry)).sum()
        };
        span.record("aggregator.outcome", tracing::field::debug(self.outcome));
        if let Some(error) = &self.error {
            span.record("error.type", error.reason);
        }
        for (field, figure) in [
            ("aggregator.rows.read", sum(EntryKind::Source, |entry| entry.read)),
            ("aggregator.rows.written", sum(EntryKind::Sink, |entry| entry.written)),
            ("aggregator.rows.rejected", self.rejects.total),
            ("aggregator.bytes.read", self.cost.bytes_read),
            ("aggregator.bytes.written", self.cost.bytes_written),
        ] {
            span.record(field, figure);
        }
    }
}
