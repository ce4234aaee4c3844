//! The demo: a few objects to look at, in a namespace of their own.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::apply::{Applier, ApplyError};

/// Where the demo lives. A cluster that has this namespace is left as it is.
pub(super) const NAMESPACE: &str = "demo";

/// On its namespace, until all of it is there.
const UNFINISHED: &str = "aggregator.dev/unfinished";

/// Puts the demo there, whose result goes to a folder, unless it is there already. What was interrupted is gone on with.
pub(super) async fn sow(client: Client, folder: &Path) -> Result<(), ApplyError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let there = namespaces.get_opt(NAMESPACE).await?;
    if there.is_some_and(|namespace| !namespace.annotations().contains_key(UNFINISHED)) {
        return Ok(());
    }
    let mut applier = Applier::new(client, None).await?;
    let begun = namespace(json!({UNFINISHED: "true"}));
    for object in [begun].into_iter().chain(demo(folder)).chain([namespace(json!({}))]) {
        let named = applier.named(&object).await?;
        applier.apply(&named, &object).await?;
    }
    Ok(())
}

/// Where the demo lives, with annotations.
fn namespace(annotations: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "annotations": annotations}})
}

/// The demo: made-up orders become a list of what each country has paid, every 30 seconds.
fn demo(folder: &Path) -> Vec<Value> {
    let ours = |kind: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": aggregator_crds::API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        })
    };
    vec![
        ours(
            "Connector",
            "shop",
            json!({
                "description": "Orders, made up from a seed: the same ones each time",
                "generator": {"seed": 42, "streams": [{"name": "orders", "rows": 1000, "columns": [
                    {"name": "id", "sequence": {"start": 1}},
                    {"name": "country", "choice": {"values": ["DE", "FR", "SE"]}},
                    {"name": "quantity", "integer": {"min": 1, "max": 9}},
                    {"name": "price", "number": {"min": 1, "max": 500}},
                    {"name": "paid", "boolean": {}},
                ]}]},
            }),
        ),
        ours(
            "Connector",
            "reports",
            json!({
                "description": "Lists for people",
                "file": {"root": folder.display().to_string(), "format": {"csv": {}}},
            }),
        ),
        ours(
            "Pipeline",
            "turnover",
            json!({
                "description": "What each country has paid",
                "sources": [{"name": "orders", "connector": "shop", "stream": "orders"}],
                "transforms": [
                    {"name": "paid_orders", "from": ["orders"], "filter": {"where": "paid"}},
                    {"name": "by_country", "from": ["paid_orders"], "aggregate": {
                        "groupBy": ["country"],
                        "measures": [
                            {"name": "orders", "expression": "count(*)"},
                            {"name": "turnover", "expression": "round(sum(quantity * price), 2)"},
                        ],
                    }},
                ],
                "sinks": [{
                    "name": "list", "from": "by_country", "connector": "reports", "stream": "turnover.csv",
                    "write": {"mode": "Overwrite"},
                }],
                "quality": [{"name": "every-country-pays", "node": "by_country", "expression": "count(*) = 3"}],
            }),
        ),
        ours(
            "Schedule",
            "turnover",
            json!({
                "description": "Twice a minute, so that nobody who looks on has to wait",
                "pipelineRef": {"name": "turnover"},
                "interval": {"every": "30s"},
                "concurrencyPolicy": "Forbid",
                "successfulRunsHistoryLimit": 5,
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aggregator_compiler::compile::lint;
    use aggregator_compiler::manifest::{ManifestText, Manifests};
    use aggregator_crds::Schedule;
    use aggregator_embedded_kube::cluster::{Cluster, Options};
    use kube::api::DeleteParams;

    use super::super::{objects, users};
    use super::*;

    #[test]
    fn the_demo_has_no_mistake() {
        let texts: Vec<ManifestText> = demo(Path::new("/srv/demo"))
            .into_iter()
            .enumerate()
            .map(|(number, object)| ManifestText { file: format!("{number}.json"), text: object.to_string() })
            .collect();
        let (manifests, mut diagnostics) = Manifests::parse(&texts);
        diagnostics.extend(lint(&manifests, &BTreeMap::new()));
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(manifests.pipelines().count(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_demo_that_is_half_there_is_completed_and_a_whole_one_left_alone() {
        let objects = objects::objects().expect("objects");
        let options = Options { port: Some(0), objects, controllers: false, ..Options::default() };
        let cluster = Box::pin(Cluster::start(options)).await.expect("a cluster");
        let client = Client::new(cluster.service(users::owner()), "default");
        let mut applier = Applier::new(client.clone(), None).await.expect("the kinds");
        let begun = namespace(json!({UNFINISHED: "true"}));
        let named = applier.named(&begun).await.expect("a Namespace");
        applier.apply(&named, &begun).await.expect("it is new");

        sow(client.clone(), Path::new("/srv/demo")).await.expect("the demo");
        let schedules: Api<Schedule> = Api::namespaced(client.clone(), NAMESPACE);
        let schedule = schedules.get("turnover").await.expect("the last of it");
        assert_eq!(schedule.spec.pipeline_ref.name, "turnover");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        assert!(namespaces.get(NAMESPACE).await.expect("it is there").annotations().is_empty());

        // Whoever deletes a part of it wants it to be gone.
        schedules.delete("turnover", &DeleteParams::default()).await.expect("it goes");
        sow(client, Path::new("/srv/demo")).await.expect("the demo");
        assert!(schedules.get_opt("turnover").await.expect("an answer").is_none());
        Box::pin(cluster.stop()).await.expect("it ends");
    }
}
