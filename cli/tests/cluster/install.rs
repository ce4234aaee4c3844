//! `kubectl apply -k config/` on a control plane of its own: the kinds, the rights and the operator's Deployment, as they
//! stand there, and a run with nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aggregator_tests::control_plane::{ControlPlane, Plane, kubectl};
use aggregator_tests::folder;
use aggregator_tests::page::blocks;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::project::IMAGE;

/// Every Pod of the node has the machine's network: two operators cannot have one port, nor one that is taken. The first
/// line refuses the overlay when the Deployment has another argument there.
const OVERLAY: &str = "
patches:
  - target: {kind: Deployment, name: aggregator-operator}
    patch: |-
      - {op: test, path: /spec/template/spec/containers/0/args/2, value: --health-address=0.0.0.0:8090}
      - {op: replace, path: /spec/template/spec/containers/0/args/2, value: --health-address=127.0.0.1:0}
";

/// A folder as seen from another one: kustomize takes no absolute paths.
fn relative(from: &Path, to: &Path) -> String {
    let up = "../".repeat(from.components().count() - 1);
    format!("{up}{}", to.display().to_string().trim_start_matches('/'))
}

/// The folder of the overlay.
fn overlay() -> TempDir {
    let overlay = tempfile::Builder::new().prefix("aggregator-overlay-").tempdir().expect("a folder");
    let from = overlay.path().canonicalize().expect("a folder");
    let base = relative(&from, &folder::workspace().canonicalize().expect("a folder").join("config"));
    let text = format!("resources: [{base}]{OVERLAY}");
    std::fs::write(from.join("kustomization.yaml"), text).expect("a file");
    overlay
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The operator of an embedded cluster is in its program: there are no Deployments, nor PersistentVolumes, and so nothing of
/// what the test does with them on a real control plane. The rest of `config/` is taken as it stands.
fn all_but_the_deployment_is_taken(plane: &ControlPlane, overlay: &Path) {
    let overlay = overlay.display().to_string();
    let refused = plane.ask(["apply", "--kustomize", overlay.as_str()]).expect_err("there are no Deployments");
    assert!(refused.contains(r#"no matches for kind "Deployment" in version "apps/v1""#), "{refused}");
    for object in [
        "customresourcedefinition/pipelineruns.aggregator.dev",
        "clusterrole/aggregator-operator",
        "clusterrolebinding/aggregator-operator",
        "namespace/aggregator-system",
    ] {
        plane.kubectl(["get", object]);
    }
    let may = ["auth", "can-i", "create", "jobs", "--as=system:serviceaccount:aggregator-system:aggregator-operator"];
    assert_eq!(plane.kubectl(may), "yes\n");
}

#[test]
fn what_is_in_config_runs_a_pipeline_on_a_bare_cluster() {
    let plane = Arc::new(ControlPlane::start());
    let overlay = overlay();
    if Plane::chosen() == Plane::Embedded {
        return all_but_the_deployment_is_taken(&plane, overlay.path());
    }
    let node = plane.node("bare", &json!({"programs": {"images": {IMAGE: folder::binary("aggregator")}}}));
    let applied = plane.kubectl(["apply", "--kustomize", &overlay.path().display().to_string()]);
    for object in [
        "customresourcedefinition.apiextensions.k8s.io/pipelineruns.aggregator.dev",
        "deployment.apps/aggregator-operator",
    ] {
        assert!(applied.contains(&format!("{object} created")), "{applied}");
    }
    let system = plane.namespace_of("aggregator-system");
    system.kubectl(["rollout", "status", "deployment/aggregator-operator", "--timeout=120s"]);
    let deployment = json_of(&system.kubectl(["get", "deployment", "aggregator-operator", "--output=json"]));
    assert_eq!(deployment["status"]["readyReplicas"], 2, "{deployment}");
    let project = plane.namespace();
    let label = "pod-security.kubernetes.io/enforce=restricted";
    plane.kubectl(["label", "namespace", project.name(), label]);
    project.apply(&format!(
        "
apiVersion: v1
kind: PersistentVolume
metadata: {{name: lake}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteMany]
  storageClassName: \"\"
  claimRef: {{namespace: {namespace}, name: lake}}
  hostPath: {{path: /nowhere}} # the node runner has a folder for each claim, whatever it is bound to
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: lake}}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: \"\"
  volumeName: lake
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: made}}
spec: {{generator: {{seed: 1, streams: [{{name: rows, rows: 1000, columns: [{{name: id, sequence: {{}}}}]}}]}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: lake}}
spec: {{file: {{root: numbers, volume: {{claimName: lake}}, format: {{ndjson: {{}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: numbers}}
spec:
  sources: [{{name: rows, connector: made, stream: rows}}]
  sinks: [{{name: kept, from: rows, connector: lake, stream: rows/}}]
---
apiVersion: aggregator.dev/v1alpha1
kind: PipelineRun
metadata: {{name: first}}
spec: {{pipelineRef: {{name: numbers}}}}
",
        namespace = project.name()
    ));
    project.kubectl(["wait", "pipelinerun/first", "--for=condition=Succeeded", "--timeout=120s"]);
    let run = json_of(&project.kubectl(["get", "pipelinerun", "first", "--output=json"]));
    assert_eq!(run["status"]["totals"], json!({"read": 1000, "written": 1000, "rejected": 0}), "{run}");
    let mut numbers = Vec::new();
    let folder = node.data().join("claims").join(project.name()).join("lake/numbers/rows");
    for entry in std::fs::read_dir(&folder).expect("the folder of the sink") {
        let entry = entry.expect("an entry");
        if entry.path().extension().is_some_and(|ending| ending == "ndjson") {
            let text = std::fs::read_to_string(entry.path()).expect("text");
            numbers.extend(text.lines().map(|line| json_of(line)["id"].as_u64().expect("a number")));
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 1000, "each number once");

    // Of the two operators one acts. When its Pod goes, the other one does.
    let acting = || -> Vec<String> {
        let pods = json_of(&system.kubectl(["get", "pods", "--output=json"]));
        let names = pods["items"].as_array().expect("Pods").iter().filter_map(|pod| pod["metadata"]["name"].as_str());
        let acts = |pod: &str| system.ask(["logs", pod]).is_ok_and(|log| log.contains("the operator acts"));
        names.filter(|pod| acts(pod)).map(str::to_owned).collect()
    };
    let first = acting();
    assert_eq!(first.len(), 1, "{first:?}");
    system.kubectl(["delete", "pod", &first[0]]);
    let next = eventually("another operator that acts", || acting().into_iter().find(|pod| *pod != first[0]));
    assert_ne!(next, first[0]);
    project.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: PipelineRun
metadata: {name: second}
spec: {pipelineRef: {name: numbers}}
",
    );
    project.kubectl(["wait", "pipelinerun/second", "--for=condition=Succeeded", "--timeout=120s"]);
}

#[test]
fn the_overlay_for_some_namespaces_gives_rights_there_and_in_no_other() {
    let overlay = tempfile::Builder::new().prefix("aggregator-overlay-").tempdir().expect("a folder");
    let place = overlay.path().canonicalize().expect("a folder");
    let base = relative(&place, &folder::workspace().canonicalize().expect("a folder").join("config"));
    let page = std::fs::read_to_string(folder::workspace().join("docs/operator.md")).expect("the page");
    for name in ["kustomization.yaml", "rights.yaml"] {
        let mut all = blocks(&page).into_iter();
        let block = all.find(|block| block.text.starts_with(&format!("# {name}\n"))).expect(name);
        std::fs::write(place.join(name), block.text.replace("../aggregator/config", &base)).expect("a file");
    }
    let built = Command::new(kubectl()).arg("kubectl").arg("kustomize").arg(&place).output().expect("kubectl");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let built: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8_lossy(&built.stdout)).expect("YAML");
    let of = |kind: &str| built.iter().filter(|object| object["kind"] == kind).collect::<Vec<&Value>>();
    assert_eq!((of("CustomResourceDefinition").len(), of("ClusterRoleBinding").len()), (6, 0));
    let bindings = of("RoleBinding");
    let namespaces = bindings.iter().map(|binding| binding["metadata"]["namespace"].as_str().expect("a namespace"));
    let namespaces: BTreeSet<&str> = namespaces.collect();
    assert_eq!(namespaces, BTreeSet::from(["aggregator-system", "lake", "shop"]));
    let operator = json!({"kind": "ServiceAccount", "name": "aggregator-operator", "namespace": "aggregator-system"});
    for binding in bindings {
        assert_eq!(binding["roleRef"]["kind"], "ClusterRole", "{binding}");
        assert_eq!(binding["roleRef"]["name"], "aggregator-operator", "{binding}");
        assert_eq!(binding["subjects"], json!([operator]), "{binding}");
    }
    let arguments = &of("Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"];
    for argument in ["--namespace=shop", "--namespace=lake", "--lease=aggregator-system/aggregator-operator"] {
        assert!(arguments.as_array().expect("arguments").contains(&json!(argument)), "{argument}: {arguments}");
    }
}
