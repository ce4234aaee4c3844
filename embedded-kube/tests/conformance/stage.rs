//! A case's namespace on a plane, and what is asked of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use serde_json::{Value, json};

use crate::case::Who;
use crate::manifests::{definitions, place};
use crate::planes::Plane;
use crate::request::Request;

/// How long anything may take to come about.
const SETTLES: Duration = Duration::from_secs(60);
/// How often is looked.
const EVERY: Duration = Duration::from_millis(50);
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A namespace on a plane. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) plane: Arc<Plane>,
    pub(crate) namespace: String,
    /// The folder in which kubectl runs.
    pub(crate) home: PathBuf,
    /// What `{version}` stands for.
    pub(crate) version: String,
}

impl Stage {
    /// Makes a namespace, and waits for what the control plane puts into it.
    pub(crate) async fn open(plane: Arc<Plane>, name: &str) -> Self {
        let home = plane.folder(name);
        let stage = Self { plane, namespace: name.to_owned(), home, version: String::new() };
        let made = stage.ask(Request::new("POST", "/api/v1/namespaces").json(&json!({"metadata": {"name": "{ns}"}})));
        let made = made.await;
        assert_eq!(made["status"], 201, "{}: {made}", stage.plane.name);
        for part in ["{core}/serviceaccounts/default", "{core}/configmaps/kube-root-ca.crt"] {
            let there = stage.until(part, |answer| answer["status"] == 200).await;
            assert!(there.is_ok(), "{}: there is no {part}", stage.plane.name);
        }
        stage
    }

    /// Makes the kinds of the cases known to a plane that has ours.
    pub(crate) async fn prepare(plane: Arc<Plane>) {
        let (namespace, home) = ("default".to_owned(), plane.folder("default"));
        let stage = Self { plane, namespace, home, version: String::new() };
        for definition in definitions() {
            let made = stage.create(&definition).await;
            assert_eq!(made["status"], 201, "{}: {made}", stage.plane.name);
        }
        for (group, plural) in [
            ("example.com", "boats"),
            ("example.com", "buoys"),
            ("aggregator.dev/v1alpha1", "schedules"),
            ("aggregator.dev/v1alpha1", "connectors"),
        ] {
            let served = stage.until_defined(group, plural).await;
            assert!(served.is_ok(), "{}: {plural} are not served", stage.plane.name);
        }
    }

    /// A text in which the short forms are written out.
    pub(crate) fn filled(&self, text: &str) -> String {
        let project = aggregator_tests::folder::workspace().display().to_string();
        let home = self.home.display().to_string();
        let forms = [
            ("{core}", "/api/v1/namespaces/{ns}"),
            ("{batch}", "/apis/batch/v1/namespaces/{ns}"),
            ("{rbac}", "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"),
            ("{boats}", "/apis/example.com/v1/namespaces/{ns}/boats"),
            ("{crds}", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
            ("{project}", project.as_str()),
            ("{home}", home.as_str()),
            ("{version}", self.version.as_str()),
            ("{ns}", self.namespace.as_str()),
        ];
        let fill = |text: String, (short, long): &(&str, &str)| {
            if text.contains(short) { text.replace(short, long) } else { text }
        };
        forms.iter().fold(text.to_owned(), fill)
    }

    fn client(&self, who: Who) -> &Client {
        if who == Who::Administrator { &self.plane.client } else { &self.plane.stranger }
    }

    /// Sends a request in which the short forms are written out.
    pub(crate) async fn ask(&self, mut request: Request) -> Value {
        request.path = self.filled(&request.path);
        if let Ok(text) = std::str::from_utf8(&request.body) {
            request.body = self.filled(text).into_bytes();
        }
        for (_, value) in &mut request.headers {
            *value = self.filled(value);
        }
        if let Who::Account(account) = request.who {
            match self.token(account).await {
                Ok(token) => request.headers.push(("authorization", format!("Bearer {token}"))),
                Err(error) => return json!({"failed": error}),
            }
        }
        let client = self.client(request.who).clone();
        match tokio::time::timeout(SETTLES, request.sent(&client)).await {
            Ok(answer) => answer,
            Err(_) => json!({"failed": "there is no answer"}),
        }
    }

    /// What is at a path.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask(Request::new("GET", path)).await
    }

    /// Creates an object.
    pub(crate) async fn create(&self, object: &Value) -> Value {
        self.ask(Request::new("POST", &place(object)).json(object)).await
    }

    /// A token of a ServiceAccount of the namespace.
    pub(crate) async fn token(&self, account: &str) -> Result<String, String> {
        let path = self.filled(&format!("{{core}}/serviceaccounts/{account}/token"));
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = Request::new("POST", &path).json(&body).sent(&self.plane.client).await;
        let token = answer["body"]["status"]["token"].as_str();
        token.map(str::to_owned).ok_or_else(|| format!("no token: {answer}"))
    }

    /// Gets what is at a path until it is so; the last answer, if it never is.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Result<(), Value> {
        self.until_answered(&Request::new("GET", path), holds).await
    }

    /// Asks until the answer is so; the last answer, if it never is.
    pub(crate) async fn until_answered(&self, request: &Request, holds: impl Fn(&Value) -> bool) -> Result<(), Value> {
        let started = Instant::now();
        loop {
            let answer = self.ask(request.clone()).await;
            if holds(&answer) {
                return Ok(());
            }
            if started.elapsed() > SETTLES {
                return Err(answer);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until a kind of a group is served, and described: in its version `v1`, if the group names no other one.
    pub(crate) async fn until_defined(&self, group: &str, plural: &str) -> Result<(), Value> {
        let (group, version) = group.split_once('/').unwrap_or((group, "v1"));
        let is_listed = |answer: &Value| {
            let of_group = |item: &&Value| item["metadata"]["name"] == group;
            let resources = answer["body"]["items"].as_array().and_then(|items| items.iter().find(of_group));
            let versions = resources.and_then(|item| item["versions"].as_array()).into_iter().flatten();
            let versions = versions.filter(|it| it["version"] == version);
            let mut all = versions.flat_map(|it| it["resources"].as_array().into_iter().flatten());
            all.any(|resource| resource["resource"] == plural)
        };
        self.until_answered(&Request::new("GET", "/apis").header("accept", DISCOVERY), is_listed).await?;
        let described = format!("/openapi/v3/apis/{group}/{version}");
        let singular = format!("/{plural}/{{name}}");
        let has_path = |answer: &Value| {
            answer["body"]["paths"].as_object().is_some_and(|paths| paths.keys().any(|path| path.ends_with(&singular)))
        };
        self.until(&described, has_path).await?;
        self.until(&format!("/apis/{group}/{version}/{plural}"), |answer| answer["status"] == 200).await
    }
}
