//! What `kubectl get` makes of objects of every kind, in every form.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{
    binding, boat, config, idle_pod, job, labelled, object, pod, reader, secret, suspended_job, user, with,
};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Objects, of which `kubectl get` is asked in its usual form and in the wide one.
fn shown(name: &'static str, what: &str, objects: impl IntoIterator<Item = Value>) -> Case {
    case(name).create(objects).kubectl(&format!("get {what}")).kubectl(&format!("get {what} -o wide"))
}

pub(super) fn cases() -> Vec<Case> {
    [kinds(), running(), forms(), wrong()].into_iter().flatten().collect()
}

fn kinds() -> Vec<Case> {
    let policy = json!({"spec": {"podSelector": {"matchLabels": {"a": "b", "c": "d"}}}});
    let event = |name: &str, more: &Value| {
        let about = json!({"involvedObject": {"kind": "Pod", "namespace": "{ns}", "name": "p"}, "reason": "Tried", "message": "it was tried", "type": "Normal"});
        with(object("v1", "Event", name, &about), more)
    };
    vec![
        shown(
            "table-of-configmaps",
            "configmaps",
            [
                config("a"),
                object("v1", "ConfigMap", "b", &json!({"binaryData": {"x": "AA=="}})),
                object("v1", "ConfigMap", "c", &json!({})),
            ],
        ),
        shown(
            "table-of-secrets",
            "secrets",
            [
                secret("a"),
                with(secret("b"), &json!({"type": "example.com/mine"})),
                object("v1", "Secret", "c", &json!({})),
            ],
        ),
        shown(
            "table-of-accounts",
            "serviceaccounts",
            [object("v1", "ServiceAccount", "a", &json!({"secrets": [{"name": "x"}]}))],
        ),
        shown(
            "table-of-pods",
            "pods",
            [
                idle_pod("a"),
                with(
                    idle_pod("b"),
                    &json!({"spec": {"readinessGates": [{"conditionType": "example.com/ok"}], "containers": [{"name": "x", "image": "y"}, {"name": "z", "image": "y"}]}}),
                ),
                with(idle_pod("c"), &json!({"spec": {"schedulingGates": [{"name": "example.com/gate"}]}})),
            ],
        ),
        case("table-of-jobs")
            .create([
                suspended_job("a"),
                with(suspended_job("b"), &json!({"spec": {"completions": 5, "parallelism": 2}})),
                with(suspended_job("c"), &json!({"spec": {"parallelism": 3}})),
            ])
            .until_job("a", "Suspended")
            .until_job("b", "Suspended")
            .until_job("c", "Suspended")
            .kubectl("get jobs")
            .kubectl("get jobs -o wide"),
        shown("table-of-quotas", "resourcequotas", [object("v1", "ResourceQuota", "a", &json!({"spec": {}}))]),
        shown("table-of-limits", "limitranges", [object("v1", "LimitRange", "a", &json!({"spec": {"limits": []}}))]),
        shown(
            "table-of-leases",
            "leases",
            [
                object("coordination.k8s.io/v1", "Lease", "a", &json!({"spec": {"holderIdentity": "h"}})),
                object("coordination.k8s.io/v1", "Lease", "b", &json!({})),
            ],
        ),
        shown(
            "table-of-policies",
            "networkpolicies",
            [
                object("networking.k8s.io/v1", "NetworkPolicy", "a", &policy),
                object("networking.k8s.io/v1", "NetworkPolicy", "b", &json!({"spec": {"podSelector": {}}})),
            ],
        ),
        shown(
            "table-of-revisions",
            "controllerrevisions",
            [object("apps/v1", "ControllerRevision", "a", &json!({"revision": 3}))],
        ),
        shown("table-of-roles", "roles,rolebindings", [reader("Role", "a", &["pods"]), binding("b", "a", &user("u"))]),
        shown(
            "table-of-cluster-roles",
            "clusterroles,clusterrolebindings -l of={ns}",
            [
                with(reader("ClusterRole", "{ns}", &["pods"]), &json!({"metadata": {"labels": {"of": "{ns}"}}})),
                object(
                    "rbac.authorization.k8s.io/v1",
                    "ClusterRoleBinding",
                    "{ns}",
                    &json!({
                        "metadata": {"labels": {"of": "{ns}"}},
                        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "{ns}"},
                        "subjects": [user("u"), {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "g"}, {"kind": "ServiceAccount", "name": "s", "namespace": "{ns}"}],
                    }),
                ),
            ],
        ),
        shown("table-of-default-roles", "clusterroles cluster-admin view edit admin system:basic-user", []),
        shown("table-of-namespaces", "namespace {ns}", []),
        shown("table-of-definitions", "crds boats.example.com buoys.example.com schedules.aggregator.dev", []),
        shown(
            "table-of-nodes",
            "node {ns}",
            [object(
                "v1",
                "Node",
                "{ns}",
                &json!({
                    "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "x"}}, "spec": {"unschedulable": true},
                }),
            )],
        ),
        shown("table-of-the-node", "node main", []),
        shown(
            "table-of-events",
            "events",
            [
                event(
                    "a",
                    &json!({"count": 3, "source": {"component": "c", "host": "h"}, "firstTimestamp": "2001-02-03T04:05:06Z", "lastTimestamp": "2001-02-03T04:05:06Z"}),
                ),
                event(
                    "b",
                    &json!({"type": "Warning", "reportingComponent": "r", "reportingInstance": "i", "action": "x", "eventTime": "2001-02-03T04:05:06.000000Z"}),
                ),
            ],
        ),
        shown("table-of-boats", "boats", [boat("a", &json!({"crew": 3})), boat("b", &json!({"color": "red"}))]),
        shown("table-of-buoys", "buoy {ns}", [object("example.com/v1", "Buoy", "{ns}", &json!({}))]),
    ]
}

fn running() -> Vec<Case> {
    let ends = |name: &'static str, script: &str, phase: &'static str| {
        case(name)
            .create([pod("p", script)])
            .until("{core}/pods/p", "/status/phase", phase)
            .kubectl("get pods")
            .kubectl("get pods -o wide")
    };
    vec![
        ends("table-of-a-pod-that-runs", "exec sleep 600", "Running"),
        ends("table-of-a-pod-that-is-done", "exit 0", "Succeeded"),
        ends("table-of-a-pod-that-failed", "exit 3", "Failed"),
        case("table-of-a-pod-without-an-image")
            .create([with(pod("p", "exit 0"), &json!({"spec": {"containers": [{"name": "main", "image": "none"}]}}))])
            .until("{core}/pods/p", "/status/containerStatuses/0/state/waiting/reason", "ImagePullBackOff")
            .kubectl("get pods"),
        case("table-of-a-job-that-is-done")
            .create([job("j", "exit 0", &json!({"completions": 2}))])
            .until_job("j", "Complete")
            .kubectl("get jobs")
            .kubectl("get jobs -o wide")
            .kubectl("get all"),
    ]
}

fn forms() -> Vec<Case> {
    let maps = || {
        [labelled("b", &json!({"color": "red", "size": "2"})), labelled("a", &json!({"color": "blue", "size": "10"}))]
    };
    vec![
        case("get-as-yaml")
            .create([config("a"), boat("b", &json!({}))])
            .kubectl("get configmap a -o yaml")
            .kubectl("get boat b -o yaml")
            .kubectl("get configmap/a boat/b -o yaml"),
        case("get-as-json")
            .create([config("a")])
            .kubectl("get configmap a -o json")
            .kubectl("get configmaps -o json --field-selector metadata.name=a")
            .kubectl("get cm a -o json --show-managed-fields"),
        case("get-as-names")
            .create(maps())
            .kubectl("get configmaps -o name")
            .kubectl("get cm/a cm/b -o name")
            .kubectl("get secrets,cm -l color -o name"),
        case("get-by-jsonpath")
            .create(maps())
            .kubectl("get cm a -o jsonpath={.data.color}")
            .kubectl(r#"get cm -l color -o 'jsonpath={range .items[*]}{.metadata.name}{"\t"}{.data.color}{"\n"}{end}'"#)
            .kubectl(r#"get cm -l color -o "jsonpath={.items[?(@.data.color=='red')].metadata.name}""#)
            .kubectl("get cm a -o jsonpath={.none}")
            .kubectl("get cm a -o jsonpath={.data"),
        case("get-by-template").create(maps()).kubectl("get cm a -o 'go-template={{.data.color}} {{.kind}}'"),
        case("get-by-columns")
            .create(maps())
            .kubectl("get cm -l color -o custom-columns=NAME:.metadata.name,COLOR:.data.color,NONE:.none")
            .kubectl("get cm -l color -o custom-columns=NAME:.metadata.name --no-headers"),
        case("get-with-labels")
            .create(maps())
            .kubectl("get cm -l color --show-labels")
            .kubectl("get cm -l color -L color,size")
            .kubectl("get cm -l color --show-labels --no-headers")
            .kubectl("get cm a --show-kind"),
        case("get-sorted")
            .create(maps())
            .kubectl("get cm -l color --sort-by=.metadata.name")
            .kubectl("get cm -l color --sort-by=.data.color")
            .kubectl("get cm -l color --sort-by=.metadata.labels.size -o name")
            .kubectl("get cm -l color --sort-by=.none"),
        case("get-everywhere")
            .create([labelled("a", &json!({"of": "{ns}"}))])
            .kubectl("get cm -A -l of={ns}")
            .kubectl("get cm -A -l of=none")
            .kubectl("get boats -A -l of=none"),
        case("get-several-kinds")
            .create([config("a"), boat("b", &json!({})), secret("c")])
            .kubectl("get boats,secrets")
            .kubectl("get cm/a boat/b secret/c")
            .kubectl("get cm a b"),
        case("get-from-files")
            .file("a.json", config("a"))
            .create([config("a")])
            .kubectl("get -f a.json")
            .kubectl("get -f a.json -o name"),
        case("get-with-the-server-or-without")
            .create([boat("a", &json!({"crew": 3}))])
            .kubectl("get boats --server-print=false")
            .kubectl("get boats a --server-print=false -o wide"),
        case("get-by-hand")
            .create([boat("a", &json!({"crew": 3})), config("a")])
            .accepting("{boats}", TABLE)
            .accepting("{boats}?includeObject=None", TABLE)
            .accepting("{boats}?includeObject=Object", TABLE)
            .accepting("{core}/configmaps/a", TABLE)
            .accepting("{core}/secrets", TABLE)
            .accepting("{boats}/none", TABLE),
    ]
}

fn wrong() -> Vec<Case> {
    vec![
        case("get-what-is-not-there")
            .kubectl("get configmap none")
            .kubectl("get boat none")
            .kubectl("get boat none --ignore-not-found")
            .kubectl("get boat none -o yaml")
            .kubectl("get namespace {ns}-none")
            .kubectl("get pod none --namespace {ns}-none"),
        case("get-what-is-wrong")
            .kubectl("get configmap 'a b'")
            .kubectl("get configmap ../x")
            .kubectl("get configmaps --field-selector nonsense")
            .kubectl("get configmaps -l 'x in (a'")
            .kubectl("get configmaps -o nonsense")
            .kubectl("get configmaps --subresource=status")
            .kubectl("get"),
    ]
}
