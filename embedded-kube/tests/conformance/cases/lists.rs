//! Lists: pages, selectors, versions.

use serde_json::{Value, json};

use crate::case::{Case, Who, case};
use crate::manifests::{account, binding, boat, idle_pod, labelled, object, reader, secret, suspended_job, with};
use crate::request::Request;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

/// ConfigMaps with two labels, each with other values.
fn maps() -> [Value; 5] {
    [
        labelled("a", &json!({"kind": "map", "color": "red", "size": "1"})),
        labelled("b", &json!({"kind": "map", "color": "red", "size": "2"})),
        labelled("c", &json!({"kind": "map", "color": "blue", "size": "3"})),
        labelled("d", &json!({"kind": "map", "color": ""})),
        labelled("e", &json!({"kind": "map"})),
    ]
}

/// The names of a list, and what the list says of itself.
fn names(mut answer: Value) -> Value {
    if let Some(items) = answer.pointer_mut("/body/items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(|item| *item = item["metadata"]["name"].take());
    }
    answer
}

/// The token of a page, by which the list goes on, as a path has it.
fn token(page: &Value) -> String {
    let token = page["body"]["metadata"]["continue"].as_str().unwrap_or_default();
    percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A list by a selector, of which the names are compared.
fn selected(case: Case, place: &str, selector: &str) -> Case {
    case.get(&format!("{place}?{selector}")).seen(names)
}

fn all_selected(case: Case, place: &str, selectors: &[&str]) -> Case {
    selectors.iter().fold(case, |case, selector| selected(case, place, selector))
}

pub(super) fn cases() -> Vec<Case> {
    [selectors(), pages(), versions()].into_iter().flatten().collect()
}

fn selectors() -> Vec<Case> {
    let place = "{core}/configmaps";
    vec![
        all_selected(
            case("labels-that-are").create(maps()),
            place,
            &[
                "labelSelector=color=red",
                "labelSelector=color==red,size=2",
                "labelSelector=color",
                "labelSelector=color=",
                "labelSelector=color%20in%20(red,blue)",
                "labelSelector=size%3E1",
                "labelSelector=size%3C3,kind=map",
            ],
        ),
        all_selected(
            case("labels-that-are-not").create(maps()),
            place,
            &[
                "labelSelector=kind=map,color!=red",
                "labelSelector=kind=map,!color",
                "labelSelector=kind=map,color%20notin%20(red,blue)",
                "labelSelector=kind=map,%20color%20notin%20(red)",
            ],
        ),
        all_selected(
            case("labels-that-are-wrong"),
            place,
            &[
                "labelSelector=a%20b",
                "labelSelector=a=b%20c",
                "labelSelector=a%20in",
                "labelSelector=a%20in%20(b",
                "labelSelector=/a",
                "labelSelector=a%3Eb",
                "labelSelector=,",
                "labelSelector=%20",
            ],
        ),
        all_selected(
            case("fields-that-are").create(maps()),
            place,
            &[
                "fieldSelector=metadata.name=a",
                "fieldSelector=metadata.name!=a,metadata.name!=kube-root-ca.crt",
                "fieldSelector=metadata.name==a,metadata.namespace={ns}",
                "fieldSelector=metadata.namespace=other",
                "fieldSelector=metadata.name=a&labelSelector=color=blue",
            ],
        ),
        all_selected(
            case("fields-that-are-wrong"),
            place,
            &[
                "fieldSelector=data.color=red",
                "fieldSelector=metadata.name",
                "fieldSelector=metadata.name=a=b",
                "fieldSelector=,",
            ],
        ),
        all_selected(
            case("fields-of-pods")
                .create([idle_pod("a"), with(idle_pod("b"), &json!({"spec": {"restartPolicy": "Always"}}))]),
            "{core}/pods",
            &[
                "fieldSelector=status.phase=Pending",
                "fieldSelector=status.phase!=Pending",
                "fieldSelector=spec.restartPolicy=Always",
                "fieldSelector=spec.nodeName=",
                "fieldSelector=spec.schedulerName=nobody,metadata.name=a",
                "fieldSelector=spec.serviceAccountName=default",
                "fieldSelector=spec.priority=0",
            ],
        ),
        all_selected(
            case("fields-of-secrets").create([secret("a"), with(secret("b"), &json!({"type": "example.com/mine"}))]),
            "{core}/secrets",
            &["fieldSelector=type=example.com/mine", "fieldSelector=type!=Opaque", "fieldSelector=kind=Secret"],
        ),
        all_selected(
            case("fields-of-custom-kinds").create([
                boat("a", &json!({"color": "red"})),
                boat("b", &json!({"color": "red"})),
                boat("c", &json!({})),
            ]),
            "{boats}",
            &[
                "fieldSelector=spec.color=red",
                "fieldSelector=spec.color!=red",
                "fieldSelector=spec.color=red,metadata.name=b",
                "fieldSelector=spec.crew=1",
                "labelSelector=x",
            ],
        ),
        all_selected(
            case("fields-of-jobs").create([suspended_job("a")]),
            "{batch}/jobs",
            &["fieldSelector=status.successful=0", "fieldSelector=metadata.name=a", "fieldSelector=spec.suspend=true"],
        ),
        case("selected-by-kubectl")
            .create(maps())
            .kubectl("get configmaps -l color=red -o name")
            .kubectl("get configmaps -l 'color in (red, blue),size!=2' -o name")
            .kubectl("get configmaps --field-selector metadata.name=c -o name")
            .kubectl("get configmaps -l color=green")
            .kubectl("get configmaps -l 'a b'")
            .kubectl("get configmaps --field-selector data.color=red")
            .kubectl("get configmaps a -l color=red"),
        case("selected-everywhere")
            .create([labelled("a", &json!({"of": "{ns}"}))])
            .create([reader("ClusterRole", "{ns}", &["pods"])])
            .kubectl("get configmaps -A -l of={ns} -o name")
            .kubectl("get configmaps --all-namespaces -l of={ns}")
            .get("/api/v1/configmaps?labelSelector=of%3D{ns}")
            .get("/apis/rbac.authorization.k8s.io/v1/clusterroles?fieldSelector=metadata.name%3D{ns}"),
    ]
}

fn pages() -> Vec<Case> {
    vec![
        case("pages-of-a-list").create(maps()).code("two by two", |stage| {
            Box::pin(async move {
                let (mut pages, mut next) = (Vec::new(), String::new());
                for _ in 0..5 {
                    let answer =
                        stage.get(&format!("{{core}}/configmaps?labelSelector=kind&limit=2&continue={next}")).await;
                    next = token(&answer);
                    pages.push(names(answer));
                    if next.is_empty() {
                        break;
                    }
                }
                pages.into()
            })
        }),
        case("pages-of-what-was-there").create(maps()).code("a change between two pages", |stage| {
            Box::pin(async move {
                let first = stage.get("{core}/configmaps?limit=3").await;
                stage.ask(Request::new("DELETE", "{core}/configmaps/e")).await;
                stage.create(&labelled("f", &json!({}))).await;
                let next = token(&first);
                let second = stage.get(&format!("{{core}}/configmaps?limit=9&continue={next}")).await;
                json!([names(first), names(second)])
            })
        }),
        // Whoever may list ConfigMaps must not get the rest of somebody's list of Secrets.
        case("pages-of-another-list")
            .create(maps())
            .create([secret("a"), secret("b"), object("v1", "ServiceAccount", "reader", &json!({}))])
            .create([reader("Role", "reads", &["configmaps"]), binding("reads", "reads", &account("reader"))])
            .allowed("system:serviceaccount:{ns}:reader", "list", "configmaps")
            .code("the token of a list of Secrets", |stage| {
                Box::pin(async move {
                    let token = token(&stage.get("{core}/secrets?limit=1").await);
                    let asked = |path: &str, who: Who| Request {
                        who,
                        ..Request::new("GET", &format!("{path}&continue={token}"))
                    };
                    let (mut others, mut shown) = (Vec::new(), false);
                    for (path, who) in [
                        ("{core}/configmaps?limit=9", Who::Account("reader")),
                        ("{core}/configmaps?limit=9", Who::Administrator),
                        ("/api/v1/namespaces/default/secrets?limit=9", Who::Administrator),
                        ("{core}/secrets?limit=9&labelSelector=color", Who::Administrator),
                    ] {
                        let answer = stage.ask(asked(path, who)).await;
                        // The password, as a Secret has it.
                        shown |= answer.to_string().contains("cDRzcw==");
                        others.push(answer["status"].clone());
                    }
                    let may_not = stage.ask(asked("{core}/secrets?limit=9", Who::Account("reader"))).await;
                    let own = stage.ask(asked("{core}/secrets?limit=9", Who::Administrator)).await;
                    json!({"shown": shown, "others": others, "may not": may_not, "own": names(own)})
                })
            }),
        case("pages-that-count-the-rest")
            .create(maps())
            .get("{core}/configmaps?limit=2")
            .seen(names)
            .get("{core}/configmaps?limit=2&labelSelector=kind")
            .seen(names)
            .get("{core}/configmaps?limit=50")
            .seen(names)
            .get("{core}/configmaps?limit=0")
            .seen(names),
        case("pages-that-are-wrong")
            .get("{core}/configmaps?limit=2&continue=nonsense")
            .get("{core}/configmaps?limit=-1")
            .seen(names)
            .get("{core}/configmaps?limit=two")
            .get("{core}/configmaps?limit=2&continue=nonsense&resourceVersion=5"),
        case("pages-of-tables").create(maps()).accepting("{core}/configmaps?labelSelector=kind&limit=2", TABLE),
        case("pages-by-kubectl")
            .create(maps())
            .kubectl("get configmaps --chunk-size=2 -o name")
            .kubectl("get configmaps -l kind=map --chunk-size=2")
            .kubectl("get configmaps --chunk-size=0 -l kind=map -o jsonpath={.items[*].metadata.name}"),
    ]
}

/// Waits until what the server remembers has all maps: it hears of them a little later than whoever made them.
fn remembered(case: Case, list: &str) -> Case {
    case.until_that(&format!("{list}&resourceVersion=0"), "has them all", |list| {
        list["items"].as_array().is_some_and(|items| items.len() == maps().len())
    })
}

fn versions() -> Vec<Case> {
    let place = "{core}/configmaps";
    vec![
        all_selected(
            remembered(case("versions-of-lists").create(maps()), "{core}/configmaps?labelSelector=kind")
                .remember(place),
            place,
            &[
                "resourceVersion=0",
                "resourceVersion=0&resourceVersionMatch=NotOlderThan",
                "resourceVersion=1&resourceVersionMatch=NotOlderThan",
                "resourceVersion={version}",
                "resourceVersion={version}&resourceVersionMatch=NotOlderThan",
            ],
        ),
        all_selected(
            case("versions-that-are-wrong"),
            place,
            &[
                "resourceVersion=x",
                "resourceVersion=-1",
                "resourceVersionMatch=Exact",
                "resourceVersion=0&resourceVersionMatch=Exact",
                "resourceVersion=1&resourceVersionMatch=Nearly",
                "resourceVersion=900000000",
                "sendInitialEvents=true",
                "watch=maybe",
            ],
        ),
        selected(
            case("version-that-is-exact").create(maps()).remember(place).create([labelled("f", &json!({}))]),
            place,
            "resourceVersion={version}&resourceVersionMatch=Exact",
        ),
        case("version-of-an-object")
            .create([labelled("a", &json!({}))])
            .until("{core}/configmaps/a?resourceVersion=0", "/metadata/name", "a")
            .get("{core}/configmaps/a?resourceVersion=0")
            .get("{core}/configmaps/a?resourceVersion=x")
            .get("{core}/configmaps/none?resourceVersion=0"),
        case("list-of-nothing")
            .get("{core}/secrets")
            .get("{boats}")
            .get("/api/v1/namespaces/{ns}-none/configmaps")
            .get("/apis/example.com/v1/namespaces/{ns}-none/boats")
            .kubectl("get secrets")
            .kubectl("get boats,secrets,jobs")
            .kubectl("get secrets -o yaml")
            .kubectl("get secrets --ignore-not-found"),
        case("list-of-metadata")
            .create(maps())
            .accepting("{core}/configmaps?labelSelector=color=blue", METADATA)
            .accepting("{core}/configmaps/a", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"),
    ]
}
