//! Built-in objects, one by one: how they come, what is filled in, what is refused.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{binding, boat, config, idle_pod, object, reader, secret, suspended_job, user, with};
use crate::request::Request;

pub(super) fn cases() -> Vec<Case> {
    [making(), forms(), replacing(), wrong()].into_iter().flatten().collect()
}

fn making() -> Vec<Case> {
    vec![
        case("object-made-twice")
            .post("{core}/configmaps", config("a"))
            .get("{core}/configmaps/a")
            .post("{core}/configmaps", config("a")),
        case("object-with-a-made-up-name")
            .post("{core}/configmaps", json!({"metadata": {"generateName": "a-"}, "data": {"k": "v"}}))
            .post("{core}/configmaps", json!({"metadata": {"generateName": "a-"}}))
            .post("{core}/configmaps", json!({"metadata": {"generateName": "A_"}})),
        case("object-of-no-name").post("{core}/configmaps", json!({"data": {"k": "v"}})),
        case("object-in-no-namespace").post("/api/v1/namespaces/{ns}-none/configmaps", config("a")),
        case("object-of-another-namespace")
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"namespace": "other"}}))),
        case("object-without-its-kind")
            .post("{core}/configmaps", json!({"metadata": {"name": "a"}}))
            .post("{boats}", json!({"metadata": {"name": "a"}, "spec": {"title": "a"}})),
        case("object-of-another-kind")
            .post("{core}/configmaps", secret("a"))
            .post("{core}/configmaps", with(config("a"), &json!({"apiVersion": "v2"})))
            .post("{batch}/jobs", config("a")),
        case("object-with-what-the-server-sets").post(
            "{core}/configmaps",
            with(
                config("a"),
                &json!({"metadata": {
                    "uid": "00000000-0000-4000-8000-000000000001",
                    "creationTimestamp": "2001-02-03T04:05:06Z",
                    "deletionTimestamp": "2001-02-03T04:05:06Z",
                    "generation": 7,
                    "selfLink": "/x",
                }}),
            ),
        ),
        case("object-with-a-version")
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"resourceVersion": "5"}}))),
        case("object-made-for-show")
            .ask(Request::new("POST", "{core}/configmaps?dryRun=All").json(&config("a")))
            .get("{core}/configmaps/a")
            .post("{core}/configmaps?dryRun=Some", config("a")),
        case("object-with-a-manager")
            .post("{core}/configmaps?fieldManager=me", config("a"))
            .put("{core}/configmaps/a?fieldManager=you", with(config("a"), &json!({"data": {"size": "1"}})))
            .merge("{core}/configmaps/a?fieldManager=you", json!({"data": {"color": "blue"}}))
            .get("{core}/configmaps/a"),
    ]
}

/// What is filled in.
fn forms() -> Vec<Case> {
    let policy =
        json!({"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}], "from": [{"podSelector": {}}]}]}});
    let limits =
        json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "0.5"}, "max": {"memory": "1024Mi"}}]}});
    vec![
        case("form-of-a-pod").post("{core}/pods", idle_pod("p")).get("{core}/pods/p"),
        case("form-of-a-pod-with-everything").post(
            "{core}/pods",
            with(
                idle_pod("p"),
                &json!({"spec": {
                    "initContainers": [
                        {"name": "first", "image": "tests/shell:2", "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
                        {"name": "helper", "image": "tests/shell@sha256:1111111111111111111111111111111111111111111111111111111111111111", "restartPolicy": "Always"},
                    ],
                    "containers": [{
                        "name": "main", "image": "tests/shell:latest",
                        "ports": [{"containerPort": 80}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "0.5Gi"}},
                        "livenessProbe": {"httpGet": {"port": "web"}},
                        "readinessProbe": {"exec": {"command": ["true"]}},
                        "volumeMounts": [{"name": "c", "mountPath": "/c"}, {"name": "e", "mountPath": "/e", "readOnly": true}],
                    }],
                    "volumes": [
                        {"name": "c", "configMap": {"name": "a"}},
                        {"name": "s", "secret": {"secretName": "a"}},
                        {"name": "e", "emptyDir": {}},
                        {"name": "d", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                        {"name": "h", "hostPath": {"path": "/tmp"}},
                        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"secret": {"name": "a"}}]}},
                    ],
                }}),
            ),
        ),
        case("form-of-a-job").post("{batch}/jobs", suspended_job("j")),
        case("form-of-an-indexed-job").post(
            "{batch}/jobs",
            with(
                suspended_job("j"),
                &json!({"spec": {
                    "completionMode": "Indexed", "completions": 3, "parallelism": 2, "backoffLimitPerIndex": 1, "maxFailedIndexes": 1,
                    "podFailurePolicy": {"rules": [
                        {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3, 4]}},
                        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                    ]},
                    "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]},
                }}),
            ),
        ),
        case("form-of-a-secret")
            .post("{core}/secrets", secret("a"))
            .post("{core}/secrets", with(secret("b"), &json!({"type": "example.com/mine", "data": {"k": "dg=="}})))
            .post("{core}/secrets", with(secret("c"), &json!({"data": {"k": "no base64"}})))
            .get("{core}/secrets/a"),
        case("form-of-an-account").post(
            "{core}/serviceaccounts",
            object("v1", "ServiceAccount", "a", &json!({"automountServiceAccountToken": false, "secrets": [{"name": "s"}]})),
        ),
        case("form-of-limits").post("{core}/limitranges", object("v1", "LimitRange", "a", &limits)),
        case("form-of-a-quota").post(
            "{core}/resourcequotas",
            object("v1", "ResourceQuota", "a", &json!({"spec": {"hard": {"pods": "10", "requests.cpu": "1500m"}}})),
        ),
        case("quota-that-is-full")
            .create([object("v1", "ResourceQuota", "a", &json!({"spec": {"hard": {"pods": "1", "count/boats.example.com": "0"}}}))])
            .until("{core}/resourcequotas/a", "/status/used/pods", "0")
            .code("until a Pod may come", |stage| {
                Box::pin(async move {
                    // Who lets Pods in hears a little later how many there are.
                    let request = Request::new("POST", "{core}/pods?dryRun=All").json(&idle_pod("p"));
                    json!(stage.until_answered(&request, |answer| answer["status"] == 201).await.is_ok())
                })
            })
            .post("{core}/pods", idle_pod("p"))
            .seen(|answer| answer["status"].clone())
            .post("{core}/pods", idle_pod("q"))
            // The real one may not have counted boats yet, of which there may be none.
            .post("{boats}", boat("a", &json!({})))
            .seen(|answer| answer["status"].clone()),
        case("form-of-a-policy").post(
            "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
            object("networking.k8s.io/v1", "NetworkPolicy", "a", &policy),
        ),
        case("form-of-a-lease")
            .post(
                "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
                object("coordination.k8s.io/v1", "Lease", "a", &json!({"spec": {"holderIdentity": "h", "renewTime": "2001-02-03T04:05:06.5Z"}})),
            )
            .put(
                "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/b",
                object("coordination.k8s.io/v1", "Lease", "b", &json!({"spec": {"leaseDurationSeconds": 5}})),
            ),
        case("form-of-a-revision").post(
            "/apis/apps/v1/namespaces/{ns}/controllerrevisions",
            object("apps/v1", "ControllerRevision", "a", &json!({"revision": 3, "data": {"spec": {"x": [1, null, "y"]}}})),
        ),
        case("form-of-roles")
            .post("{rbac}/roles", reader("Role", "a", &["pods"]))
            .post(
                "{rbac}/rolebindings",
                object(
                    "rbac.authorization.k8s.io/v1",
                    "RoleBinding",
                    "a",
                    &json!({"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "name": "s"}]}),
                ),
            )
            .post("/apis/rbac.authorization.k8s.io/v1/clusterroles", reader("ClusterRole", "{ns}", &["pods", "nodes"])),
        case("form-of-a-node").post(
            "/api/v1/nodes",
            object("v1", "Node", "{ns}", &json!({"spec": {"providerID": "x://y"}, "metadata": {"labels": {"a": "b"}}})),
        ),
    ]
}

fn replacing() -> Vec<Case> {
    let path = "{core}/configmaps/a";
    let fixed = with(config("a"), &json!({"immutable": true}));
    vec![
        case("object-replaced").create([config("a")]).replace(path, |it| it["data"]["size"] = json!("2")).get(path),
        case("object-replaced-by-the-same").create([config("a")]).replace(path, |_| {}).get(path),
        case("object-replaced-blindly").create([config("a")]).put(path, json!({"metadata": {"name": "a"}})).get(path),
        case("object-replaced-too-late")
            .create([config("a")])
            .merge(path, json!({"data": {"color": "blue"}}))
            .put(path, with(config("a"), &json!({"metadata": {"resourceVersion": "1"}})))
            .kubectl_with("replace -f -", with(config("a"), &json!({"metadata": {"resourceVersion": "1"}}))),
        case("object-replaced-by-another")
            .create([config("a")])
            .put(path, config("b"))
            .put(path, with(config("a"), &json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000001"}})))
            .put(path, with(config("a"), &json!({"metadata": {"namespace": "other"}}))),
        case("object-replaced-that-is-not-there").put(path, config("a")),
        case("object-replaced-without-a-name").create([config("a")]).put(path, json!({"data": {}})),
        case("object-that-is-fixed")
            .create([fixed])
            .merge(path, json!({"data": {"color": "blue"}}))
            .merge(path, json!({"immutable": null}))
            .merge(path, json!({"metadata": {"labels": {"a": "b"}}})),
        case("secret-that-changes")
            .create([secret("a")])
            .merge("{core}/secrets/a", json!({"stringData": {"other": "x"}}))
            .merge("{core}/secrets/a", json!({"type": "example.com/other"}))
            .merge("{core}/secrets/a", json!({"data": {"password": null}})),
        case("pod-that-changes")
            .create([idle_pod("p")])
            .merge("{core}/pods/p", json!({"spec": {"nodeName": "x"}}))
            .merge("{core}/pods/p", json!({"spec": {"restartPolicy": "Always"}}))
            .merge("{core}/pods/p", json!({"spec": {"activeDeadlineSeconds": 9}}))
            .merge("{core}/pods/p", json!({"spec": {"terminationGracePeriodSeconds": 9}}))
            .strategic("{core}/pods/p", json!({"spec": {"containers": [{"name": "main", "image": "tests/shell:2"}]}}))
            .strategic("{core}/pods/p", json!({"spec": {"containers": [{"name": "other", "image": "tests/shell:2"}]}})),
        case("job-that-changes")
            .create([suspended_job("j")])
            // Who has written it is compared, and its controller writes it once.
            .until_job("j", "Suspended")
            .merge("{batch}/jobs/j", json!({"spec": {"completions": 4}}))
            .merge("{batch}/jobs/j", json!({"spec": {"backoffLimit": 4, "activeDeadlineSeconds": 600}}))
            .merge("{batch}/jobs/j", json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}))
            .merge("{batch}/jobs/j", json!({"spec": {"ttlSecondsAfterFinished": -1}})),
        case("binding-that-changes")
            .create([binding("a", "r", &user("u"))])
            .merge("{rbac}/rolebindings/a", json!({"roleRef": {"name": "other"}}))
            .merge("{rbac}/rolebindings/a", json!({"subjects": null})),
        case("pod-that-is-bound")
            .create([idle_pod("p")])
            .post("{core}/pods/p/binding", json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "nowhere"}}))
            .post("{core}/pods/p/binding", json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "elsewhere"}}))
            .until("{core}/pods/p", "/spec/nodeName", "nowhere"),
    ]
}

fn wrong() -> Vec<Case> {
    let container = |more: Value| with(idle_pod("p"), &json!({"spec": {"containers": [more]}}));
    let of_job = |more: Value| with(suspended_job("j"), &json!({"spec": more}));
    vec![
        case("wrong-names")
            .post("{core}/configmaps", config("A_b"))
            .post("{core}/configmaps", config("a.b-"))
            .post("/api/v1/namespaces", json!({"metadata": {"name": "a.b"}}))
            .post("{core}/pods", idle_pod(&"x".repeat(254)))
            .post("{rbac}/roles", reader("Role", "a/b", &["pods"])),
        case("wrong-labels")
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"labels": {"a b": "c"}}})))
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"labels": {"d": "e f"}}})))
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"annotations": {"-": "c"}}})))
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"labels": {"a": 1}}})))
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"annotations": {"a": "x".repeat(262_145)}}}))),
        case("wrong-finalizers-and-owners")
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"finalizers": ["plain", "not//good"]}})))
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"ownerReferences": [{"name": "x"}]}})))
            .post(
                "{core}/configmaps",
                with(
                    config("a"),
                    &json!({"metadata": {"ownerReferences": [
                        {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1", "controller": true},
                        {"apiVersion": "v1", "kind": "Pod", "name": "y", "uid": "2", "controller": true},
                    ]}}),
                ),
            ),
        case("wrong-configmaps")
            .post("{core}/configmaps", with(config("a"), &json!({"data": {"a/b": "c"}})))
            .post("{core}/configmaps", with(config("a"), &json!({"binaryData": {"color": "AA=="}})))
            .post("{core}/configmaps", with(config("a"), &json!({"data": {"n": 1}})))
            .post("{core}/configmaps", with(config("a"), &json!({"data": ["a"]}))),
        case("wrong-secrets")
            .post("{core}/secrets", with(secret("a"), &json!({"type": "kubernetes.io/tls"})))
            .post("{core}/secrets", with(secret("a"), &json!({"type": "kubernetes.io/dockerconfigjson"})))
            .post("{core}/secrets", with(secret("a"), &json!({"type": "kubernetes.io/basic-auth", "stringData": null})))
            .post("{core}/secrets", with(secret("a"), &json!({"type": "kubernetes.io/service-account-token"}))),
        case("wrong-pods")
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"containers": []}})))
            .post("{core}/pods", container(json!({"name": "Main"})))
            .post("{core}/pods", container(json!({"name": "main", "image": " x", "env": [{"name": "", "value": "v"}]})))
            .post("{core}/pods", container(json!({"name": "main", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]})))
            .post("{core}/pods", container(json!({"name": "main", "image": "x", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})))
            .post("{core}/pods", container(json!({"name": "main", "image": "x", "resources": {"limits": {"cpu": "much"}}})))
            .post("{core}/pods", container(json!({"name": "main", "image": "x", "ports": [{"containerPort": 70_000}]})))
            .post("{core}/pods", container(json!({"name": "main", "image": "x", "imagePullPolicy": "Sometimes"}))),
        case("wrong-pod-fields")
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"restartPolicy": "Maybe", "dnsPolicy": "No"}})))
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"activeDeadlineSeconds": 0, "terminationGracePeriodSeconds": -2}})))
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"serviceAccountName": "nobody"}})))
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]}})))
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"volumes": [{"name": "v"}, {"name": "v"}]}})))
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"tolerations": [{"key": "k", "operator": "Exists", "value": "v"}]}}))),
        case("wrong-jobs")
            .post("{batch}/jobs", of_job(json!({"parallelism": -1, "completions": -1, "backoffLimit": -1})))
            .post("{batch}/jobs", of_job(json!({"completionMode": "Indexed"})))
            .post("{batch}/jobs", of_job(json!({"template": {"spec": {"restartPolicy": "Always"}}})))
            .post("{batch}/jobs", of_job(json!({"backoffLimitPerIndex": 1})))
            .post("{batch}/jobs", of_job(json!({"podFailurePolicy": {"rules": [{"action": "Ignore"}]}})))
            .post("{batch}/jobs", of_job(json!({"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [0, 3, 3]}}]}})))
            .post("{batch}/jobs", of_job(json!({"selector": {"matchLabels": {"a": "b"}}})))
            .post("{batch}/jobs", of_job(json!({"managedBy": "no domain"}))),
        case("wrong-roles")
            .post("{rbac}/roles", object("rbac.authorization.k8s.io/v1", "Role", "a", &json!({"rules": [{"resources": ["pods"]}]})))
            .post("{rbac}/roles", object("rbac.authorization.k8s.io/v1", "Role", "a", &json!({"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]})))
            .post(
                "{rbac}/rolebindings",
                object("rbac.authorization.k8s.io/v1", "RoleBinding", "a", &json!({"roleRef": {"kind": "User", "name": ""}, "subjects": [{"kind": "Robot", "name": ""}]})),
            ),
        case("wrong-others")
            .post("{core}/limitranges", object("v1", "LimitRange", "a", &json!({"spec": {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}})))
            .post("{core}/resourcequotas", object("v1", "ResourceQuota", "a", &json!({"spec": {"hard": {"pods": "1.5"}}})))
            .post("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", object("coordination.k8s.io/v1", "Lease", "a", &json!({"spec": {"leaseDurationSeconds": 0}})))
            .post("/apis/apps/v1/namespaces/{ns}/controllerrevisions", object("apps/v1", "ControllerRevision", "a", &json!({"revision": -1})))
            .post(
                "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
                object("networking.k8s.io/v1", "NetworkPolicy", "a", &json!({"spec": {"podSelector": {}, "policyTypes": ["Sideways"]}})),
            ),
        case("fields-that-are-unknown")
            .post("{core}/configmaps?fieldValidation=Strict", with(config("a"), &json!({"typo": 1, "metadata": {"labls": {}}})))
            .post("{core}/configmaps?fieldValidation=Warn", with(config("a"), &json!({"typo": 1, "metadata": {"labls": {}}})))
            .post("{core}/configmaps?fieldValidation=Ignore", with(config("b"), &json!({"typo": 1})))
            .post("{core}/configmaps?fieldValidation=Maybe", config("c"))
            .post("{batch}/jobs?fieldValidation=Strict", of_job(json!({"template": {"spec": {"contaners": []}}})))
            .kubectl_with("apply -f -", with(config("d"), &json!({"typo": 1})))
            .kubectl_with("apply --validate=warn -f -", with(config("d"), &json!({"typo": 1})))
            .kubectl_with("apply --validate=false -f -", with(config("d"), &json!({"typo": 1}))),
        case("fields-that-are-named-twice")
            .ask(
                Request::new("POST", "{core}/configmaps?fieldValidation=Strict")
                    .body("application/json", r#"{"metadata": {"name": "a", "name": "b"}, "data": {"k": "v", "k": "w"}}"#),
            )
            .ask(
                Request::new("POST", "{core}/configmaps?fieldValidation=Warn")
                    .body("application/json", r#"{"metadata": {"name": "a"}, "data": {"k": "v", "k": "w"}}"#),
            ),
    ]
}
