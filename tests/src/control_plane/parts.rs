//! How each part is started: its flags.

use std::path::Path;

use super::{audit, certificates, file};

/// The part that answers requests.
pub(super) const API_SERVER: &str = "kube-apiserver";
/// Where Pods find the API server: the first address of the Services. Only a node can lead them there.
pub(super) const SERVICE: &str = "10.0.0.1";

/// One member, which only the API server reaches, by a socket. Nothing it stores is wanted after a crash.
pub(super) fn etcd(home: &Path) -> Vec<String> {
    vec![
        format!("--data-dir={}", file(home, "etcd")),
        format!("--listen-client-urls=unix://{}", file(home, "etcd.sock")),
        // No socket is taken here, and nobody asks for what is advertised.
        "--advertise-client-urls=http://127.0.0.1:0".into(),
        "--listen-peer-urls=http://127.0.0.1:0".into(),
        "--unsafe-no-fsync".into(),
        "--auto-compaction-retention=5m".into(),
        "--logger=zap".into(),
        "--log-level=warn".into(),
    ]
}

pub(super) fn api_server(home: &Path, port: u16) -> Vec<String> {
    vec![
        format!("--etcd-servers=unix://{}", file(home, "etcd.sock")),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file(home, certificates::SERVER)),
        format!("--tls-private-key-file={}", file(home, certificates::SERVER_KEY)),
        format!("--client-ca-file={}", file(home, certificates::AUTHORITY)),
        "--anonymous-auth=false".into(),
        "--authorization-mode=Node,RBAC".into(),
        // A node may touch its own Pods and its own Node only.
        "--enable-admission-plugins=NodeRestriction".into(),
        format!("--kubelet-client-certificate={}", file(home, certificates::NODE_CLIENT)),
        format!("--kubelet-client-key={}", file(home, certificates::NODE_CLIENT_KEY)),
        format!("--kubelet-certificate-authority={}", file(home, certificates::AUTHORITY)),
        // Else it looks up the node's name.
        "--kubelet-preferred-address-types=InternalIP".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={}", file(home, certificates::TOKEN_PUBLIC_KEY)),
        format!("--service-account-signing-key-file={}", file(home, certificates::TOKEN_KEY)),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        format!("--audit-policy-file={}", file(home, audit::POLICY)),
        format!("--audit-log-path={}", file(home, audit::LOG)),
        // There is one API server, and tests may load it as they like.
        "--endpoint-reconciler-type=none".into(),
        "--enable-priority-and-fairness=false".into(),
    ]
}

/// Every controller that the release has switched on.
pub(super) fn controller_manager(home: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", file(home, &format!("{}.kubeconfig", certificates::CONTROLLER_MANAGER))),
        "--leader-elect=false".into(),
        // Nobody asks for its metrics: one port less.
        "--secure-port=0".into(),
        // Else the controllers have no rights.
        "--use-service-account-credentials=true".into(),
        format!("--service-account-private-key-file={}", file(home, certificates::TOKEN_KEY)),
        format!("--root-ca-file={}", file(home, certificates::AUTHORITY)),
        // By default the controllers start six seconds later: each asks for a token first, at 20 requests a second.
        "--kube-api-qps=500".into(),
        "--kube-api-burst=1000".into(),
        // It creates the folder, by default outside the fixture's.
        format!("--flex-volume-plugin-dir={}", file(home, "flex-volumes")),
    ]
}

pub(super) fn scheduler(home: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", file(home, &format!("{}.kubeconfig", certificates::SCHEDULER))),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
    ]
}
