//! What the program tells of itself while it works: log lines as JSON, and traces over OTLP.
//!
//! ```text
//! tracing spans ─► Spans (a layer) ─► Traces ─► export: batches ─► POST …/v1/traces
//! spans with times of their own ────────┘
//! tracing events ─► Lines (a format) ─► one JSON object a line
//! ```
//! It knows nothing of Pipelines: who runs them says whose spans these are.

mod destination;
mod export;
mod ids;
mod lines;
pub mod otlp;
mod span;
mod spans;

pub use destination::{Destination, DestinationError};
pub use export::{Export, Service, Told, Traces, traces};
pub use ids::{SpanId, TraceId};
pub use lines::{Lines, Said};
pub use span::{Attributes, Span, Value};
pub use spans::Spans;
