//! `kubectl create`, in all its ways.

use serde_json::json;

use crate::case::{Case, case};
use crate::manifests::{boat, config, list, object, secret, with};

pub(super) fn cases() -> Vec<Case> {
    [from_files(), from_flags()].into_iter().flatten().collect()
}

fn from_files() -> Vec<Case> {
    vec![
        case("create-from-a-file")
            .file("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n")
            .kubectl("create -f a.yaml")
            .kubectl("create -f a.yaml")
            .kubectl("create -f a.yaml --dry-run=server")
            .kubectl("create -f none.yaml"),
        case("create-several")
            .kubectl_with("create -f -", list([config("a"), boat("b", &json!({})), boat("c", &json!({"crew": 99})), secret("d")]))
            .kubectl("get configmaps,boats,secrets -o name"),
        case("create-and-show")
            .kubectl_with("create -f - -o yaml", boat("a", &json!({})))
            .kubectl_with("create -f - -o name", boat("b", &json!({})))
            .kubectl_with("create -f - -o json --dry-run=server", boat("c", &json!({})))
            .kubectl_with("create -f - --save-config", boat("d", &json!({})))
            .get("{boats}/d"),
        case("create-with-a-made-up-name")
            .kubectl_with("create -f - -o yaml", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}))
            .kubectl_with("create -f - -o json", json!({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"generateName": "b-"}, "spec": {"title": "b"}})),
        case("create-what-is-wrong")
            .kubectl_with("create -f -", boat("a", &json!({"color": "green"})))
            .kubectl_with("create -f -", boat("a", &json!({"typo": 1})))
            .kubectl_with("create -f - --validate=warn", boat("a", &json!({"typo": 1})))
            .kubectl_with("create -f -", with(config("a"), &json!({"metadata": {"name": "A_b"}})))
            .kubectl_with("create -f -", with(config("a"), &json!({"metadata": {"namespace": "other"}})))
            .kubectl_with("create -f - --raw /api/v1/namespaces/{ns}/configmaps", config("raw")),
    ]
}

fn from_flags() -> Vec<Case> {
    let rbac = "rbac.authorization.k8s.io/v1";
    vec![
        case("create-a-namespace")
            .kubectl("create namespace {ns}-b -o yaml")
            .kubectl("create ns {ns}-c --dry-run=server -o json"),
        case("create-a-configmap")
            .file("one.txt", "one\ntwo\n")
            .file("env.txt", "A=1\nB=2\n")
            .kubectl("create configmap a --from-literal=k=v --from-literal=l='m n'")
            .kubectl("create configmap b --from-file=one.txt --from-file=other=one.txt -o yaml")
            .kubectl("create configmap c --from-env-file=env.txt -o json")
            .kubectl("create configmap a --from-literal=k=v"),
        case("create-a-secret")
            .file("one.txt", "one\ntwo\n")
            .kubectl("create secret generic a --from-literal=k=v --from-file=one.txt -o yaml")
            .kubectl("create secret generic b --from-literal=k=v --type=example.com/mine")
            .kubectl(
                "create secret docker-registry c --docker-server=x --docker-username=u --docker-password=p -o yaml",
            )
            .kubectl("get secrets"),
        case("create-an-account")
            .kubectl("create serviceaccount a")
            .kubectl("create serviceaccount a")
            .kubectl("create sa b -o yaml"),
        case("create-a-role")
            .kubectl("create role a --verb=get,list --resource=pods,boats.example.com,pods/log -o yaml")
            .kubectl("create role b --verb=get --resource=nothing")
            .kubectl("create role c --verb=get --resource=pods --resource-name=x")
            .kubectl("get role c -o yaml"),
        case("create-a-cluster-role")
            .kubectl("create clusterrole {ns} --verb=get --non-resource-url=/x -o yaml")
            .kubectl("create clusterrole {ns}-b --aggregation-rule=a=b -o json")
            .create([object(rbac, "ClusterRole", "{ns}-c", &json!({}))])
            .kubectl("create clusterrole {ns}-c --verb=get --resource=pods"),
        case("create-bindings")
            .kubectl("create rolebinding a --clusterrole=view --user=u --group=g --serviceaccount={ns}:default -o yaml")
            .kubectl("create rolebinding b --role=r --user=u")
            .kubectl("create clusterrolebinding {ns} --clusterrole=view --serviceaccount={ns}:default -o yaml")
            .kubectl("create rolebinding a --role=r --user=u"),
        case("create-a-job")
            .kubectl("create job a --image=none --dry-run=server -o yaml -- sh -c 'exit 0'")
            .kubectl("create job b --image=none"),
        case("create-a-quota")
            .kubectl("create quota a --hard=pods=5,requests.cpu=1 -o yaml")
            .kubectl("create quota b --hard=pods=none"),
        case("create-a-token")
            .create([object("v1", "ServiceAccount", "a", &json!({})), secret("s")])
            .kubectl("create token a")
            .kubectl("create token a --duration=1h --audience=x")
            .kubectl("create token a --duration=1m")
            .kubectl("create token none")
            .kubectl("create token a --bound-object-kind=Secret --bound-object-name=none")
            .kubectl("create token a --bound-object-kind=Secret --bound-object-name=s -o yaml"),
        case("create-for-show")
            .kubectl("create configmap a --from-literal=k=v --dry-run=server")
            .kubectl("create secret generic a --from-literal=k=v --dry-run=server -o yaml")
            .kubectl("create role a --verb=get --resource=pods --dry-run=server")
            .kubectl("get configmaps,secrets,roles -o name"),
        case("run-a-pod")
            .kubectl("run p --image=none --dry-run=server -o yaml")
            .kubectl("run p --image=none --restart=Never --labels=a=b --env=A=1 --dry-run=server -o json"),
    ]
}
