//! Manifests on standard input, and what is said when there are none; the namespace that is meant.

use crate::aggregator::Place;
use crate::rows::of_files;

const CONNECTORS: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in, namespace: NAMESPACE}
spec: {file: {root: in}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: NAMESPACE}
spec: {file: {root: out-NAMESPACE, format: {ndjson: {}}}}
---
";

const PIPELINE: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: move, namespace: NAMESPACE}
spec:
  sources: [{name: source, connector: in, stream: rows.csv}]
  sinks: [{name: sink, from: source, connector: out, stream: rows/}]
";

fn manifests(namespace: &str) -> String {
    format!("{CONNECTORS}{PIPELINE}").replace("NAMESPACE", namespace)
}

fn place() -> Place {
    let place = Place::new();
    place.write("in/rows.csv", "id,word\n1,one\n2,two\n");
    place
}

#[test]
fn manifests_may_come_by_standard_input() {
    let place = place();
    let said = place.say_given("lint -f -", &manifests("test"));
    assert_eq!(said.code(), Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.starts_with("-:15:51: warning[SchemaUnknown]: "), "{}", said.stdout);
    assert!(said.stdout.ends_with("1 file checked: 0 errors, 1 warning\n"), "{}", said.stdout);
    // Paths of what came from nowhere begin where the program was started.
    let said = place.say_given("run -f - --state state", &manifests("test"));
    assert_eq!(said.code(), Some(0), "{}", said.stderr);
    assert_eq!(of_files(&place.file("out-test/rows")), ["1|one", "2|two"]);
    // Beside files, and with places of its own.
    place.write("connectors.yaml", &CONNECTORS.replace("NAMESPACE", "test"));
    let wrong = PIPELINE.replace("NAMESPACE", "test").replace("connector: out", "connector: ou");
    let said = place.say_given("lint -f - -f connectors.yaml", &wrong);
    assert_eq!(said.code(), Some(2), "{}", said.stderr);
    assert!(
        said.stdout.ends_with(
            "-:6:49: error[MissingConnector]: there is no Connector `ou` in the namespace `test`\n  \
             at Pipeline test/move spec.sinks[0].connector\n  \
             help: did you mean `out`? Connectors: in, out\n\n\
             2 files checked: 1 error, 1 warning\n"
        ),
        "{}",
        said.stdout
    );
}

/// Nothing that was checked is no success: a pipe that gave nothing, or something else, must not pass a gate.
#[test]
fn text_that_holds_no_object_fails_lint_and_run() {
    let place = Place::new();
    for (input, code, message) in [
        ("", "NoObject", "this file holds no object"),
        ("# a comment\n", "NoObject", "this file holds no object"),
        ("just some words\n", "NoObject", "this file holds no object"),
        ("id,word\n1,one\n2,two\n", "NoObject", "this file holds no object"),
        ("id,word\n1,\"one\"\n2,\"two: 2\"\n", "NoObject", "this file holds no object"),
        ("---\n---\n", "NoObject", "this file holds no object"),
        ("- a\n- b\n", "NotAnObject", "this document has no `apiVersion`"),
        ("[]\n", "NotAnObject", "this document has no `apiVersion`"),
        ("words: 1\n", "NotAnObject", "this document has no `apiVersion`"),
    ] {
        let said = place.say_given("lint -f -", input);
        assert_eq!(said.code(), Some(2), "{input:?}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.starts_with(&format!("-:1:1: error[{code}]: {message}\n")), "{input:?}: {}", said.stdout);
        assert!(said.stdout.ends_with("1 file checked: 1 error, 0 warnings\n"), "{input:?}: {}", said.stdout);
        let said = place.say_given("run -f -", input);
        assert_eq!(said.code(), Some(2), "{input:?}");
        assert!(said.stderr.contains(&format!("error[{code}]: {message}")), "{input:?}: {}", said.stderr);
    }
    // Objects of others alone are passed over, and that leaves nothing that was checked.
    let foreign = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n";
    let said = place.say_given("lint -f -", foreign);
    assert_eq!(said.code(), Some(2), "{}", said.stdout);
    assert_eq!(
        said.stderr,
        "error[Usage]: none of the objects is of a kind that is checked here\n  \
         help: give a Connector, a Pipeline, a Transformation, a Schedule, a PipelineRun or a Checkpoint with -f\n"
    );
}

#[test]
fn a_namespace_tells_pipelines_of_one_name_apart() {
    let place = place();
    place.write("m.yaml", &format!("{}---\n{}", manifests("one"), manifests("two")));
    let said = place.say("run -f m.yaml --state state");
    assert_eq!(
        (said.code(), said.stderr.as_str()),
        (
            Some(2),
            "error[Usage]: the manifests hold 2 Pipelines\n  \
             help: choose one with --pipeline (and --namespace): one/move, two/move\n"
        )
    );
    for (arguments, namespace, other) in [("--namespace two", "two", "one"), ("-p move -n one", "one", "two")] {
        place.ok(&format!("run -f m.yaml --state state {arguments}"));
        assert_eq!(of_files(&place.file(&format!("out-{namespace}/rows"))), ["1|one", "2|two"]);
        assert!(!place.file(&format!("out-{other}")).exists(), "{namespace}: the other one ran");
        place.remove(&format!("out-{namespace}"));
    }
}
