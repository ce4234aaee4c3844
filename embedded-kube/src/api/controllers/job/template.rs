//! The Pods of a Job, from its template.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;

use super::{FAILURES, IGNORED_FAILURES, INDEX, TRACKING};

/// The variable by which a container learns its index.
const VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// The longest part of a name before the random one.
const LONGEST: usize = 58;
/// What the API server makes random names of.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A Pod of a Job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct New {
    /// Its index, if the Job has any.
    pub(super) index: Option<i32>,
    /// How often its index has failed before, and how often that did not count; if the Job counts so.
    pub(super) failures: Option<(i32, i32)>,
}

/// What a new Pod's name begins with.
pub(super) fn prefix(job: &str, index: Option<i32>) -> String {
    let rest = index.map_or_else(|| "-".to_owned(), |index| format!("-{index}-"));
    let room = LONGEST - rest.len();
    // The API server does the same to a prefix that is too long.
    format!("{}{rest}", job.get(..room.min(job.len())).unwrap_or(job))
}

/// The end of a name: five letters, the same for the same Job and number. So a Pod cannot be made twice.
pub(super) fn suffix(uid: &str, number: u64) -> String {
    // FNV-1a: it needs to be the same in every release, and no more.
    let bytes = uid.bytes().chain(number.to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let (mut rest, mut text) = (hash ^ (hash >> 32), String::new());
    for _ in 0..5 {
        let place = usize::try_from(rest % LETTERS.len() as u64).unwrap_or(0);
        text.push(char::from(LETTERS[place]));
        rest /= LETTERS.len() as u64;
    }
    text
}

/// The Pod as it is made.
pub(super) fn pod(job: &Job, name: String, new: New) -> Value {
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let (mut metadata, mut spec) = (template.metadata.unwrap_or_default(), template.spec.unwrap_or_default());
    let own = job.metadata.name.as_deref().unwrap_or_default();
    let mut finalizers = metadata.finalizers.take().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == TRACKING) {
        finalizers.push(TRACKING.to_owned());
    }
    if let Some(index) = new.index {
        let containers = spec.init_containers.iter_mut().flatten().chain(&mut spec.containers);
        containers.for_each(tell_index);
        spec.hostname = Some(format!("{own}-{index}"));
        metadata.labels.get_or_insert_default().insert(INDEX.to_owned(), index.to_string());
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(INDEX.to_owned(), index.to_string());
        if let Some((failures, ignored)) = new.failures {
            annotations.insert(FAILURES.to_owned(), failures.to_string());
            if ignored > 0 {
                annotations.insert(IGNORED_FAILURES.to_owned(), ignored.to_string());
            }
        }
    }
    let metadata = ObjectMeta {
        name: Some(name),
        // As it would be if the API server had made the name.
        generate_name: Some(new.index.map_or_else(|| format!("{own}-"), |index| prefix(own, Some(index)))),
        namespace: job.metadata.namespace.clone(),
        labels: metadata.labels,
        annotations: metadata.annotations,
        finalizers: Some(finalizers),
        owner_references: Some(vec![OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            name: own.to_owned(),
            uid: job.metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    };
    // A Pod is plain data.
    serde_json::to_value(Pod { metadata, spec: Some(spec), status: None }).unwrap_or_default()
}

fn tell_index(container: &mut Container) {
    let variables = container.env.get_or_insert_default();
    if variables.iter().any(|variable| variable.name == VARIABLE) {
        return;
    }
    let field =
        ObjectFieldSelector { field_path: format!("metadata.labels['{INDEX}']"), ..ObjectFieldSelector::default() };
    variables.push(EnvVar {
        name: VARIABLE.to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        ..EnvVar::default()
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn job() -> Job {
        serde_json::from_value(json!({
            "metadata": {"name": "work", "namespace": "ns", "uid": "u"},
            "spec": {"template": {
                "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["x/y"]},
                "spec": {
                    "initContainers": [{"name": "i"}],
                    "containers": [{"name": "m", "env": [{"name": "JOB_COMPLETION_INDEX", "value": "own"}]}],
                },
            }},
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_is_made_from_the_template_and_belongs_to_its_job() {
        let made = pod(&job(), "work-12345".into(), New::default());
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "work", "uid": "u", "controller": true, "blockOwnerDeletion": true});
        let metadata = json!({
            "name": "work-12345", "generateName": "work-", "namespace": "ns", "labels": {"a": "b"},
            "annotations": {"c": "d"}, "finalizers": ["x/y", "batch.kubernetes.io/job-tracking"], "ownerReferences": [owner],
        });
        assert_eq!(made["metadata"], metadata);
        assert_eq!(made["spec"]["initContainers"], json!([{"name": "i"}]));
        assert!(made["spec"].get("hostname").is_none() && made.get("status").is_none(), "{made}");
    }

    #[test]
    fn a_pod_with_an_index_knows_it() {
        let made = pod(&job(), "n".into(), New { index: Some(3), failures: Some((2, 1)) });
        assert_eq!(made["metadata"]["generateName"], "work-3-");
        assert_eq!(made["metadata"]["labels"], json!({"a": "b", INDEX: "3"}));
        assert_eq!(
            made["metadata"]["annotations"],
            json!({"c": "d", INDEX: "3", FAILURES: "2", IGNORED_FAILURES: "1"})
        );
        assert_eq!(made["spec"]["hostname"], "work-3");
        let field = json!([{"name": VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": format!("metadata.labels['{INDEX}']")}}}]);
        assert_eq!(made["spec"]["initContainers"][0]["env"], field);
        assert_eq!(made["spec"]["containers"][0]["env"], json!([{"name": VARIABLE, "value": "own"}]));
    }

    #[test]
    fn names_are_of_letters_that_the_api_server_uses_and_differ() {
        let all: BTreeSet<String> = (0..500).map(|number| suffix("u", number)).collect();
        assert!(all.len() >= 499, "{}", all.len());
        assert!(all.iter().all(|text| text.len() == 5 && text.bytes().all(|letter| LETTERS.contains(&letter))));
        assert_eq!(suffix("u", 7), suffix("u", 7));
        assert_ne!(suffix("u", 7), suffix("v", 7));
        assert_eq!(prefix(&"x".repeat(63), None), format!("{}-", "x".repeat(57)));
        assert_eq!(prefix(&"x".repeat(63), Some(12)), format!("{}-12-", "x".repeat(54)));
    }
}
