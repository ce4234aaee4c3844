//! The demo: a few objects to look at, in a namespace of their own.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::apply::{Applier, ApplyError};

/// Where the demo lives. A cluster that has this namespace is left as it is.
pub(super) const NAMESPACE: &str = "demo";

/// Puts the demo there, whose result goes to a folder, unless it is there already.
pub(super) async fn sow(client: Client, folder: &Path) -> Result<(), ApplyError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(NAMESPACE).await?.is_some() {
        return Ok(());
    }
    let mut applier = Applier::new(client, None).await?;
    for object in demo(folder) {
        let named = applier.named(&object).await?;
        applier.apply(&named, &object).await?;
    }
    Ok(())
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
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
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
}
