//! `make control-plane`: a Kubernetes control plane with a node and the operator, for people, until Ctrl-C, or until a part of it
//! ends.

#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aggregator_tests::control_plane::{ControlPlane, Node};
use aggregator_tests::process::{Process, lives};
use aggregator_tests::{folder, operator};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// The image of the workers: the node runs this build's binary for it.
const IMAGE: &str = "aggregator.dev/aggregator";
/// Who the operator is, and what it may do, as they are installed.
const RIGHTS: [&str; 2] = ["config/operator/namespace.yaml", "config/rbac/binding.yaml"];
const OPERATOR: &str = "system:serviceaccount:aggregator-system:aggregator-operator";
/// How often it is looked whether all parts live, and the operator is ready.
const LOOK: Duration = Duration::from_millis(200);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<ExitCode> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let project = folder::workspace();
    println!("starting the control plane …");
    let running = Running::start(&built("aggregator")?, &project)?;
    let mut looks = tokio::time::interval(LOOK);
    let mut told = false;
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = looks.tick() => {}
        }
        if let Some((part, log)) = running.ended() {
            println!("{log}\n{part} has ended, and so does everything else");
            return Ok(ExitCode::FAILURE);
        }
        if !told && running.is_ready() {
            println!("{}", running.advice(&project));
            told = true;
        }
    }
    println!("ending …");
    Ok(ExitCode::SUCCESS)
}

/// All that goes on. Fields are dropped in their order.
struct Running {
    operator: Process,
    log: PathBuf,
    node: Node,
    plane: Arc<ControlPlane>,
}

impl Running {
    fn start(binary: &Path, project: &Path) -> std::io::Result<Self> {
        let plane = Arc::new(ControlPlane::start());
        plane.install();
        for file in RIGHTS {
            plane.kubectl(["apply".to_owned(), format!("--filename={}", project.join(file).display())]);
        }
        let kubeconfig = plane.kubeconfig().with_file_name("operator.kubeconfig");
        std::fs::write(&kubeconfig, plane.kubeconfig_as(OPERATOR))?;
        let node = plane.node("laptop", &json!({"programs": {"images": {IMAGE: binary}}, "hostPaths": [project]}));
        let log = node.shared().join("operator.log");
        let words = [
            format!("KUBECONFIG={}", kubeconfig.display()),
            binary.display().to_string(),
            "operator".to_owned(),
            format!("--worker-image={IMAGE}"),
            format!("--allow-host-paths={}", project.display()),
            format!("--host-path-base={}", project.join("config/samples").display()),
            "--health-address=127.0.0.1:0".to_owned(),
            "-v".to_owned(),
        ];
        let operator = Process::start("env".as_ref(), words, &log);
        Ok(Self { operator, log, node, plane })
    }

    /// Whether the operator is.
    fn is_ready(&self) -> bool {
        let answer = operator::address(&self.operator).and_then(|address| operator::ask(&address, "/readyz").ok());
        answer.is_some_and(|(status, _)| status == 200)
    }

    /// A part that has ended, and its last words.
    fn ended(&self) -> Option<(&'static str, String)> {
        if !lives(self.operator.id()) {
            return Some(("the operator", self.operator.log(40)));
        }
        if !lives(self.node.process()) {
            return Some(("the node", self.node.log()));
        }
        let (part, process) = self.plane.processes().find(|(_, process)| !lives(process.id()))?;
        Some((part, process.log(40)))
    }

    /// What to type next.
    fn advice(&self, project: &Path) -> String {
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
            log = self.log.display(),
            project = project.display(),
            kubeconfig = self.plane.kubeconfig().display(),
            kubectl = self.plane.program().display(),
        )
    }
}

/// The program of that name that was built with this one.
fn built(name: &str) -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).unwrap_or_else(|| Path::new("."));
    Ok(folder.join(name))
}
