//! Parts of a cluster that run inside one program. So far: a node runner, which is to a real API server what a kubelet
//! is, and runs the containers of Pods as processes of this machine.
//!
//! It knows no kind of object but Kubernetes' own.

#[cfg(feature = "api")]
pub mod api;
mod chain;
pub mod node;
pub mod supervisor;

pub use chain::chain;
