//! The commands, one file each.

pub(crate) mod codegen;
pub(crate) mod completions;
pub(crate) mod connectors;
pub(crate) mod functions;
pub(crate) mod lint;
pub(crate) mod objects;
pub(crate) mod operator;
pub(crate) mod plan;
pub(crate) mod preview;
pub(crate) mod run;
pub(crate) mod test;
pub(crate) mod up;
pub(crate) mod worker;
