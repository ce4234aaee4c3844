//! Each exit code, with the very words that go with it.

use crate::aggregator::Place;
use crate::postgres::Database;

const OUT: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec:
  file: {root: out, format: {ndjson: {}}}
---
";

fn fails(place: &Place, arguments: &str, code: i32, stderr: &str) {
    let said = place.say(arguments);
    assert_eq!(said.stderr, stderr, "{arguments}");
    assert_eq!(said.code(), Some(code), "{arguments}");
}

fn pipeline(source: &str, more: &str) -> String {
    format!(
        "{OUT}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
         sources: [{{name: source, {source}}}]\n  \
         sinks: [{{name: sink, from: source, connector: out, stream: rows/}}]\n{more}"
    )
}

#[test]
fn two_for_usage_and_for_all_mistakes_of_manifests_at_once() {
    let place = Place::new();
    fails(
        &place,
        "run -f nowhere.yaml",
        2,
        "error[Usage]: cannot read nowhere.yaml: No such file or directory (os error 2)\n  help: check the path given with -f\n",
    );
    assert_eq!(place.say("run").code(), Some(2));
    place.write("m.yaml", &pipeline("connector: out, stream: a, sink: x", "  tranforms: []\n"));
    let said = place.say("run -f m.yaml");
    assert_eq!(said.code(), Some(2));
    assert_eq!(said.stderr.matches("error[UnknownField]").count(), 2, "{}", said.stderr);
    assert!(!place.file(".aggregator").exists(), "an invalid manifest leaves nothing behind");
}

#[test]
fn three_when_a_server_is_not_there_or_refuses_the_password() {
    let (place, database) = (Place::new(), Database::new());
    let manifests = format!("{}{}", database.manifest(), pipeline("connector: db, stream: public.events", ""));
    // Port 1 of loopback is reserved and nobody listens there.
    place.write("refused.yaml", &manifests.replace(&format!("port: {}", database.port()), "port: 1"));
    fails(
        &place,
        "run -f refused.yaml",
        3,
        &format!(
            "error[Unreachable]: node `source`: connect to 127.0.0.1:1/{}: Connection refused (os error 111)\n  \
             help: see that the server runs, that host and port are right and that no firewall stands between\n",
            database.name
        ),
    );
    place.write("password.yaml", &manifests.replace("stringData: {password: ", "stringData: {password: canary "));
    let said = place.say("run -f password.yaml -vv");
    assert_eq!(said.code(), Some(3));
    assert!(said.stderr.contains("error[CredentialsRefused]: node `source`: connect to 127.0.0.1:"), "{}", said.stderr);
    assert!(!said.stderr.contains("canary") && !said.stdout.contains("canary"), "the password is shown");
}

#[test]
fn four_when_a_quality_rule_is_broken() {
    let place = Place::new();
    place.write("out/in.csv", "id\n1\n");
    let rule = "  quality: [{name: many, node: source, expression: count(*) > 1}]\n";
    place.write(
        "m.yaml",
        &pipeline("connector: in, stream: in.csv", rule).replacen(
            OUT,
            &format!("{OUT}{}", OUT.replace("name: out", "name: in").replace(", format: {ndjson: {}}", "")),
            1,
        ),
    );
    let said = place.say("run -f m.yaml --state state");
    assert_eq!(said.code(), Some(4), "{}", said.stderr);
    assert!(said.stderr.starts_with("error[QualityRuleBroken]: "), "{}", said.stderr);
    assert!(!place.file("out/rows").exists(), "rows are visible");
}
