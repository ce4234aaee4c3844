//! The fields by which objects of a kind may be selected.

use serde_json::Value;

use super::super::Kind;
use super::key::quoted;

const NAME: &str = "metadata.name";
const NAMESPACE: &str = "metadata.namespace";

/// What the kind calls the field.
///
/// # Errors
/// The kind has no such field to select by, in the API server's words.
pub(super) fn known(kind: &Kind, field: &str, selectable: &[String]) -> Result<String, String> {
    let unknown = || Err(format!("field label not supported: {field}"));
    let own: &[&str] = if kind.custom {
        let known = field == NAME || (field == NAMESPACE && kind.namespaced);
        return if known || selectable.iter().any(|one| one == field) { Ok(field.to_owned()) } else { unknown() };
    } else {
        match (kind.group.as_str(), kind.kind.as_str()) {
            ("", "Pod") => &POD,
            ("", "Node") => &["spec.unschedulable"],
            ("", "Namespace") => &["status.phase"],
            ("", "Secret") => &["type"],
            ("", "Event") => &EVENT,
            ("events.k8s.io", "Event") => return regarding(field).map_or_else(unknown, |field| Ok(field.to_owned())),
            ("batch", "Job") => &["status.successful"],
            _ if matches!(field, NAME | NAMESPACE) => return Ok(field.to_owned()),
            _ => {
                return Err(format!(
                    "{} is not a known field selector: only \"{NAME}\", \"{NAMESPACE}\"",
                    quoted(field)
                ));
            }
        }
    };
    match field {
        // What nodes called it long ago.
        "spec.host" if own == POD => Ok("spec.nodeName".to_owned()),
        NAME => Ok(field.to_owned()),
        NAMESPACE if kind.namespaced => Ok(field.to_owned()),
        field if own.contains(&field) => Ok(field.to_owned()),
        _ if kind.kind == "Job" => Err(format!("field label {} not supported for Job", quoted(field))),
        _ => unknown(),
    }
}

const POD: [&str; 9] = [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];
const EVENT: [&str; 11] = [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

/// What the core group calls a field of an event of the other group.
fn regarding(field: &str) -> Option<&str> {
    let field = match field {
        NAME | NAMESPACE | "reason" | "type" => field,
        "reportingController" => "reportingComponent",
        other => {
            let part = other.strip_prefix("regarding.")?;
            *EVENT.iter().find(|own| own.strip_prefix("involvedObject.") == Some(part))?
        }
    };
    Some(field)
}

/// The value by which an object is selected; what is not there is an empty text.
pub(super) fn value(kind: &Kind, object: &Value, field: &str) -> String {
    let text = |place: &str| {
        let pointer: String = place.split('.').flat_map(|part| ["/", part]).collect();
        match object.pointer(&pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other @ (Value::Bool(_) | Value::Number(_))) => other.to_string(),
            _ => String::new(),
        }
    };
    let or = |value: String, other: &str| if value.is_empty() { other.to_owned() } else { value };
    match (kind.custom, kind.group.as_str(), field) {
        (false, "", "spec.unschedulable" | "spec.hostNetwork") => or(text(field), "false"),
        (false, "", "status.podIP") => text("status.podIPs.0.ip"),
        // It may be asked for, and nothing has it.
        (false, "", "status.podIPs") => String::new(),
        (false, "batch", "status.successful") => or(text("status.succeeded"), "0"),
        (false, "", "source") => or(text("source.component"), &text("reportingComponent")),
        (false, "events.k8s.io", "reportingComponent") => text("reportingController"),
        (false, "events.k8s.io", _) if field.starts_with("involvedObject.") => {
            text(&field.replacen("involvedObject", "regarding", 1))
        }
        _ => text(field),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::discovery::sample::kind;

    fn is(kind: &Kind, object: Value, field: &str, expected: &str) {
        let known = known(kind, field, &[]).unwrap();
        assert_eq!(value(kind, &object, &known), expected, "{field}");
    }

    #[test]
    fn both_groups_of_events_have_the_same_fields() {
        let core = kind("", "v1", "Event", "events");
        let other = kind("events.k8s.io", "v1", "Event", "events");
        is(&core, json!({"involvedObject": {"uid": "u"}}), "involvedObject.uid", "u");
        is(&other, json!({"regarding": {"uid": "u"}}), "regarding.uid", "u");
        is(&core, json!({"source": {"component": "a"}, "reportingComponent": "b"}), "source", "a");
        is(&core, json!({"source": {}, "reportingComponent": "b"}), "source", "b");
        is(&other, json!({"reportingController": "b"}), "reportingController", "b");
        assert_eq!(
            known(&other, "involvedObject.uid", &[]),
            Err("field label not supported: involvedObject.uid".to_owned())
        );
        assert_eq!(known(&other, "source", &[]), Err("field label not supported: source".to_owned()));
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        is(&kind("", "v1", "Node", "nodes"), json!({}), "spec.unschedulable", "false");
        is(&kind("batch", "v1", "Job", "jobs"), json!({}), "status.successful", "0");
        is(&kind("batch", "v1", "Job", "jobs"), json!({"status": {"succeeded": 3}}), "status.successful", "3");
        let pod = json!({"status": {"podIP": "1", "podIPs": [{"ip": "2"}]}, "spec": {"hostNetwork": true}});
        is(&kind("", "v1", "Pod", "pods"), pod.clone(), "status.podIP", "2");
        is(&kind("", "v1", "Pod", "pods"), pod, "spec.hostNetwork", "true");
    }

    #[test]
    fn a_kind_of_a_definition_has_the_fields_of_its_definition() {
        let mut custom = kind("example.com", "v1", "Shirt", "shirts");
        custom.custom = true;
        let selectable = ["spec.color".to_owned()];
        assert_eq!(known(&custom, "spec.color", &selectable), Ok("spec.color".to_owned()));
        assert_eq!(known(&custom, NAMESPACE, &selectable), Ok(NAMESPACE.to_owned()));
        assert_eq!(known(&custom, "spec.size", &selectable), Err("field label not supported: spec.size".to_owned()));
        custom.namespaced = false;
        assert_eq!(known(&custom, NAMESPACE, &[]), Err(format!("field label not supported: {NAMESPACE}")));
        assert_eq!(value(&custom, &json!({"spec": {"color": "red"}}), "spec.color"), "red");
    }

    #[test]
    fn other_kinds_have_names_only() {
        let secrets = kind("", "v1", "ConfigMap", "configmaps");
        assert_eq!(
            known(&secrets, "type", &[]),
            Err("\"type\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"".to_owned())
        );
        let jobs = kind("batch", "v1", "Job", "jobs");
        assert_eq!(known(&jobs, "x", &[]), Err("field label \"x\" not supported for Job".to_owned()));
    }
}
