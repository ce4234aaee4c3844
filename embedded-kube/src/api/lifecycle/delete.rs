//! An object that is to go.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::super::{Kind, Refusal};
use super::metadata::{finalizers, is_full, is_going, number, of, seconds, text};

/// The finalizers by which the garbage collector is asked what to do with dependents.
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// What is asked for with a deletion (`meta/v1 DeleteOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteOptions {
    /// How long a Pod may take.
    #[serde(default)]
    pub grace_period_seconds: Option<i64>,
    /// What must be so.
    #[serde(default)]
    pub preconditions: Option<Preconditions>,
    /// `Orphan`, `Background` or `Foreground`.
    #[serde(default)]
    pub propagation_policy: Option<String>,
    /// The older way to say `Orphan`.
    #[serde(default)]
    pub orphan_dependents: Option<bool>,
    /// `["All"]`: nothing is written.
    #[serde(default)]
    pub dry_run: Vec<String>,
}

/// Which object is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    /// Its UID.
    #[serde(default)]
    pub uid: Option<String>,
    /// Its version.
    #[serde(default)]
    pub resource_version: Option<String>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Deleted {
    /// It goes at once; it was this.
    Gone(Value),
    /// It goes later: it becomes this, until its finalizers are gone or its time is over.
    Marked(Value),
    /// It was marked before; it is this.
    Same(Value),
}

/// What becomes of an object that somebody wants to go.
///
/// # Errors
/// When another object or version was meant.
pub fn delete(kind: &Kind, object: &Value, options: &DeleteOptions, now: Timestamp) -> Result<Deleted, Refusal> {
    check(kind, object, options.preconditions.as_ref())?;
    if is_full(object) {
        return Ok(leaving(object, options, now));
    }
    let mut marked = object.clone();
    if let Some(grace) = grace(kind, object, options) {
        match pending(object) {
            Some(before) if options.grace_period_seconds.is_none_or(|asked| asked >= before) => {
                return Ok(Deleted::Same(marked));
            }
            Some(before) => shorten(&mut marked, before, grace, now),
            None => mark(&mut marked, grace, now),
        }
    }
    let left = finalizers_for(object, options);
    if left == finalizers(object) && left.is_empty() && pending(&marked).is_none() {
        return Ok(Deleted::Gone(marked));
    }
    let metadata = of(&mut marked);
    if left.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".into(), left.clone().into());
    }
    if pending(&marked).is_none() {
        if left.is_empty() {
            return Ok(Deleted::Gone(marked));
        }
        if !is_going(&marked) {
            mark(&mut marked, 0, now);
        } else {
            of(&mut marked).insert("deletionGracePeriodSeconds".into(), 0.into());
        }
    }
    Ok(if marked == *object { Deleted::Same(marked) } else { Deleted::Marked(marked) })
}

/// What becomes of a namespace in which there may be something: it goes when somebody says that there is nothing left.
fn leaving(object: &Value, options: &DeleteOptions, now: Timestamp) -> Deleted {
    let mut marked = object.clone();
    let left = finalizers_for(object, options);
    let metadata = of(&mut marked);
    if left.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".into(), left.into());
    }
    metadata.entry("deletionTimestamp").or_insert_with(|| seconds(now).into());
    marked["status"]["phase"] = "Terminating".into();
    if marked == *object { Deleted::Same(marked) } else { Deleted::Marked(marked) }
}

fn check(kind: &Kind, object: &Value, wanted: Option<&Preconditions>) -> Result<(), Refusal> {
    let Some(wanted) = wanted else { return Ok(()) };
    let name = text(object, "name");
    // The real one names the kind here, and not the resource.
    let called = Kind { plural: kind.kind.clone(), ..kind.clone() };
    let (uid, version) = (text(object, "uid"), text(object, "resourceVersion"));
    if let Some(asked) = wanted.uid.as_ref().filter(|asked| *asked != uid) {
        let why = format!(
            "the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might have been \
             deleted and then recreated"
        );
        return Err(Refusal::conflict(&called, name, &why));
    }
    if let Some(asked) = wanted.resource_version.as_ref().filter(|asked| *asked != version) {
        let why = format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({version}). \
             The object might have been modified"
        );
        return Err(Refusal::conflict(&called, name, &why));
    }
    Ok(())
}

/// How long an object may take to go, in seconds; None where it goes at once, apart from finalizers.
fn grace(kind: &Kind, object: &Value, options: &DeleteOptions) -> Option<i64> {
    if (kind.group.as_str(), kind.plural.as_str()) != ("", "pods") {
        return None;
    }
    let unbound = object["spec"]["nodeName"].as_str().unwrap_or_default().is_empty();
    let over = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let own = || object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(0);
    let asked = options.grace_period_seconds.unwrap_or_else(own);
    let period = if unbound || over {
        0
    } else if asked < 0 {
        1
    } else {
        asked
    };
    // One that was marked before, and whose time is over, goes.
    let again = is_going(object) && pending(object).is_none();
    (!again).then_some(period)
}

/// How many seconds an object that was marked has; None when nobody waits for it.
fn pending(object: &Value) -> Option<i64> {
    number(object, "deletionGracePeriodSeconds").filter(|seconds| is_going(object) && *seconds > 0)
}

fn mark(object: &mut Value, grace: i64, now: Timestamp) {
    let generation = number(object, "generation");
    let metadata = of(object);
    let until = now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(Timestamp::MAX);
    metadata.insert("deletionTimestamp".into(), seconds(until).into());
    metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
    if let Some(generation) = generation.filter(|generation| *generation > 0) {
        metadata.insert("generation".into(), (generation + 1).into());
    }
}

/// Gives an object that was marked less time than before.
fn shorten(object: &mut Value, before: i64, grace: i64, now: Timestamp) {
    let until: Timestamp = text(object, "deletionTimestamp").parse().unwrap_or(now);
    let until = until.saturating_add(SignedDuration::from_secs(grace - before)).unwrap_or(now);
    // Its time is over already: whoever ends it gets a second.
    let (until, grace) = if until < now { (now, grace.min(1)) } else { (until, grace) };
    let metadata = of(object);
    metadata.insert("deletionTimestamp".into(), seconds(until).into());
    metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
}

/// The finalizers with those by which the garbage collector is asked.
fn finalizers_for(object: &Value, options: &DeleteOptions) -> Vec<String> {
    let before = finalizers(object);
    let (orphan, foreground) = match (options.orphan_dependents, options.propagation_policy.as_deref()) {
        (Some(orphan), _) => (orphan, false),
        (None, Some("Orphan")) => (true, false),
        (None, Some("Foreground")) => (false, true),
        (None, Some(_)) => (false, false),
        // What was asked before stays.
        (None, None) => (before.iter().any(|one| one == ORPHAN), before.iter().any(|one| one == FOREGROUND)),
    };
    let mut left: Vec<String> = before.into_iter().filter(|one| one != ORPHAN && one != FOREGROUND).collect();
    left.extend(orphan.then(|| ORPHAN.to_owned()));
    left.extend(foreground.then(|| FOREGROUND.to_owned()));
    left
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn kind(plural: &str) -> Kind {
        Kind {
            group: String::new(),
            version: "v1".into(),
            kind: "Thing".into(),
            plural: plural.into(),
            singular: "thing".into(),
            short_names: Vec::new(),
            categories: Vec::new(),
            namespaced: true,
            status: true,
            custom: false,
            schema: Arc::default(),
            columns: Vec::new(),
        }
    }

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().expect("a time")
    }

    fn done(plural: &str, object: &Value, options: &Value) -> Deleted {
        let options: DeleteOptions = serde_json::from_value(options.clone()).expect("options");
        delete(&kind(plural), object, &options, now()).expect("it is taken")
    }

    #[test]
    fn an_object_without_finalizers_goes_at_once() {
        let object = json!({"metadata": {"name": "a", "uid": "u"}});
        assert_eq!(done("configmaps", &object, &json!({})), Deleted::Gone(object.clone()));
        let wrong: DeleteOptions = serde_json::from_value(json!({"preconditions": {"uid": "other"}})).expect("options");
        let refused = delete(&kind("configmaps"), &object, &wrong, now()).expect_err("it is refused");
        assert!(refused.message.contains("the UID in the precondition (other) does not match"), "{refused}");
    }

    #[test]
    fn finalizers_and_the_way_dependents_go_keep_it() {
        let object = json!({"metadata": {"name": "a", "generation": 2, "finalizers": ["x"]}});
        let Deleted::Marked(marked) = done("configmaps", &object, &json!({"propagationPolicy": "Foreground"})) else {
            panic!("it has finalizers");
        };
        assert_eq!(marked["metadata"]["finalizers"], json!(["x", "foregroundDeletion"]));
        assert_eq!(
            (&marked["metadata"]["generation"], number(&marked, "deletionGracePeriodSeconds")),
            (&json!(3), Some(0))
        );
        assert_eq!(done("configmaps", &marked, &json!({})), Deleted::Same(marked.clone()));
        let Deleted::Marked(background) = done("configmaps", &marked, &json!({"propagationPolicy": "Background"}))
        else {
            panic!("it has a finalizer");
        };
        assert_eq!(background["metadata"]["finalizers"], json!(["x"]));
    }

    #[test]
    fn a_namespace_stays_until_it_is_empty() {
        let full = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"},
                          "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
        let Deleted::Marked(marked) = done("namespaces", &full, &json!({})) else { panic!("it may be full") };
        assert_eq!(marked["metadata"], json!({"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}));
        assert_eq!(marked["status"]["phase"], "Terminating");
        assert_eq!(done("namespaces", &marked, &json!({})), Deleted::Same(marked.clone()));
        let mut empty = full.clone();
        empty["spec"]["finalizers"] = json!([]);
        assert!(matches!(done("namespaces", &empty, &json!({})), Deleted::Gone(_)));
    }

    #[test]
    fn a_pod_has_its_time() {
        let pod = json!({"metadata": {"name": "p", "generation": 1},
                         "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30}, "status": {"phase": "Running"}});
        let Deleted::Marked(marked) = done("pods", &pod, &json!({})) else { panic!("it has thirty seconds") };
        assert_eq!(text(&marked, "deletionTimestamp"), "2026-01-01T00:00:30Z");
        assert_eq!(number(&marked, "deletionGracePeriodSeconds"), Some(30));
        assert_eq!(done("pods", &marked, &json!({})), Deleted::Same(marked.clone()));
        let Deleted::Marked(shorter) = done("pods", &marked, &json!({"gracePeriodSeconds": 5})) else {
            panic!("it has five seconds");
        };
        assert_eq!(text(&shorter, "deletionTimestamp"), "2026-01-01T00:00:05Z");
        assert!(matches!(done("pods", &marked, &json!({"gracePeriodSeconds": 0})), Deleted::Gone(_)));
        let mut over = pod.clone();
        over["status"]["phase"] = "Succeeded".into();
        let Deleted::Gone(last) = done("pods", &over, &json!({})) else { panic!("it is over") };
        assert_eq!((number(&last, "deletionGracePeriodSeconds"), number(&last, "generation")), (Some(0), Some(2)));
    }
}
