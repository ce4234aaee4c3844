//! A worker that nobody sees any more, and that wakes up when its run has its end: it commits nothing.

use aggregator_tests::folder;
use aggregator_tests::process::Process;
use aggregator_tests::wait::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::project::Project;

/// The Pod that the worker takes for its own.
const ZOMBIE: &str = "zombie";

/// Whether the process was stopped by a signal, and not yet woken.
fn is_stopped(process: &Process) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap_or_default();
    // The name may hold anything; behind it comes the state.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// A worker of the run's first attempt that no Pod knows of, stopped at that point.
fn asleep(project: &Project, run: &str, point: &str) -> Process {
    let plan = eventually("a plan", || {
        let plan = project.namespace.find("configmap", &format!("{run}-plan")).ok()??;
        plan["data"]["manifests.yaml"].as_str().map(str::to_owned)
    });
    project.write("plan.yaml", &plan);
    project.write("admin", &project.admin());
    std::fs::create_dir_all(project.path("secrets")).expect("a folder");
    let uid = project.get("pipelinerun", run)["metadata"]["uid"].as_str().expect("a UID").to_owned();
    let path = |name: &str| project.path(name).display().to_string();
    let program = folder::binary("aggregator").display().to_string();
    let environment = [
        format!("KUBECONFIG={}", path("admin")),
        format!("AGGREGATOR_POD={ZOMBIE}"),
        format!("AGGREGATOR_STOP_AT={point}"),
        program,
    ];
    let (plan, secrets, log) = (path("plan.yaml"), path("secrets"), path("termination"));
    let options = [
        ("--file", plan.as_str()),
        ("--secrets", &secrets),
        ("--namespace", project.namespace.name()),
        ("--pipeline", "move"),
        ("--run", run),
        ("--run-uid", &uid),
        ("--attempt", "1"),
        ("--mode", "Incremental"),
        ("--termination-log", &log),
    ];
    let options = options.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]);
    let words = environment.into_iter().chain(["worker".to_owned(), "run".to_owned()]).chain(options);
    let mut worker = Process::start("env".as_ref(), words, &project.path(&format!("{run}.log")));
    eventually("a worker that sleeps", || {
        assert!(!worker.ended(), "it has ended: {}", worker.log(40));
        is_stopped(&worker).then_some(())
    });
    worker
}

fn wake(worker: &mut Process) -> String {
    kill(Pid::from_raw(i32::try_from(worker.id()).expect("a process id")), Signal::SIGCONT).expect("a signal");
    eventually("the end of the worker", || worker.ended().then_some(()));
    worker.log(40)
}

#[test]
fn a_worker_that_wakes_when_its_run_has_its_end_commits_nothing() {
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    // The Pods that the operator asks for never come.
    project.namespace.kubectl(["create", "quota", "none", "--hard=pods=0"]);
    eventually("a quota that holds", || (project.get("quota", "none")["status"]["hard"]["pods"] == "0").then_some(()));
    project.run("first", "move");
    let mut worker = asleep(&project, "first", "checked");
    let cancel = r#"{"spec":{"cancel":"Immediate"}}"#;
    project.namespace.kubectl(["patch", "pipelinerun", "first", "--type=merge", "--patch", cancel]);
    let run = project.ended("first");
    assert_eq!(run["status"]["conditions"][0]["message"], "the run was cancelled; nothing more was committed", "{run}");
    let said = wake(&mut worker);
    assert!(said.contains("the run `first` has ended without this attempt"), "{said}");
    assert!(project.lines("out").is_empty(), "{said}");
    let after = project.get("pipelinerun", "first");
    assert_eq!(after["status"]["conditions"], run["status"]["conditions"], "its end is for ever");
    assert_eq!(after["status"]["commits"], Value::Null, "it was not let commit, and has said that it did not");

    // One that was let commit before is told apart.
    project.run("second", "move");
    let mut worker = asleep(&project, "second", "committing");
    let run = project.get("pipelinerun", "second");
    let note = json!({ZOMBIE: {"run": run["metadata"]["uid"], "attempt": 1}});
    assert_eq!(run["status"]["commits"], note, "{run}");
    project.namespace.kubectl(["patch", "pipelinerun", "second", "--type=merge", "--patch", cancel]);
    let run = project.ended("second");
    let message = run["status"]["conditions"][0]["message"].as_str().expect("a message");
    assert!(message.contains("it was about to commit, and may have"), "{message}");
    wake(&mut worker);
    assert_eq!(project.lines("out"), [r#"{"id":1,"name":"one"}"#]);
    assert_eq!(project.get("pipelinerun", "second")["status"]["commits"], note, "it has");
}
