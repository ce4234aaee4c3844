//! Webhooks: a request that has the token of a Schedule is one run, whichever operator answers it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use aggregator_tests::operator::{address_after, send};
use aggregator_tests::process::Process;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::project::Project;

const TOKEN: &str = "Bearer the token of the tests";
const NAME: &str = "ordered";

fn schedule(project: &Project) {
    project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: ordered}
spec:
  pipelineRef: {name: move}
  concurrencyPolicy: Queue
  webhook: {tokenSha256: 52364ea863f87c86ba686d517b411e4f0b4a473c8c80b246057ed02526f3bd82}
",
    );
}

fn until(project: &Project, reason: &str) -> Value {
    eventually(&format!("{reason} of the Schedule"), || {
        let schedule = project.get("schedule", NAME);
        (schedule["status"]["conditions"][0]["reason"] == reason).then_some(schedule)
    })
}

/// Where an operator listens.
fn address(operator: &Process) -> String {
    eventually("the address of a listener", || address_after(operator, "listening for requests at http://"))
}

/// What is answered to a request for a Schedule of the project.
fn post(project: &Project, address: &str, schedule: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let request = format!("POST /webhooks/{}/{schedule}", project.namespace.name());
    let (status, body) = send(address, &request, headers, "{}").expect("an answer");
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// Two operators that listen, of which the first acts, and a Schedule that waits for requests. Gives where they listen.
fn two_that_listen() -> (Project, Vec<String>) {
    let mut project = Project::without_operator(true);
    project.arguments = ["--webhook-address", "127.0.0.1:0"].map(str::to_owned).into();
    project.start();
    eventually("an operator that acts", || project.log().contains("the operator acts").then_some(()));
    project.start();
    let operators: Vec<String> = project.operators.iter().map(address).collect();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    schedule(&project);
    until(&project, "Waiting");
    (project, operators)
}

#[test]
fn a_request_with_the_token_is_one_run_whoever_answers_it() {
    let (mut project, operators) = two_that_listen();

    let ask = |operator: usize, headers: &[(&str, &str)]| post(&project, &operators[operator], NAME, headers);
    let wrong = ask(0, &[("Authorization", "Bearer another token")]);
    assert_eq!(wrong.0, 401, "{wrong:?}");
    assert_eq!(ask(1, &[]), wrong);
    // Nobody is told which Schedules there are.
    assert_eq!(post(&project, &operators[0], "nobody", &[("Authorization", TOKEN)]), wrong);
    assert_eq!(project.list("pipelineruns"), [] as [Value; 0]);
    assert_eq!(project.get("schedule", NAME)["status"]["requests"], Value::Null);

    let (status, taken) = ask(0, &[("Authorization", TOKEN)]);
    assert_eq!(status, 202, "{taken}");
    let run = project.ended(taken["run"].as_str().expect("a name"));
    assert_eq!(run["status"]["phase"], "Succeeded", "{run}");
    assert_eq!(run["metadata"]["annotations"]["aggregator.dev/fire"], taken["time"]);
    assert_eq!(project.lines("out").len(), 1);

    // One of the two waits for its turn.
    let keyed = [("Authorization", TOKEN), ("Idempotency-Key", "order-7")];
    let first = ask(0, &keyed);
    assert_eq!((first.0, ask(1, &keyed)), (202, first.clone()));
    let second = first.1["run"].as_str().expect("a name");
    assert_eq!(project.ended(second)["status"]["phase"], "Succeeded");
    assert_eq!(ask(1, &keyed), first, "also when it is over");
    assert_eq!(project.list("pipelineruns").len(), 2);

    let patch = |suspend: bool| {
        let patch = json!({"spec": {"suspend": suspend}}).to_string();
        project.namespace.kubectl(["patch", "schedule", NAME, "--type=merge", "--patch", &patch]);
        until(&project, if suspend { "Suspended" } else { "Waiting" });
    };
    patch(true);
    let (status, said) = ask(0, &[("Authorization", TOKEN)]);
    assert_eq!((status, &said["error"]), (409, &json!("the Schedule is suspended")));
    patch(false);

    // Who acts dies when several have been taken.
    let keyed = |key| ask(1, &[("Authorization", TOKEN), ("Idempotency-Key", key)]);
    let taken = ["a", "b", "c"].map(|key| keyed(key).1["run"].clone());
    project.kill_holder();
    for run in &taken {
        let run = project.ended(run.as_str().expect("a name"));
        assert_eq!(run["status"]["phase"], "Succeeded", "{run}");
    }
    let schedule = eventually("a Schedule that has noted all of them", || {
        let schedule = project.get("schedule", NAME);
        let requests = schedule["status"]["requests"].as_array()?;
        requests.iter().all(|request| request["decided"] == true).then_some(schedule)
    });
    assert_eq!(schedule["status"]["counts"]["started"], 5, "{schedule}");
    assert_eq!(project.list("pipelineruns").len(), 5);
}

/// A request with the token of which the body is still to come, once the operator asks for it.
fn begun(project: &Project, address: &str, key: &str) -> TcpStream {
    const ASKED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time");
    let head = format!(
        "POST /webhooks/{}/{NAME} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {TOKEN}\r\nIdempotency-Key: {key}\r\n\
         Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        project.namespace.name()
    );
    stream.write_all(head.as_bytes()).expect("a request");
    let mut told = [0; ASKED.len()];
    stream.read_exact(&mut told).expect("an answer");
    assert_eq!(told, ASKED, "{}", String::from_utf8_lossy(&told));
    stream
}

#[test]
fn an_operator_that_ends_answers_those_that_have_asked() {
    let (mut project, operators) = two_that_listen();
    eventually("a second operator that is ready", || {
        (Project::ask(&project.operators[1], "/readyz") == "ok").then_some(())
    });
    eventually("a second operator that knows the Schedule", || {
        let headers = [("Authorization", TOKEN), ("Idempotency-Key", "first")];
        (post(&project, &operators[1], NAME, &headers).0 == 202).then_some(())
    });

    let answered = |mut stream: TcpStream, address: &str| {
        eventually("a listener that is closed", || TcpStream::connect(address).is_err().then_some(()));
        stream.write_all(b"{}").expect("a connection");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    };
    // It waits for its turn.
    let asks = begun(&project, &operators[1], "second");
    project.operators[1].terminate();
    answered(asks, &operators[1]);
    // It loses the Lease.
    let asks = begun(&project, &operators[0], "third");
    let robs = r#"{"spec":{"holderIdentity":"another"}}"#;
    project.namespace.kubectl(["patch", "lease", "aggregator", "--type=merge", "--patch", robs]);
    answered(asks, &operators[0]);
    for operator in &mut project.operators {
        eventually("the operators' end", || operator.ended().then_some(()));
    }
    let schedule = project.get("schedule", NAME);
    assert_eq!(schedule["status"]["requests"].as_array().map(Vec::len), Some(3), "{schedule}");
}

#[test]
fn a_schedule_to_which_nobody_listens_says_so() {
    let project = Project::new();
    project.copy_files("move", "{}");
    schedule(&project);
    let schedule = until(&project, "NoListener");
    let ready = &schedule["status"]["conditions"][0];
    assert_eq!(ready["status"], "False", "{schedule}");
    assert_eq!(ready["message"], "the operator listens for no requests: start it with `--webhook-address`");
}
