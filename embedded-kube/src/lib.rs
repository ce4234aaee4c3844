//! A Kubernetes cluster inside one program: the API on SQLite, the controllers that our programs need, and a node runner, which
//! is to any API server what a kubelet is, and runs the containers of Pods as processes of this machine.
//!
//! It knows no kind of object but Kubernetes' own.

pub mod api;
mod chain;
pub mod cluster;
mod listen;
pub mod node;
pub mod supervisor;

pub use chain::chain;
