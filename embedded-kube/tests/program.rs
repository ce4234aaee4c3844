//! What the program says when it cannot start.

use std::path::Path;
use std::process::Command;

use aggregator_tests::folder;
use serde_json::{Value, json};

/// What it says of a configuration, with the changes in its `node`.
fn complaint(home: &Path, changes: &Value) -> String {
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
    std::fs::write(file("config.json"), config.to_string()).expect("a file of the test's");
    let output = Command::new(folder::binary("embedded-kube")).arg(file("config.json")).output();
    let output = output.expect("cargo has built it");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let home = tempfile::tempdir().unwrap();
    for (changes, part) in [
        (json!({"color": 1}), "unknown field `color`"),
        (json!({"restartDelay": "soon"}), "restartDelay"),
        (json!({"programs": {"images": {"x": "/none/such"}}}), "the image x stands for /none/such, which is not"),
        (json!({"programs": {"images": {"x": "sh"}}}), "the image x stands for sh, which is not"),
        (json!({"supervisor": "/none/such"}), "cannot start the supervisor: No such file or directory"),
        (json!({}), "none.crt"),
    ] {
        let complaint = complaint(home.path(), &changes);
        assert!(complaint.contains(part), "{part} is not in: {complaint}");
    }
    let usage = Command::new(folder::binary("embedded-kube")).output().unwrap();
    assert!(String::from_utf8_lossy(&usage.stderr).contains("usage: embedded-kube CONFIG"));
}
