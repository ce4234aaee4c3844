//! The commands for objects of a server: one that `aggregator up` has started, or a cluster.

mod age;
pub(crate) mod apply;
mod conflict;
mod connection;
pub(crate) mod delete;
pub(crate) mod describe;
mod documents;
mod ending;
pub(crate) mod export;
mod exported;
pub(crate) mod get;
mod gone;
mod kind;
mod ledger;
mod list;
pub(crate) mod logs;
pub(crate) mod mask;
pub(crate) mod order;
mod patience;
pub(crate) mod start;
mod table;
mod trouble;
mod watch;
mod words;
mod yaml;
