//! The commands for objects of a server, against one that `aggregator up` has started.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aggregator_tests::folder;
use aggregator_tests::process::Process;
use aggregator_tests::wait::eventually;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::aggregator::{Place, Said};

/// The server that the tests share: started by the first that asks, stopped with the last that lets go of it.
struct Server {
    kubeconfig: PathBuf,
    // Fields are dropped in their order: first who writes, then where.
    _process: Process,
    _home: TempDir,
}

impl Server {
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> Self {
        let home = tempfile::Builder::new().prefix("aggregator-objects-").tempdir().expect("a folder");
        let allowed = std::env::temp_dir().display().to_string();
        let arguments = ["up", "--ephemeral", "--port", "0", "-o", "json", "--allow-host-paths", &allowed];
        let mut process = Process::start(&folder::binary("aggregator"), arguments, &home.path().join("up.log"));
        let told = eventually("a server", || {
            let said = process.log(usize::MAX);
            assert!(!process.ended(), "it has ended:\n{said}");
            let json = &said[said.find('{')?..];
            serde_json::Deserializer::from_str(json).into_iter::<Value>().next()?.ok()
        });
        let kubeconfig = told["kubeconfig"].as_str().unwrap_or_else(|| panic!("no kubeconfig in {told}")).into();
        Self { kubeconfig, _process: process, _home: home }
    }
}

/// A namespace, and a folder with manifests and data.
struct Project {
    server: Arc<Server>,
    place: Place,
    name: &'static str,
}

impl Project {
    fn new(name: &'static str) -> Self {
        let project = Self { server: Server::shared(), place: Place::new(), name };
        project.place.write(
            "namespace.yaml",
            &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{team: shop}}}}\n"),
        );
        let applied = project.ok("apply -f namespace.yaml");
        assert_eq!(applied.stdout, format!("namespace/{name} created\n"));
        project
    }

    /// With a Pipeline `move`, which copies files.
    fn moving(name: &'static str) -> Self {
        let project = Self::new(name);
        project.place.write("in/a.csv", "id,name\n1,one\n2,two\n");
        project.place.write("m.yaml", &project.manifests());
        project
    }

    /// The Pipeline comes first in the file, and last on the server.
    fn manifests(&self) -> String {
        let (root, name) = (self.place.path().display(), self.name);
        format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: {name}}}
spec:
  sources: [{{name: rows, connector: in, stream: \"*.csv\", sync: {{mode: Incremental}}}}]
  sinks: [{{name: kept, from: rows, connector: out, stream: rows/}}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: in, namespace: {name}, labels: {{side: source}}}}
spec:
  description: where they come from
  file: {{root: {root}/in, format: {{csv: {{}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: out, namespace: {name}}}
spec: {{file: {{root: {root}/out, format: {{ndjson: {{}}}}}}}}
"
        )
    }

    /// The command, at the server and in the namespace.
    fn words(&self, arguments: &str) -> String {
        format!("{arguments} --kubeconfig {} -n {}", self.server.kubeconfig.display(), self.name)
    }

    fn say(&self, arguments: &str) -> Said {
        self.place.say(&self.words(arguments))
    }

    fn ok(&self, arguments: &str) -> Said {
        self.place.ok(&self.words(arguments))
    }

    fn json(&self, arguments: &str) -> Value {
        self.place.json(&self.words(arguments))
    }

    /// Starts a command that goes on, with its output in a file.
    fn start(&self, arguments: &str, output: &str) -> Child {
        let words = self.words(arguments);
        let mut command = self.place.command(&words.split_whitespace().collect::<Vec<_>>());
        let file = || File::create(self.place.file(output)).expect("a file");
        let (out, err) = (file(), File::create(self.place.file("errors")).expect("a file"));
        command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().expect("the binary starts")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.place.file(name)).unwrap_or_default()
    }

    /// Somebody else sets a field of a Connector.
    fn describe_as(&self, manager: &str, connector: &str, description: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let kubeconfig = Kubeconfig::read_from(&self.server.kubeconfig).expect("a kubeconfig");
        runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            let client = Client::try_from(config.expect("a configuration")).expect("a client");
            let resource = ApiResource::erase::<aggregator_crds::Connector>(&());
            let connectors: Api<DynamicObject> = Api::namespaced_with(client, self.name, &resource);
            let object = json!({
                "apiVersion": aggregator_crds::API_VERSION, "kind": "Connector", "metadata": {"name": connector},
                "spec": {"description": description},
            });
            let params = PatchParams::apply(manager).force();
            connectors.patch(connector, &params, &Patch::Apply(&object)).await.expect("it is set");
        });
    }

    /// The specs of what makes up the project, by kind and name.
    fn specs(&self) -> Vec<(String, String, Value)> {
        let list = self.json("get connectors,pipelines");
        let items = list["items"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        items.iter().map(|it| (text(&it["kind"]), text(&it["metadata"]["name"]), it["spec"].clone())).collect()
    }
}

fn lines(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn what_is_applied_is_shown_and_goes_again() {
    let project = Project::moving("shown");
    let created = "connector/in created\nconnector/out created\npipeline/move created\n";
    let dry = project.ok("apply -f m.yaml --dry-run").stdout;
    assert_eq!(dry, created.replace(" created", " created (dry run)"));
    assert_eq!(project.ok("get connectors").stderr, "there are no connectors in the namespace shown\n");

    assert_eq!(project.ok("apply -f m.yaml").stdout, created);
    assert_eq!(project.ok("apply -f m.yaml").stdout, created.replace("created", "unchanged"));
    project.place.write("m.yaml", &project.manifests().replace("where they come from", "a folder"));
    let told = project.ok("apply -f m.yaml").stdout;
    assert_eq!(told, "connector/in configured\nconnector/out unchanged\npipeline/move unchanged\n");

    let shown = project.ok("get connectors").stdout;
    let table = lines(&shown);
    assert_eq!(table[0], ["NAME", "TYPE", "READY", "REASON", "STREAMS", "LAST", "CHECK", "AGE"], "{shown}");
    assert_eq!(table.iter().map(|line| line[0]).collect::<Vec<_>>(), ["NAME", "in", "out"], "{shown}");
    let wide = project.ok("get aconn -l side=source --wide").stdout;
    assert_eq!((lines(&wide)[0].last(), lines(&wide).len()), (Some(&"MESSAGE"), 2), "{wide}");
    let one = project.json("get pipeline/move");
    assert_eq!((&one["kind"], &one["metadata"]["managedFields"]), (&json!("Pipeline"), &Value::Null));
    // A kind that only the server knows, in all namespaces.
    let all = project.place.ok(&format!("get serviceaccounts -A --kubeconfig {}", project.server.kubeconfig.display()));
    assert_eq!(lines(&all.stdout)[0][..2], ["NAMESPACE", "NAME"], "{}", all.stdout);

    assert_eq!(project.ok("delete pipeline move").stdout, "pipeline/move deleted\n");
    let gone = project.say("get pipeline move");
    assert_eq!((gone.code(), gone.stdout.as_str()), (Some(1), ""));
    assert!(
        gone.stderr.starts_with("error[NotFound]: pipelines.aggregator.dev \"move\" not found\n"),
        "{}",
        gone.stderr
    );
    let left = project.say("delete -f m.yaml");
    assert_eq!(
        (left.code(), left.stdout.as_str()),
        (Some(1), "connector/in deleted\nconnector/out deleted\n"),
        "{left:?}"
    );
    assert_eq!(project.ok("delete -f m.yaml --ignore-not-found").stdout, "");
}

#[test]
fn what_cannot_be_says_why_and_what_to_do() {
    let project = Project::new("wrong");
    let unknown = project.say("get pipelins");
    assert_eq!(unknown.code(), Some(2));
    assert!(unknown.stderr.starts_with("error[Usage]: the server has no kind `pipelins`\n  help: choose one of "));
    assert!(unknown.stderr.contains("pipelines, ") && unknown.stderr.contains("roles"), "{}", unknown.stderr);

    let missing = project.place.say("get pipelines --kubeconfig nowhere.yaml");
    assert_eq!(missing.code(), Some(2));
    assert!(missing.stderr.starts_with("error[Usage]: no server is known: "), "{}", missing.stderr);
    assert!(missing.stderr.contains("`aggregator up`"), "{}", missing.stderr);

    project.place.write(
        "away.yaml",
        "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], \
         users: [], clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]}",
    );
    let away = project.place.say("get pipelines --kubeconfig away.yaml");
    assert_eq!(away.code(), Some(3));
    let begin = "error[Unreachable]: http://127.0.0.1:1 cannot be reached: Connection refused (os error 111)\n";
    assert!(away.stderr.starts_with(begin), "{}", away.stderr);

    let nothing = project.say("run nothing --wait");
    assert_eq!(nothing.code(), Some(2));
    let begin = "error[Usage]: there is no Pipeline `nothing` in the namespace `wrong`\n  help: ";
    assert!(nothing.stderr.starts_with(begin), "{}", nothing.stderr);
    let all = project.say("delete pipelines");
    assert_eq!(all.code(), Some(2));
    assert!(all.stderr.contains("nothing says which pipelines are to go"), "{}", all.stderr);
    assert!(project.say("export secrets").stderr.contains("Secrets are never exported"));
    let error: Value = serde_json::from_str(&project.say("get pipelins -o json").stderr).expect("JSON");
    assert_eq!((&error["error"]["reason"], &error["error"]["exitCode"]), (&json!("Usage"), &json!(2)));
}

#[test]
fn nothing_is_written_when_a_file_has_a_mistake() {
    let project = Project::moving("careful");
    project
        .place
        .write("n.yaml", "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: x}\nspec: [\n");
    let broken = project.say("apply -f m.yaml -f n.yaml");
    assert_eq!((broken.code(), broken.stdout.as_str()), (Some(2), ""));
    assert!(broken.stderr.starts_with("n.yaml:4:7: error[YamlSyntax]: this is not YAML"), "{}", broken.stderr);
    project.place.write("n.yaml", "apiVersion: example.com/v1\nkind: Shirt\nmetadata: {name: x}\n");
    let unknown = project.say("apply -f m.yaml -f n.yaml");
    assert_eq!((unknown.code(), unknown.stdout.as_str()), (Some(2), ""));
    let told = "n.yaml:2:7: error[UnknownKind]: the server has no kind `Shirt` of `example.com/v1`\n";
    assert!(unknown.stderr.starts_with(told), "{}", unknown.stderr);
    assert_eq!(project.json("get connectors")["items"], json!([]));
}

#[test]
fn one_refused_object_does_not_stop_the_others() {
    let project = Project::moving("partly");
    let other = project.manifests().replace("name: in, namespace: partly", "name: in, namespace: nowhere");
    project.place.write("m.yaml", &other);
    let applied = project.place.say(&format!("apply -f m.yaml --kubeconfig {}", project.server.kubeconfig.display()));
    assert_eq!(applied.code(), Some(1), "{applied:?}");
    assert_eq!(applied.stdout, "connector/out created\npipeline/move created\n");
    let told = "error[NotFound]: connector/in: namespaces \"nowhere\" not found\n  at Connector nowhere/in\n  help: put a Namespace";
    assert!(applied.stderr.starts_with("m.yaml:") && applied.stderr.contains(told), "{}", applied.stderr);
    let words = format!("apply -f m.yaml -o json --kubeconfig {}", project.server.kubeconfig.display());
    let results: Value = serde_json::from_str(&project.place.say(&words).stdout).expect("JSON");
    assert_eq!((&results[0]["error"]["reason"], &results[1]["result"]), (&json!("NotFound"), &json!("unchanged")));
    // One namespace for all of them, and the files say another.
    let given = project.say("apply -f m.yaml");
    assert_eq!((given.code(), given.stdout.as_str()), (Some(2), ""));
    assert!(given.stderr.contains("error[WrongNamespace]: it belongs to the namespace `nowhere`"), "{}", given.stderr);
}

#[test]
fn a_conflict_names_who_has_set_what() {
    let project = Project::moving("conflict");
    project.ok("apply -f m.yaml");
    project.describe_as("studio", "in", "set in the studio");
    let refused = project.say("apply -f m.yaml");
    assert_eq!(refused.code(), Some(1));
    assert_eq!(refused.stdout, "connector/out unchanged\npipeline/move unchanged\n");
    let told = "error[Refused]: connector/in: others have set a field to something else:\n  studio has set \
                .spec.description\n  at Connector conflict/in spec.description\n  help: leave these fields out";
    assert!(refused.stderr.starts_with("m.yaml:12:16: ") && refused.stderr.contains(told), "{}", refused.stderr);
    let forced = project.ok("apply -f m.yaml --force-conflicts").stdout;
    assert_eq!(forced, "connector/in configured\nconnector/out unchanged\npipeline/move unchanged\n");
    assert_eq!(project.json("get connector in")["spec"]["description"], "where they come from");
}

#[test]
fn what_is_exported_makes_the_same_objects_again() {
    let project = Project::moving("exported");
    project.place.write(
        "secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: connector-shop}\nstringData: {password: hunter2}\n---\n\
         apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: shop}\nspec:\n  postgres:\n    \
         {host: db, database: shop, username: reader, password: {secretKey: password}, tls: {mode: Disable}}\n",
    );
    let applied = project.ok("apply -f m.yaml -f secret.yaml").stdout;
    let order: Vec<&str> = applied.lines().filter_map(|line| line.strip_suffix(" created")).collect();
    assert_eq!(order, ["secret/connector-shop", "connector/in", "connector/out", "connector/shop", "pipeline/move"]);
    let described = project.ok("describe secret connector-shop").stdout;
    assert!(described.contains("(7 bytes, not shown)") && !described.contains("hunter2"), "{described}");

    let before = project.specs();
    let exported = project.ok("export").stdout;
    let head = "# The Connectors name these Secrets and keys. Secrets are not exported: make them on the other server.\n\
                #   exported/connector-shop: password\n\
                apiVersion: v1\nkind: Namespace\nmetadata:\n  name: exported\n  labels:\n    team: shop\n---\n";
    assert!(exported.starts_with(head), "{exported}");
    for server in ["uid", "resourceVersion", "managedFields", "status:", "creationTimestamp", "hunter2", "kind: Secret"]
    {
        assert!(!exported.contains(server), "{server} is in\n{exported}");
    }
    assert_eq!(project.ok("export").stdout, exported);
    assert!(
        project.ok("export pipeline move").stdout.starts_with("apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\n")
    );

    project.ok("delete pipeline/move connector/in connector/out connector/shop");
    assert_eq!(project.json("get connectors,pipelines")["items"], json!([]));
    project.place.write("again.yaml", &exported);
    let again = project.ok("apply -f again.yaml").stdout;
    assert_eq!(again.lines().filter(|line| line.ends_with(" created")).count(), 4, "{again}");
    assert_eq!(project.specs(), before);
    assert_eq!(project.ok("export").stdout, exported);
}

#[test]
fn a_run_is_followed_to_its_end() {
    let project = Project::moving("runs");
    project.ok("apply -f m.yaml");
    let watching = project.start("get pipelineruns -w", "watched");
    let ended = project.ok("run move --wait");
    let name = ended.stderr.lines().find_map(|line| line.strip_prefix("pipelinerun/")?.strip_suffix(" created"));
    let name = name.unwrap_or_else(|| panic!("no name in {}", ended.stderr));
    assert!(name.starts_with("move-"), "{name}");
    let rows: Vec<Vec<&str>> = lines(&ended.stdout).into_iter().take(3).collect();
    assert_eq!(rows, [["NODE", "IN", "OUT"], ["rows", "2", "2"], ["kept", "2", "2"]], "{}", ended.stdout);
    let sentence =
        format!("runs/move succeeded (Incremental, attempt 1, run {name}): 2 rows read, 2 written, 0 rejected");
    assert!(ended.stdout.contains(&sentence), "{}", ended.stdout);
    assert!(ended.stderr.lines().last().is_some_and(|line| line.starts_with("Succeeded")), "{}", ended.stderr);
    eventually("the run among those that are watched", || {
        project.read("watched").lines().any(|line| line.starts_with(name) && line.contains("Succeeded")).then_some(())
    });
    end(watching, Signal::SIGTERM);

    let log = project.ok(&format!("logs {name}")).stdout;
    assert!(log.contains("move succeeded (Incremental, attempt 1)"), "{log}");
    assert_eq!(
        project.ok("logs pipeline/move --tail 1").stdout,
        format!("{}\n", log.lines().last().unwrap_or_default())
    );
    let followed = project.ok(&format!("logs -f {name}"));
    assert_eq!(followed.stdout, log);
    assert!(followed.stderr.starts_with(&format!("the run {name} has ended: it is Succeeded")), "{}", followed.stderr);

    let described = project.ok(&format!("describe pipelinerun {name}")).stdout;
    let shown = lines(&described);
    for wanted in [
        vec!["name", name],
        vec!["phase", "Succeeded"],
        vec!["rows", "2", "read,", "2", "written,", "0", "rejected;", "every", "one", "is", "accounted", "for"],
        vec!["the", "ledger"],
        vec!["kept", "2", "2"],
        vec!["pipelineRef:"],
    ] {
        assert!(shown.contains(&wanted), "{wanted:?} is not in\n{described}");
    }
    let value = project.json("run move --wait --mode DryRun");
    assert_eq!((&value["status"]["phase"], &value["spec"]["mode"]), (&json!("Succeeded"), &json!("DryRun")));
    assert_eq!(value["metadata"]["labels"]["aggregator.dev/pipeline"], "move");
}

#[test]
fn a_run_that_fails_says_why_with_its_exit_code() {
    let project = Project::moving("fails");
    project.place.write("m.yaml", &project.manifests().replace("spec:\n  sources", "spec:\n  draft: true\n  sources"));
    project.ok("apply -f m.yaml");
    let failed = project.say("run move --wait");
    assert_eq!(failed.code(), Some(2), "{failed:?}");
    assert!(failed.stdout.contains("fails/move failed (Incremental"), "{}", failed.stdout);
    assert!(failed.stderr.contains("error[PipelineIsDraft]: the Pipeline `move` is a draft"), "{}", failed.stderr);
    let logs = project.say("logs pipeline/move");
    assert_eq!(logs.code(), Some(1));
    assert!(logs.stderr.contains("has no Pods: it is Failed, PipelineIsDraft: "), "{}", logs.stderr);
    let described = project.ok("describe pipelineruns").stdout;
    let remedy = aggregator_crds::Reason::PipelineIsDraft.remedy();
    assert!(described.contains(&format!("what helps\n  PipelineIsDraft  {remedy}")), "{described}");
}

#[test]
fn whoever_stops_waiting_does_not_stop_the_run() {
    let project = Project::moving("endless");
    project.place.write(
        "endless.yaml",
        "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: in}\nspec:\n  generator:\n    streams: \
         [{name: many, rows: 100000000000, columns: [{name: id, sequence: {}}]}]\n",
    );
    project.place.write("m.yaml", &project.manifests().replace("\"*.csv\", sync: {mode: Incremental}", "many"));
    project.ok("apply -f m.yaml");
    project.ok("apply -f endless.yaml");
    let waiting = project.start("run move --wait --mode DryRun", "waited");
    eventually("a run that goes on", || project.read("errors").contains("Running").then_some(()));
    assert_eq!(end(waiting, Signal::SIGINT), Some(130));
    let told = project.read("errors");
    assert!(
        told.contains("goes on without you") && told.contains("aggregator delete -n endless pipelinerun move-"),
        "{told}"
    );
    let runs = project.json("get pipelineruns");
    assert_eq!(runs["items"][0]["status"]["phase"], "Running");
    let name = runs["items"][0]["metadata"]["name"].as_str().expect("a name");
    assert_eq!(project.ok(&format!("delete pipelinerun {name}")).stdout, format!("pipelinerun/{name} deleted\n"));
    eventually("no Pod of it", || (project.json("get pods")["items"] == json!([])).then_some(()));
}

/// Asks a process to end, and gives its exit code.
fn end(mut child: Child, signal: Signal) -> Option<i32> {
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a process id")), signal).expect("a process of ours");
    child.wait().expect("a child of ours").code()
}
