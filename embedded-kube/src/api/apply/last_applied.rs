//! `kubectl apply` without `--server-side` keeps what it applied in an annotation. Whoever goes over to the server's way finds
//! no conflicts with their former self, and may go back.

use serde_json::{Map, Value};

use crate::api::Kind;

use super::compare::compared;
use super::element::escaped;
use super::owned::fields;
use super::set::FieldSet;
use super::typed::Type;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Who does so.
pub(super) const KUBECTL: &str = "kubectl";
/// All annotations of an object.
const LARGEST: usize = 256 * 1024;

/// The fields that were applied, and still are as they were: conflicts about them are none.
pub(super) fn still_there(kind: &Kind, live: &Value) -> Option<FieldSet> {
    let applied = annotations(live)?.get(ANNOTATION)?.as_str()?;
    let applied: Value = serde_json::from_str(applied).ok()?;
    if applied.get("apiVersion")?.as_str()? != kind.api_version() {
        return None;
    }
    let of = Type::of(kind);
    let comparison = compared(of, &applied, live).ok()?;
    let changed = comparison.changed().union(&comparison.removed);
    Some(fields(of, &applied).difference(&changed))
}

/// Whether the object has the annotation.
pub(super) fn is_kept(object: &Value) -> bool {
    let text = annotations(object).and_then(|annotations| annotations.get(ANNOTATION)).and_then(Value::as_str);
    text.is_some_and(|text| !text.is_empty())
}

/// The object with the annotation up to date; without it when annotations become too large.
pub(super) fn kept(mut object: Value, configuration: &Value) -> Value {
    let mut applied = configuration.clone();
    if let Some(Value::Object(annotations)) = applied.pointer_mut("/metadata/annotations") {
        annotations.shift_remove(ANNOTATION);
    }
    applied.sort_all_objects();
    let applied = format!("{}\n", escaped(&applied));
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.insert(ANNOTATION.into(), applied.into());
        if size(annotations) > LARGEST {
            annotations.shift_remove(ANNOTATION);
        }
    }
    object
}

fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.get("annotations")?.as_object()
}

fn size(annotations: &Map<String, Value>) -> usize {
    annotations.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum()
}
