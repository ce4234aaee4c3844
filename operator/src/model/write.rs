//! Carries a write out, as `crate::execute` does: what it asks the API server for, and what it makes of the answers.

use serde_json::json;

use super::fields::merged;
use super::object::{Object, Place, life};
use super::server::{Meant, Refusal, Server};
use super::stage::Write;
use super::subject::Rules;
use crate::action::{Action, Kind, Target};
use crate::execute::FIELD_MANAGER;

/// What has become of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is done: the object of that life has this version now, or goes.
    Done {
        place: Place,
        life: u8,
        version: Option<u16>,
        /// Whether the writes that come next were planned from something else than what is there.
        otherwise: bool,
    },
    /// It was refused.
    Failed,
}

fn meant<'a>(target: &'a Target, write: Write, rules: &Rules) -> Meant<'a> {
    Meant {
        uid: rules.uid.then_some(target.uid.as_str()),
        version: (write.version > 0 && rules.version).then_some(write.version),
    }
}

fn done(answer: Result<Object, Refusal>) -> Written {
    match answer {
        Ok(object) => Written::Done {
            place: object.place(),
            life: life(object.uid()),
            version: Some(object.version),
            otherwise: false,
        },
        Err(_) => Written::Failed,
    }
}

/// Does one write.
pub(super) fn write(server: &mut Server, write: Write, rules: &Rules) -> Written {
    let place = write.task.place();
    match write.task.action() {
        Action::Create { kind, object } => match server.create(object, None) {
            Err(Refusal::AlreadyExists) => found(server, *kind, object, rules),
            answer => done(answer),
        },
        Action::Delete { target, .. } => match send(server, write, rules) {
            Ok(_) | Err(Refusal::NotFound) => {
                Written::Done { place, life: life(&target.uid), version: None, otherwise: false }
            }
            Err(_) => Written::Failed,
        },
        _ => done(send(server, write, rules)),
    }
}

/// What was to be made is there already.
fn found(server: &mut Server, kind: Kind, object: &serde_json::Value, rules: &Rules) -> Written {
    let there = Place::of(kind, object["metadata"]["name"].as_str().unwrap_or_default());
    let Some(there) = server.at(there) else { return Written::Failed };
    let references = object["metadata"]["ownerReferences"].as_array();
    let owner = references.into_iter().flatten().find(|reference| reference["controller"] == true);
    let owner = owner.and_then(|owner| owner["uid"].as_str()).unwrap_or_default();
    if rules.owner && there.controller() != Some(owner) {
        return Written::Failed;
    }
    let wanted = &object["metadata"]["labels"];
    let mut labels = there.at("/metadata/labels").clone();
    merged(&mut labels, wanted);
    let answer = if labels == *there.at("/metadata/labels") {
        Ok(there)
    } else {
        let uid = Meant { uid: Some(there.uid()), version: None };
        server.merge(there.place(), &json!({"metadata": {"labels": wanted}}), uid, None, false)
    };
    // `Written::belies_the_plan`
    let otherwise = rules.looks_again && matches!(kind, Kind::ConfigMap | Kind::ControllerRevision);
    match done(answer) {
        Written::Done { place, life, version, .. } => Written::Done { place, life, version, otherwise },
        Written::Failed => Written::Failed,
    }
}

/// Sends the request of a write, and nothing after it.
///
/// # Errors
/// What the API server says.
pub(super) fn send(server: &mut Server, write: Write, rules: &Rules) -> Result<Object, Refusal> {
    let place = write.task.place();
    match write.task.action() {
        Action::Create { object, .. } => server.create(object, None),
        Action::Apply { object, .. } => server.apply(place, object, Meant::default(), FIELD_MANAGER, false),
        Action::Status { target, status } => {
            server.apply(place, &json!({ "status": status }), meant(target, write, rules), FIELD_MANAGER, true)
        }
        Action::Merge { target, patch } => server.merge(place, patch, meant(target, write, rules), None, false),
        Action::Delete { target, foreground } => server.delete(place, meant(target, write, rules), *foreground),
    }
}
