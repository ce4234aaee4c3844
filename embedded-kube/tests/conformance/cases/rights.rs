//! Who may what, who is who, and what is said to those who may not.

use serde_json::{Value, json};

use crate::case::{Case, Who, case};
use crate::manifests::{account, binding, boat, config, object, reader, secret, user, with};
use crate::request::Request;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// A ServiceAccount of that name that may read ConfigMaps and Pods.
fn with_reader(name: &'static str) -> Case {
    case(name)
        .create([
            object("v1", "ServiceAccount", "reader", &json!({})),
            reader("Role", "reads", &["configmaps", "pods"]),
            binding("reads", "reads", &account("reader")),
            config("a"),
        ])
        .allowed("system:serviceaccount:{ns}:reader", "get", "configmaps")
}

/// A user `ann` who may read ConfigMaps.
fn with_ann(name: &'static str) -> Case {
    case(name)
        .create([reader("Role", "reads", &["configmaps"]), binding("reads", "reads", &user("ann")), config("a")])
        .allowed("ann", "get", "configmaps")
}

pub(super) fn cases() -> Vec<Case> {
    [questions(), identities(), refusals(), grants(), reviews()].into_iter().flatten().collect()
}

fn questions() -> Vec<Case> {
    vec![
        case("can-i-do-everything")
            .kubectl("auth can-i get pods")
            .kubectl("auth can-i '*' '*'")
            .kubectl("auth can-i delete boats.example.com/a")
            .kubectl("auth can-i get /version")
            .kubectl("auth can-i create pods --subresource=log")
            .kubectl("auth can-i use nothing")
            .kubectl("auth can-i list nodes -A"),
        with_ann("can-ann-do-something")
            .kubectl("auth can-i get configmaps --as=ann")
            .kubectl("auth can-i get configmaps/a --as=ann")
            .kubectl("auth can-i delete configmaps --as=ann")
            .kubectl("auth can-i get configmaps --as=ann -n default")
            .kubectl("auth can-i get configmaps --as=ann -A")
            .kubectl("auth can-i get /api --as=ann --as-group=system:authenticated")
            .kubectl("auth can-i get configmaps --as=ann -q")
            .kubectl("auth can-i get secrets --as=ann -q"),
        with_ann("what-can-ann-do")
            .kubectl("auth can-i --list --as=ann")
            .kubectl("auth can-i --list --as=ann --no-headers -n default")
            .kubectl("auth can-i --list --as=none --as-group=system:authenticated"),
        with_reader("can-an-account-do-something")
            .kubectl("auth can-i get pods")
            .by("reader")
            .kubectl("auth can-i create pods")
            .by("reader")
            .kubectl("auth can-i --list")
            .by("reader")
            .kubectl("auth can-i get pods --as=system:serviceaccount:{ns}:reader")
            .kubectl("auth can-i get pods --as=ann")
            .by("reader"),
        case("can-somebody-by-a-group")
            .create([
                reader("Role", "reads", &["configmaps"]),
                binding(
                    "reads",
                    "reads",
                    &json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "{ns}-team"}),
                ),
            ])
            .code("until a member of the group may read", |stage| {
                Box::pin(async move {
                    let attributes = json!({"namespace": "{ns}", "verb": "get", "resource": "configmaps"});
                    let spec = json!({"user": "bob", "groups": ["{ns}-team"], "resourceAttributes": attributes});
                    let request = Request::new("POST", REVIEWS).json(&json!({"spec": spec}));
                    let may =
                        stage.until_answered(&request, |answer| answer["body"]["status"]["allowed"] == true).await;
                    json!(may.is_ok())
                })
            })
            .kubectl("auth can-i get configmaps --as=bob --as-group={ns}-team")
            .kubectl("auth can-i get configmaps --as=bob --as-group=other"),
    ]
}

fn identities() -> Vec<Case> {
    vec![
        case("who-am-i-as-ann")
            .kubectl("auth whoami --as=ann --as-group=dev --as-group=ops --as-uid=7 --as-user-extra=example.com/team=a")
            .kubectl("auth whoami --as=ann -o json")
            .kubectl("auth whoami --as=system:serviceaccount:{ns}:default"),
        case("who-am-i-as-an-account")
            .create([object("v1", "ServiceAccount", "a", &json!({}))])
            .kubectl("auth whoami")
            .by("a")
            .kubectl("auth whoami -o yaml")
            .by("a"),
        case("who-am-i-as-nobody")
            .get("/version")
            .by_nobody()
            .get("{core}/configmaps")
            .by_nobody()
            .get("/healthz")
            .by_nobody()
            .post(
                "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}),
            )
            .by_nobody(),
        case("who-has-a-wrong-token")
            .ask(Request::new("GET", "/api/v1").header("authorization", "Bearer nonsense"))
            .by_nobody()
            .ask(Request::new("GET", "/api/v1").header("authorization", "Basic YTpi"))
            .by_nobody()
            .ask(Request::new("GET", "/api/v1").header("authorization", "Bearer a.b.c"))
            .by_nobody()
            .ask(Request::new("GET", "/api/v1").header("authorization", "Bearer "))
            .by_nobody(),
        case("whose-token-is-it").create([object("v1", "ServiceAccount", "a", &json!({}))]).code(
            "a token that is reviewed",
            |stage| {
                Box::pin(async move {
                    let token = stage.token("a").await.expect("a token");
                    let review = |token: &str, audiences: Value| {
                        let spec = json!({"token": token, "audiences": audiences});
                        let review =
                            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec});
                        Request::new("POST", "/apis/authentication.k8s.io/v1/tokenreviews").json(&review)
                    };
                    let known = stage.ask(review(&token, json!([]))).await;
                    let elsewhere = stage.ask(review(&token, json!(["elsewhere"]))).await;
                    let unknown = stage.ask(review("nonsense", json!([]))).await;
                    stage.ask(Request::new("DELETE", "{core}/serviceaccounts/a")).await;
                    json!([known, elsewhere, unknown])
                })
            },
        ),
        case("token-of-an-account-that-is-gone").create([object("v1", "ServiceAccount", "a", &json!({}))]).code(
            "a token after its account",
            |stage| {
                Box::pin(async move {
                    let token = stage.token("a").await.expect("a token");
                    let bearer = format!("Bearer {token}");
                    let mut request = Request::new("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews")
                        .header("authorization", &bearer);
                    request =
                        request.json(&json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}));
                    request.who = Who::Nobody;
                    let before = stage.ask(request.clone()).await["status"].clone();
                    stage.ask(Request::new("DELETE", "{core}/serviceaccounts/a")).await;
                    let refused = stage.until_answered(&request, |answer| answer["status"] == 401).await;
                    json!([before, refused.is_ok()])
                })
            },
        ),
        case("act-as-somebody-wrongly")
            .ask(Request::new("GET", "{core}/configmaps").header("impersonate-group", "dev"))
            .ask(Request::new("GET", "{core}/configmaps").header("impersonate-user", "").header("impersonate-uid", "7"))
            .create([object("v1", "ServiceAccount", "a", &json!({}))])
            .ask(Request::new("GET", "{core}/configmaps").header("impersonate-user", "ann"))
            .by("a")
            .ask(
                Request::new("GET", "{core}/configmaps")
                    .header("impersonate-user", "ann")
                    .header("impersonate-group", "dev"),
            )
            .by("a"),
    ]
}

fn refusals() -> Vec<Case> {
    let lease = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l";
    let held = object("coordination.k8s.io/v1", "Lease", "l", &json!({"spec": {"holderIdentity": "a"}}));
    vec![
        with_reader("refused-by-kubectl")
            .kubectl("get configmaps")
            .by("reader")
            .kubectl("get secrets")
            .by("reader")
            .kubectl("delete configmap a")
            .by("reader")
            .kubectl("create configmap b")
            .by("reader")
            .kubectl("get nodes")
            .by("reader")
            .kubectl("get configmaps -A")
            .by("reader")
            .kubectl("logs p")
            .by("reader")
            .kubectl("label configmap a x=y")
            .by("reader"),
        with_reader("refused-by-hand")
            .get("{core}/configmaps/a")
            .by("reader")
            .get("{core}/secrets")
            .by("reader")
            .get("{core}/secrets/a")
            .by("reader")
            .get("{core}/secrets?watch=1")
            .by("reader")
            .post("{core}/configmaps", config("b"))
            .by("reader")
            .merge("{core}/configmaps/a", json!({}))
            .by("reader")
            .delete("{core}/configmaps", Value::Null)
            .by("reader")
            .get("{boats}")
            .by("reader")
            .get("/apis/example.com/v1/namespaces/{ns}/ships")
            .by("reader")
            .get("/metrics")
            .by("reader")
            .get("/api/v1/namespaces/{ns}")
            .by("reader")
            .merge("{core}/pods/p/status", json!({}))
            .by("reader"),
        with_ann("refused-as-ann")
            .kubectl("get configmaps -o name --as=ann")
            .kubectl("get configmap a -o name --as=ann")
            .kubectl("get secrets --as=ann")
            .kubectl("get boats --as=ann --as-group=dev")
            .kubectl_with("apply -f - --as=ann", config("b"))
            .kubectl_with("apply --server-side -f - --as=ann", config("b")),
        case("allowed-by-name")
            .create([
                secret("a"),
                secret("b"),
                object("rbac.authorization.k8s.io/v1", "Role", "one", &json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"], "verbs": ["get", "list", "watch"]}]})),
                binding("one", "one", &user("ann")),
            ])
            .code("until ann may read it", |stage| {
                Box::pin(async move {
                    let request = Request::new("GET", "{core}/secrets/a").header("impersonate-user", "ann");
                    json!(stage.until_answered(&request, |answer| answer["status"] == 200).await.is_ok())
                })
            })
            .kubectl("get secret a -o name --as=ann")
            .kubectl("get secret b -o name --as=ann")
            .kubectl("get secrets -o name --as=ann")
            .kubectl("get secrets -o name --field-selector metadata.name=a --as=ann"),
        case("allowed-parts")
            .create([
                object("rbac.authorization.k8s.io/v1", "Role", "part", &json!({"rules": [{"apiGroups": ["example.com"], "resources": ["boats/status"], "verbs": ["*"]}]})),
                binding("part", "part", &user("ann")),
                boat("a", &json!({})),
            ])
            .code("until ann may change the status", |stage| {
                Box::pin(async move {
                    let request = Request::new("PATCH", "{boats}/a/status").header("impersonate-user", "ann");
                    let request = request.body("application/merge-patch+json", r#"{"status": {"phase": "Afloat"}}"#);
                    json!(stage.until_answered(&request, |answer| answer["status"] == 200).await.is_ok())
                })
            })
            .kubectl("get boat a --as=ann")
            .kubectl("auth can-i update boats.example.com --subresource=status --as=ann"),
        case("objects-that-come-by-replacing")
            .create([
                object("v1", "ServiceAccount", "a", &json!({})),
                object("rbac.authorization.k8s.io/v1", "Role", "writes", &json!({"rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update", "patch"]}]})),
                binding("writes", "writes", &account("a")),
            ])
            .allowed("system:serviceaccount:{ns}:a", "update", "coordination.k8s.io/leases")
            .ask(Request::new("PUT", lease).json(&held))
            .by("a")
            .ask(
                Request::new("PATCH", &format!("{lease}?fieldManager=a"))
                    .body("application/apply-patch+yaml", held.to_string()),
            )
            .by("a")
            .ask(Request::new("PUT", lease).json(&held))
            .ask(Request::new("PUT", "{rbac}/roles/reads").json(&reader("Role", "reads", &["pods"])))
            .ask(Request::new("PUT", "{core}/configmaps/none").json(&config("none"))),
        case("rights-that-are-taken-away")
            .create([reader("Role", "reads", &["configmaps"]), binding("reads", "reads", &user("ann"))])
            .allowed("ann", "list", "configmaps")
            .delete("{rbac}/rolebindings/reads", Value::Null)
            .code("until ann may not read any more", |stage| {
                Box::pin(async move {
                    let request = Request::new("GET", "{core}/configmaps").header("impersonate-user", "ann");
                    json!(stage.until_answered(&request, |answer| answer["status"] == 403).await.is_ok())
                })
            })
            .kubectl("get configmaps --as=ann"),
    ]
}

fn grants() -> Vec<Case> {
    let writer = json!({"rules": [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
    ]});
    vec![
        case("grants-of-more-than-one-has")
            // Roles are heard of in the order in which they come: who knows the writer's knows the large one.
            .create([reader("Role", "large", &["secrets"]), object("rbac.authorization.k8s.io/v1", "Role", "writer", &writer), binding("writer", "writer", &user("ann"))])
            .allowed("ann", "create", "rbac.authorization.k8s.io/roles")
            .kubectl("create role small --verb=get --resource=configmaps --as=ann")
            .kubectl("create role large-too --verb=get,list --resource=secrets,configmaps --as=ann")
            .kubectl("create rolebinding large --role=large --user=bob --as=ann")
            .code("until the small role is known", |stage| {
                Box::pin(async move {
                    let probe = binding("probe", "small", &user("bob"));
                    let request = Request::new("POST", "{rbac}/rolebindings?dryRun=All").json(&probe);
                    let request = request.header("impersonate-user", "ann");
                    json!(stage.until_answered(&request, |answer| answer["status"] == 201).await.is_ok())
                })
            })
            .kubectl("create rolebinding small --role=small --user=bob --as=ann")
            .kubectl("create rolebinding none --role=none --user=bob --as=ann"),
        case("roles-that-gather")
            .create([
                with(reader("ClusterRole", "{ns}-part", &["configmaps"]), &json!({"metadata": {"labels": {"{ns}": "yes"}}})),
                object("rbac.authorization.k8s.io/v1", "ClusterRole", "{ns}-all", &json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"{ns}": "yes"}}]}, "rules": []})),
            ])
            .until_that("/apis/rbac.authorization.k8s.io/v1/clusterroles/{ns}-all", "has rules", |it| it["rules"].as_array().is_some_and(|all| !all.is_empty()))
            .get("/apis/rbac.authorization.k8s.io/v1/clusterroles/{ns}-all")
            .seen(|answer| answer["body"]["rules"].clone()),
        case("roles-that-are-reconciled")
            .file("role.json", reader("Role", "a", &["pods"]))
            .kubectl("auth reconcile -f role.json")
            .kubectl("auth reconcile -f role.json")
            .kubectl("get role a -o yaml"),
        case("default-roles")
            .get("/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin")
            .seen(|answer| json!([answer["body"]["rules"], answer["body"]["metadata"]["labels"], answer["body"]["metadata"]["annotations"]]))
            .get("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/cluster-admin")
            .seen(|answer| json!([answer["body"]["roleRef"], answer["body"]["subjects"]])),
    ]
}

fn reviews() -> Vec<Case> {
    let may =
        |spec: Value| json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
    let read = json!({"namespace": "{ns}", "verb": "get", "resource": "configmaps"});
    vec![
        with_ann("reviews-of-ann")
            .post(REVIEWS, may(json!({"user": "ann", "resourceAttributes": read})))
            .post(REVIEWS, may(json!({"user": "ann", "resourceAttributes": {"namespace": "default", "verb": "get", "resource": "configmaps"}})))
            .post(REVIEWS, may(json!({"user": "ann"})))
            .post(REVIEWS, may(json!({"resourceAttributes": read})))
            .post(REVIEWS, json!({"spec": {"user": "ann", "nonResourceAttributes": {"path": "/version", "verb": "get"}}}))
            .post(
                "/apis/authorization.k8s.io/v1/namespaces/{ns}/localsubjectaccessreviews",
                json!({"apiVersion": "authorization.k8s.io/v1", "kind": "LocalSubjectAccessReview", "metadata": {"namespace": "{ns}"}, "spec": {"user": "ann", "resourceAttributes": read}}),
            )
            .get(REVIEWS)
            .kubectl("get subjectaccessreviews"),
        case("reviews-of-oneself")
            .post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json!({"spec": {"resourceAttributes": read}}))
            .seen(|answer| json!([answer["status"], answer["body"]["spec"], answer["body"]["status"]["allowed"]]))
            .post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json!({"spec": {}}))
            .ask(Request::new("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews").json(&json!({"spec": {"namespace": "{ns}"}})).header("impersonate-user", "nobody-else"))
            .seen(|mut answer| {
                for rules in ["resourceRules", "nonResourceRules"] {
                    if let Some(rules) = answer["body"]["status"][rules].as_array_mut() {
                        rules.sort_by_key(ToString::to_string);
                    }
                }
                answer
            }),
    ]
}
