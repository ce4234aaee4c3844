//! Nobody grants what they do not have.

use serde_json::Value;

use crate::api::{Details, Refusal, RefusalReason};

use super::forbidden::of as forbidden_of;
use super::name::{quoted, quoted_all};
use super::role::{listed, missing};
use super::user::MASTERS;
use super::{Attributes, Authority, Missing, Resource, RoleRef, Rule, Target, User};

const GROUP: &str = "rbac.authorization.k8s.io";

/// A write of an object.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The resource, as `roles`, of the API group of roles.
    pub resource: &'a str,
    /// Where; empty for what is in no namespace.
    pub namespace: &'a str,
    /// The name in the request's path; empty when the object is created by its collection.
    pub name: &'a str,
    /// The object as it would be.
    pub object: &'a Value,
    /// The object as it is; nothing when it is created.
    pub old: Option<&'a Value>,
}

/// Whether somebody may write a role with these rules, or a binding of this role: they have the rights in it themselves, or
/// that to escalate the role, or to bind it.
///
/// # Errors
/// When they may not, or a binding's role is not there.
pub fn escalation(user: &User, authority: &Authority<'_>, write: &Write<'_>) -> Result<(), Refusal> {
    if user.is_in(MASTERS) || write.old.is_some_and(|old| differ_for_collector_only(old, write.object)) {
        return Ok(());
    }
    match write.resource {
        "roles" | "clusterroles" => role(user, authority, write),
        "rolebindings" | "clusterrolebindings" => binding(user, authority, write),
        _ => Ok(()),
    }
}

fn role(user: &User, authority: &Authority<'_>, write: &Write<'_>) -> Result<(), Refusal> {
    if may(user, authority, "escalate", (write.resource, write.name), write.namespace) {
        return Ok(());
    }
    covered(user, authority, write, &Rule::all(write.object))?;
    if gathers(write.object) || write.old.is_some_and(gathers) {
        let star = || vec!["*".to_owned()];
        let everything = [
            Rule { verbs: star(), groups: star(), resources: star(), ..Rule::default() },
            Rule { verbs: star(), paths: star(), ..Rule::default() },
        ];
        let why = "must have cluster-admin privileges to use the aggregationRule";
        covered(user, authority, write, &everything).map_err(|_| refusal(write, why))?;
    }
    Ok(())
}

fn binding(user: &User, authority: &Authority<'_>, write: &Write<'_>) -> Result<(), Refusal> {
    let role = RoleRef::of(write.object);
    let resource = if role.kind == "Role" { "roles" } else { "clusterroles" };
    if may(user, authority, "bind", (resource, &role.name), write.namespace) {
        return Ok(());
    }
    let rules = authority.rules.role(&role, write.namespace).map_err(|absent| not_found(write, absent))?;
    covered(user, authority, write, rules)
}

fn may(user: &User, authority: &Authority<'_>, verb: &str, (resource, name): (&str, &str), namespace: &str) -> bool {
    let target = Target::Resource(Resource {
        namespace: namespace.to_owned(),
        group: GROUP.to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        ..Resource::default()
    });
    authority.decide(&Attributes { user: user.clone(), verb: verb.to_owned(), target }).allowed
}

fn covered(user: &User, authority: &Authority<'_>, write: &Write<'_>, rules: &[Rule]) -> Result<(), Refusal> {
    let (had, absent) = authority.rules(user, write.namespace);
    let lines = missing(&had, rules);
    if lines.is_empty() {
        return Ok(());
    }
    let (name, groups) = (quoted(&user.name), quoted_all(&user.groups));
    let mut why = format!(
        "user {name} (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{}",
        lines.join("\n")
    );
    if !absent.is_empty() {
        let errors = absent.into_iter().map(|absent| absence(write, absent)).collect();
        why.push_str(&format!("; resolution errors: [{}]", listed(errors)));
    }
    Err(refusal(write, &why))
}

fn refusal(write: &Write<'_>, why: &str) -> Refusal {
    let name = write.object["metadata"]["name"].as_str().unwrap_or_default();
    forbidden_of(GROUP, write.resource, name, why)
}

/// A role that is not there. The API server takes its resource from the request, whose it is not.
fn absence(write: &Write<'_>, Missing(role): Missing<'_>) -> String {
    format!("{}.{GROUP} {} not found", write.resource, quoted(&role.name))
}

fn not_found(write: &Write<'_>, absent: Missing<'_>) -> Refusal {
    let (group, kind) = (GROUP.to_owned(), write.resource.to_owned());
    let details = Details { name: absent.0.name.clone(), group, kind, ..Details::default() };
    Refusal { reason: RefusalReason::NotFound, message: absence(write, absent), details: Some(Box::new(details)) }
}

fn gathers(role: &Value) -> bool {
    role["aggregationRule"]["clusterRoleSelectors"].as_array().is_some_and(|selectors| !selectors.is_empty())
}

/// Whether only that differs by which the garbage collector lets go of an object.
fn differ_for_collector_only(old: &Value, new: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for key in ["ownerReferences", "finalizers", "managedFields"] {
                metadata.remove(key);
            }
        }
        object
    };
    rest(old) == rest(new)
}
