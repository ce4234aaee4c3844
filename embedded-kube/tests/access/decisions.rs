//! Random questions about random roles and bindings.

use std::time::Instant;

use aggregator_embedded_kube::api::access::review::{self_subject_rules, subject_access};
use aggregator_embedded_kube::api::access::{Attributes, Decision, Index, Target, allowed};
use aggregator_tests::random::Random;
use serde_json::{Value, json};

use crate::real::{AUTHORIZATION, GROUP, RBAC, Real, asks, authority, reasons, user};

const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "delete", "use", "*"];
const GROUPS: [&str; 5] = ["", "batch", "apps", "example.com", "*"];
const RESOURCES: [&str; 9] =
    ["pods", "pods/log", "pods/status", "jobs", "jobs/status", "secrets", "*", "*/status", "widgets"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const PATHS: [&str; 7] = ["/metrics", "/healthz/*", "/x/*", "/x/y", "/x*", "*", "/logs/"];

fn rule(random: &mut Random, with_paths: bool) -> Value {
    if with_paths && random.below(4) == 0 {
        return json!({"nonResourceURLs": random.few(&PATHS, 2), "verbs": random.few(&VERBS, 3)});
    }
    let mut rule = json!({
        "apiGroups": random.few(&GROUPS, 2),
        "resources": random.few(&RESOURCES, 3),
        "verbs": random.few(&VERBS, 3),
    });
    if random.below(3) == 0 {
        rule["resourceNames"] = json!(random.few(&NAMES, 2));
    }
    rule
}

/// What there is: a tag that tells it from that of others, and namespaces.
struct World {
    tag: String,
    namespaces: Vec<String>,
}

impl World {
    fn subject(&self, random: &mut Random, in_namespace: bool) -> Value {
        let tag = &self.tag;
        match random.below(4) {
            0 | 1 => json!({"apiGroup": GROUP, "kind": "User", "name": format!("{tag}-u{}", random.below(4))}),
            2 => json!({"apiGroup": GROUP, "kind": "Group", "name": format!("{tag}-g{}", random.below(3))}),
            _ => {
                let mut subject = json!({"kind": "ServiceAccount", "name": format!("{tag}-s{}", random.below(2))});
                if !in_namespace || random.below(2) == 0 {
                    subject["namespace"] = self.namespace(random).into();
                }
                subject
            }
        }
    }

    fn namespace(&self, random: &mut Random) -> String {
        self.namespaces[random.below(self.namespaces.len())].clone()
    }

    fn fill(&self, real: &Real, random: &mut Random) {
        let tag = &self.tag;
        for at in 0..10 {
            let rules: Vec<Value> = (0..1 + random.below(3)).map(|_| rule(random, true)).collect();
            real.create(
                &format!("{RBAC}/clusterroles"),
                &json!({"metadata": {"name": format!("{tag}-c{at}")}, "rules": rules}),
            );
        }
        for namespace in &self.namespaces {
            for at in 0..4 {
                let rules: Vec<Value> = (0..1 + random.below(3)).map(|_| rule(random, false)).collect();
                let role = json!({"metadata": {"name": format!("{tag}-r{at}")}, "rules": rules});
                real.create(&format!("{RBAC}/namespaces/{namespace}/roles"), &role);
            }
            for at in 0..8 {
                // The last of each is not there.
                let role = match random.below(2) {
                    0 => ("Role", format!("{tag}-r{}", random.below(5))),
                    _ => ("ClusterRole", format!("{tag}-c{}", random.below(11))),
                };
                self.bind(real, random, &format!("namespaces/{namespace}/rolebindings"), at, &role);
            }
        }
        for at in 0..10 {
            let role = ("ClusterRole", format!("{tag}-c{}", random.below(11)));
            self.bind(real, random, "clusterrolebindings", at, &role);
        }
        real.settle(&self.namespaces[0], tag);
    }

    fn bind(&self, real: &Real, random: &mut Random, path: &str, at: usize, (kind, role): &(&str, String)) {
        let in_namespace = path.starts_with("namespaces");
        let subjects: Vec<Value> = (0..1 + random.below(3)).map(|_| self.subject(random, in_namespace)).collect();
        let binding = json!({
            "metadata": {"name": format!("{}-b{at}", self.tag)},
            "subjects": subjects,
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        });
        real.create(&format!("{RBAC}/{path}"), &binding);
    }

    fn question(&self, random: &mut Random) -> Attributes {
        let tag = &self.tag;
        let name = match random.below(4) {
            0 => format!("system:serviceaccount:{}:{tag}-s{}", self.namespace(random), random.below(3)),
            _ => format!("{tag}-u{}", random.below(5)),
        };
        let mut groups: Vec<String> = (0..random.below(3)).map(|_| format!("{tag}-g{}", random.below(4))).collect();
        if random.below(2) == 0 {
            groups.push("system:authenticated".to_owned());
        }
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let user = user(&name, &groups);
        let verb = *random.pick(&VERBS);
        if random.below(5) == 0 {
            let path = *random.pick(&["/metrics", "/healthz/ping", "/x/y", "/x", "/xy", "/version", "/logs/"]);
            return Attributes { user, verb: verb.to_owned(), target: Target::Path(path.to_owned()) };
        }
        let group = *random.pick(&["", "batch", "apps", "example.com", "other"]);
        let resource = *random.pick(&[
            "pods",
            "pods/log",
            "pods/status",
            "jobs",
            "jobs/status",
            "secrets",
            "widgets",
            "widgets/status",
        ]);
        let namespace = if random.below(5) == 0 { String::new() } else { self.namespace(random) };
        let name = *random.pick(&["", "a", "b", "c", "d"]);
        asks(user, verb, group, resource, &namespace, name)
    }
}

fn review(attributes: &Attributes) -> Value {
    let user = &attributes.user;
    let verb = &attributes.verb;
    let mut spec = json!({"user": user.name, "groups": user.groups});
    match &attributes.target {
        Target::Path(path) => spec["nonResourceAttributes"] = json!({"path": path, "verb": verb}),
        Target::Resource(resource) => {
            spec["resourceAttributes"] = json!({
                "verb": verb, "namespace": resource.namespace, "group": resource.group, "resource": resource.resource,
                "subresource": resource.subresource, "name": resource.name,
            });
        }
    }
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
}

/// Several errors come in any order.
fn sorted(reason: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = reason.split([',', '[', ']']).map(str::trim).collect();
    parts.sort_unstable();
    parts
}

#[test]
fn random_questions_are_answered_alike() {
    let real = Real::new();
    let mut random = Random::seeded("random_questions_are_answered_alike");
    let namespaces: Vec<_> = (0..3).map(|_| real.plane.namespace()).collect();
    let namespaces = namespaces.iter().map(|namespace| namespace.name().to_owned()).collect();
    let world = World { tag: format!("w{}", random.below(1_000_000)), namespaces };
    world.fill(&real, &mut random);
    let index = real.index();
    let (mut yes, mut no, mut missing) = (0, 0, 0);
    for _ in 0..500 {
        let question = world.question(&mut random);
        let review = review(&question);
        let theirs = real.create(&format!("{AUTHORIZATION}/subjectaccessreviews"), &review);
        let ours = subject_access(&authority(&index), &review).unwrap();
        assert_eq!(ours["spec"]["user"], theirs["spec"]["user"]);
        let (ours, theirs) = (&ours["status"], &theirs["status"]);
        assert_eq!(ours["allowed"], theirs["allowed"], "{question:?}\nours: {ours}\ntheirs: {theirs}");
        let reason = |status: &Value| status["reason"].as_str().unwrap_or_default().to_owned();
        if ours["allowed"] == true {
            let reasons = reasons(&index, &question);
            assert!(reasons.contains(&reason(ours)), "{question:?}: {ours}");
            assert!(reasons.contains(&reason(theirs)), "{question:?}: {theirs} is not in {reasons:?}");
            yes += 1;
        } else {
            assert_eq!(sorted(&reason(ours)), sorted(&reason(theirs)), "{question:?}");
            missing += usize::from(!reason(ours).is_empty());
            no += 1;
        }
    }
    println!("{yes} may, {no} may not, of whom {missing} for a role that is not there");
    assert!(yes > 40 && no > 40 && missing > 5, "the questions tell nothing: {yes} {no} {missing}");

    // All that somebody may.
    let path = format!("{AUTHORIZATION}/selfsubjectrulesreviews");
    let mut rules = 0;
    for _ in 0..30 {
        let mut asks = world.question(&mut random).user;
        asks.groups.retain(|group| group != "system:authenticated");
        let groups = asks.groups.clone();
        asks.groups.push("system:authenticated".to_owned());
        let headers = groups.iter().map(|group| ("impersonate-group", group.as_str()));
        let headers: Vec<_> = headers.chain([("impersonate-user", asks.name.as_str())]).collect();
        // A ServiceAccount that names no group is in its own.
        if groups.is_empty() && asks.name.starts_with("system:serviceaccount:") {
            continue;
        }
        let review = json!({"spec": {"namespace": world.namespace(&mut random)}});
        let theirs = real.post(&path, &headers, &review);
        assert_eq!(theirs.code, 201, "{}", theirs.body);
        let ours = self_subject_rules(&authority(&index), &asks, &review).unwrap();
        for part in ["resourceRules", "nonResourceRules"] {
            let sorted = |review: &Value| {
                let mut rules: Vec<String> = review["status"][part].as_array().unwrap().iter().map(ordered).collect();
                rules.sort_unstable();
                rules
            };
            assert_eq!(sorted(&ours), sorted(&theirs.body), "{asks:?} {review}");
            rules += sorted(&ours).len();
        }
        assert_eq!(ours["status"]["incomplete"], theirs.body["status"]["incomplete"]);
        let error = |review: &Value| review["status"]["evaluationError"].as_str().unwrap_or_default().to_owned();
        assert_eq!(sorted(&error(&ours)), sorted(&error(&theirs.body)));
    }
    assert!(rules > 60, "{rules}");
}

/// A rule as text, its keys in order.
fn ordered(rule: &Value) -> String {
    let sorted: std::collections::BTreeMap<_, _> = rule.as_object().unwrap().iter().collect();
    serde_json::to_string(&sorted).unwrap()
}

#[test]
fn a_check_takes_microseconds_however_many_bindings_there_are() {
    let mut index = Index::default();
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    index.put(&json!({"kind": "ClusterRole", "metadata": {"name": "c"}, "rules": rules}));
    for at in 0..5_000 {
        let subjects = json!([
            {"kind": "User", "name": format!("u{at}")}, {"kind": "Group", "name": format!("g{}", at % 1_000)},
        ]);
        let role = json!({"kind": "ClusterRole", "name": "c"});
        let (kind, metadata) = match at % 2 {
            0 => ("ClusterRoleBinding", json!({"name": format!("b{at}")})),
            _ => ("RoleBinding", json!({"namespace": "n", "name": format!("b{at}")})),
        };
        index.put(&json!({"kind": kind, "metadata": metadata, "subjects": subjects, "roleRef": role}));
    }
    let asks =
        |name: &str, verb: &str| asks(user(name, &["g7", "g8", "system:authenticated"]), verb, "", "pods", "n", "x");
    let (may, may_not) = (asks("u4001", "get"), asks("u4001", "delete"));
    let began = Instant::now();
    for _ in 0..1_000 {
        assert!(allowed(&may, &index).allowed);
        assert_eq!(allowed(&may_not, &index), Decision { allowed: false, reason: String::new() });
    }
    let each = began.elapsed() / 2_000;
    println!("{each:?} a check among 5000 bindings");
    // Wide enough for a debug build on a machine that does other things; a walk over all bindings takes far longer.
    assert!(each.as_micros() < 200, "{each:?}");
}
