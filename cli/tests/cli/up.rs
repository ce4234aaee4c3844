//! `aggregator up`: a whole cluster in one process, used by clients from outside.

mod end;
mod port;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use aggregator_crds::{Connector, Pipeline, PipelineRun};
use aggregator_tests::wait::eventually;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::aggregator::Place;

/// How long the end may take.
const SOON: Duration = Duration::from_secs(5);

/// A cluster that is there. Dropping it kills it.
struct Up {
    child: Child,
    told: Value,
    errors: PathBuf,
    runtime: Runtime,
}

impl Up {
    /// Starts it with a port of its own, and waits until it has said where it is.
    fn start(place: &Place, arguments: &str) -> Self {
        Self::started(place, place.command(&words(arguments)))
    }

    fn started(place: &Place, mut command: Command) -> Self {
        let (results, errors) = (place.file("up.out"), place.file("up.err"));
        let file = |path: &Path| File::create(path).expect("a file");
        let mut child = command.stdout(file(&results)).stderr(file(&errors)).spawn().expect("the binary starts");
        let told = eventually("a cluster", || {
            let ended = child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "it has ended:\n{}", read(&errors));
            serde_json::from_str(&read(&results)).ok()
        });
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        Self { child, told, errors, runtime }
    }

    fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }

    /// What it has said beside its results.
    fn said(&self) -> String {
        read(&self.errors)
    }

    /// Waits until it has said something.
    fn says(&self, text: &str) {
        eventually(&format!("`{text}` among\n{}", self.said()), || self.said().contains(text).then_some(()));
    }

    fn kubeconfig(&self, user: &str) -> PathBuf {
        let mut others = self.told["users"].as_array().into_iter().flatten();
        let other = others.find(|known| known["user"] == user).map(|known| &known["kubeconfig"]);
        let file = if user == "root" { Some(&self.told["kubeconfig"]) } else { other };
        PathBuf::from(file.and_then(Value::as_str).unwrap_or_else(|| panic!("no {user} in {}", self.told)))
    }

    fn config(&self, user: &str) -> Config {
        let file = Kubeconfig::read_from(self.kubeconfig(user)).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        self.runtime.block_on(Config::from_custom_kubeconfig(file, &options)).expect("a configuration")
    }

    fn client(&self, user: &str) -> Client {
        self.client_of(self.config(user))
    }

    fn client_of(&self, config: Config) -> Client {
        // What it does meanwhile is done in the runtime.
        let _entered = self.runtime.enter();
        Client::try_from(config).expect("a client")
    }

    fn ask<T>(&self, answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
        self.runtime.block_on(answer)
    }

    fn create_namespace(&self, name: &str) {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).expect("a Namespace");
        let namespaces: Api<Namespace> = Api::all(self.client("root"));
        self.ask(namespaces.create(&PostParams::default(), &namespace)).expect("it is new");
    }

    /// Asks it to end, which it does well and soon.
    fn end(mut self, signal: Signal) {
        let begun = Instant::now();
        kill(self.id(), signal).expect("a process of ours");
        let status = eventually("its end", || self.child.try_wait().expect("a child of ours"));
        let took = begun.elapsed();
        assert!(status.success() && took < SOON, "{status} after {took:?}:\n{}", self.said());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The arguments by which it is started.
fn words(arguments: &str) -> Vec<&str> {
    ["up", "--port", "0", "--output", "json"].into_iter().chain(arguments.split_whitespace()).collect()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

fn refusal(error: kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.message),
        other => panic!("the API answers: {other}"),
    }
}

fn pipeline(name: &str) -> Pipeline {
    let spec = json!({
        "sources": [{"name": "orders", "connector": "shop", "stream": "orders"}],
        "sinks": [{"name": "list", "from": "orders", "connector": "lake", "stream": "orders/"}],
    });
    serde_json::from_value(json!({
        "apiVersion": "aggregator.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": name}, "spec": spec,
    }))
    .expect("a Pipeline")
}

#[test]
fn a_cluster_that_keeps_nothing_is_whole_and_leaves_nothing() {
    let place = Place::new();
    let up = Up::start(&place, "--ephemeral");
    assert!(up.told["url"].as_str().is_some_and(|url| url.starts_with("https://127.0.0.1:")), "{}", up.told);
    let kinds: Api<CustomResourceDefinition> = Api::all(up.client("root"));
    let kinds = up.ask(kinds.list(&ListParams::default())).expect("kinds");
    let mut kinds: Vec<String> = kinds.items.into_iter().map(|kind| kind.spec.names.kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["Checkpoint", "Connector", "Pipeline", "PipelineRun", "Schedule", "Transformation"]);
    up.create_namespace("shop");

    let of = |user: &str| -> Api<Pipeline> { Api::namespaced(up.client(user), "shop") };
    let refused = up.ask(of("viewer").create(&PostParams::default(), &pipeline("orders"))).expect_err("it only looks");
    let (code, message) = refusal(refused);
    assert_eq!(code, 403, "{message}");
    assert!(message.contains("User \"viewer\" cannot create resource \"pipelines\""), "{message}");
    up.ask(of("developer").create(&PostParams::default(), &pipeline("orders"))).expect("it is new");
    let seen = up.ask(of("viewer").list(&ListParams::default())).expect("Pipelines");
    assert_eq!(seen.items.len(), 1, "{seen:?}");
    let (code, message) = refusal(up.ask(of("executive").get("orders")).expect_err("reports alone"));
    assert_eq!(code, 403, "{message}");

    let home = up.kubeconfig("root").parent().and_then(Path::parent).expect("a folder").to_owned();
    assert!(home.exists(), "{}", home.display());
    up.end(Signal::SIGINT);
    assert!(!home.exists(), "{} is left", home.display());
    assert!(!place.file(".aggregator").exists(), "it keeps nothing");
}

#[test]
fn what_was_there_is_there_again_and_a_folder_has_one_cluster() {
    let place = Place::new();
    let up = Up::start(&place, "--data-dir data");
    let folder = place.file("data").canonicalize().expect("the folder");
    assert_eq!(up.told["dataDir"], folder.display().to_string());
    up.create_namespace("kept");
    let token = |up: &Up| read(&up.kubeconfig("viewer")).lines().find(|line| line.contains("token")).map(str::to_owned);
    let before = token(&up);
    assert!(before.is_some(), "a kubeconfig has a token");

    let second = place.say("up --data-dir data --port 0");
    assert_eq!(second.code(), Some(2), "{}", second.stderr);
    let expected = format!(
        "error[Usage]: {} is used by another process, which serves {}\n  \
         help: use that one, or end it; or give this one a folder of its own with --data-dir, or none with \
         --ephemeral\n",
        folder.display(),
        up.told["url"].as_str().expect("a URL"),
    );
    assert_eq!((second.stdout.as_str(), second.stderr), ("", expected));
    up.end(Signal::SIGTERM);

    let up = Up::start(&place, "--data-dir data");
    let namespaces: Api<Namespace> = Api::all(up.client("root"));
    let kept = up.ask(namespaces.get("kept")).expect("it is there");
    assert_eq!(kept.metadata.name.as_deref(), Some("kept"));
    assert_eq!(token(&up), before);
    up.end(Signal::SIGTERM);
}

#[test]
fn a_port_that_somebody_has_is_told_with_what_helps() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let said = place.say(&format!("up --ephemeral --port {}", address.port()));
    assert_eq!(said.code(), Some(2), "{}", said.stderr);
    assert!(said.stderr.starts_with(&format!("error[Usage]: cannot listen on {address}: ")), "{}", said.stderr);
    assert!(said.stderr.ends_with("help: give another port with --port, or end what has it; 0 is any free one\n"));
    let said = place.say("up --ephemeral --watch nowhere");
    let expected = "error[Usage]: there is no folder nowhere\n  help: check the path given with --watch\n";
    assert_eq!((said.code(), said.stderr.as_str()), (Some(2), expected));
}

#[test]
fn it_may_have_as_many_files_open_as_whoever_starts_it_allows() {
    let place = Place::new();
    let up = Up::started(&place, place.command_by(&["prlimit", "--nofile=256:1000"], &words("--ephemeral")));
    let limits = read(Path::new(&format!("/proc/{}/limits", up.id())));
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let files: Vec<&str> = files.split_whitespace().collect();
    assert_eq!(files[3..5], ["1000", "1000"], "the soft one, and the hard one");
    up.end(Signal::SIGTERM);
}

#[test]
fn a_watched_folder_is_applied_and_what_changes_in_it_again() {
    let place = Place::new();
    let connector = |root: &str| {
        format!(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: lake, namespace: shop}}\n\
             spec: {{file: {{root: {root}, format: {{ndjson: {{}}}}}}}}\n"
        )
    };
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: shop}}\ndata: {{password: {value}}}\n")
    };
    place.write("m/connector.yaml", &connector("lake"));
    place.write("m/namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    place.write("m/secret.yaml", &secret("Y2FuYXJ5"));
    let up = Up::start(&place, "--ephemeral --watch m");
    for told in ["created    Namespace shop\n", "created    Connector shop/lake\n", "created    Secret shop/s\n"] {
        up.says(told);
    }
    let connectors: Api<Connector> = Api::namespaced(up.client("root"), "shop");
    let root = || {
        let found = up.ask(connectors.get_opt("lake")).expect("an answer");
        found.map(|found| serde_json::to_value(found).expect("JSON")["spec"]["file"]["root"].clone())
    };
    assert_eq!(root(), Some(json!("lake")));

    place.write("m/connector.yaml", &connector("sea"));
    place.write("m/secret.yaml", &secret("Y2FuYXJ6"));
    up.says("changed    Connector shop/lake\n             spec.file.root: \"lake\" → \"sea\"\n");
    up.says("changed    Secret shop/s\n             data.password: (hidden) → (hidden)\n");
    assert_eq!(root(), Some(json!("sea")));
    assert!(!up.said().contains("Y2FuYXJ"), "{}", up.said());

    // A mistake keeps its own file back, and nothing is deleted while it is there.
    place.write("m/wrong.yaml", &connector("x").replace("file", "fil").replace("lake", "wrong"));
    place.remove("m/connector.yaml");
    place.write("m/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: shop}\n");
    up.says("created    ConfigMap shop/more\n");
    up.says("not deleted until all files can be read: 1 object without a manifest\n");
    let place_of_mistake = format!("{}:4:", place.file("m/wrong.yaml").canonicalize().expect("a file").display());
    assert!(up.said().contains(&place_of_mistake), "{place_of_mistake} is not in\n{}", up.said());
    assert_eq!(root(), Some(json!("sea")));

    place.remove("m/wrong.yaml");
    up.says("deleted    Connector shop/lake\n");
    assert_eq!(root(), None);
    place.remove("m/namespace.yaml");
    up.says("kept       Namespace shop: ");
    up.end(Signal::SIGINT);
}

#[test]
fn the_demo_runs_by_itself() {
    let place = Place::new();
    let up = Up::start(&place, "--data-dir data --seed demo");
    let folder = PathBuf::from(up.told["demo"].as_str().expect("a folder"));
    let list = eventually("the demo's list", || std::fs::read_to_string(folder.join("turnover.csv")).ok());
    let mut lines = list.lines();
    assert_eq!(lines.next(), Some("country,orders,turnover"), "{list}");
    let mut countries: Vec<&str> = lines.filter_map(|line| line.split(',').next()).collect();
    countries.sort_unstable();
    assert_eq!(countries, ["DE", "FR", "SE"], "{list}");
    let runs: Api<PipelineRun> = Api::namespaced(up.client("viewer"), "demo");
    eventually("a run that has succeeded", || {
        let runs = up.ask(runs.list(&ListParams::default())).expect("runs");
        let runs = serde_json::to_value(runs.items).expect("JSON");
        runs.as_array().into_iter().flatten().any(|run| run["status"]["phase"] == "Succeeded").then_some(())
    });
    up.end(Signal::SIGINT);
}
