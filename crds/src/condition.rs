//! The condition of an object, as `metav1.Condition` has it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that holds of an object, or does not: `metav1.Condition`, whose `lastTransitionTime` may be missing in text
/// written by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is spoken of, as `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub condition_type: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word of a closed set.
    #[schemars(regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"), length(min = 1, max = 1024))]
    pub reason: String,
    /// Why, for people.
    #[serde(default)]
    #[schemars(length(max = 32768))]
    pub message: String,
    /// The generation of the spec this condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<jiff::Timestamp>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

/// What a condition speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionType {
    /// A run has ended well.
    Succeeded,
    /// The object can be used.
    Ready,
    /// It compiles, whatever else is there.
    Valid,
    /// A Pipeline's Connectors are there.
    ConnectorsReady,
    /// A Pipeline's last run ended well.
    Healthy,
    /// What a Pipeline has committed is as recent as its Schedules want.
    CheckpointFresh,
    /// A Schedule starts nothing.
    Suspended,
    /// The past that a Schedule was asked for has been read.
    Backfilled,
    /// A Connector's fields can be understood.
    ConfigValid,
    /// The keys of its Secret are there.
    CredentialsResolved,
    /// Its system answers.
    Reachable,
    /// Its streams were found.
    Discovered,
    /// A Transformation's tests have passed.
    TestsPassed,
    /// The operator works on it. Said only while it is so, as kstatus has it.
    Reconciling,
    /// It waits for an edit. Said only while it is so, as kstatus has it.
    Stalled,
}

/// A condition of a kind, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The kind.
    pub kind: &'static str,
    /// The condition.
    pub condition: ConditionType,
    /// What holds when it is True.
    pub holds: &'static str,
    /// What its being False, or Unknown, means for whoever looks.
    pub otherwise: &'static str,
}

impl ConditionType {
    /// All conditions of all kinds, in the order of the documentation, which is written from it.
    pub const MEANINGS: &'static [Meaning] = &[
        Meaning {
            kind: "PipelineRun",
            condition: Self::Succeeded,
            holds: "the run has ended well: everything is committed, and every row is accounted for",
            otherwise: "Unknown: it goes on, or waits; False: it has ended, and nothing more comes of it",
        },
        Meaning {
            kind: "PipelineRun",
            condition: Self::Reconciling,
            holds: "the run goes on, or waits, as `Succeeded` says",
            otherwise: "absent: it has ended, well or not",
        },
        Meaning {
            kind: "Pipeline",
            condition: Self::Ready,
            holds: "it compiles, everything that it names is there, and it is no draft",
            otherwise: "it cannot be run now, or, for the reason `SchemaMismatch`, will hardly succeed",
        },
        Meaning {
            kind: "Pipeline",
            condition: Self::Valid,
            holds: "no mistake was found in its own spec",
            otherwise: "nothing but an edit helps; runs take its newest version that was valid",
        },
        Meaning {
            kind: "Pipeline",
            condition: Self::ConnectorsReady,
            holds: "all Connectors that it names are there, and none of them is known to fail",
            otherwise: "the message names the first one and what is wrong with it",
        },
        Meaning {
            kind: "Pipeline",
            condition: Self::Healthy,
            holds: "its last run that has ended ended well; absent before there is one",
            otherwise: "the message names the run and has its message",
        },
        Meaning {
            kind: "Pipeline",
            condition: Self::CheckpointFresh,
            holds: "its Checkpoint is as recent as its Schedules want; absent while it is a draft, and without an incremental source, a commit, or a Schedule with a clock",
            otherwise: "two fires of the Schedule that the message names have not brought it on, and ten minutes are over",
        },
        Meaning {
            kind: "Pipeline",
            condition: Self::Stalled,
            holds: "it waits for an edit: nothing else mends what `Ready` says",
            otherwise: "absent: it is ready, a draft, or may come right by itself",
        },
        Meaning {
            kind: "Schedule",
            condition: Self::Ready,
            holds: "it starts runs in their time, or is suspended",
            otherwise: "nothing is started until what the message says is mended",
        },
        Meaning {
            kind: "Schedule",
            condition: Self::Suspended,
            holds: "`spec.suspend` is true: nothing is started",
            otherwise: "False is the usual state",
        },
        Meaning {
            kind: "Schedule",
            condition: Self::Backfilled,
            holds: "every interval of `spec.backfill` has been read; absent without one",
            otherwise: "Unknown: it goes on, and the message says how far; False: some could not be read",
        },
        Meaning {
            kind: "Schedule",
            condition: Self::Stalled,
            holds: "it waits for an edit: nothing else mends what `Ready` says",
            otherwise: "absent: it is ready, or waits for something that is not there",
        },
        Meaning {
            kind: "Connector",
            condition: Self::Ready,
            holds: "it can be used; the message is what the system says of itself",
            otherwise: "the first condition below that is False says why, or the check could not be made",
        },
        Meaning {
            kind: "Connector",
            condition: Self::ConfigValid,
            holds: "its fields can be understood",
            otherwise: "mend the spec",
        },
        Meaning {
            kind: "Connector",
            condition: Self::CredentialsResolved,
            holds: "the keys of the Secret that it names are there",
            otherwise: "mend the Secret that the message names",
        },
        Meaning {
            kind: "Connector",
            condition: Self::Reachable,
            holds: "the system answers, and takes the credentials",
            otherwise: "the message says what to do",
        },
        Meaning {
            kind: "Connector",
            condition: Self::Discovered,
            holds: "its streams were found: `status.streams` counts them and names up to 50",
            otherwise: "it can be used all the same; Pipelines are compiled without its columns",
        },
        Meaning {
            kind: "Connector",
            condition: Self::Reconciling,
            holds: "it is about to be checked, and nothing is known of this version yet",
            otherwise: "absent: it was checked, or cannot be",
        },
        Meaning {
            kind: "Connector",
            condition: Self::Stalled,
            holds: "it waits for an edit: nothing else mends what `Ready` says",
            otherwise: "absent: it is ready, or its system may answer yet",
        },
        Meaning {
            kind: "Transformation",
            condition: Self::Ready,
            holds: "neither `Valid` nor `TestsPassed` is False",
            otherwise: "the one that is says why",
        },
        Meaning {
            kind: "Transformation",
            condition: Self::Valid,
            holds: "no mistake was found in it",
            otherwise: "mend it: Pipelines that use it do not compile",
        },
        Meaning {
            kind: "Transformation",
            condition: Self::TestsPassed,
            holds: "all of its tests have passed, or it has none",
            otherwise: "False: the message has the first difference; Unknown: they run, or could not be run, which is tried again after a minute",
        },
        Meaning {
            kind: "Transformation",
            condition: Self::Reconciling,
            holds: "`TestsPassed` is Unknown: its tests run, or are tried again",
            otherwise: "absent: it is known whether they pass",
        },
        Meaning {
            kind: "Transformation",
            condition: Self::Stalled,
            holds: "it waits for an edit: nothing else mends what `Ready` says",
            otherwise: "absent: it is ready",
        },
    ];

    /// The word, as `status.conditions[].type` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Ready => "Ready",
            Self::Valid => "Valid",
            Self::ConnectorsReady => "ConnectorsReady",
            Self::Healthy => "Healthy",
            Self::CheckpointFresh => "CheckpointFresh",
            Self::Suspended => "Suspended",
            Self::Backfilled => "Backfilled",
            Self::ConfigValid => "ConfigValid",
            Self::CredentialsResolved => "CredentialsResolved",
            Self::Reachable => "Reachable",
            Self::Discovered => "Discovered",
            Self::TestsPassed => "TestsPassed",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}
