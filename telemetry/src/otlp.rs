//! The messages of OTLP's traces: `opentelemetry/proto/collector/trace/v1/trace_service.proto` and what it takes from
//! `trace/v1`, `common/v1` and `resource/v1`, as far as anything is sent of it. Fields and numbers are those of the protocol.

use std::time::{SystemTime, UNIX_EPOCH};

use super::span::{Attributes, Span, Value};
use super::{Service, TraceId};

/// What is sent.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExportTraceServiceRequest {
    /// Spans, by who tells them.
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

/// What is answered.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExportTraceServiceResponse {}

/// The spans of one process.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ResourceSpans {
    /// The process.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// Its spans.
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
}

/// A process.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    /// What it is.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// The spans of one library.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScopeSpans {
    /// The library.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    /// Its spans.
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<WireSpan>,
}

/// A library.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InstrumentationScope {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// A span.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WireSpan {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// 8 bytes; empty for the first of a trace.
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    /// What was done.
    #[prost(string, tag = "5")]
    pub name: String,
    /// Always [`INTERNAL`].
    #[prost(int32, tag = "6")]
    pub kind: i32,
    /// Nanoseconds since 1970.
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    /// Nanoseconds since 1970.
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    /// What it was about.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// How it ended.
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
}

/// How a span ended.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Status {
    /// [`ERROR`], or 0: nothing is said.
    #[prost(int32, tag = "3")]
    pub code: i32,
}

/// An attribute.
#[derive(Clone, PartialEq, prost::Message)]
pub struct KeyValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// The value of an attribute.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AnyValue {
    /// The value.
    #[prost(oneof = "Content", tags = "1, 2, 3, 4")]
    pub value: Option<Content>,
}

/// What a value is.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Content {
    /// Text.
    #[prost(string, tag = "1")]
    Text(String),
    /// Whether something holds.
    #[prost(bool, tag = "2")]
    Flag(bool),
    /// A whole number.
    #[prost(int64, tag = "3")]
    Number(i64),
    /// A number with a fraction.
    #[prost(double, tag = "4")]
    Real(f64),
}

/// `SPAN_KIND_INTERNAL`: nobody called, and nobody was called by way of a protocol that a trace knows.
pub const INTERNAL: i32 = 1;
/// `STATUS_CODE_ERROR`
pub const ERROR: i32 = 2;

/// Spans as they are sent; those without a trace are of this one.
#[must_use]
pub fn request(service: &Service, own: TraceId, spans: &[Span]) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope { name: "aggregator".into(), version: service.version.into() };
    let spans = spans.iter().map(|span| wire(own, span)).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: attributes(&service.attributes()) }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    }
}

fn wire(own: TraceId, span: &Span) -> WireSpan {
    WireSpan {
        trace_id: span.trace.unwrap_or(own).bytes(),
        span_id: span.id.bytes(),
        parent_span_id: span.parent.map(super::SpanId::bytes).unwrap_or_default(),
        name: span.name.to_string(),
        kind: INTERNAL,
        start_time_unix_nano: nanos(span.begun),
        end_time_unix_nano: nanos(span.ended.max(span.begun)),
        attributes: attributes(&span.attributes),
        status: span.failed().then_some(Status { code: ERROR }),
    }
}

fn attributes(all: &Attributes) -> Vec<KeyValue> {
    let value = |value: &Value| match value {
        Value::Text(text) => Content::Text(text.clone()),
        Value::Number(number) => Content::Number(*number),
        Value::Real(number) => Content::Real(*number),
        Value::Flag(flag) => Content::Flag(*flag),
    };
    let each = all.iter();
    each.map(|(key, it)| KeyValue { key: key.to_string(), value: Some(AnyValue { value: Some(value(it)) }) }).collect()
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prost::Message;

    use super::*;
    use crate::SpanId;

    /// The bytes are those that the protocol's own description gives for the same spans, by another encoder.
    #[test]
    fn spans_are_encoded_as_the_protocol_says() {
        let service =
            Service { name: "aggregator-worker".into(), version: "1.2.3", more: vec![("zone".into(), "a".into())] };
        let at = |nanos: u64| UNIX_EPOCH + Duration::from_nanos(nanos);
        let attempt = Span {
            trace: None,
            id: SpanId::of_attempt("u", 1),
            parent: Some(SpanId::of_run("u")),
            name: "attempt".into(),
            begun: at(1_700_000_000_000_000_001),
            ended: at(1_700_000_000_500_000_002),
            attributes: vec![
                ("aggregator.run".into(), "ü-1".into()),
                ("aggregator.rows.read".into(), 300_u64.into()),
                ("below".into(), Value::Number(-1)),
                ("share".into(), Value::Real(0.5)),
                ("resumed".into(), Value::Flag(true)),
                ("nothing".into(), 0_u64.into()),
                (Span::ERROR.into(), "Refused".into()),
            ],
        };
        let own = TraceId::of_run("0b8f3a52-6c1d-4e7f-9a20-5d1c8e4b7f63");
        let fire = Span {
            trace: Some(own),
            id: SpanId::of_fire("u"),
            parent: None,
            name: "fire".into(),
            begun: at(1_700_000_000_000_000_000),
            // Before its begin: the clocks differ.
            ended: at(1_699_999_999_000_000_000),
            attributes: Vec::new(),
        };
        let bytes = request(&service, own, &[attempt, fire]).encode_to_vec();
        let encoded: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = [
            "0a82030a4e0a230a0c736572766963652e6e616d6512130a1161676772656761746f722d776f726b65720a1a0a0f73657276",
            "6963652e76657273696f6e12070a05312e322e330a0b0a047a6f6e6512030a016112af020a130a0a61676772656761746f72",
            "1205312e322e3312df010a100b8f3a526c1d4e7f9a205d1c8e4b7f6312089c7c6317cd3ecb592208ae513ebe6bf9067c2a07",
            "617474656d707430013901002a36fe9c9717410265f753fe9c97174a180a0e61676772656761746f722e72756e12060a04c3",
            "bc2d314a1b0a1461676772656761746f722e726f77732e72656164120318ac024a140a0562656c6f77120b18ffffffffffff",
            "ffffff014a120a057368617265120921000000000000e03f4a0d0a07726573756d6564120210014a0d0a076e6f7468696e67",
            "120218004a170a0a6572726f722e7479706512090a07526566757365647a02180212360a100b8f3a526c1d4e7f9a205d1c8e",
            "4b7f631208af9a599671c95b172a046669726530013900002a36fe9c97174100002a36fe9c9717",
        ];
        assert_eq!(encoded, expected.concat());
        let read = ExportTraceServiceRequest::decode(bytes.as_slice()).expect("our own");
        assert_eq!(read.resource_spans[0].scope_spans[0].spans.len(), 2);
    }
}
