//! Rights: roles and who has them.

use serde_json::{Value, json};

use super::{default_to, immutable, items, items_mut, text};
use crate::api::Cause;
use crate::api::schema::mistake::{invalid, invalid_text, not_supported, required};
use crate::api::schema::names;
use crate::api::schema::path::Path;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Fills in the group of roles and people.
pub(super) fn binding(object: &mut Value) {
    default_to(&mut object["roleRef"], "apiGroup", GROUP);
    for subject in
        items_mut(object, "subjects").filter(|subject| subject["kind"] == "User" || subject["kind"] == "Group")
    {
        default_to(subject, "apiGroup", GROUP);
    }
}

pub(super) fn check_role(object: &Value, namespaced: bool) -> Vec<Cause> {
    let (mut causes, mut last) = (Vec::new(), Vec::new());
    for (place, rule) in items(object, "rules").iter().enumerate() {
        let path = Path::of("rules").index(place);
        let has = |name: &str| !items(rule, name).is_empty();
        if !has("verbs") {
            last.push(required(&path.child("verbs"), ""));
        }
        if has("nonResourceURLs") {
            let path = path.child("nonResourceURLs");
            let mut wrong = |detail: &str| causes.push(invalid(&path, &rule["nonResourceURLs"], detail));
            if namespaced {
                wrong("namespaced rules cannot apply to non-resource URLs");
            }
            if has("apiGroups") || has("resources") || has("resourceNames") {
                wrong("rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        if !has("apiGroups") {
            causes.push(required(&path.child("apiGroups"), "resource rules must supply at least one api group"));
        }
        if !has("resources") {
            causes.push(required(&path.child("resources"), "resource rules must supply at least one resource"));
        }
    }
    if object["aggregationRule"].is_object() && items(&object["aggregationRule"], "clusterRoleSelectors").is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        causes.push(required(&Path::of("aggregationRule.clusterRoleSelectors"), detail));
    }
    causes.extend(last);
    causes
}

pub(super) fn check_binding(object: &Value, old: Option<&Value>, namespaced: bool) -> Vec<Cause> {
    let (role, path) = (&object["roleRef"], Path::of("roleRef"));
    let mut causes = Vec::new();
    if text(role, "apiGroup") != GROUP {
        causes.push(not_supported(&path.child("apiGroup"), &text(role, "apiGroup").into(), &[GROUP]));
    }
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&text(role, "kind")) {
        causes.push(not_supported(&path.child("kind"), &text(role, "kind").into(), kinds));
    }
    let name = text(role, "name");
    causes.extend(names::segment(name).into_iter().map(|what| invalid_text(&path.child("name"), name, &what)));
    for (place, subject) in items(object, "subjects").iter().enumerate() {
        causes.extend(check_subject(subject, namespaced, &Path::of("subjects").index(place)));
    }
    // The API server shows its own names of the fields.
    let own = |role: &Value| json!({"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]});
    causes.extend(old.and_then(|old| immutable(&own(role), &own(&old["roleRef"]), &path)));
    // What is missing is told last.
    for (place, _) in items(object, "subjects").iter().enumerate().filter(|(_, who)| text(who, "name").is_empty()) {
        causes.push(required(&Path::of("subjects").index(place).child("name"), ""));
    }
    if name.is_empty() {
        causes.push(required(&path.child("name"), ""));
    }
    causes
}

fn check_subject(subject: &Value, namespaced: bool, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                let wrong = names::subdomain(name).into_iter();
                causes.extend(wrong.map(|what| invalid_text(&path.child("name"), name, &what)));
            }
            if !group.is_empty() {
                causes.push(not_supported(&path.child("apiGroup"), &group.into(), &[""]));
            }
            if !namespaced && text(subject, "namespace").is_empty() {
                causes.push(required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if group != GROUP {
                causes.push(not_supported(&path.child("apiGroup"), &group.into(), &[GROUP]));
            }
        }
        kind => causes.push(not_supported(&path.child("kind"), &kind.into(), &["ServiceAccount", "User", "Group"])),
    }
    causes
}
