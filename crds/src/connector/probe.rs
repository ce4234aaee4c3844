//! How a check of a Connector ended: the worker's last words, from which its status is made.

use serde::{Deserialize, Serialize};

use super::StreamSummary;
use crate::condition::ConditionType;

/// The key of a catalogue's ConfigMap that holds it, as JSON.
pub const CATALOGUE: &str = "catalogue.json";

/// The steps of a check, each behind the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProbeStep {
    /// The fields can be understood.
    Config,
    /// The keys of the Secret that they name are there.
    Credentials,
    /// The system answers, and takes the credentials.
    Reach,
    /// The streams and their columns were found.
    Discover,
}

impl ProbeStep {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Config, Self::Credentials, Self::Reach, Self::Discover];

    /// The condition that tells of it.
    #[must_use]
    pub fn condition(self) -> ConditionType {
        match self {
            Self::Config => ConditionType::ConfigValid,
            Self::Credentials => ConditionType::CredentialsResolved,
            Self::Reach => ConditionType::Reachable,
            Self::Discover => ConditionType::Discovered,
        }
    }
}

/// How a check of a Connector ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeOutcome {
    /// What did not hold; without it, all steps did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ProbeFailure>,
    /// What the system says of itself, when it was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// How long it took to answer, as `3ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// The streams that were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamSummary>,
}

/// The step that did not hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeFailure {
    /// Which one.
    pub step: ProbeStep,
    /// Why, in a word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
