//! What is planned for a Connector, from its first sight on.

use std::sync::Arc;
use std::time::Duration;

use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::connector::ConnectorStatus;
use aggregator_crds::{Connector, Reason};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::plan::{blocked, plan};
use super::view::View;
use crate::action::{Action, Kind, Plan};
use crate::conditions::find;
use crate::errand::{Errands, Why};
use crate::fixture::object;
use crate::settings::Settings;

/// What is said of a version that was not checked yet.
const NEW: [&str; 2] = ["Ready Unknown Checking", "Reconciling True Checking"];

fn now() -> Timestamp {
    "2026-11-29T10:00:00Z".parse().expect("a time")
}

fn view(spec: Value) -> View {
    let connector: Connector = object(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "Connector",
        "metadata": {"name": "shop", "namespace": "demo", "uid": "uid-shop", "resourceVersion": "7", "generation": 1},
        "spec": spec,
    }));
    let connector = Arc::new(connector);
    View { connector, checks: Errands::default(), has_catalogue: true, identity: true, named_by: None }
}

fn postgres() -> View {
    let spec = json!({"host": "db", "database": "shop", "username": "reader", "password": {"secretKey": "password"}});
    view(json!({"postgres": spec}))
}

impl View {
    fn at(&self, now: Timestamp) -> Plan {
        plan(self, &Settings::of_tests(), now)
    }

    /// The world after the plan was carried out.
    fn after(mut self, done: &Plan) -> Self {
        for action in &done.actions {
            match action {
                Action::Status { status, .. } => {
                    Arc::make_mut(&mut self.connector).status = Some(object::<ConnectorStatus>(status.clone()));
                }
                other => assert!(self.checks.carry_out(other), "{other}"),
            }
        }
        self
    }

    /// Planned and carried out until there is nothing left to do.
    fn settled(mut self, now: Timestamp) -> Self {
        for _ in 0..10 {
            let plan = self.at(now);
            if plan.actions.is_empty() {
                return self;
            }
            self = self.after(&plan);
        }
        panic!("it never comes to rest: {}", self.at(now));
    }

    /// The worker of its Job says this.
    fn said(mut self, outcome: &Value) -> Self {
        self.checks.worker_said(outcome);
        self
    }

    fn known(&self) -> &ConnectorStatus {
        self.connector.status.as_ref().expect("a status")
    }

    /// Each condition: its type, status and reason.
    fn conditions(&self) -> Vec<String> {
        let conditions = self.known().conditions.iter();
        conditions.map(|it| format!("{} {:?} {}", it.condition_type, it.status, it.reason)).collect()
    }

    fn edit(mut self, change: impl FnOnce(&mut Connector)) -> Self {
        change(Arc::make_mut(&mut self.connector));
        self
    }
}

fn good() -> Value {
    json!({"system": "PostgreSQL 15.18, as reader", "latency": "3ms", "streams": {"count": 2, "names": ["a", "b"]}})
}

#[test]
fn a_new_connector_is_checked_once_and_its_check_goes_away() {
    let view = postgres().settled(now());
    assert_eq!((view.checks.jobs.len(), view.checks.plans.len()), (1, 1));
    assert_eq!(view.conditions(), NEW);
    let plan = view.checks.plans[0].data.as_ref().expect("data")["manifests.yaml"].clone();
    assert!(plan.contains("kind: Connector") && plan.contains("secretKey: password"), "{plan}");
    let pod = view.checks.jobs[0].spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).expect("a Pod");
    assert_eq!(pod.service_account_name.as_deref(), Some("aggregator-worker-probe"));
    let secret = pod.volumes.iter().flatten().find_map(|volume| volume.secret.as_ref()).expect("a Secret");
    assert_eq!(secret.secret_name.as_deref(), Some("connector-shop"));

    let later = now() + 5.seconds();
    let view = view.said(&good()).settled(later);
    assert_eq!((view.checks.jobs.len(), view.checks.plans.len()), (0, 0), "the check is cleaned up");
    assert_eq!(
        view.conditions(),
        [
            "Ready True Reached",
            "ConfigValid True Valid",
            "CredentialsResolved True Resolved",
            "Reachable True Reached",
            "Discovered True Discovered"
        ]
    );
    let last = view.known().last_check.clone().expect("a check");
    assert_eq!((last.time, last.latency.as_deref(), last.generation), (later, Some("3ms"), Some(1)));
    assert_eq!(view.known().streams.as_ref().map(|streams| streams.count), Some(2));
    assert_eq!(view.known().connector_type.as_deref(), Some("postgres"));
    assert_eq!(view.at(later + 1000.hours()), Plan::nothing(), "nobody has asked for another one");
}

#[test]
fn an_edit_and_a_request_have_it_checked_again() {
    let done = || postgres().settled(now()).said(&good()).settled(now() + 5.seconds());
    let later = now() + 1.hour();
    let edited = done().edit(|it| it.metadata.generation = Some(2)).settled(later);
    assert_eq!(edited.checks.jobs.len(), 1);
    assert_eq!(edited.conditions(), NEW, "what was known was of another version");

    let ask = |it: &mut Connector| {
        let asked = ("aggregator.dev/check-requested-at".to_owned(), "now".to_owned());
        it.metadata.annotations = Some([asked].into());
    };
    let asked = done().edit(ask).settled(later);
    assert_eq!(asked.checks.jobs.len(), 1);
    assert_eq!(asked.conditions().len(), 5, "what is known stands until the answer");
    let answered = asked.said(&good()).settled(later + 5.seconds());
    assert_eq!(answered.known().last_check.as_ref().and_then(|last| last.requested_at.as_deref()), Some("now"));
    assert!(answered.checks.jobs.is_empty());
}

#[test]
fn one_that_is_edited_while_it_is_checked_is_checked_anew() {
    let begun = postgres().settled(now());
    let old = begun.checks.jobs[0].metadata.name.clone();
    let view = begun.said(&good()).edit(|it| it.metadata.generation = Some(2)).settled(now() + 1.second());
    assert_eq!(view.checks.jobs.len(), 1);
    assert_ne!(view.checks.jobs[0].metadata.name, old, "what the old check says is of another version");
    assert_eq!(view.conditions(), NEW);
}

#[test]
fn the_interval_is_kept() {
    let spec = json!({"check": {"interval": "10m"}, "generator": {"streams": [
        {"name": "rows", "rows": 1, "columns": [{"name": "id", "sequence": {}}]}
    ]}});
    let done = view(spec).settled(now()).said(&good()).settled(now());
    assert_eq!(done.at(now() + 1.minute()).again, Some(Duration::from_secs(9 * 60)));
    assert!(done.at(now() + 1.minute()).actions.is_empty());
    assert_eq!(done.settled(now() + 10.minutes()).checks.jobs.len(), 1);
}

#[test]
fn what_does_not_answer_is_asked_again_later_and_later() {
    let refused = json!({"failure": {
        "step": "Reach", "reason": "Unreachable", "message": "no answer", "remedy": "see that the host is right"
    }});
    let mut at = now();
    let mut view = postgres().settled(at).said(&refused).settled(at);
    assert_eq!(
        view.conditions(),
        [
            "Ready False Unreachable",
            "ConfigValid True Valid",
            "CredentialsResolved True Resolved",
            "Reachable False Unreachable",
            "Discovered Unknown NotChecked"
        ]
    );
    let ready = find(&view.known().conditions, ConditionType::Ready).expect("a condition");
    assert_eq!(ready.message, "no answer; see that the host is right");
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let pause = view.at(at).again.expect("a pause");
        pauses.push(pause.as_secs() / 60);
        at += jiff::SignedDuration::try_from(pause).expect("a span");
        view = view.settled(at);
        assert_eq!(view.checks.jobs.len(), 1);
        view = view.said(&refused).settled(at);
    }
    assert_eq!(pauses, [1, 1, 2, 4, 8, 16, 30, 30]);
    let well = view.edit(|it| it.metadata.generation = Some(2)).settled(at).said(&good()).settled(at);
    assert_eq!(find(&well.known().conditions, ConditionType::Ready).map(|it| it.status), Some(ConditionStatus::True));
}

#[test]
fn what_was_not_discovered_is_ready_all_the_same() {
    let outcome = json!({"system": "a folder", "latency": "0ms", "failure": {
        "step": "Discover", "reason": "NotFound", "message": "no file matches"
    }});
    let view = postgres().settled(now()).said(&outcome).settled(now());
    assert_eq!(view.conditions()[0], "Ready True Reached");
    assert_eq!(view.conditions()[4], "Discovered False NotFound");
}

#[test]
fn a_check_that_cannot_be_made_says_why() {
    let refused = view(json!({"file": {"root": "/etc"}})).settled(now());
    assert_eq!(refused.conditions()[0], "Ready False VolumeMissing");
    assert_eq!(refused.conditions()[5], "Stalled True VolumeMissing", "nothing but an edit helps");
    assert!(refused.checks.jobs.is_empty());

    let begun = || postgres().settled(now());
    let mut unscheduled = begun();
    unscheduled.checks.pod_is(json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    ]}));
    assert_eq!(
        unscheduled.settled(now()).conditions(),
        [
            "Ready False Unschedulable",
            "ConfigValid Unknown NotChecked",
            "CredentialsResolved Unknown NotChecked",
            "Reachable Unknown NotChecked",
            "Discovered Unknown NotChecked"
        ],
        "nothing was found out"
    );

    let mut late = begun();
    let job = Arc::make_mut(&mut late.checks.jobs[0]);
    job.status =
        Some(object(json!({"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]})));
    let late = late.settled(now());
    assert_eq!(
        (late.conditions()[0].as_str(), late.conditions()[3].as_str()),
        ("Ready False TimedOut", "Reachable Unknown NotChecked")
    );
    assert!(late.checks.jobs.is_empty() && late.known().last_check.is_some(), "it is tried again");
}

#[test]
fn what_a_refused_write_holds_up_is_neither_checked_nor_waits_for_an_edit() {
    let begun = postgres().settled(now());
    assert_eq!(begun.conditions(), NEW);
    let why = Why { reason: Reason::WriteRefused, message: "the quota is used up".into() };
    let refused = blocked(&begun, &why, now());
    assert_eq!(begun.after(&refused).conditions(), ["Ready False WriteRefused"]);
}

#[test]
fn one_that_somebody_only_tries_goes_away_in_time() {
    let expiring = |text: &str| {
        let expires = ("aggregator.dev/expires-at".to_owned(), text.to_owned());
        postgres().edit(|it| it.metadata.annotations = Some([expires].into()))
    };
    let view = expiring("2026-11-29T10:05:00Z");
    assert_eq!(view.at(now()).again, Some(Duration::from_secs(300)));
    let late = view.at(now() + 5.minutes());
    let [Action::Delete { target, .. }] = late.actions.as_slice() else { panic!("{late}") };
    assert_eq!((target.kind, target.uid.as_str()), (Kind::Connector, "uid-shop"));

    let wrong = expiring("tomorrow").settled(now());
    assert_eq!(wrong.conditions()[0], "Ready False Invalid");
    assert!(wrong.checks.jobs.is_empty());
}

#[test]
fn one_whose_time_has_come_stays_while_a_pipeline_names_it_and_says_so() {
    let expires = ("aggregator.dev/expires-at".to_owned(), "2026-11-29T10:05:00Z".to_owned());
    let tried = postgres().edit(|it| it.metadata.annotations = Some([expires].into()));
    let checked = tried.settled(now()).said(&good()).settled(now() + 5.seconds());
    let ready = |view: &View| {
        let ready = find(&view.known().conditions, ConditionType::Ready).expect("a condition");
        (ready.status, ready.reason.clone(), ready.message.clone())
    };
    let before = ready(&checked);
    assert_eq!(before.2, "PostgreSQL 15.18, as reader");
    let named = View { named_by: Some("orders".into()), ..checked };
    assert_eq!(named.at(now() + 1.minute()).actions, [], "its time has not come");

    let late = now() + 5.minutes();
    let kept = named.settled(late);
    let said = "it has expired, and stays while the Pipeline `orders` names it; PostgreSQL 15.18, as reader";
    assert_eq!(ready(&kept), (before.0, before.1.clone(), said.to_owned()));
    assert_eq!(kept.at(late + 1.hour()), Plan::nothing().again_in(Duration::from_secs(60)), "it is looked again");
    // Another check says the same.
    let ask = |it: &mut Connector| {
        let asked = ("aggregator.dev/check-requested-at".to_owned(), "now".to_owned());
        it.metadata.annotations.as_mut().expect("annotations").extend([asked]);
    };
    let again = kept.clone().edit(ask).settled(late).said(&good()).settled(late + 5.seconds());
    assert_eq!(ready(&again).2, said);
    assert_eq!(again.at(late + 1.hour()).actions, []);

    let released = View { named_by: None, ..kept.clone() };
    let gone = released.at(late + 1.minute());
    assert!(matches!(gone.actions.as_slice(), [Action::Delete { .. }]), "{gone}");
    let stays = kept.edit(|it| it.metadata.annotations = None).settled(late + 1.minute());
    assert_eq!(ready(&stays), before);
}

#[test]
fn a_request_that_the_status_cannot_keep_is_refused_and_says_so() {
    let done = || postgres().settled(now()).said(&good()).settled(now() + 5.seconds());
    let asked = |length: usize| {
        let asked = ("aggregator.dev/check-requested-at".to_owned(), "ö".repeat(length));
        done().edit(|it| it.metadata.annotations = Some([asked].into())).settled(now() + 1.hour())
    };
    // Characters are counted, as the API server counts them.
    assert_eq!(asked(65_536).checks.jobs.len(), 1);
    let refused = asked(65_537);
    assert!(refused.checks.jobs.is_empty());
    assert_eq!(refused.conditions()[0], "Ready False Invalid");
    let said = "the annotation aggregator.dev/check-requested-at has 65537 characters, and may have 65536: \
                write a short one, as a time";
    assert_eq!(find(&refused.known().conditions, ConditionType::Ready).expect("a condition").message, said);
    let shorter = ("aggregator.dev/check-requested-at".to_owned(), "now".to_owned());
    let mended = refused.edit(|it| it.metadata.annotations = Some([shorter].into())).settled(now() + 2.hours());
    assert_eq!(mended.checks.jobs.len(), 1);
}

#[test]
fn who_checks_gets_its_identity_first() {
    let mut view = postgres();
    view.identity = false;
    let kinds: Vec<Kind> = view.at(now()).actions.iter().map(|action| action.what().0).collect();
    assert_eq!(kinds, [Kind::ServiceAccount, Kind::Role, Kind::RoleBinding, Kind::Connector]);
}

#[test]
fn a_catalogue_that_was_taken_away_is_found_again() {
    let view = postgres().settled(now()).said(&good()).settled(now() + 5.seconds());
    let robbed = View { has_catalogue: false, ..view };
    assert_eq!(robbed.at(now() + 6.seconds()).again, Some(std::time::Duration::from_secs(9)));
    let again = robbed.settled(now() + 15.seconds());
    assert_eq!(again.checks.jobs.len(), 1);
    // Nothing is missed where nothing was found.
    let refused = json!({"failure": {"step": "Discover", "reason": "CatalogueNotKept", "message": "no right"}});
    let view = postgres().settled(now()).said(&refused).settled(now() + 5.seconds());
    let without = View { has_catalogue: false, ..view };
    assert_eq!(without.at(now() + 1000.hours()), Plan::nothing());
}
