//! What has come of a play: every object of its namespace, without what differs from one run to the next, and how many
//! children there ever were.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::seen::Inside;
use crate::worker::index;

/// The kinds whose objects are counted: the operator makes them, each once for its reason.
const COUNTED: [&str; 4] = ["Job", "ConfigMap", "PipelineRun", "ControllerRevision"];
/// Fields that only say how long something took.
const MASKED: [&str; 1] = ["/status/cost/duration"];
/// The ends of the names of what is done once for an object, and commits nothing.
const ERRANDS: [&str; 3] = ["-check-#", "-look-#", "-test-#"];
/// How many differences are told.
const TOLD: usize = 20;

/// What has come of a play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The value of each field of each object, by `Kind/name/field/…`.
    pub(crate) fields: BTreeMap<String, String>,
    /// How many objects of a kind and name there were, and how many of them are gone.
    pub(crate) counts: BTreeMap<String, (usize, usize)>,
    /// How many runs have committed.
    pub(crate) commits: usize,
}

impl State {
    /// As it is now.
    pub(crate) fn of(scene: &Scene, commits: usize) -> Self {
        let inside = scene.place.inside();
        let labels = labels(scene, &inside);
        let plain = |text: &str| {
            let text = text.replace(&scene.namespace, "<namespace>");
            let text = labels.iter().fold(text, |text, (uid, label)| text.replace(uid.as_str(), label));
            scene.names.masked(&text)
        };
        let (mut fields, mut pods) = (BTreeMap::new(), BTreeMap::<String, Vec<String>>::new());
        for ((kind, name), object) in &inside.objects {
            if kind == "Pod" {
                let phase = object.data["status"]["phase"].as_str().unwrap_or_default();
                pods.entry(plain(&of_job(object))).or_default().push(phase.to_owned());
                continue;
            }
            let text = plain(&bare(object).to_string());
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            flatten(&format!("{kind}/{}", plain(name)), &value, &mut fields);
        }
        for (job, mut phases) in pods {
            phases.sort();
            fields.insert(format!("Pods of {job}"), phases.join(", "));
        }
        let mut counts = BTreeMap::<String, (usize, usize)>::new();
        for known in inside.ever.iter().filter(|known| COUNTED.contains(&known.kind.as_str())) {
            let count = counts.entry(format!("{}/{}", known.kind, plain(&known.name))).or_default();
            count.0 += 1;
            count.1 += usize::from(known.gone);
        }
        Self { fields, counts, commits }
    }

    /// The fields that two states of the same play have not in common.
    pub(crate) fn unlike(&self, other: &Self) -> BTreeSet<String> {
        let all = self.fields.keys().chain(other.fields.keys());
        all.filter(|path| self.fields.get(*path) != other.fields.get(*path)).cloned().collect()
    }

    /// What differs from what must have come of a play, in words; `masks` are fields that differ anyway. Where what is done
    /// once and commits nothing may be done again, that is no difference.
    pub(crate) fn differences(&self, wanted: &Self, masks: &BTreeSet<String>, again: bool) -> Vec<String> {
        let shown = |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), Clone::clone);
        let mut told: Vec<String> = Vec::new();
        for path in self.unlike(wanted).into_iter().filter(|path| !masks.contains(path) && !is_masked(path)) {
            let (is, was) = (shown(self.fields.get(&path)), shown(wanted.fields.get(&path)));
            told.push(format!("{path} is {is}, and must be {was}"));
        }
        let names: BTreeSet<&String> = self.counts.keys().chain(wanted.counts.keys()).collect();
        for name in names {
            let count = |state: &Self| state.counts.get(name).copied().unwrap_or_default();
            let ((is, gone), (was, went)) = (count(self), count(wanted));
            let repeated = again && is_errand(name) && is >= was && is - was == gone - went.min(gone);
            if (is, gone) != (was, went) && !repeated {
                told.push(format!("{name}: {is} were made and {gone} deleted, and must be {was} and {went}"));
            }
        }
        if self.commits != wanted.commits {
            told.push(format!("{} runs have committed, and must be {}", self.commits, wanted.commits));
        }
        told.truncate(TOLD);
        told
    }
}

/// Whether a field differs with every run.
pub(crate) fn is_masked(path: &str) -> bool {
    // Which of several shards is told first, and which is the last to end and completes the run, is a race.
    let races = ["/index", "/outcome/shard"].iter().any(|end| path.ends_with(end)) && path.contains("/status/shards/");
    races || MASKED.iter().any(|masked| path.ends_with(masked))
}

fn is_errand(name: &str) -> bool {
    ERRANDS.iter().any(|end| name.contains(end))
}

/// What stands for each UID: the object that has it, and which of several of its name that is.
fn labels(scene: &Scene, inside: &Inside) -> Vec<(String, String)> {
    let mut counts = BTreeMap::<(String, String), usize>::new();
    let all = inside.ever.iter().map(|known| {
        let name = if known.kind == "Pod" { "any".to_owned() } else { scene.names.masked(&known.name) };
        let count = counts.entry((known.kind.clone(), name.clone())).or_default();
        *count += 1;
        let label = format!("<UID of {} {name} {count}>", known.kind);
        (known.uid.clone(), label)
    });
    all.collect()
}

/// The Job of a Pod, and its number where it has one.
fn of_job(pod: &DynamicObject) -> String {
    let labels = pod.metadata.labels.as_ref();
    let job = labels.and_then(|labels| labels.get("batch.kubernetes.io/job-name")).map_or("", String::as_str);
    match index(pod) {
        Some(index) => format!("{job} ({index})"),
        None => job.to_owned(),
    }
}

/// An object without what the API server notes of every write.
fn bare(object: &DynamicObject) -> Value {
    let mut object = json!(object);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["managedFields", "resourceVersion", "creationTimestamp"] {
            metadata.remove(field);
        }
    }
    if let Some(commits) = object.pointer_mut("/status/commits") {
        // They are noted by the names of Pods.
        let mut notes: Vec<Value> = commits.as_object().into_iter().flatten().map(|(_, note)| note.clone()).collect();
        notes.sort_by_key(Value::to_string);
        *commits = notes.into();
    }
    object
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(field, value)| flatten(&format!("{path}/{field}"), value, into));
        }
        Value::Array(all) if !all.is_empty() => {
            all.iter().enumerate().for_each(|(place, value)| flatten(&format!("{path}/{place}"), value, into));
        }
        plain => {
            into.insert(path.to_owned(), plain.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(fields: &[(&str, &str)], counts: &[(&str, usize, usize)]) -> State {
        State {
            fields: fields.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect(),
            counts: counts.iter().map(|(name, made, gone)| ((*name).to_owned(), (*made, *gone))).collect(),
            commits: 1,
        }
    }

    #[test]
    fn a_second_child_is_a_difference_even_when_it_is_gone_again() {
        let wanted = state(&[], &[("Job/first", 1, 0)]);
        let twice = state(&[], &[("Job/first", 2, 1)]);
        let told = ["Job/first: 2 were made and 1 deleted, and must be 1 and 0"];
        for again in [false, true] {
            assert_eq!(twice.differences(&wanted, &BTreeSet::new(), again), told, "it is no errand");
        }
        let (wanted, twice) = (state(&[], &[("Job/f-check-#1", 1, 1)]), state(&[], &[("Job/f-check-#1", 2, 2)]));
        assert_eq!(twice.differences(&wanted, &BTreeSet::new(), false).len(), 1);
        assert_eq!(twice.differences(&wanted, &BTreeSet::new(), true), [] as [&str; 0]);
        let there = state(&[], &[("Job/f-check-#1", 2, 1)]);
        assert_eq!(there.differences(&wanted, &BTreeSet::new(), true).len(), 1, "it must go again");
    }

    #[test]
    fn a_field_counts_unless_it_is_masked() {
        let wanted = state(&[("PipelineRun/a/status/cost/duration", "3s"), ("Job/a/spec/suspend", "false")], &[]);
        let other = state(&[("PipelineRun/a/status/cost/duration", "4s"), ("Job/a/spec/suspend", "true")], &[]);
        let told = ["Job/a/spec/suspend is true, and must be false"];
        assert_eq!(other.differences(&wanted, &BTreeSet::new(), false), told);
        let masks = BTreeSet::from(["Job/a/spec/suspend".to_owned()]);
        assert_eq!(other.differences(&wanted, &masks, false), [] as [&str; 0]);
        assert_eq!(state(&[], &[]).differences(&wanted, &masks, false), [] as [&str; 0], "of masked fields alone");
    }

    #[test]
    fn an_object_is_its_fields() {
        let mut fields = BTreeMap::new();
        flatten("Job/a", &json!({"spec": {"list": [1, {"b": "x"}], "none": {}}}), &mut fields);
        let found: Vec<(&str, &str)> = fields.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
        assert_eq!(found, [("Job/a/spec/list/0", "1"), ("Job/a/spec/list/1/b", "\"x\""), ("Job/a/spec/none", "{}")]);
    }
}
