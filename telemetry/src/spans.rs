//! Spans of the program's code, as it runs, for a trace: a layer of `tracing`.

use std::borrow::Cow;
use std::fmt::Debug;
use std::time::{Instant, SystemTime};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes as Fields, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::span::{Attributes, Span, Value};
use super::{SpanId, Traces};

/// Tells a trace of the spans that have this target, when they end. What has no parent among them is a part of what the
/// process is a part of.
#[derive(Clone, Debug)]
pub struct Spans {
    target: &'static str,
    traces: Traces,
    /// One moment by both clocks: that of the day may be set while spans go on, and what came first is to stay first.
    start: (SystemTime, Instant),
}

/// A span that goes on.
struct Open {
    id: SpanId,
    parent: Option<SpanId>,
    begun: SystemTime,
    attributes: Attributes,
}

impl Spans {
    /// The layer. It wants to be filtered by [`Spans::takes`].
    #[must_use]
    pub fn new(target: &'static str, traces: Traces) -> Self {
        Self { target, traces, start: (SystemTime::now(), Instant::now()) }
    }

    fn now(&self) -> SystemTime {
        let (start, since) = self.start;
        start + since.elapsed()
    }

    /// Whether the trace has it.
    #[must_use]
    pub fn takes(target: &str, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() == target
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, fields: &Fields<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| Self::takes(self.target, span.metadata())) else { return };
        let above = span.scope().skip(1).find_map(|above| above.extensions().get::<Open>().map(|open| open.id));
        let mut attributes = Attributes::new();
        fields.record(&mut Noted(&mut attributes));
        let parent = above.or_else(|| self.traces.parent());
        span.extensions_mut().replace(Open { id: SpanId::fresh(), parent, begun: self.now(), attributes });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut Noted(&mut open.attributes));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Open { id, parent, begun, attributes }) = span.extensions_mut().remove::<Open>() else { return };
        let ended = self.now();
        self.traces.tell(Span { trace: None, id, parent, name: span.name().into(), begun, ended, attributes });
    }
}

/// Fields as attributes; the last value of a name stands.
struct Noted<'a>(&'a mut Attributes);

impl Noted<'_> {
    fn note(&mut self, field: &Field, value: Value) {
        match self.0.iter_mut().find(|(name, _)| name == field.name()) {
            Some((_, noted)) => *noted = value,
            None => self.0.push((Cow::Borrowed(field.name()), value)),
        }
    }
}

impl Visit for Noted<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.note(field, Value::Real(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, Value::Number(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, Value::Flag(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.note(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Instrument, info_span, trace_span};
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::export::tests::told;
    use crate::{TraceId, traces};

    const TARGET: &str = "test::trace";

    #[tokio::test]
    async fn spans_are_told_when_they_end_with_what_was_noted_of_them() {
        let (traces, told_of) = traces();
        traces.belongs(TraceId::of_run("u"), Some(SpanId::of_attempt("u", 1)));
        let layer = Spans::new(TARGET, traces).with_filter(filter_fn(|metadata| Spans::takes(TARGET, metadata)));
        let subscriber = tracing_subscriber::registry().with(layer);
        let guard = tracing::subscriber::set_default(subscriber);
        let outer = info_span!(target: TARGET, "run", aggregator.rows.read = tracing::field::Empty, dry = true);
        async {
            // Of another target: no part of the trace, and nothing in between.
            async {
                let inner = info_span!(target: TARGET, "write sink", aggregator.sink = "kept");
                async {
                    tracing::Span::current().record("aggregator.sink", "other");
                }
                .instrument(inner)
                .await;
            }
            .instrument(trace_span!("of somebody else"))
            .await;
        }
        .instrument(outer.clone())
        .await;
        outer.record("aggregator.rows.read", 7_u64);
        drop(outer);
        drop(guard);
        let spans = told(told_of);
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_ref()).collect();
        assert_eq!(names, ["write sink", "run"]);
        let (inner, outer) = (&spans[0], &spans[1]);
        assert_eq!(inner.parent, Some(outer.id));
        assert_eq!(outer.parent, Some(SpanId::of_attempt("u", 1)));
        let noted: Attributes = vec![("aggregator.sink".into(), "other".into())];
        assert_eq!(inner.attributes, noted);
        let noted: Attributes =
            vec![("dry".into(), Value::Flag(true)), ("aggregator.rows.read".into(), Value::Number(7))];
        assert_eq!(outer.attributes, noted);
        assert!(outer.begun <= inner.begun && inner.ended <= outer.ended, "{spans:?}");
    }
}
