//! `make control-plane`: a Kubernetes control plane with a node and the operator, for people, until Ctrl-C.

#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aggregator_tests::control_plane::ControlPlane;
use aggregator_tests::folder;
use aggregator_tests::process::Process;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// The image of the workers: the node runs this build's binary for it.
const IMAGE: &str = "aggregator.dev/aggregator";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let project = folder::workspace();
    let binary = built("aggregator")?;
    println!("starting the control plane …");
    let plane = Arc::new(ControlPlane::start());
    plane.install();
    let images = json!({"images": {IMAGE: binary}});
    let node = plane.node("laptop", &json!({"programs": images, "hostPaths": [project]}));
    let log = node.shared().join("operator.log");
    let _operator = operator(&plane, &binary, &project, &log);
    println!(
        "
export KUBECONFIG={}
alias kubectl='{} kubectl'

kubectl get nodes
kubectl apply -f …            # paths of Connectors start at {}
kubectl get connectors,pipelines,pipelineruns -A

The operator's log is {}. NOT FOR PRODUCTION. Ctrl-C ends everything.",
        plane.kubeconfig().display(),
        plane.program().display(),
        project.join("config/samples").display(),
        log.display(),
    );
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    println!("ending …");
    Ok(())
}

/// The program of that name that was built with this one.
fn built(name: &str) -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).unwrap_or_else(|| Path::new("."));
    Ok(folder.join(name))
}

fn operator(plane: &ControlPlane, binary: &Path, project: &Path, log: &Path) -> Process {
    let words = [
        format!("KUBECONFIG={}", plane.kubeconfig().display()),
        binary.display().to_string(),
        "operator".to_owned(),
        format!("--worker-image={IMAGE}"),
        format!("--allow-host-paths={}", project.display()),
        format!("--host-path-base={}", project.join("config/samples").display()),
        "--health-address=127.0.0.1:0".to_owned(),
        "-v".to_owned(),
    ];
    Process::start("env".as_ref(), words, log)
}
