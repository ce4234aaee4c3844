//! What rules cost, in the units of the API server: estimated for a definition, and counted for an object
//! (<https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints>).
//!
//! ```text
//! schema ─► bounds ─┐
//! rule ─────────────┴─► estimate ─► the definition is taken, or refused
//!   └──► metered ─► interpreter ─► meter ─► the evaluation goes on, or ends
//! ```

mod bounds;
mod call;
mod estimate;
mod matching;
mod meter;
mod metered;
mod price;

pub(crate) use bounds::Bounds;
pub(crate) use estimate::estimate;
pub(crate) use meter::Meter;
pub(crate) use metered::metered;

/// The most that one evaluation may cost.
const PER_EVALUATION: u64 = 1_000_000;
/// The most that all evaluations for one object may cost.
pub(crate) const PER_OBJECT: u64 = 10_000_000;
/// The most that a rule may cost by its estimate.
pub(crate) const PER_RULE: u64 = 10_000_000;
/// The most that all rules of a definition may cost by their estimates.
pub(crate) const PER_DEFINITION: u64 = 100_000_000;

/// What looking at a letter of a text costs.
const LETTER: f64 = 0.1;
/// What a letter of a regular expression multiplies that with.
const PATTERN: f64 = 0.25;
const NEW_LIST: u64 = 10;
const NEW_MAP: u64 = 30;
const NEW_MESSAGE: u64 = 40;

/// A number of things, as costs are counted.
fn amount(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// So many units for each of them, rounded up.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn scaled(of: u64, by: f64) -> u64 {
    (of as f64 * by).ceil() as u64
}
