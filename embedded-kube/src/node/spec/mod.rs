//! What a Pod asks for, worked out from its object and from the objects it names: pure.

pub(crate) mod downward;
pub(crate) mod environment;
pub(crate) mod expand;
pub(crate) mod ignored;
pub(crate) mod mounts;
pub(crate) mod program;
pub(crate) mod quantity;
pub(crate) mod references;
pub(crate) mod volume;

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;

use super::options::Capacity;

/// Why a container cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// Something is not there, and may come.
    #[error("{0}")]
    Missing(String),
    /// This node never does it.
    #[error("{0}")]
    Never(String),
}

/// A Pod and what its node says about it: where the downward API looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) address: IpAddr,
    pub(crate) capacity: &'a Capacity,
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Value;

    use super::*;

    /// A Pod of that JSON text.
    pub(crate) fn pod(value: Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    pub(crate) fn capacity() -> Capacity {
        Capacity { cpus: 4, memory: 8 << 30, storage: 1 << 40, pods: 10 }
    }

    pub(crate) const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
}
