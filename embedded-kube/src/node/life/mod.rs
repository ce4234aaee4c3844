//! The life of a Pod's containers: what has become of each, what happens next, and what the Pod's status says of it.
//! Pure: time is given.

pub(crate) mod adopt;
pub(crate) mod container;
pub(crate) mod next;
pub(crate) mod phase;
pub(crate) mod status;

pub(crate) use container::{Container, Ended, State};

/// Every container of a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// The containers that run before the others, in their order, and then these.
    pub(crate) containers: Vec<Container>,
    /// Nothing is started any more.
    pub(crate) halted: bool,
    /// Why the Pod failed apart from its containers: a reason and a message.
    pub(crate) failed: Option<(String, String)>,
    /// What the API server says that has become of the Pod: `Succeeded` or `Failed`, which is for good.
    pub(crate) settled: Option<&'static str>,
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::*;

    /// A moment, in seconds.
    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A Pod with a first, a helping, and two main containers.
    pub(crate) fn pod(policy: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 2},
            "spec": {
                "restartPolicy": policy,
                "initContainers": [{"name": "first", "image": "i"}, {"name": "help", "image": "i", "restartPolicy": "Always"}],
                "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}],
            },
        }))
        .unwrap()
    }

    pub(crate) fn life(policy: &str) -> Life {
        Life::of(&pod(policy), at(0))
    }

    /// An end with that code.
    pub(crate) fn ended(code: i32, second: i64) -> Ended {
        let reason = if code == 0 { "Completed" } else { "Error" };
        Ended {
            code,
            signal: None,
            reason: reason.to_owned(),
            message: None,
            started: Some(at(second - 1)),
            finished: at(second),
            id: None,
        }
    }
}
