//! What the program says when it cannot start, and when it has started a cluster.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aggregator_tests::folder;
use aggregator_tests::process::Process;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

/// What it says of a configuration.
fn complaint(home: &Path, config: &Value) -> String {
    let file = home.join("config.json");
    std::fs::write(&file, config.to_string()).expect("a file of the test's");
    let output = Command::new(folder::binary("embedded-kube")).arg(file).output().expect("cargo has built it");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The configuration of a node, with these changes in it.
fn node(home: &Path, changes: &Value) -> Value {
    let file = |name: &str| home.join(name);
    let kubeconfig = json!({
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    });
    std::fs::write(file("kubeconfig"), kubeconfig.to_string()).expect("a file of the test's");
    let mut config = json!({
        "kubeconfig": file("kubeconfig"),
        "node": {
            "name": "n",
            "data": file("data"),
            "programs": {"images": {"shell": "/bin/sh"}},
            "endpoint": {
                "address": "127.0.0.1:0",
                "certificate": file("none.crt"),
                "key": file("none.key"),
                "clients": file("none.crt"),
            },
        },
    });
    for (key, value) in changes.as_object().expect("an object") {
        config["node"][key] = value.clone();
    }
    config
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let home = tempfile::tempdir().unwrap();
    let said = |config: &Value, part: &str| {
        let complaint = complaint(home.path(), config);
        assert!(complaint.contains(part), "{part} is not in: {complaint}");
    };
    for (changes, part) in [
        (json!({"color": 1}), "unknown field `color`"),
        (json!({"restartDelay": "soon"}), "restartDelay"),
        (json!({"programs": {"images": {"x": "/none/such"}}}), "the image x stands for /none/such, which is not"),
        (json!({"programs": {"images": {"x": "sh"}}}), "the image x stands for sh, which is not"),
        (json!({"supervisor": "/none/such"}), "cannot start the supervisor: No such file or directory"),
        (json!({}), "none.crt"),
    ] {
        said(&node(home.path(), &changes), part);
    }
    let either = "it has to have either `kubeconfig` and `node`, or `cluster`";
    let mut both = node(home.path(), &json!({}));
    both["cluster"] = json!({});
    for (config, part) in [
        (json!({}), either),
        (both, either),
        (json!({"cluster": {"color": 1}}), "unknown field `color`"),
        (json!({"cluster": {"users": [{}]}}), "cluster.users[0]: missing field `name`"),
        (json!({"cluster": {"users": [{"name": "A/B"}]}}), "`A/B` cannot be the name of a user"),
        (json!({"cluster": {"objects": [{"apiVersion": "v1", "kind": "Color"}]}}), "no kind Color of v1 is served"),
    ] {
        said(&config, part);
    }
    let usage = Command::new(folder::binary("embedded-kube")).output().unwrap();
    assert!(String::from_utf8_lossy(&usage.stderr).contains("usage: embedded-kube CONFIG"));
}

#[test]
fn a_cluster_says_where_it_is_and_ends_when_it_is_asked_to() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("cluster");
    let audit = home.path().join("audit.log");
    let config = json!({"cluster": {
        "data": data,
        "port": 0,
        "users": [{"name": "root", "groups": ["system:masters"]}, {"name": "guest"}],
        "namespace": "demo",
        "objects": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}],
        "controllers": false,
        "audit": audit,
    }});
    let file = home.path().join("cluster.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut process = Process::start(&folder::binary("embedded-kube"), [&file], &home.path().join("log"));
    let ready: Value = eventually("where it is", || {
        assert!(!process.ended(), "{}", process.log(60));
        process.log(usize::MAX).lines().find_map(|line| serde_json::from_str(line).ok())
    });
    assert_eq!(ready["home"], json!(data.canonicalize().unwrap()));
    for user in ["root", "guest"] {
        let kubeconfig = ready["kubeconfigs"][user].as_str().expect("a path");
        let kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
        assert_eq!(kubeconfig["clusters"][0]["cluster"]["server"], ready["url"], "{ready}");
        assert_eq!(kubeconfig["contexts"][0]["context"]["namespace"], "demo");
    }
    let requests = std::fs::read_to_string(&audit).unwrap();
    let applied = requests.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names: Vec<Value> = applied.map(|event| event["objectRef"]["name"].clone()).collect();
    assert!(names.contains(&json!("demo")), "{requests}");

    // The folder has one user at a time, who is named.
    let complaint = complaint(home.path(), &config);
    assert!(complaint.contains(ready["url"].as_str().expect("an address")), "{complaint}");

    let asked = Instant::now();
    process.terminate();
    eventually("its end", || process.ended().then_some(()));
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    assert!(!process.log(usize::MAX).contains("ERROR"), "{}", process.log(60));
}
