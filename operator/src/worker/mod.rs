//! The Pods in which workers run: what they may do and use, what they mount, and what they say.

mod mounts;
mod pod;
mod state;

pub use mounts::{Mounts, NoVolume};
pub use pod::{INDEX, MANIFESTS, SECRETS, Worker, arguments};
pub use state::{Death, death, has_ended, index, message, running, waiting};
