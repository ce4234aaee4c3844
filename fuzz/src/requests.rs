//! Requests to the API of the embedded cluster, one after the other, with lines `===` between: of each, the method and the path,
//! lines of headers, an empty line, and the body. Who shows no `Authorization` may do everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aggregator_embedded_kube::api::access::User;
use aggregator_embedded_kube::api::builtin;
use aggregator_embedded_kube::api::serve::{Api, Asked, Parts};
use aggregator_embedded_kube::api::store::{Change, Expected, Key, Resource, Store, Stored};
use bytes::Bytes;
use futures::FutureExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::kinds::{check_kept, definition};

/// One API for all inputs: making one takes longer than using it.
static PLACE: LazyLock<Mutex<Place>> = LazyLock::new(|| Mutex::new(Place::new()));
/// Kinds whose objects change what the API is: it is made anew after an input that has written one.
const GROUNDS: [&str; 2] = ["apiextensions.k8s.io", "rbac.authorization.k8s.io"];
/// The most requests of an input.
const MOST: usize = 8;

/// Any request is answered: with JSON, and, when it is refused, with a `Status` of the same code that says why. What it has
/// written can be kept and read again.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let mut place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut fate = "no request";
    for request in split(input, b"\n===\n").take(MOST) {
        let Some(asked) = asked(request) else { continue };
        let version = place.store.version();
        let (method, told) = (asked.method.clone(), place.ask(asked));
        let wrote = place.store.version() > version;
        if wrote {
            place.all().values().for_each(|stored| check_kept(&stored.object));
        }
        fate = match told.check(&method) {
            "read" if wrote => "wrote",
            other => other,
        };
    }
    place.restore();
    fate
}

fn split<'a>(text: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(place) = text.windows(mark.len()).position(|window| window == mark) else { return rest.take() };
        rest = Some(&text[place + mark.len()..]);
        Some(&text[..place])
    })
}

/// A request as it is written; nothing when HTTP has no such one.
fn asked(text: &[u8]) -> Option<Asked> {
    let (head, body) = match text.windows(2).position(|window| window == b"\n\n") {
        Some(place) => (&text[..place], &text[place + 2..]),
        None => (text, &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let method = Method::from_bytes(&first[..space]).ok()?;
    let uri = Uri::try_from(&first[space + 1..]).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    let root = User { name: "root".into(), groups: vec!["system:masters".into()], ..User::default() };
    let certified = (!headers.contains_key(AUTHORIZATION)).then_some(root);
    Some(Asked {
        method,
        uri,
        headers,
        body: Bytes::copy_from_slice(body),
        certified,
        warned: std::sync::Mutex::default(),
    })
}

/// An answer, as far as it had come when it was waited for.
struct Told {
    status: StatusCode,
    content: String,
    body: Vec<u8>,
    ended: bool,
}

impl Told {
    /// What must hold of every answer.
    fn check(&self, method: &Method) -> &'static str {
        let Self { status, content, body, ended } = self;
        let text = String::from_utf8_lossy(body);
        if !ended {
            // Lines of a watch, whole ones as each is sent at once.
            for line in text.lines() {
                let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert!(event["type"].is_string() && event["object"].is_object(), "{line}");
            }
            return "watched";
        }
        if *method == Method::HEAD || *status == StatusCode::NO_CONTENT || status.is_redirection() {
            assert!(body.is_empty(), "{status} with {text}");
            return if status.is_client_error() { "refused" } else { "read" };
        }
        if !content.starts_with("application/json") {
            assert!(content.starts_with("text/plain"), "{status} with {content}");
            return if *status == StatusCode::OK { "read" } else { "nothing there" };
        }
        if text.lines().count() > 1 {
            // A watch that was over at once.
            return "watched";
        }
        let told: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {text}"));
        if status.is_success() {
            assert!(told.is_object(), "{text}");
            return "read";
        }
        assert!(status.is_client_error() || status.is_server_error(), "{status}");
        let is = |field: &str, value: &str| told[field] == value;
        assert!(is("kind", "Status") && is("apiVersion", "v1") && is("status", "Failure"), "{text}");
        assert_eq!(told["code"], status.as_u16(), "{text}");
        assert!(told["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
        // It is a mistake of the program that it has no word for, or one of its words.
        assert!(told["reason"].is_string() || status.as_u16() == 500, "{text}");
        "refused"
    }
}

/// The API, and how it was before the first input.
struct Place {
    runtime: Runtime,
    api: Api,
    store: Store,
    resources: Vec<Resource>,
    first: BTreeMap<Key, Arc<Stored>>,
}

impl Place {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (api, store) = runtime.block_on(opened());
        let mut resources: Vec<Resource> = builtin::kinds().iter().map(Resource::of).collect();
        resources.push(Resource { group: "example.com".into(), plural: "widgets".into() });
        resources.sort();
        resources.dedup();
        let mut place = Self { runtime, api, store, resources, first: BTreeMap::new() };
        for (path, object) in given() {
            let line = format!("POST {path}\n\n{object}");
            let told = place.ask(asked(line.as_bytes()).expect("a request"));
            assert_eq!(told.status, StatusCode::CREATED, "{line}: {}", String::from_utf8_lossy(&told.body));
        }
        place.first = place.all();
        place
    }

    fn all(&self) -> BTreeMap<Key, Arc<Stored>> {
        let all = self.resources.iter().flat_map(|resource| self.store.list(resource, None).items);
        all.map(|stored| (stored.key.clone(), stored)).collect()
    }

    /// Asks, and reads what comes at once.
    fn ask(&self, asked: Asked) -> Told {
        self.runtime.block_on(async {
            let answer = self.api.answer(asked).await;
            let (head, mut stream) = answer.into_parts();
            let content = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let mut told = Told { status: head.status, content: content.to_owned(), body: Vec::new(), ended: false };
            loop {
                match stream.frame().now_or_never() {
                    None => return told,
                    Some(None) => break,
                    Some(Some(frame)) => {
                        let data = frame.expect("a frame").into_data();
                        told.body.extend_from_slice(&data.unwrap_or_default());
                    }
                }
            }
            told.ended = true;
            told
        })
    }

    /// Makes everything what it was before the first input.
    fn restore(&mut self) {
        let there = self.all();
        let touched = |key: &Key| there.get(key).map(|it| it.version) != self.first.get(key).map(|it| it.version);
        let changed: BTreeSet<Key> =
            there.keys().chain(self.first.keys()).filter(|key| touched(key)).cloned().collect();
        if changed.iter().any(|key| GROUNDS.contains(&key.resource.group.as_str())) {
            *self = Self::new();
            return;
        }
        for key in changed {
            let expected = match self.store.get(&key) {
                Some(stored) => Expected::Version(stored.version),
                None => Expected::Absent,
            };
            let change = match (self.first.get(&key), expected) {
                (Some(first), _) => Change::Put(first.object.clone()),
                (None, Expected::Version(_)) => Change::Remove(json!({"metadata": {"name": key.name}})),
                (None, Expected::Absent) => continue,
            };
            let written = self.runtime.block_on(self.store.write(key.clone(), expected, change));
            let written = written.expect("nobody else writes");
            if let Some(first) = self.first.get_mut(&key) {
                *first = written;
            }
        }
    }
}

async fn opened() -> (Api, Store) {
    let store = Store::open(None).expect("a store");
    let parts = Parts::over(store.clone()).expect("a key");
    (Api::open(parts).await.expect("an API"), store)
}

/// What is there before the first input.
fn given() -> Vec<(&'static str, Value)> {
    let named = |name: &str| json!({"metadata": {"name": name}});
    let rules = json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"size": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 100"}]}},
    });
    let job = json!({"metadata": {"name": "a"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "main", "image": "i"}],
    }}}});
    let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "main", "image": "i"}]}});
    let widget =
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"size": 1}});
    vec![
        ("/api/v1/namespaces", named("demo")),
        ("/api/v1/namespaces/demo/serviceaccounts", named("default")),
        (
            "/api/v1/namespaces/demo/configmaps",
            json!({"metadata": {"name": "a", "labels": {"color": "red"}}, "data": {"k": "v"}}),
        ),
        ("/api/v1/namespaces/demo/secrets", json!({"metadata": {"name": "a"}, "stringData": {"k": "v"}})),
        ("/api/v1/namespaces/demo/pods", pod),
        ("/apis/batch/v1/namespaces/demo/jobs", job),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(&rules)),
        ("/apis/example.com/v1/namespaces/demo/widgets", widget),
    ]
}
