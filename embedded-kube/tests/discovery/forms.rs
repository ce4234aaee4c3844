//! In which form a client is answered, by what it accepts.

use aggregator_embedded_kube::api::discovery::{Endpoint, Form, MetaVersion, negotiate};
use aggregator_embedded_kube::api::table::{Include, mismatch};
use serde_json::Value;

use crate::kinds;
use crate::real::Real;

const ACCEPTS: [&str; 34] = [
    "application/json",
    "*/*",
    "*",
    "application/*",
    "text/html",
    "text/html,application/json;q=0.1",
    "text/html,*/*;q=0.1",
    "application",
    "a/b/c",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
    "application/json;as=Table;v=v2;g=meta.k8s.io",
    "application/json;as=Table;g=meta.k8s.io",
    "application/json;as=Table;v=v1",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
    "application/json;as=Table;v=v2;g=meta.k8s.io,application/json",
    "application/json;as=Nonsense;v=v1;g=meta.k8s.io",
    "application/json;as=Nonsense;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io,application/json",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
    "application/json,application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    "application/json;stream=watch",
    "application/json;stream=other",
    "application/json;stream=other,application/json",
    "application/json;sv=v1",
    "application/json;sv=v2",
    "application/json;pretty=1",
    "application/json; q=0.5, application/json;as=Table;v=v1;g=meta.k8s.io",
    "*/*;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=Table ; v = v1;g=meta.k8s.io",
];

/// What the API server's answer is: its kind and version.
fn told(form: Form, plain: (&str, &str), list: bool) -> (String, String) {
    let meta = |kind: &str, version: MetaVersion| (kind.to_owned(), version.api_version().to_owned());
    match form {
        Form::Plain => (plain.0.to_owned(), plain.1.to_owned()),
        Form::Aggregated => ("APIGroupDiscoveryList".to_owned(), "apidiscovery.k8s.io/v2".to_owned()),
        Form::Table(version) => meta("Table", version),
        Form::Metadata(_) if list => ("Status".to_owned(), "v1".to_owned()),
        Form::MetadataList(_) if !list => ("Status".to_owned(), "v1".to_owned()),
        Form::Metadata(version) => meta("PartialObjectMetadata", version),
        Form::MetadataList(version) => meta("PartialObjectMetadataList", version),
    }
}

#[test]
fn the_form_is_the_one_that_the_api_server_takes() {
    let real = Real::start();
    for (place, endpoint, custom, plain) in [
        ("/api", Endpoint::Core, false, ("APIVersions", "")),
        ("/apis", Endpoint::Groups, false, ("APIGroupList", "v1")),
        ("/apis/batch", Endpoint::Group, false, ("APIGroup", "v1")),
        ("/apis/wear.example.com", Endpoint::Group, true, ("APIGroup", "v1")),
        ("/api/v1", Endpoint::Resources, false, ("APIResourceList", "")),
        ("/apis/wear.example.com/v1", Endpoint::Resources, true, ("APIResourceList", "v1")),
        ("/api/v1/namespaces/default", Endpoint::Object, false, ("Namespace", "v1")),
        ("/api/v1/pods", Endpoint::List, false, ("PodList", "v1")),
        ("/apis/wear.example.com/v1/shirts", Endpoint::List, true, ("ShirtList", "wear.example.com/v1")),
    ] {
        let list = endpoint == Endpoint::List;
        for accept in ACCEPTS {
            let answer = real.accepting(place, accept);
            let body = answer.json();
            match negotiate(Some(accept), endpoint, custom) {
                Ok(form) => {
                    let (kind, version) = told(form, plain, list);
                    let context = format!("{accept} of {place}: {}", answer.body);
                    assert_eq!(body["kind"], kind, "{context}");
                    assert_eq!(body["apiVersion"].as_str().unwrap_or_default(), version, "{context}");
                    if list && matches!(form, Form::Metadata(_)) {
                        let plural = place.rsplit('/').next().unwrap();
                        let kind = kinds::all().into_iter().find(|kind| kind.plural == plural).unwrap();
                        assert_eq!(body, mismatch(&kind, true).status(), "{context}");
                    }
                }
                Err(refusal) => {
                    assert_eq!(answer.code, refusal.reason.code(), "{accept} of {place}: {}", answer.body);
                    assert_eq!(body, refusal.status(), "{accept} of {place}");
                }
            }
        }
    }
}

#[test]
fn the_form_of_a_watch_is_the_one_that_the_api_server_takes() {
    let real = Real::start();
    let words =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    for (place, custom) in [("/api/v1/pods", false), ("/apis/wear.example.com/v1/caps", true)] {
        for accept in ACCEPTS {
            // There is a mark behind what there is, if nothing else.
            let selected = format!("{place}?labelSelector=none&{words}");
            match negotiate(Some(accept), Endpoint::Watch, custom) {
                // No event is a list: the API server sends none at all.
                Ok(Form::MetadataList(_)) => {}
                Ok(form) => {
                    let answer = real.accepting(&selected, accept);
                    let first = answer.body.lines().next().unwrap_or_else(|| panic!("{accept} of {place}: {answer:?}"));
                    let event: Value = serde_json::from_str(first).unwrap();
                    let kind = match form {
                        Form::Table(_) => "Table",
                        Form::Metadata(_) => "PartialObjectMetadata",
                        _ if custom => "Cap",
                        _ => "Pod",
                    };
                    assert_eq!(event["object"]["kind"], kind, "{accept} of {place}: {}", answer.body);
                }
                Err(refusal) => {
                    let answer = real.accepting(&selected, accept);
                    assert_eq!(answer.json(), refusal.status(), "{accept} of {place}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_a_table_is_refused_as_by_the_api_server() {
    let real = Real::start();
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let answer = real.accepting("/api/v1/pods?includeObject=Half", table);
    assert_eq!(answer.json(), Include::parse(Some("Half")).unwrap_err().status());
    for (place, plural) in [
        ("/api/v1/namespaces/default", "namespaces"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles/view", "clusterroles"),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/shirts.wear.example.com",
            "customresourcedefinitions",
        ),
    ] {
        let kind = kinds::all().into_iter().find(|kind| kind.plural == plural).unwrap();
        let answer = real.accepting(place, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
        assert_eq!(answer.json(), mismatch(&kind, false).status(), "{place}");
    }
}
