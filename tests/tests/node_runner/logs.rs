//! What containers put out, through the API server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use aggregator_tests::control_plane::ControlPlane;
use aggregator_tests::wait::eventually;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use super::{node, phase, pod};

#[test]
fn a_log_is_followed_while_it_is_written() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let signal = node.shared().join("go-on");
    let script = format!("echo one; while [ ! -e {} ]; do sleep 0.05; done; echo two; printf end", signal.display());
    namespace.apply(&pod("talker", node.name(), &script, &json!({})).to_string());
    phase(&namespace, "talker", "Running");
    let output = tempfile::NamedTempFile::new().unwrap();
    let mut follower = namespace.start_kubectl(["logs", "--follow", "talker"], output.path());
    let text = || std::fs::read_to_string(output.path()).unwrap();
    eventually("the first line", || (text() == "one\n").then_some(()));
    assert!(!follower.ended());
    std::fs::write(signal, "").unwrap();
    eventually("the end of the log", || follower.ended().then_some(()));
    assert_eq!(text(), "one\ntwo\nend");
}

#[test]
fn parts_of_a_log_can_be_asked_for() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    let script = "for line in 1 2 3 4 5; do echo line $line; done";
    namespace.apply(&pod("lines", node.name(), script, &json!({})).to_string());
    phase(&namespace, "lines", "Succeeded");
    let logs = |arguments: &[&str]| namespace.kubectl(["logs", "lines"].iter().chain(arguments));
    assert_eq!(logs(&["--tail=2"]), "line 4\nline 5\n");
    assert_eq!(logs(&["--limit-bytes=8"]), "line 1\nl");
    assert_eq!(logs(&["--since=1h", "--tail=1"]), "line 5\n");
    assert_eq!(logs(&["--since-time=2100-01-01T00:00:00Z"]), "");
    let timed = logs(&["--timestamps", "--tail=1"]);
    let (time, text) = timed.split_once(' ').unwrap();
    assert!(text == "line 5\n" && time.starts_with("20") && time.ends_with('Z'), "{timed}");
    let error = namespace.ask(["logs", "lines", "--previous"]).unwrap_err();
    assert!(error.contains("previous terminated container \"main\" in pod \"lines\" not found"), "{error}");
}

#[test]
fn nobody_but_the_api_server_reads_logs() {
    let (plane, node) = (ControlPlane::shared(), node());
    let namespace = plane.namespace();
    namespace.apply(&pod("secretive", node.name(), "echo secret", &json!({})).to_string());
    phase(&namespace, "secretive", "Succeeded");
    let port =
        plane.kubectl(["get", "node", node.name(), "--output=jsonpath={.status.daemonEndpoints.kubeletEndpoint.Port}"]);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(plane.authority()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    let request = format!("GET /containerLogs/{}/secretive/main HTTP/1.0\r\n\r\n", namespace.name());
    // With TLS 1.3 a client learns that it is turned away when it reads.
    let mut answer = Vec::new();
    let outcome = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut answer));
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    assert!(outcome.unwrap_err().to_string().contains("CertificateRequired"));
}
