//! What containers put out: kept in files up to a size, and read by whoever asks.

mod index;
mod logs;
mod read;
mod record;
mod words;
mod write;

pub use index::NoLog;
pub use logs::Logs;

pub(crate) use index::{Asked, CREATING, Index};
pub(crate) use read::{Query, read, tail};
pub(crate) use words::{Mistake, Words};
pub(crate) use write::{Log, Progress, Stream};

/// The name of a log's part, of which only the newest are kept.
fn part(number: u64) -> String {
    format!("{number:08}.log")
}
