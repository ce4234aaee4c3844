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
fn two_for_all_mistakes_of_manifests_at_once() {
    let place = Place::new();
    place.write("m.yaml", &pipeline("connector: out, stream: a, sink: x", "  tranforms: []\n"));
    let said = place.say("run -f m.yaml");
    assert_eq!(said.code(), Some(2));
    assert_eq!(said.stderr.matches("error[UnknownField]").count(), 2, "{}", said.stderr);
    assert!(!place.file(".aggregator").exists(), "an invalid manifest leaves nothing behind");
}

/// What is wrong with how the binary is called: the very words, which name the mistake and the remedy.
#[test]
fn two_for_each_way_to_call_it_wrongly() {
    let place = crate::shop::place();
    std::fs::create_dir(place.file("empty")).expect("a folder");
    place.write("values/values.yaml", "color: blue\n");
    std::fs::write(place.file("bytes.txt"), b"\xff\xfe").expect("a file");
    let open = "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: open}\nspec: [\n";
    place.write("open.txt", open);
    for (arguments, told) in [
        (
            "run -f nowhere.yaml",
            "error[Usage]: cannot read nowhere.yaml: No such file or directory (os error 2)\n  help: check the path given with -f\n",
        ),
        (
            "lint -f empty",
            "error[Usage]: the folder empty holds no manifests\n  help: name a folder with .yaml, .yml or .json files that have an `apiVersion`\n",
        ),
        (
            "run -f values",
            "error[Usage]: the folder values holds no manifests\n  help: name a folder with .yaml, .yml or .json files that have an `apiVersion`\n",
        ),
        (
            "plan -f bytes.txt",
            "error[Usage]: cannot read bytes.txt: stream did not contain valid UTF-8\n  help: a manifest is text in UTF-8: save it as such, or keep it elsewhere\n",
        ),
        (
            "plan -f open.txt",
            "open.txt:4:7: error[YamlSyntax]: this is not YAML: unclosed bracket '['\n  at YAML\n  help: look at the indentation, quotes and brackets here and on the line above\n\nerror[Invalid]: the manifests hold 1 error\n  help: mend what is listed above; `aggregator lint` shows the same without running\n",
        ),
        (
            "run -f connectors.yaml",
            "error[Usage]: the manifests hold no Pipeline\n  help: give the file that holds it with -f\n",
        ),
        (
            "run -f . --pipeline turnove",
            "error[Usage]: there is no Pipeline `turnove` among the manifests\n  help: choose one of shop/turnover\n",
        ),
        (
            "plan -f . --namespace shops",
            "error[Usage]: there is no Pipeline in the namespace `shops` among the manifests\n  help: choose one of shop/turnover\n",
        ),
        (
            "preview -f . --node cleand",
            "error[ConfigInvalid]: preview Pipeline `shop/turnover`: it has no node `cleand`\n  help: choose one of orders, prices, cleaned, wanted, sums, lines, table\n",
        ),
        (
            "run -f . --param last=3",
            "./turnover.yaml:19:3: error[UnknownParameter]: there is no parameter `last`\n  at Pipeline shop/turnover spec.params\n  help: did you mean `least`? parameters: least\n\nerror[Invalid]: the Pipeline does not compile: 1 error\n  help: mend what is listed above; `aggregator lint` shows the same without running\n",
        ),
        (
            "run -f . --secrets nowhere",
            "error[Usage]: there is no folder nowhere\n  help: check the path given with --secrets\n",
        ),
        (
            "run -f . --report nowhere/report.json",
            "error[Usage]: cannot write nowhere/report.json: No such file or directory (os error 2)\n  help: check the path given with --report\n",
        ),
        (
            "lint -f . --catalogue drops=nowhere.json",
            "error[Usage]: cannot read nowhere.json: No such file or directory (os error 2)\n  help: check the path given with --catalogue\n",
        ),
        (
            "connectors schema postgre",
            "error[Usage]: there is no connector type `postgre`\n  help: choose one of file, s3, postgres, sqlite, http, generator\n",
        ),
        (
            "connectors check -f . --connector drop",
            "error[Usage]: there is no Connector `drop` among the manifests\n  help: choose one of drops, prices, out\n",
        ),
        (
            "codegen -f . --transformation clear --to sql",
            "error[Usage]: there is no Transformation `clear` among the manifests\n  help: choose one of shop/clean\n",
        ),
        (
            "functions money_amout",
            "error[Usage]: there is no function `money_amout`\n  help: did you mean `money_amount`? `aggregator functions` lists them all\n",
        ),
        (
            "test -f connectors.yaml",
            "error[Usage]: there are no tests\n  help: write `tests:` in a Transformation, or a *.test.yaml file beside a Pipeline; docs/testing.md shows both\n",
        ),
        (
            "run -f . --memory 5",
            "error: invalid value '5' for '--memory <SIZE>': at least 16Mi are needed\n\nFor more information, try '--help'.\n",
        ),
        (
            "run -f . --memory 12Q",
            "error: invalid value '12Q' for '--memory <SIZE>': `Q` is not a unit; write k, M, G, Ki, Mi or Gi, as 512Mi\n\nFor more information, try '--help'.\n",
        ),
        (
            "run -f . --memory much",
            "error: invalid value 'much' for '--memory <SIZE>': `much` is not a unit; write k, M, G, Ki, Mi or Gi, as 512Mi\n\nFor more information, try '--help'.\n",
        ),
        (
            "preview -f . --node lines --limit abc",
            "error: invalid value 'abc' for '--limit <N>': write a whole number, as 20\n\nFor more information, try '--help'.\n",
        ),
        (
            "preview -f . --node lines --limit 0",
            "error: invalid value '0' for '--limit <N>': at least 1 row is shown\n\nFor more information, try '--help'.\n",
        ),
        (
            "run -f . --shard 3/2",
            "error: invalid value '3/2' for '--shard <I/N>': of 2 processes the first is 0/2, and the last one 1/2: there is no 3/2\n\nFor more information, try '--help'.\n",
        ),
        (
            "run -f . --shard 2/2",
            "error: invalid value '2/2' for '--shard <I/N>': of 2 processes the first is 0/2, and the last one 1/2: there is no 2/2\n\nFor more information, try '--help'.\n",
        ),
        (
            "run -f . --shard 1",
            "error: invalid value '1' for '--shard <I/N>': write it as I/N: 0/4 is the first of four processes, 3/4 the last one; N is at most 1000\n\nFor more information, try '--help'.\n",
        ),
        (
            "run -f . --param =3",
            "error: invalid value '=3' for '--param <NAME=VALUE>': write it as NAME=VALUE\n\nFor more information, try '--help'.\n",
        ),
        (
            "run -f . --param least",
            "error: invalid value 'least' for '--param <NAME=VALUE>': write it as NAME=VALUE\n\nFor more information, try '--help'.\n",
        ),
        (
            "run",
            "error: the following required arguments were not provided:\n  --file <PATH>...\n\nUsage: aggregator run --file <PATH>...\n\nFor more information, try '--help'.\n",
        ),
        (
            "run --fil turnover.yaml",
            "error: unexpected argument '--fil' found\n\n  tip: a similar argument exists: '--file'\n\nUsage: aggregator run --file <PATH>...\n\nFor more information, try '--help'.\n",
        ),
        (
            "rum",
            "error: unrecognized subcommand 'rum'\n\n  tip: a similar subcommand exists: 'run'\n\nUsage: aggregator [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.\n",
        ),
    ] {
        fails(&place, arguments, 2, told);
    }
    assert!(!place.file(".aggregator").exists() && !place.file("out").exists(), "nothing was begun");
}

/// A Connector of a type that nobody knows.
#[test]
fn two_for_a_type_of_connector_that_is_not_there() {
    let place = Place::new();
    let manifest = |spec: &str| {
        format!(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: db, namespace: test}}\nspec: {{{spec}}}\n---\n{}",
            pipeline("connector: db, stream: events", "")
        )
    };
    place.write("m.yaml", &manifest("postgress: {host: h}"));
    let said = place.say("run -f m.yaml");
    assert_eq!(said.code(), Some(2));
    assert!(
        said.stderr.starts_with(
            "m.yaml:4:8: error[UnknownField]: `postgress` is not a field here\n  at Connector test/db spec.postgress\n  help: did you mean `postgres`?"
        ),
        "{}",
        said.stderr
    );
}

/// What a source would read is asked of SQLite: its words, the manifest's place, and what there is.
#[test]
fn two_for_a_query_that_the_database_does_not_take() {
    let place = crate::shop::place();
    let pipeline = std::fs::read_to_string(place.file("turnover.yaml")).expect("the manifest");
    for (query, code, reason, said, at) in [
        (
            "SELECT product, price FORM prices",
            2,
            "ConfigInvalid",
            "near \"prices\": syntax error in SELECT product, price FORM prices at offset 27",
            "22:49",
        ),
        (
            "SELECT produkt FROM prices",
            1,
            "NotFound",
            "no such column: produkt in SELECT produkt FROM prices at offset 7",
            "22:49",
        ),
        ("SELECT a FROM orders", 1, "NotFound", "no such table: orders", "22:49"),
    ] {
        place.write("turnover.yaml", &pipeline.replace("stream: prices", &format!("stream: {query:?}")));
        fails(
            &place,
            "run -f . --state state",
            code,
            &format!(
                "./turnover.yaml:{at}: error[{reason}]: node `prices`: describe the query at ./prices.sqlite: {said}\n  \
                 at Pipeline shop/turnover spec.sources[1].stream\n  \
                 help: correct the query; the database holds prices\n"
            ),
        );
    }
}

#[test]
fn three_without_keys_for_a_store() {
    let place = Place::new();
    let manifest = "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: lake, namespace: test}\nspec: {s3: {bucket: lake}}\n";
    place.write("m.yaml", &format!("{manifest}---\n{}", pipeline("connector: lake, stream: a.csv", "")));
    fails(
        &place,
        "run -f m.yaml",
        3,
        "error[CredentialsRefused]: node `source`: open Connector `lake`: there are no `credentials`, and this process was given no identity of a Pod\n  help: name the keys of the Secret in `credentials`; on a cluster, give the Pod's service account a role\n",
    );
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

/// A draft is looked at, and never run.
#[test]
fn two_for_a_draft() {
    let place = Place::new();
    let made = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made, namespace: test}
spec: {generator: {seed: 1, streams: [{name: rows, rows: 3, columns: [{name: id, sequence: {}}]}]}}
---
";
    let draft = pipeline("connector: made, stream: rows", "  draft: true\n");
    place.write("m.yaml", &format!("{made}{draft}"));
    for mode in ["Incremental", "Full"] {
        fails(
            &place,
            &format!("run -f m.yaml --mode {mode}"),
            2,
            "error[PipelineIsDraft]: the Pipeline `move` is a draft, which is never run\n  \
             help: publish it with `draft: false`, or use --mode DryRun or Preview\n",
        );
    }
    assert!(!place.file("out").exists());
    place.ok("run -f m.yaml --mode DryRun");
    place.ok("run -f m.yaml --mode Preview");
}

/// What a command does decides, not whether somebody hears of it; unless its output is what was asked for.
#[test]
fn output_that_cannot_be_written_changes_no_code_but_that_of_success() {
    let place = crate::shop::place();
    let code = |arguments: &str, to: &str| {
        let binary = aggregator_tests::folder::binary("aggregator");
        let script = format!("set -o pipefail; {} {arguments} {to}", binary.display());
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &script]).current_dir(place.path()).output().expect("bash").status.code()
    };
    for (to, good) in [("| true", 0), ("> /dev/full", 1)] {
        assert_eq!(code("functions", to), Some(good), "{to}");
        assert_eq!(code("completions bash", to), Some(good), "{to}");
        assert_eq!(code("lint -f nowhere", to), Some(2), "{to}");
    }
    assert_eq!(code("run -f nowhere.yaml", "2> /dev/full"), Some(2));
    for shell in ["bash", "zsh", "fish"] {
        let script = place.ok(&format!("completions {shell}")).stdout;
        assert!(script.contains("connectors"), "{shell}: {script}");
    }
}

#[test]
fn a_pipeline_may_be_named_with_its_namespace_and_what_is_given_twice_or_for_nothing_is_told() {
    let place = crate::shop::place();
    place.ok("plan -f . -p shop/turnover");
    place.write("nothing.txt", "# nothing\n");
    place.write("catalogue.json", "{\"streams\": []}");
    for (arguments, told) in [
        (
            "plan -f . -p shops/turnover",
            "error[Usage]: there is no Pipeline `shops/turnover` among the manifests\n  help: choose one of shop/turnover\n",
        ),
        (
            "plan -f . --param a=1 --param a=2",
            "error[Usage]: the parameter `a` is given twice\n  help: give it one value with --param\n",
        ),
        (
            "run -f nothing.txt",
            "nothing.txt:1:1: error[NoObject]: this file holds no object\n  at file\n  help: objects begin with `apiVersion: aggregator.dev/v1alpha1` and `kind: Pipeline`\n\n\
             error[Invalid]: the manifests hold 1 error\n  help: mend what is listed above; `aggregator lint` shows the same without running\n",
        ),
    ] {
        fails(&place, arguments, 2, told);
    }
    let said = place.say("lint -f . --catalogue nobody=catalogue.json");
    assert_eq!(said.code(), Some(2));
    assert!(
        said.stderr.contains("--catalogue names a Connector `nobody`, which is not among the manifests"),
        "{}",
        said.stderr
    );
    let said = place.say("lint -f nothing.txt");
    assert_eq!((said.code(), said.stdout.contains("error[NoObject]")), (Some(2), true), "{}", said.stdout);
}
