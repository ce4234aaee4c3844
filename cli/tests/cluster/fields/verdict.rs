//! Whether what was said of an object is true.

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation, Validate};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api::Said;
use super::schema::Place;

/// Reasons that tell of another object, which the message names, or of something that was asked for.
const OF_OTHERS: [&str; 7] = [
    "Cancelled",
    "PipelineMissing",
    "ConnectorMissing",
    "TransformationMissing",
    "RevisionMissing",
    "PipelineIsDraft",
    "NotSupportedYet",
];
/// Reasons of what is not known yet: nothing is wrong with the object itself.
const NOT_YET: [&str; 6] = ["Checking", "Testing", "PodStarting", "WaitingForRun", "WaitingForRevision", "NotChecked"];

/// What is wrong with an object by itself; an error when it cannot even be read.
pub(super) fn violations(kind: &str, object: &Value) -> Result<Vec<String>, String> {
    fn read<K: DeserializeOwned + Validate>(object: &Value) -> Result<Vec<String>, String> {
        let object: K = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
        Ok(object.validate().iter().map(ToString::to_string).collect())
    }
    match kind {
        "Connector" => read::<Connector>(object),
        "Pipeline" => read::<Pipeline>(object),
        "Transformation" => read::<Transformation>(object),
        "Schedule" => read::<Schedule>(object),
        "PipelineRun" => read::<PipelineRun>(object),
        "Checkpoint" => read::<Checkpoint>(object),
        other => unreachable!("{other} is no kind of ours"),
    }
}

/// Whether a text tells of a field, or of the one around it.
pub(super) fn names(text: &str, place: &Place) -> bool {
    place.names().any(|name| text.contains(name))
}

/// What is untrue of what was said; None when it is true.
pub(super) fn untrue(said: &Said, place: &Place, wrong: &[String]) -> Option<String> {
    let Said { status, reason, message } = said;
    match status.as_str() {
        "True" if wrong.is_empty() => None,
        "True" => Some(format!("it is said to be well, and {wrong:?}")),
        "Unknown" if wrong.is_empty() && NOT_YET.contains(&reason.as_str()) => None,
        "False" if message.is_empty() => Some("no message".to_owned()),
        "False" if names(message, place) || OF_OTHERS.contains(&reason.as_str()) => None,
        // Something else may name what was taken away.
        "False" if message.contains("there is no ") => None,
        // What is wrong may be wrong elsewhere, as where something is named that is not there any more.
        "False" if !wrong.is_empty() && wrong.iter().any(|it| message == it) => None,
        _ => Some(format!("the message does not name the field: {said:?}")),
    }
}
