//! What kubectl sends in protocol buffers: recorded from it, decoded, and sent on as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aggregator_embedded_kube::api::protobuf::{MEDIA_TYPE, decode, unsupported};
use aggregator_tests::folder;
use aggregator_tests::golden::golden;
use aggregator_tests::random::Random;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use kube::Client;
use serde_json::{Value, json};

use crate::real::{Answer, Real, ask, request};

/// Every form that kubectl sends in protocol buffers, of the kinds that are read.
const LINES: [(&str, &str); 34] = [
    ("namespace", "create namespace x"),
    ("secret-generic", "create secret generic x --from-literal=key=value --from-literal=empty="),
    ("secret-tls", "create secret tls x --cert=CERTIFICATE --key=KEY"),
    ("secret-registry", "create secret docker-registry x --docker-server=s --docker-username=u --docker-password=p"),
    ("configmap", "create configmap x --from-literal=key=value --from-literal=other=1"),
    ("configmap-binary", "create configmap x --from-file=bytes=BYTES"),
    ("job", "create job x --image=i -- echo a b"),
    ("job-plain", "create job x --image=i"),
    ("serviceaccount", "create serviceaccount x"),
    ("role", "create role x --verb=get,list --resource=pods,jobs.batch,pods/log --resource-name=a"),
    ("clusterrole", "create clusterrole x --verb=get --resource=pods"),
    ("clusterrole-paths", "create clusterrole x --verb=get --non-resource-url=/logs/*"),
    ("clusterrole-gathers", "create clusterrole x --aggregation-rule=a=b,c=d"),
    ("rolebinding", "create rolebinding x --role=view --user=u --group=g --serviceaccount=default:s"),
    ("rolebinding-cluster", "create rolebinding x --clusterrole=view --user=u"),
    ("clusterrolebinding", "create clusterrolebinding x --clusterrole=view --user=u --serviceaccount=default:s"),
    ("token", "create token default"),
    (
        "token-bound",
        "create token default --audience=a --audience=b --duration=20m --bound-object-kind=Secret --bound-object-name=bound",
    ),
    ("quota", "create quota x --hard=cpu=1,memory=1500Mi,pods=2 --scopes=NotTerminating"),
    ("quota-plain", "create quota x --hard=pods=10"),
    ("can-i", "auth can-i get pods"),
    ("can-i-name", "auth can-i get pods/x --subresource=log"),
    ("can-i-path", "auth can-i get /logs/"),
    ("can-i-all", "auth can-i * *"),
    ("can-i-everywhere", "auth can-i list jobs.batch --all-namespaces"),
    ("can-i-list", "auth can-i --list"),
    ("whoami", "auth whoami"),
    ("secret-append-hash", "create secret generic x --from-literal=a=b --append-hash"),
    ("configmap-annotated", "create configmap x --from-literal=a=b --save-config"),
    ("namespace-annotated", "create namespace x --save-config"),
    ("job-annotated", "create job x --image=i --save-config"),
    ("serviceaccount-annotated", "create serviceaccount x --save-config"),
    ("role-annotated", "create role x --verb=get --resource=pods --save-config"),
    ("quota-annotated", "create quota x --hard=pods=10 --save-config"),
];

/// What somebody sent in protocol buffers.
#[derive(Clone, Debug)]
struct Sent {
    path: String,
    body: Vec<u8>,
}

/// What stands between kubectl and the API server: nothing is created, and each body is kept.
#[derive(Clone)]
struct Recorder {
    client: Client,
    sent: Arc<Mutex<Vec<Sent>>>,
}

async fn pass(State(recorder): State<Recorder>, from: Request) -> Response {
    let (parts, body) = from.into_parts();
    let body = to_bytes(body, 1 << 22).await.unwrap().to_vec();
    let mut path = parts.uri.path_and_query().unwrap().to_string();
    let is_protobuf = parts.headers.get("content-type").is_some_and(|kind| kind == MEDIA_TYPE);
    if is_protobuf {
        path.push_str(if path.contains('?') { "&dryRun=All" } else { "?dryRun=All" });
        recorder.sent.lock().unwrap().push(Sent { path: path.clone(), body: body.clone() });
    }
    let mut to = axum::http::Request::builder().method(parts.method).uri(path);
    for name in ["accept", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            to = to.header(name, value);
        }
    }
    let answer = recorder.client.send(to.body(kube::client::Body::from(body)).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(Body::new(body), 1 << 24).await.unwrap();
    let mut response = Response::builder().status(parts.status);
    if let Some(kind) = parts.headers.get("content-type") {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(body)).unwrap()
}

fn corpus() -> PathBuf {
    folder::package().join("tests/access/bodies")
}

/// An answer without what differs from one to the next.
fn lasting(mut answer: Value) -> Value {
    for pointer in [
        "/metadata/uid",
        "/metadata/creationTimestamp",
        "/metadata/labels",
        "/metadata/managedFields",
        "/metadata/resourceVersion",
        "/status/token",
        "/status/expirationTimestamp",
        "/spec/selector",
        "/spec/template/metadata/labels",
    ] {
        if let Some(value) = answer.pointer_mut(pointer) {
            *value = Value::Null;
        }
    }
    // Bindings are gone through in any order.
    for pointer in ["/status/resourceRules", "/status/nonResourceRules"] {
        if let Some(Value::Array(rules)) = answer.pointer_mut(pointer) {
            rules.sort_by_key(Value::to_string);
        }
    }
    answer
}

#[test]
fn bodies_of_kubectl_mean_to_the_api_server_what_their_json_means() {
    let real = Real::new();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder { client: real.client.clone(), sent: Arc::clone(&sent) };
    let listener = real.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let server = format!("--server=http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(pass).with_state(recorder);
    real.runtime.spawn(async move { axum::serve(listener, router).await });
    // `default` is there when its ServiceAccount is.
    let namespace = real.plane.namespace_of("default");
    real.plane.ask(["create", "secret", "generic", "bound"]).unwrap_or_default();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = (file("tls.crt", CERTIFICATE.as_bytes()), file("tls.key", KEY.as_bytes()));
    let bytes = file("bytes", &[0, 159, 146, 150, 255]);
    let mut kinds = BTreeMap::new();
    for (name, line) in LINES {
        let line = line.replace("CERTIFICATE", &certificate).replace("KEY", &key).replace("BYTES", &bytes);
        let mut arguments = vec![server.as_str(), "--namespace=default"];
        arguments.extend(line.split(' '));
        // `auth can-i` says no by its exit code.
        let said = real.plane.ask(&arguments);
        let bodies = std::mem::take(&mut *sent.lock().unwrap());
        assert_eq!(bodies.len(), 1, "{line}: {said:?}");
        let Sent { path, body } = &bodies[0];
        let object = decode(body).unwrap_or_else(|error| panic!("{line}: {error}"));
        kinds.insert(object["kind"].as_str().unwrap().to_owned(), ());
        let send = |kind: &str, body: Vec<u8>| {
            let request =
                axum::http::Request::post(path).header("content-type", kind).header("accept", "application/json");
            let Answer { code, body } = real.ask(&real.client, request.body(body).unwrap());
            (code, lasting(body))
        };
        let wanted = send(MEDIA_TYPE, body.clone());
        assert!([200, 201].contains(&wanted.0), "{line}: {wanted:?}");
        assert_eq!(send("application/json", object.to_string().into_bytes()), wanted, "{line}: {object}");
        // What it sends is the corpus of those who have no kubectl.
        let recorded = corpus().join(format!("{name}.bin"));
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            std::fs::create_dir_all(corpus()).unwrap();
            std::fs::write(&recorded, body).unwrap();
        }
        assert_eq!(
            std::fs::read(&recorded).ok().as_ref(),
            Some(body),
            "{} is not what kubectl sends",
            recorded.display()
        );
    }
    assert_eq!(kinds.len(), 14, "{kinds:?}");
    drop(namespace);
}

#[test]
fn recorded_bodies_are_read() {
    let mut read = 0;
    for (name, _) in LINES {
        let body = std::fs::read(corpus().join(format!("{name}.bin"))).unwrap();
        let object = decode(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = format!("{}\n", serde_json::to_string_pretty(&object).unwrap());
        if let Some(difference) = golden(&corpus().join(format!("{name}.json")), &text) {
            panic!("{difference}");
        }
        read += 1;
    }
    assert_eq!(read, LINES.len());
}

/// Whatever the bytes: an object of a known kind, or a refusal.
#[test]
fn no_bytes_break_it() {
    let mut random = Random::seeded("no_bytes_break_it");
    let bodies: Vec<Vec<u8>> =
        LINES.iter().map(|(name, _)| std::fs::read(corpus().join(format!("{name}.bin"))).unwrap()).collect();
    let (mut read, mut refused) = (0, 0);
    for _ in 0..100_000 {
        let mut body = bodies[random.below(bodies.len())].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(body.len());
            match random.below(5) {
                0 => body.truncate(at.max(1)),
                1 => body[at] = random.below(256) as u8,
                2 => body[at] ^= 1 << random.below(8),
                3 => body.insert(at, random.below(256) as u8),
                _ => {
                    let other = &bodies[random.below(bodies.len())];
                    body.extend_from_slice(&other[random.below(other.len())..]);
                }
            }
        }
        match decode(&body) {
            Ok(object) => {
                assert!(object["kind"].is_string() && object["apiVersion"].is_string());
                read += 1;
            }
            Err(error) => {
                assert!([400, 413, 415].contains(&error.refusal().reason.code()), "{error}");
                refused += 1;
            }
        }
    }
    println!("{read} read, {refused} refused");
    assert!(read > 1_000 && refused > 10_000, "{read} {refused}");
}

#[test]
fn other_media_types_are_refused_alike() {
    let real = Real::new();
    let send = |path: &str, kind: &str, body: &[u8]| {
        let request = axum::http::Request::post(path).header("content-type", kind);
        real.ask(&real.client, request.body(body.to_vec()).unwrap()).body
    };
    assert_eq!(unsupported().status(), send("/api/v1/namespaces", "text/plain", b"x"));
    let kind = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "bodies.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster", "names": {"plural": "bodies", "kind": "Body"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    real.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &kind);
    let path = "/apis/example.com/v1/bodies";
    aggregator_tests::wait::eventually("the kind to be served", || {
        let answer = real.runtime.block_on(ask(&real.client, request("GET", path, &[], &Value::Null)));
        (answer.code == 200).then_some(())
    });
    assert_eq!(unsupported().status(), send(path, "text/plain", b"x"));
}

/// A certificate and a key of nobody: kubectl looks whether they belong together.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBdjCCARugAwIBAgIUJdCVESE5KZqEprYGcJ5Go7h0NqYwCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjkyMTA3MzZaGA8yMTI2MTEwNTIxMDcz\n\
NlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJO4\n\
6tSM6DTfKEUt5zPp+ddXCzuvmICyYjUYFL78j6T+WamqvyoJ9kVWRMsVM9fqimFx\n\
nDu/asKuFRmLDhzz1a+jUzBRMB0GA1UdDgQWBBRET5l/Q/AmDxQa0AGE3dwoRhE5\n\
0DAfBgNVHSMEGDAWgBRET5l/Q/AmDxQa0AGE3dwoRhE50DAPBgNVHRMBAf8EBTAD\n\
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCuurl+zKLUzCkQWhrtWjEUshN4/VH1Ebn8\n\
YF5Yzo96nQIhANUgaroX3TZMqRtE+PT1feTZcd3DH05Sl2q9ACMqMcGQ\n\
-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqZxjTb7hhLJxLvvz\n\
MvbffmMcNZgkWNAxGRM0VdOkgfWhRANCAASTuOrUjOg03yhFLecz6fnXVws7r5iA\n\
smI1GBS+/I+k/lmpqr8qCfZFVkTLFTPX6ophcZw7v2rCrhUZiw4c89Wv\n\
-----END PRIVATE KEY-----\n";
