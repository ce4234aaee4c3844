//! Objects of which only the metadata is wanted.

use serde_json::{Map, Value, json};

use super::super::discovery::MetaVersion;
use super::super::{Kind, Refusal, RefusalReason};

/// `PartialObjectMetadata` of an object.
#[must_use]
pub fn metadata(object: &Value, version: MetaVersion) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_else(|| Map::new().into());
    json!({"kind": "PartialObjectMetadata", "apiVersion": version.api_version(), "metadata": metadata})
}

/// `PartialObjectMetadataList` of a list.
#[must_use]
pub fn metadata_list(list: &Value, version: MetaVersion) -> Value {
    let items: Vec<Value> =
        list["items"].as_array().into_iter().flatten().map(|object| metadata(object, version)).collect();
    json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": version.api_version(),
        "metadata": list.get("metadata").cloned().unwrap_or_else(|| Map::new().into()),
        "items": if items.is_empty() { Value::Null } else { items.into() },
    })
}

/// The refusal of a list of which the client wants the metadata of one object, or the other way round, in the API server's
/// words: `list` is what the answer would be.
#[must_use]
pub fn mismatch(kind: &Kind, list: bool) -> Refusal {
    let answer = if kind.custom {
        if list { "*unstructured.UnstructuredList".to_owned() } else { "*unstructured.Unstructured".to_owned() }
    } else {
        format!("*{}.{}{}", package(&kind.group), kind.kind, if list { "List" } else { "" })
    };
    let message = if list {
        format!("you requested PartialObjectMetadata, but the requested object is a list ({answer})")
    } else {
        format!("you requested PartialObjectMetadataList, but the requested object is not a list ({answer})")
    };
    Refusal::new(RefusalReason::NotAcceptable, message)
}

/// What the API server calls the group within.
fn package(group: &str) -> &str {
    match group {
        "" | "events.k8s.io" => "core",
        other => other.split('.').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::discovery::sample::kind;

    #[test]
    fn only_the_metadata_is_left() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": {}});
        let own = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}});
        assert_eq!(metadata(&pod, MetaVersion::V1), own);
        let list = metadata_list(&json!({"metadata": {"resourceVersion": "1"}, "items": [pod]}), MetaVersion::V1);
        assert_eq!((&list["items"][0], &list["metadata"]["resourceVersion"]), (&own, &json!("1")));
        assert_eq!(metadata_list(&json!({"items": []}), MetaVersion::V1Beta1)["items"], Value::Null);
    }

    #[test]
    fn a_list_is_no_object() {
        let pods = kind("", "v1", "Pod", "pods");
        assert_eq!(
            mismatch(&pods, true).message,
            "you requested PartialObjectMetadata, but the requested object is a list (*core.PodList)"
        );
        assert_eq!(
            mismatch(&pods, false).message,
            "you requested PartialObjectMetadataList, but the requested object is not a list (*core.Pod)"
        );
    }
}
