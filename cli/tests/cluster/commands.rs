//! The commands for objects of a server, on a control plane that `aggregator up` has not started.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use aggregator_tests::folder;
use aggregator_tests::wait::eventually;
use serde_json::Value;

use crate::project::Project;

/// The Pipeline comes first, and is made last. kubectl reads an older YAML than the binary: unless they are quoted, the keys
/// and values of the annotations are truths, numbers and times there.
const MANIFESTS: &str = r#"
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: move}
spec:
  sources: [{name: rows, connector: in, stream: "*.csv", sync: {mode: Incremental}}]
  sinks: [{name: kept, from: rows, connector: out, stream: rows/}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata:
  name: in
  labels: {side: source}
  annotations:
    {"on": "off", "y": "no", "1": "012", octal: "0o14", many: "1_000", day: "2026-11-01", time: "12:30:45", none: "~"}
spec:
  description: |
    where they come from: a folder
      # of ours
  file: {root: in, format: {csv: {}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out}
spec: {file: {root: out, format: {ndjson: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: shop}
spec: {postgres: {host: 127.0.0.1, port: 1, database: shop, username: reader, password: {secretKey: password}}}
---
apiVersion: v1
kind: Secret
metadata: {name: connector-shop}
data: {password: aHVudGVyMg==}
---
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE, labels: {team: shop}}
"#;

/// The binary in the folder of a project: KUBECONFIG says where the control plane is.
struct Aggregator {
    kubeconfig: PathBuf,
    folder: PathBuf,
    namespace: String,
}

/// What it said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Aggregator {
    fn of(project: &Project) -> Self {
        project.write("admin", &project.admin());
        let namespace = project.namespace.name().to_owned();
        Self { kubeconfig: project.path("admin"), folder: project.path(""), namespace }
    }

    /// Runs it to its end, in the namespace. Arguments stand between blanks.
    fn say(&self, arguments: &str) -> Said {
        let mut command = Command::new(folder::binary("aggregator"));
        command.args(arguments.split_whitespace()).args(["--namespace", &self.namespace]);
        command.current_dir(&self.folder).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        command.env_remove("RUST_LOG").env_remove("AGGREGATOR_LOG_FORMAT");
        let output = command.output().expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs it; it must end well.
    fn ok(&self, arguments: &str) -> Said {
        let said = self.say(arguments);
        assert_eq!(said.code, Some(0), "`aggregator {arguments}` failed: {said:?}");
        said
    }

    /// Runs it with `--output json`; it must end well. Gives what it printed.
    fn json(&self, arguments: &str) -> Value {
        let said = self.ok(&format!("{arguments} --output json"));
        serde_json::from_str(&said.stdout).expect("JSON")
    }
}

/// The words of each line. Ages are left out: they may be others a moment later.
fn words(text: &str) -> Vec<Vec<&str>> {
    let is_age = |word: &str| {
        word.ends_with(['s', 'm', 'h', 'd']) && word.chars().all(|it| it.is_ascii_digit() || "smhd".contains(it))
    };
    text.lines().map(|line| line.split_whitespace().filter(|word| !is_age(word)).collect()).collect()
}

/// What `get` shows of a kind, once kubectl shows the same and one of the lines begins so.
fn shown(project: &Project, aggregator: &Aggregator, kind: &str, begin: &[&str]) {
    eventually(&format!("{kind} as kubectl shows them, and {begin:?} among them"), || {
        let own = aggregator.ok(&format!("get {kind} --wide")).stdout;
        let theirs = project.namespace.kubectl(["get", kind, "--output=wide"]);
        let lines = words(&own);
        (lines == words(&theirs) && lines.iter().any(|line| line.starts_with(begin))).then_some(())
    });
}

fn apply(project: &Project, aggregator: &Aggregator) {
    project.write("m.yaml", &MANIFESTS.replace("NAMESPACE", &aggregator.namespace));
    // The namespace is there, without its label.
    let told = |namespace: &str, others: &str| {
        let objects = ["secret/connector-shop", "connector/in", "connector/out", "connector/shop", "pipeline/move"];
        let others: String = objects.map(|object| format!("{object} {others}\n")).concat();
        format!("namespace/{} {namespace}\n{others}", aggregator.namespace)
    };
    assert_eq!(aggregator.ok("apply -f m.yaml").stdout, told("configured", "created"));
    assert_eq!(aggregator.ok("apply -f m.yaml").stdout, told("unchanged", "unchanged"));
    shown(project, aggregator, "connectors", &["in", "file", "True", "Reached"]);
    shown(project, aggregator, "connectors", &["shop", "postgres", "False", "Unreachable"]);
}

/// Gives the name of the run.
fn run(project: &Project, aggregator: &Aggregator) -> String {
    let ended = aggregator.ok("run move --wait");
    let created = ended.stderr.lines().find_map(|line| line.strip_prefix("pipelinerun/")?.strip_suffix(" created"));
    let name = created.expect("the name of the run").to_owned();
    let sentence = format!(
        "{}/move succeeded (Incremental, attempt 1, run {name}): 2 rows read, 2 written, 0 rejected",
        aggregator.namespace
    );
    assert!(ended.stdout.contains(&sentence), "{sentence} is not in\n{}", ended.stdout);
    assert_eq!(project.lines("out"), [r#"{"id":1,"name":"one"}"#, r#"{"id":2,"name":"two"}"#]);
    name
}

fn look(project: &Project, aggregator: &Aggregator, run: &str) {
    shown(project, aggregator, "pipelineruns", &[run, "move", "Succeeded", "LedgerBalanced", "2", "2", "0"]);
    shown(project, aggregator, "pipelines", &["move", "True", "Compiled"]);
    eventually("a run as kubectl gives it", || {
        let own = aggregator.json(&format!("get pipelinerun {run}"));
        let theirs = project.namespace.kubectl(["get", "pipelinerun", run, "--output=json"]);
        (own == serde_json::from_str::<Value>(&theirs).expect("JSON")).then_some(())
    });

    let described = eventually("an Event of the end", || {
        let described = aggregator.ok(&format!("describe pipelinerun {run}")).stdout;
        let told = words(&described).iter().any(|line| line.starts_with(&["Normal", "LedgerBalanced"]));
        told.then_some(described)
    });
    let lines = words(&described);
    let all: [&[&str]; 4] = [
        &["phase", "Succeeded"],
        &["rows", "2", "read,", "2", "written,", "0", "rejected;"],
        &["Succeeded", "True", "LedgerBalanced"],
        &["kept", "2", "2"],
    ];
    for wanted in all {
        assert!(lines.iter().any(|line| line.starts_with(wanted)), "{wanted:?} is not in\n{described}");
    }

    let log = aggregator.ok(&format!("logs {run}")).stdout;
    assert!(log.contains("/move succeeded (Incremental, attempt 1): 2 rows read, 2 written, 0 rejected"), "{log}");
    assert_eq!(log, project.namespace.kubectl(["logs", &format!("job/{run}")]));
    assert_eq!(aggregator.ok(&format!("logs -f {run}")).stdout, log);
    let last = format!("{}\n", log.lines().last().unwrap_or_default());
    assert_eq!(aggregator.ok("logs pipeline/move --tail 1").stdout, last);
}

fn delete(aggregator: &Aggregator, run: &str) {
    let deleted = aggregator.ok(&format!("delete pipelinerun {run}")).stdout;
    assert_eq!(deleted, format!("pipelinerun/{run} deleted\n"));
    let gone = aggregator.say(&format!("get pipelinerun {run}"));
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""), "{gone:?}");
    let why = format!("error[NotFound]: pipelineruns.aggregator.dev \"{run}\" not found\n");
    assert!(gone.stderr.starts_with(&why), "{gone:?}");
}

/// The namespace goes with all that is in it, and kubectl makes the project again from what was exported.
fn export(project: &mut Project, aggregator: &Aggregator) {
    // A namespace with Pods that still run goes more slowly, and nobody is to make new ones in it.
    eventually("no Pod", || project.list("pods").is_empty().then_some(()));
    project.stop();

    let namespace = &aggregator.namespace;
    let exported = aggregator.ok("export").stdout;
    let head = format!(
        "# The Connectors name these Secrets and keys. Secrets are not exported: make them on the other server.\n\
         #   {namespace}/connector-shop: password\n\
         apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n  labels:\n    team: shop\n---\n"
    );
    assert!(exported.starts_with(&head), "{exported}");
    project.write("exported.yaml", &exported);
    let deleted = aggregator.ok(&format!("delete namespace {namespace}")).stdout;
    assert_eq!(deleted, format!("namespace/{namespace} deleted\n"));

    let file = project.path("exported.yaml").display().to_string();
    let applied = project.namespace.kubectl(["apply", "--warnings-as-errors", "--filename", &file]);
    let ours: String = ["connector.aggregator.dev/in", "connector.aggregator.dev/out", "connector.aggregator.dev/shop"]
        .map(|object| format!("{object} created\n"))
        .concat();
    assert_eq!(applied, format!("namespace/{namespace} created\n{ours}pipeline.aggregator.dev/move created\n"));
    assert_eq!(aggregator.ok("export").stdout, exported);
}

#[test]
fn the_commands_do_what_they_say_and_kubectl_takes_what_is_exported() {
    let mut project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n2,two\n");
    let aggregator = Aggregator::of(&project);
    apply(&project, &aggregator);
    let run = run(&project, &aggregator);
    look(&project, &aggregator, &run);
    delete(&aggregator, &run);
    export(&mut project, &aggregator);
}
