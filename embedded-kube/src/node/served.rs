//! The logs of a node for the API of the same process, with what an API server says around them
//! (<https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/pod/strategy.go>).

use axum::body::Body;
use serde_json::Value;

use super::log::{CREATING, Logs, Mistake, NoLog, Words};
use crate::api::{Cause, Details, Refusal, RefusalReason, serve};

/// Where a Pod has containers, in the order in which they are told.
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

#[async_trait::async_trait]
impl serve::Logs for Logs {
    async fn log(&self, pod: &Value, query: &str) -> Result<Body, Refusal> {
        let words = wanted(pod, query)?;
        let container = container(pod, &words.container)?;
        if text(&pod["spec"], "nodeName").is_empty() {
            return Ok(Body::empty());
        }
        match self.open((text(&pod["metadata"], "namespace"), name(pod)), container, &words) {
            Ok(log) => Ok(Body::from_stream(log)),
            Err(why) => Err(refused(pod, container, &words, why)),
        }
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn name(pod: &Value) -> &str {
    text(&pod["metadata"], "name")
}

/// The names of a Pod's containers.
fn names<'a>(pod: &'a Value, list: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let containers = pod["spec"][list].as_array();
    containers.into_iter().flatten().filter_map(|container| container["name"].as_str())
}

/// What is asked for of a Pod's logs.
pub(crate) fn wanted(pod: &Value, query: &str) -> Result<Words, Refusal> {
    let words = Words::read(query).map_err(Refusal::bad_request)?;
    let mistakes = words.mistakes();
    if mistakes.is_empty() { Ok(words) } else { Err(invalid(name(pod), &mistakes)) }
}

fn invalid(pod: &str, mistakes: &[Mistake]) -> Refusal {
    let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let what = match texts.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let details = Details {
        name: pod.to_owned(),
        kind: "PodLogOptions".to_owned(),
        causes: mistakes.iter().map(cause).collect(),
        ..Details::default()
    };
    let message = format!("PodLogOptions \"{pod}\" is invalid: {what}");
    Refusal { reason: RefusalReason::Invalid, message, details: Some(Box::new(details)) }
}

fn cause(mistake: &Mistake) -> Cause {
    let reason = if mistake.value.is_some() { "FieldValueInvalid" } else { "FieldValueForbidden" };
    Cause { reason: reason.to_owned(), message: mistake.what(), field: mistake.word.to_owned() }
}

/// The container that is named, or the only one. Which of several kubectl prefers is not the server's to know.
pub(crate) fn container<'a>(pod: &'a Value, named: &'a str) -> Result<&'a str, Refusal> {
    let all: Vec<&str> = LISTS.into_iter().flat_map(|list| names(pod, list)).collect();
    let pod_name = name(pod);
    if !named.is_empty() {
        return if all.contains(&named) {
            Ok(named)
        } else {
            Err(Refusal::bad_request(format!("container {named} is not valid for pod {pod_name}")))
        };
    }
    let mut mains = names(pod, "containers");
    let unnamed = format!("a container name must be specified for pod {pod_name}");
    match (mains.next(), mains.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Refusal::bad_request(unnamed)),
        (Some(_), Some(_)) => Err(Refusal::bad_request(format!("{unnamed}, choose one of: [{}]", all.join(" ")))),
    }
}

/// Why there is no log of a Pod that is bound to a node.
fn refused(pod: &Value, container: &str, words: &Words, why: NoLog) -> Refusal {
    let (of, container) = (name(pod).to_owned(), container.to_owned());
    let why = match why {
        // The node is about to see it.
        NoLog::Pod(_) if is_new(pod) && words.previous => NoLog::Previous { pod: of, container },
        NoLog::Pod(_) if is_new(pod) => {
            let reason = if names(pod, "initContainers").next().is_some() { "PodInitializing" } else { CREATING };
            NoLog::Waiting { pod: of, container, reason: reason.to_owned() }
        }
        NoLog::Pod(_) | NoLog::Container { .. } => return lost(of),
        why => why,
    };
    Refusal::bad_request(why.to_string())
}

/// Whether no node has said anything of the Pod yet.
fn is_new(pod: &Value) -> bool {
    let status = &pod["status"];
    matches!(text(status, "phase"), "" | "Pending") && status["containerStatuses"].is_null()
}

/// The node does not know the Pod.
pub(crate) fn lost(pod: String) -> Refusal {
    let message = format!("the server could not find the requested resource ( pods/log {pod})");
    let details = Details { name: pod, kind: "pods/log".to_owned(), ..Details::default() };
    Refusal { reason: RefusalReason::NotFound, message, details: Some(Box::new(details)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A Pod with these containers, the first before the others.
    fn pod(first: &[&str], mains: &[&str]) -> Value {
        let list = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
        json!({
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {"nodeName": "here", "initContainers": list(first), "containers": list(mains)},
        })
    }

    fn chosen(pod: &Value, named: &str) -> Result<String, String> {
        container(pod, named).map(str::to_owned).map_err(|refusal| {
            assert_eq!(refusal.reason, RefusalReason::BadRequest);
            refusal.message
        })
    }

    #[test]
    fn a_container_is_named_or_the_only_one() {
        assert_eq!(chosen(&pod(&[], &["a"]), ""), Ok("a".into()));
        assert_eq!(chosen(&pod(&["i"], &["a"]), ""), Ok("a".into()));
        let several = pod(&["i"], &["a", "b"]);
        assert_eq!(chosen(&several, "b"), Ok("b".into()));
        assert_eq!(chosen(&several, "i"), Ok("i".into()));
        let choose = "a container name must be specified for pod p, choose one of: [i a b]";
        assert_eq!(chosen(&several, ""), Err(choose.into()));
        assert_eq!(chosen(&several, "c"), Err("container c is not valid for pod p".into()));
        assert_eq!(chosen(&pod(&[], &[]), ""), Err("a container name must be specified for pod p".into()));
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_the_container_is_looked_for() {
        let pod = pod(&[], &["a", "b"]);
        let refusal = wanted(&pod, "tailLines=-1&container=a").unwrap_err();
        let what = "tailLines: Invalid value: -1: must be greater than or equal to 0";
        assert_eq!(refusal.message, format!("PodLogOptions \"p\" is invalid: {what}"));
        let status = refusal.status();
        assert_eq!((&status["code"], &status["reason"]), (&json!(422), &json!("Invalid")));
        let cause = json!({
            "reason": "FieldValueInvalid", "message": "Invalid value: -1: must be greater than or equal to 0",
            "field": "tailLines",
        });
        assert_eq!(status["details"], json!({"name": "p", "kind": "PodLogOptions", "causes": [cause]}));
        let two = wanted(&pod, "tailLines=-1&stream=All").unwrap_err();
        assert_eq!(
            two.message,
            format!("PodLogOptions \"p\" is invalid: [{what}, stream: Forbidden: may not be specified]"),
        );
        let unread = wanted(&pod, "limitBytes=x").unwrap_err();
        assert_eq!(unread.status()["reason"], "BadRequest");
        assert_eq!(unread.message, "strconv.ParseInt: parsing \"x\": invalid syntax");
    }

    #[test]
    fn a_log_that_is_not_there_is_told_as_by_a_kubelet() {
        let told = |pod: &Value, query: &str, why: NoLog| {
            let words = Words::read(query).unwrap();
            let refusal = refused(pod, "a", &words, why);
            (refusal.reason.code(), refusal.message)
        };
        let mut bound = pod(&[], &["a"]);
        let none = || NoLog::Pod("p".into());
        let waiting = "container \"a\" in pod \"p\" is waiting to start: ContainerCreating";
        assert_eq!(told(&bound, "", none()), (400, waiting.into()));
        let previous = "previous terminated container \"a\" in pod \"p\" not found";
        assert_eq!(told(&bound, "previous=true", none()), (400, previous.into()));
        let initializing = "container \"a\" in pod \"p\" is waiting to start: PodInitializing";
        assert_eq!(told(&pod(&["i"], &["a"]), "", none()), (400, initializing.into()));
        bound["status"] = json!({"phase": "Running", "containerStatuses": [{"name": "a"}]});
        let lost = "the server could not find the requested resource ( pods/log p)";
        assert_eq!(told(&bound, "", none()), (404, lost.into()));
        let why = NoLog::Waiting { pod: "p".into(), container: "a".into(), reason: "ErrImagePull".into() };
        let pulling = "container \"a\" in pod \"p\" is waiting to start: image can't be pulled";
        assert_eq!(told(&bound, "", why), (400, pulling.into()));
    }

    #[tokio::test]
    async fn a_pod_on_no_node_has_an_empty_log() {
        use http_body_util::BodyExt;
        let logs = Logs::of(&std::sync::Arc::default());
        let mut pod = pod(&[], &["a"]);
        pod["spec"]["nodeName"] = Value::Null;
        let body = serve::Logs::log(&logs, &pod, "follow=true").await.unwrap();
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
        let refusal = serve::Logs::log(&logs, &pod, "container=b").await.unwrap_err();
        assert_eq!(refusal.message, "container b is not valid for pod p");
    }
}
