//! Jobs.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::selector::LabelSelector;
use super::age;
use super::cell::{self, integer, list, text};
use super::column::Head;

pub(super) const HEADS: [Head; 8] = [
    Head::NAME,
    Head::new("Status", "Status of the job."),
    Head::of("Completions", "io.k8s.api.batch.v1.JobStatus", "succeeded"),
    Head::new("Duration", "Time required to complete the job."),
    Head::AGE,
    Head::new("Containers", "Names of each container in the template.").wide(),
    Head::new("Images", "Images referenced by each container in the template.").wide(),
    Head::of("Selector", "io.k8s.api.batch.v1.JobSpec", "selector").wide(),
];

pub(super) fn cells(job: &Value, now: Timestamp) -> Vec<Value> {
    let containers = list(job, "/spec/template/spec/containers");
    let all = |field: &str| containers.iter().map(|one| text(one, field)).collect::<Vec<_>>().join(",");
    vec![
        json!(cell::name(job)),
        json!(status(job)),
        json!(completions(job)),
        json!(duration(job, now)),
        json!(cell::age(job, now)),
        json!(all("/name")),
        json!(all("/image")),
        json!(LabelSelector::shown(job.pointer("/spec/selector").unwrap_or(&Value::Null))),
    ]
}

fn status(job: &Value) -> &'static str {
    let is = |condition: &str| cell::condition(job, condition) == Some(true);
    match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if cell::deleted(job) => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(job: &Value) -> String {
    let succeeded = integer(job, "/status/succeeded");
    match (job.pointer("/spec/completions").and_then(Value::as_i64), integer(job, "/spec/parallelism")) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn duration(job: &Value, now: Timestamp) -> String {
    let time = |place: &str| age::timestamp(job.pointer(place));
    let Some(start) = time("/status/startTime") else { return String::new() };
    age::human(time("/status/completionTime").unwrap_or(now).duration_since(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_what_its_conditions_are() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let of = |spec: Value, status: Value| {
            let cells = cells(&json!({"metadata": {"name": "j"}, "spec": spec, "status": status}), now);
            [1, 2, 3].map(|index| cells[index].as_str().unwrap().to_owned())
        };
        let is = |condition: &str| json!([{"type": condition, "status": "True"}]);
        assert_eq!(of(json!({}), json!({})), ["Running", "0/1", ""]);
        assert_eq!(
            of(json!({"completions": 3}), json!({"succeeded": 2, "startTime": "2026-01-01T00:09:00Z"})),
            ["Running", "2/3", "60s"]
        );
        assert_eq!(
            of(json!({"parallelism": 4}), json!({"conditions": is("Suspended")})),
            ["Suspended", "0/1 of 4", ""]
        );
        let over = json!({
            "conditions": is("Complete"),
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:07Z",
        });
        assert_eq!(of(json!({"completions": 1}), over), ["Complete", "0/1", "7s"]);
        for condition in ["Failed", "FailureTarget", "SuccessCriteriaMet"] {
            assert_eq!(of(json!({}), json!({"conditions": is(condition)}))[0], condition);
        }
    }
}
