//! An API server that takes requests and answers none, for longer than anybody waits for one answer.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{ROWS, Scene, recovered};
use crate::project::Project;

/// For how long: a worker gives up a request after 30 s, and asks again.
const AWAY: Duration = Duration::from_secs(35);

#[test]
fn a_run_goes_on_while_the_api_server_is_silent() {
    let scene = Scene::of(Project::alone());
    scene.going("first");
    scene.project.signal_api_server(Signal::SIGSTOP);
    let since = Instant::now();
    // Its rows are read and staged meanwhile, but nobody lets the worker commit them.
    std::thread::sleep(AWAY);
    assert_eq!(scene.project.lines("out/move"), Vec::<String>::new(), "it has committed without asking");
    scene.project.signal_api_server(Signal::SIGCONT);
    let back = Instant::now();
    let run = scene.whole("first", 1, back);
    assert_eq!(run["status"]["attempt"], 1, "another attempt was made: {run}");
    assert_eq!(run["status"]["totals"]["written"], ROWS);
    let log = scene.project.namespace.kubectl(["logs", "job/first"]);
    assert!(log.contains("after 30 s: "), "nobody has missed the API server in {:?}: {log}", since.elapsed());
    scene.other("beside");
    let jobs = scene.project.list("jobs").into_iter().map(|job| job["metadata"]["name"].clone());
    let of_first: Vec<_> = jobs.filter(|name| name.as_str().is_some_and(|name| name.starts_with("first"))).collect();
    assert_eq!(of_first, ["first"]);
    recovered("apiServerSilent", back);
}
