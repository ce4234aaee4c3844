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
    let kubectl = plane.program().display().to_string();
    println!("{}", advice(&plane.kubeconfig(), &kubectl, &project, &log));
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    println!("ending …");
    Ok(())
}

/// What to type next.
fn advice(kubeconfig: &Path, kubectl: &str, project: &Path, log: &Path) -> String {
    format!(
        "
A Kubernetes control plane with one node, and the operator, until Ctrl-C. NOT FOR PRODUCTION.
The operator's log is {log}.

In another terminal, the sources of the samples: open data, and an HTTP API that is served until Ctrl-C.

cd {project}
scripts/demo/cluster

In a third terminal, the samples:

cd {project}
export KUBECONFIG={kubeconfig}
alias kubectl='{kubectl} kubectl'
kubectl apply -f config/samples/00-namespace.yaml -f .demo/connectors.yaml -f .demo/secret.yaml
kubectl apply -f config/samples/
kubectl get pipelineruns --namespace demo --watch

More: docs/operations/kubectl.md. Relative paths of Connectors start at config/samples.",
        kubeconfig = kubeconfig.display(),
        project = project.display(),
        log = log.display(),
    )
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
