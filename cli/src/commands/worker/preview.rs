//! `aggregator worker preview`: the first rows of a node, or of every sink, kept in a ConfigMap of their PipelineRun.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::plural::counted;
use aggregator_crds::Reason;
use aggregator_crds::run::{AttemptOutcome, AttemptResult, LedgerVerdict, PREVIEW, PREVIEW_BYTES, RunTotals};
use aggregator_operator::{labels, names};
use aggregator_worker::cluster::keep;
use aggregator_worker::run::{PreviewRequest, Resources, preview as preview_node};
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::super::preview::as_json;
use super::super::run::cancel_on_signals;
use super::{client, owner};
use crate::args::WorkerPreviewArgs;
use crate::failure::Failure;
use crate::manifests;
use crate::telemetry::Telemetry;

/// Keeps the rows, and says how that ended.
pub(super) async fn preview(args: WorkerPreviewArgs, telemetry: &Telemetry) -> Result<u8, Failure> {
    telemetry.say("run", &args.run);
    telemetry.say("run_uid", &args.run_uid);
    telemetry.of_run(&args.run_uid, None);
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, pipeline) = manifests::select(&manifests, &args.selection)?;
    telemetry.say("namespace", &namespace);
    telemetry.say("pipeline", &pipeline);
    let sinks = || {
        let located = manifests.pipeline(&namespace, &pipeline);
        located.map(|located| located.object.spec.sinks.iter().map(|sink| sink.name.clone()).collect())
    };
    let nodes: Vec<String> = args.node.map(|node| vec![node]).or_else(sinks).unwrap_or_default();
    let params: BTreeMap<String, String> = manifests::params(args.selection.params)?;
    let cancel = cancel_on_signals()?;
    let (mut shown, mut rejected) = (Vec::new(), 0);
    for node in nodes {
        let request = PreviewRequest {
            manifests: Arc::clone(&manifests),
            namespace: namespace.clone(),
            pipeline: pipeline.clone(),
            params: params.clone(),
            secrets: manifests::secrets(args.selection.secrets.clone())?,
            resources: Resources::of_this_machine(),
            node,
            limit: args.limit,
        };
        let Some(found) = cancel.run_until_cancelled(preview_node(&request)).await else { return Ok(130) };
        let found = found?;
        rejected += found.rejects.total;
        shown.push(as_json(&request.node, &found)?);
    }
    let (text, rows) = fitting(shown);
    let name = args.keep_as;
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: Some(namespace),
        labels: Some(labels::labels([(labels::RUN, &args.run), (labels::PIPELINE, &names::label(&pipeline))])),
        ..ObjectMeta::default()
    };
    let owner = owner("PipelineRun", &args.run, args.run_uid);
    keep(&client().await?, metadata, owner, PREVIEW, text).await.map_err(|error| {
        Failure::usage(
            format!("the rows cannot be kept in the ConfigMap `{name}`: {error}"),
            "look whether the worker's ServiceAccount may create and patch ConfigMaps",
        )
    })?;
    let outcome = AttemptOutcome {
        reason: Some(Reason::Previewed.to_string()),
        message: Some(format!("{} in the ConfigMap {name}; nothing was written", counted(rows, "row"))),
        totals: RunTotals { read: 0, written: 0, rejected },
        // Nothing was moved, so nothing is missing.
        ledger: LedgerVerdict { balanced: true, mismatches: Vec::new() },
        ..AttemptOutcome::new(AttemptResult::Succeeded)
    };
    std::fs::write(args.termination_log, outcome.termination_message())?;
    Ok(0)
}

/// As many rows of each node as a ConfigMap has room for, as text, and how many these are. What does not fit is left out
/// from the longest list, and said.
fn fitting(mut nodes: Vec<Value>) -> (String, u64) {
    loop {
        let text = json!({"nodes": nodes}).to_string();
        let count = |node: &Value| node["rows"].as_array().map_or(0, Vec::len);
        let longest = nodes.iter_mut().max_by_key(|node| node["rows"].to_string().len());
        match longest {
            Some(node) if text.len() > PREVIEW_BYTES && count(node) > 0 => {
                let keep = count(node) / 2;
                if let Some(rows) = node["rows"].as_array_mut() {
                    rows.truncate(keep);
                }
                node["truncated"] = true.into();
            }
            _ => return (text, nodes.iter().map(|node| count(node) as u64).sum()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_left_out_until_they_fit() {
        let node =
            |name: &str, rows: usize| json!({"node": name, "rows": vec![json!({"text": "x".repeat(100)}); rows]});
        let small = vec![node("a", 3), node("b", 2)];
        assert_eq!(fitting(small.clone()), (json!({"nodes": small}).to_string(), 5));
        let (text, rows) = fitting(vec![node("many", 10_000), node("few", 7)]);
        assert!(text.len() <= PREVIEW_BYTES);
        let kept: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&kept["nodes"][0]["truncated"], &kept["nodes"][1]["truncated"]), (&true.into(), &Value::Null));
        assert_eq!(kept["nodes"][1]["rows"].as_array().map(Vec::len), Some(7));
        assert_eq!(kept["nodes"][0]["rows"].as_array().map(Vec::len), Some(2500));
        assert_eq!(rows, 2507);
        let huge = json!({"node": "huge", "rows": [{"text": "x".repeat(1_000_000)}]});
        assert_eq!(fitting(vec![huge]).1, 0);
    }
}
