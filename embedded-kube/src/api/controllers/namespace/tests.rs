use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{View, plan};
use crate::api::controllers::action::{Action, Plan, Propagation};
use crate::api::controllers::garbage::Item;
use crate::api::controllers::resource::{CONFIG_MAP, JOB, POD};

const GOING: &str = "2026-01-01T00:00:00Z";

fn namespace(going: bool, status: Value) -> View {
    let mut object = json!({
        "metadata": {"name": "ns", "uid": "u", "resourceVersion": "7"},
        "spec": {"finalizers": ["kubernetes"]},
        "status": status,
    });
    if going {
        object["metadata"]["deletionTimestamp"] = GOING.into();
    }
    View {
        namespace: Arc::new(serde_json::from_value(object).unwrap()),
        account: true,
        authority: None,
        certificate: None,
        content: BTreeMap::new(),
    }
}

fn planned(view: &View) -> Plan {
    plan(view, "2026-01-02T00:00:00Z".parse::<Timestamp>().unwrap())
}

fn item(name: &str, going: bool, finalizers: &[&str]) -> Item {
    let mut metadata =
        json!({"name": name, "namespace": "ns", "uid": name, "resourceVersion": "7", "finalizers": finalizers});
    if going {
        metadata["deletionTimestamp"] = GOING.into();
    }
    Item { resource: CONFIG_MAP, metadata: Arc::new(serde_json::from_value(metadata).unwrap()) }
}

/// The conditions that are written, as `type=status reason: message`.
fn told(plan: &Plan) -> Vec<String> {
    let [Action::Merge { part: Some("status"), patch, .. }] = plan.actions.as_slice() else { panic!("{plan}") };
    let conditions = patch["status"]["conditions"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    conditions
        .map(|it| {
            format!("{}={} {}: {}", text(&it["type"]), text(&it["status"]), text(&it["reason"]), text(&it["message"]))
        })
        .collect()
}

/// What is written down, and nothing has changed since.
fn settled(view: &mut View) {
    let plan = planned(view);
    let [Action::Merge { patch, .. }] = plan.actions.as_slice() else { panic!("{plan}") };
    Arc::make_mut(&mut view.namespace).status = serde_json::from_value(patch["status"].clone()).unwrap();
}

#[test]
fn a_namespace_has_an_account_and_a_certificate() {
    let mut view = namespace(false, json!({}));
    assert_eq!(planned(&view), Plan::nothing());
    view.account = false;
    view.certificate = Some("PEM".into());
    let plan = planned(&view);
    let objects: Vec<&Value> = plan
        .actions
        .iter()
        .map(|action| match action {
            Action::Create { object, refused: None, .. } => object,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(objects[0]["metadata"], json!({"name": "default", "namespace": "ns"}));
    assert_eq!(
        (&objects[1]["metadata"]["name"], &objects[1]["data"]),
        (&json!("kube-root-ca.crt"), &json!({"ca.crt": "PEM"}))
    );
    let described = objects[1]["metadata"]["annotations"]["kubernetes.io/description"].as_str().unwrap();
    assert!(described.starts_with("Contains a CA bundle") && !described.contains("  "), "{described}");
}

#[test]
fn a_certificate_that_somebody_has_changed_is_put_right() {
    let mut view = namespace(false, json!({}));
    view.certificate = Some("PEM".into());
    let there = |data: Value, annotations: Value| {
        let object = json!({"metadata": {"name": "kube-root-ca.crt", "namespace": "ns", "annotations": annotations}, "data": data});
        Some(Arc::new(serde_json::from_value(object).unwrap()))
    };
    let described = json!({"kubernetes.io/description": "x"});
    view.authority = there(json!({"ca.crt": "PEM"}), described.clone());
    assert_eq!(planned(&view), Plan::nothing());
    view.authority = there(json!({"ca.crt": "OTHER", "more": "x"}), described.clone());
    let plan = planned(&view);
    let [Action::Merge { patch, .. }] = plan.actions.as_slice() else { panic!("{plan}") };
    assert_eq!(patch["data"], json!({"ca.crt": "PEM", "more": null}));
    view.authority = there(json!({"ca.crt": "PEM"}), json!({}));
    assert_eq!(planned(&view).actions.len(), 1);
}

#[test]
fn an_empty_namespace_says_that_all_is_fine_and_goes() {
    let mut view = namespace(true, json!({"phase": "Terminating"}));
    let plan = planned(&view);
    assert_eq!(
        told(&plan),
        [
            "NamespaceDeletionDiscoveryFailure=False ResourcesDiscovered: All resources successfully discovered",
            "NamespaceDeletionGroupVersionParsingFailure=False ParsedGroupVersions: All legacy kube types successfully parsed",
            "NamespaceDeletionContentFailure=False ContentDeleted: All content successfully deleted, may be waiting on finalization",
            "NamespaceContentRemaining=False ContentRemoved: All content successfully removed",
            "NamespaceFinalizersRemaining=False ContentHasNoFinalizers: All content-preserving finalizers finished",
        ]
    );
    settled(&mut view);
    let plan = planned(&view);
    let [Action::Replace { part: "finalize", object, target }] = plan.actions.as_slice() else { panic!("{plan}") };
    assert_eq!((&object["spec"], target.resource_version.as_deref()), (&json!({"finalizers": []}), Some("7")));
    Arc::make_mut(&mut view.namespace).spec = serde_json::from_value(json!({"finalizers": []})).unwrap();
    assert_eq!(planned(&view), Plan::nothing());
}

#[test]
fn pods_go_before_everything_else() {
    let mut view = namespace(true, json!({}));
    let mut pod = item("p", false, &[]);
    pod.resource = POD;
    view.content = [("pods.".to_owned(), vec![pod]), ("configmaps.".to_owned(), vec![item("c", false, &[])])].into();
    let names = |plan: &Plan| -> Vec<String> {
        let names = plan.actions.iter().map(|action| match action {
            Action::Delete { target, propagation: Some(Propagation::Background), grace: None } => target.name.clone(),
            other => panic!("{other}"),
        });
        names.collect()
    };
    assert_eq!(names(&planned(&view)), ["p"]);
    // While they end, nothing else is asked to go, and nothing is said to be left.
    view.content.insert("pods.".to_owned(), vec![item("p", true, &["batch.kubernetes.io/job-tracking"])]);
    assert!(told(&planned(&view)).iter().all(|condition| condition.contains("=False ")));
    settled(&mut view);
    assert_eq!(planned(&view), Plan::nothing().again_in(Duration::from_secs(1)));
    view.content.remove("pods.");
    assert_eq!(names(&planned(&view)), ["c"]);
}

#[test]
fn what_does_not_go_is_said() {
    let mut view = namespace(true, json!({}));
    let mut job = item("j", true, &["x/y", "foregroundDeletion"]);
    job.resource = JOB;
    view.content = [
        ("jobs.batch".to_owned(), vec![job]),
        ("configmaps.".to_owned(), vec![item("c", true, &["x/y"]), item("d", true, &["x/y"])]),
    ]
    .into();
    let told = told(&planned(&view));
    assert_eq!(
        told[3..],
        [
            "NamespaceContentRemaining=True SomeResourcesRemain: Some resources are remaining: configmaps. has 2 resource instances, jobs.batch has 1 resource instances",
            "NamespaceFinalizersRemaining=True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: foregroundDeletion in 1 resource instances, x/y in 3 resource instances",
        ]
    );
    settled(&mut view);
    view.content.clear();
    let plan = planned(&view);
    let [Action::Merge { patch, .. }] = plan.actions.as_slice() else { panic!("{plan}") };
    assert_eq!(patch["status"]["conditions"][3]["status"], "False");
}
