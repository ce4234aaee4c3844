//! Fields that somebody else has set, and that an apply would change.

use aggregator_compiler::plural::counted;
use aggregator_crds::Reason;
use kube::core::Status;

use crate::failure::Failure;

/// What the API calls such a field.
const CAUSE: &str = "FieldManagerConflict";

/// What is said of a refusal that is for such fields: who has set which, and how to go on.
pub(super) fn conflict(status: &Status) -> Option<Failure> {
    let causes = status.details.as_ref()?.causes.iter().filter(|cause| cause.reason == CAUSE);
    let mut owners: Vec<(String, Vec<&str>)> = Vec::new();
    for cause in causes {
        let owner = owner(&cause.message);
        match owners.iter_mut().find(|(known, _)| *known == owner) {
            Some((_, fields)) => fields.push(cause.field.as_str()),
            None => owners.push((owner, vec![cause.field.as_str()])),
        }
    }
    let fields: usize = owners.iter().map(|(_, fields)| fields.len()).sum();
    if fields == 0 {
        return None;
    }
    let lines = owners.iter().map(|(owner, fields)| format!("\n  {owner} has set {}", fields.join(", ")));
    Some(Failure {
        reason: Reason::Refused.as_str(),
        message: format!(
            "others have set {} to something else:{}",
            if fields == 1 { "a field".to_owned() } else { counted(fields, "field") },
            lines.collect::<String>()
        ),
        remedy: Some(
            "leave these fields out of the file, and they stay as they are; or take them over with --force-conflicts"
                .into(),
        ),
        place: None,
        diagnostics: Vec::new(),
        exit_code: 1,
    })
}

/// Who it is: `conflict with "kubectl" using v1` names `kubectl`.
fn owner(message: &str) -> String {
    let named = message.split('"').nth(1).filter(|name| !name.is_empty());
    named.unwrap_or(message).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conflict_says_who_has_set_what() {
        let status: Status = serde_json::from_value(json!({
            "code": 409, "reason": "Conflict", "message": "Apply failed with 3 conflicts",
            "details": {"causes": [
                {"reason": CAUSE, "message": "conflict with \"kubectl-edit\" using aggregator.dev/v1alpha1", "field": ".spec.a"},
                {"reason": CAUSE, "message": "conflict with \"studio\" with subresource \"x\"", "field": ".spec.b"},
                {"reason": CAUSE, "message": "conflict with \"kubectl-edit\"", "field": ".spec.c"},
            ]},
        }))
        .expect("a status");
        let failure = conflict(&status).expect("a conflict");
        assert_eq!(
            failure.message,
            "others have set 3 fields to something else:\n  kubectl-edit has set .spec.a, .spec.c\n  \
             studio has set .spec.b"
        );
        assert!(failure.remedy.is_some_and(|remedy| remedy.contains("--force-conflicts")));
    }

    #[test]
    fn another_refusal_is_none() {
        let status: Status = serde_json::from_value(json!({"code": 409, "reason": "AlreadyExists"})).expect("a status");
        assert!(conflict(&status).is_none());
    }
}
