//! The operator is told what cannot be, or loses what makes it the only one.

use std::time::Instant;

use aggregator_crds::Reason;
use aggregator_tests::wait::eventually;
use serde_json::Value;

use super::{Scene, recovered, said};
use crate::project::{IMAGE, Project};

#[test]
fn an_image_that_is_not_there_is_told_and_mended() {
    let mut project = Project::without_operator(false);
    project.image = "aggregator.dev/nothing:1".to_owned();
    project.start();
    let mut scene = Scene::of(project);
    scene.project.run("first", "move");
    let told = scene.until("pipelinerun", "first", "ImagePullFailed");
    let message = said(&told, "ImagePullFailed").expect("a message");
    assert!(message.contains("the worker's image cannot be had: ") && message.contains("nothing"), "{message}");
    assert!(message.ends_with(Reason::ImagePullFailed.remedy()), "{message}");
    assert_eq!(told["status"]["phase"], "Pending", "{told}");
    // What takes no worker is done all the same.
    scene.project.namespace.kubectl(["wait", "pipeline/other", "--for=condition=Ready", "--timeout=60s"]);
    scene.project.stop();
    scene.project.image = IMAGE.to_owned();
    scene.project.start();
    // A Job keeps the image that it was made with.
    scene.project.namespace.kubectl(["delete", "jobs", "--all"]);
    let since = Instant::now();
    let run = scene.whole("first", 1, since);
    assert_eq!(run["status"]["attempt"], 1, "nothing had begun: {run}");
    scene.other("beside");
    recovered("image", since);
}

/// Who holds the Lease, and which of all Leases of that name it is.
fn lease(project: &Project) -> Option<(String, String)> {
    let lease = project.namespace.find("lease", "aggregator").ok()??;
    let text = |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some((text("/spec/holderIdentity")?, text("/metadata/uid")?))
}

#[test]
fn a_lease_that_is_deleted_is_taken_again_and_nothing_is_done_twice() {
    let scene = Scene::of(Project::leased(2));
    let (_, before) = eventually("a holder of the Lease", || lease(&scene.project));
    scene.going("first");
    scene.project.namespace.kubectl(["delete", "lease", "aggregator"]);
    let since = Instant::now();
    scene.project.run("second", "move");
    scene.other("beside");
    scene.whole("first", 1, since);
    scene.whole("second", 1, since);
    let (_, after) = eventually("a holder of another Lease", || lease(&scene.project));
    assert_ne!(after, before);
    let mut jobs = scene.project.jobs_of_runs();
    jobs.sort();
    assert_eq!(jobs, ["beside", "first", "second"]);
    recovered("lease", since);
}
