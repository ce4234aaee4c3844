//! `kubectl label`, `annotate`, `edit`, `replace`, `set`, and changes of nodes.

use serde_json::json;

use crate::case::{Case, case, lines_in_any_order};
use crate::manifests::{binding, boat, config, idle_pod, labelled, object, secret, suspended_job, user, with};

pub(super) fn cases() -> Vec<Case> {
    [labels(), edits(), replacements(), nodes()].into_iter().flatten().collect()
}

fn labels() -> Vec<Case> {
    vec![
        case("label-one")
            .create([config("a"), boat("b", &json!({}))])
            .kubectl("label configmap a color=red")
            .kubectl("label configmap a color=red")
            .kubectl("label configmap a color=blue")
            .kubectl("label configmap a color=blue --overwrite")
            .kubectl("label configmap a color- none-")
            .kubectl("label boat b x=y -o yaml"),
        case("label-many")
            .create([labelled("a", &json!({"x": "1"})), labelled("b", &json!({"x": "1"}))])
            .kubectl("label configmaps -l x=1 y=2")
            .kubectl("label configmaps --all z=3 --overwrite")
            .kubectl("get configmaps -l x=1 --show-labels")
            .kubectl("label configmap a --list")
            .seen(lines_in_any_order),
        case("label-for-show")
            .create([config("a")])
            .kubectl("label configmap a x=y --dry-run=server")
            .kubectl("label configmap a x=y --dry-run=client -o yaml")
            .kubectl("get configmap a --show-labels"),
        case("label-what-is-wrong")
            .create([config("a")])
            .kubectl("label configmap a 'x y=z'")
            .kubectl("label configmap a x='y z'")
            .kubectl("label configmap none x=y")
            .kubectl("label configmap a x=y --resource-version=1")
            .kubectl("label configmap a"),
        case("annotate-one")
            .create([config("a"), boat("b", &json!({}))])
            .kubectl("annotate configmap a note='some text'")
            .kubectl("annotate configmap a note=other")
            .kubectl("annotate configmap a note=other --overwrite")
            .kubectl("annotate configmap a note-")
            .kubectl("annotate boat b example.com/x=y")
            .kubectl("annotate boat b --list")
            .kubectl("annotate boat b 'x y=z'"),
        case("set-an-image")
            .create([idle_pod("p"), suspended_job("j")])
            .kubectl("set image pod/p main=tests/shell:2")
            .kubectl("set image pod/p none=tests/shell:2")
            .kubectl("set image job/j main=tests/shell:2")
            .kubectl("get pod p -o jsonpath={.spec.containers[0].image}"),
        case("set-a-subject")
            .create([binding("b", "r", &user("u"))])
            .kubectl("set subject rolebinding b --user=v --serviceaccount={ns}:default")
            .kubectl("get rolebinding b -o yaml"),
    ]
}

fn edits() -> Vec<Case> {
    vec![
        case("edit-one").create([config("a")]).edit("edit configmap a", "-e s/red/blue/").get("{core}/configmaps/a"),
        case("edit-nothing").create([config("a")]).edit("edit configmap a", "-e s/none/blue/"),
        case("edit-a-custom-object")
            .create([boat("a", &json!({}))])
            .edit("edit boat a", "-e s/blue/red/")
            .edit("edit boat a -o json", "-e s/anna/berta/")
            .get("{boats}/a"),
        case("edit-into-what-is-wrong")
            .create([boat("a", &json!({})), config("b")])
            .edit("edit boat a", "-e s/blue/green/")
            .edit("edit configmap b", "-e s|color:|a/b:|")
            .edit("edit configmap b", "-e s/data:/data/"),
        case("edit-what-is-not-there").edit("edit configmap none", "-e s/a/b/"),
        case("edit-a-status")
            .create([boat("a", &json!({}))])
            .merge("{boats}/a/status", json!({"status": {"phase": "Afloat"}}))
            .edit("edit boat a --subresource=status", "-e s/Afloat/Sunk/")
            .get("{boats}/a"),
        case("edit-and-keep")
            .kubectl_with("apply -f -", config("a"))
            .edit("edit configmap a --save-config", "-e s/red/blue/")
            .get("{core}/configmaps/a"),
        case("edit-what-is-created")
            .file("a.json", config("a"))
            .edit("create -f a.json --edit", "-e s/red/blue/")
            .get("{core}/configmaps/a"),
    ]
}

fn replacements() -> Vec<Case> {
    vec![
        case("replace-one")
            .create([config("a")])
            .kubectl_with("replace -f -", with(config("a"), &json!({"data": {"size": "2"}})))
            .kubectl_with(
                "replace -f - -o yaml",
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
            )
            .kubectl_with("replace -f -", config("none")),
        case("replace-a-custom-object")
            .create([boat("a", &json!({}))])
            .kubectl_with("replace -f -", boat("a", &json!({"color": "red"})))
            .kubectl_with("replace -f -", boat("a", &json!({"color": "green"})))
            .kubectl_with("replace -f - --dry-run=server", boat("a", &json!({"crew": 4})))
            .kubectl_with(
                "replace -f - --subresource=status",
                with(boat("a", &json!({})), &json!({"status": {"phase": "Afloat"}})),
            )
            .get("{boats}/a"),
        case("replace-by-force")
            .create([suspended_job("j"), secret("s")])
            // Its controller writes it once, and a replacement is refused that comes too late.
            .until_job("j", "Suspended")
            .kubectl_with(
                "replace -f -",
                with(suspended_job("j"), &json!({"spec": {"template": {"spec": {"hostname": "x"}}}})),
            )
            .kubectl_with(
                "replace --force -f -",
                with(suspended_job("j"), &json!({"spec": {"template": {"spec": {"hostname": "x"}}}})),
            )
            .kubectl_with("replace --force -f -", secret("t")),
        case("replace-too-late")
            .create([boat("a", &json!({}))])
            .kubectl_with("replace -f -", with(boat("a", &json!({})), &json!({"metadata": {"resourceVersion": "1"}})))
            .kubectl_with(
                "replace -f -",
                with(boat("a", &json!({})), &json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000001"}})),
            ),
    ]
}

fn nodes() -> Vec<Case> {
    let node = || object("v1", "Node", "{ns}", &json!({}));
    vec![
        case("cordon-a-node")
            .create([node()])
            .kubectl("cordon {ns}")
            .kubectl("cordon {ns}")
            .kubectl("get node {ns} -o jsonpath={.spec.unschedulable}")
            .kubectl("uncordon {ns}")
            .kubectl("uncordon {ns}")
            .kubectl("cordon {ns}-none"),
        case("taint-a-node")
            .create([node()])
            .kubectl("taint node {ns} example.com/x=y:NoSchedule")
            .kubectl("taint node {ns} example.com/x=y:NoSchedule")
            .kubectl("taint node {ns} example.com/x=z:NoSchedule --overwrite")
            .kubectl("taint node {ns} example.com/x-")
            .kubectl("taint node {ns} example.com/none-")
            .kubectl("taint node {ns} x=y:Sideways"),
        case("label-a-node").create([node()]).kubectl("label node {ns} a=b").kubectl("delete node {ns}"),
    ]
}
