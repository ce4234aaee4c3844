//! `aggregator run NAME`: a run of a Pipeline on a server, and what comes of it.

use aggregator_compiler::plural::counted;
use aggregator_crds::run::{PipelineRevisionRef, RunMode};
use aggregator_crds::{Pipeline, PipelineRun, PipelineRunSpec, Reason};
use aggregator_operator::{labels, names};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use serde_json::{Value, json};

use super::apply::MANAGER;
use super::connection::Connection;
use super::trouble::exit_code;
use super::{ending, ledger};
use crate::args::{Global, Mode, Output, RunArgs};
use crate::failure::Failure;
use crate::manifests;
use crate::output::{self, count};

/// The most characters of the name of a run that stand before those that the server makes up.
const LONGEST: usize = 57;

pub(crate) async fn run(pipeline: &str, args: RunArgs, global: &Global) -> Result<u8, Failure> {
    let connection = Connection::open(&args.server, args.selection.namespace.as_deref()).await?;
    check(&connection, pipeline).await?;
    let mode = mode(args.mode);
    let spec = PipelineRunSpec {
        pipeline_ref: PipelineRevisionRef { name: pipeline.to_owned(), revision: None },
        mode,
        params: manifests::params(args.selection.params)?,
        backfill: args.backfill,
        preview: None,
        cancel: None,
    };
    let runs: Api<PipelineRun> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    let made = connection.within(runs.create(&params, &new(pipeline, spec))).await?;
    if !args.wait {
        match global.output {
            Output::Json => output::json(&shown(&made)?)?,
            Output::Table => output::line(&format!("pipelinerun/{} created", made.name_any())),
        }
        return Ok(0);
    }
    if global.output == Output::Table {
        output::error_line(&format!("pipelinerun/{} created", made.name_any()));
    }
    let ended = ending::of(&connection, runs, &made, global).await?;
    let failure = failure(&ended);
    let code = failure.as_ref().map_or(0, |failure| failure.exit_code);
    let previewed = code == 0 && mode == RunMode::Preview;
    let rows = if previewed { preview(&connection, &ended).await? } else { Vec::new() };
    match (global.output, failure) {
        (Output::Json, _) if previewed => {
            output::json(&rows.into_iter().map(|node| (text(&node["node"]), node)).collect::<serde_json::Map<_, _>>())?;
        }
        (Output::Json, _) => output::json(&shown(&ended)?)?,
        (Output::Table, None) if previewed => rows.iter().for_each(show_rows),
        (Output::Table, failure) => {
            if ledger::show(&ended.status.clone().unwrap_or_default()) {
                output::line("");
            }
            output::paragraph(&summary(pipeline, &ended));
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
    }
    Ok(code)
}

/// Whether there is such a Pipeline: the operator would say so, a moment later.
async fn check(connection: &Connection, pipeline: &str) -> Result<(), Failure> {
    let pipelines: Api<Pipeline> = Api::namespaced(connection.client.clone(), &connection.namespace);
    match connection.within(pipelines.get_metadata(pipeline)).await {
        Ok(_) => Ok(()),
        Err(trouble) if trouble.is_missing() => {
            let all = connection.within(pipelines.list_metadata(&ListParams::default())).await?;
            let names: Vec<String> = all.items.iter().map(ResourceExt::name_any).collect();
            let help = match names.as_slice() {
                [] => "there is none in it; apply one with `aggregator apply -f`, or name another with --namespace"
                    .to_owned(),
                names => format!("choose one of {}", names.join(", ")),
            };
            let message = format!("there is no Pipeline `{pipeline}` in the namespace `{}`", connection.namespace);
            Err(Failure::usage(message, help))
        }
        // Who may start a run need not see Pipelines.
        Err(trouble) if trouble.refusal().is_some_and(|status| status.code == 403) => Ok(()),
        Err(trouble) => Err(trouble.into()),
    }
}

fn mode(mode: Mode) -> RunMode {
    match mode {
        Mode::Full => RunMode::Full,
        Mode::Incremental => RunMode::Incremental,
        Mode::DryRun => RunMode::DryRun,
        Mode::Preview => RunMode::Preview,
    }
}

/// A run whose name the server makes up.
fn new(pipeline: &str, spec: PipelineRunSpec) -> PipelineRun {
    let prefix: String = pipeline.chars().take(LONGEST).collect();
    PipelineRun {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", prefix.trim_end_matches(['-', '.']))),
            labels: Some([(labels::PIPELINE.to_owned(), names::label(pipeline))].into()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

/// A run as `aggregator get -o json` shows it.
fn shown(run: &PipelineRun) -> Result<Value, Failure> {
    Ok(super::get::bare(serde_json::to_value(run).map_err(std::io::Error::from)?))
}

/// Why a run did not succeed, if it did not.
fn failure(run: &PipelineRun) -> Option<Failure> {
    let condition = ending::succeeded(run)?;
    if condition.status == aggregator_crds::ConditionStatus::True {
        return None;
    }
    // A word of a newer release is a failure like others.
    let reason = Reason::of(&condition.reason).unwrap_or(Reason::WorkerFailed);
    Some(Failure {
        reason: reason.as_str(),
        message: condition.message.clone(),
        remedy: Some(reason.remedy()).filter(|remedy| *remedy != "nothing").map(str::to_owned),
        place: None,
        diagnostics: Vec::new(),
        exit_code: exit_code(reason),
    })
}

/// How a run has ended, in a sentence.
fn summary(pipeline: &str, run: &PipelineRun) -> String {
    let status = run.status.clone().unwrap_or_default();
    let phase = status.phase.map_or_else(|| "has ended".to_owned(), |phase| format!("{phase:?}").to_lowercase());
    let took = status.cost.and_then(|cost| cost.duration).map(|took| format!(" in {took}")).unwrap_or_default();
    let totals = status.totals.unwrap_or_default();
    let read = counted(count(totals.read), "row");
    let moved = format!("{read} read, {} written, {} rejected", count(totals.written), count(totals.rejected));
    let ledger = match status.ledger.map(|ledger| ledger.balanced) {
        Some(true) => ", the ledger is balanced",
        Some(false) => ", the ledger is not balanced",
        None => "",
    };
    let attempt = status.attempt.map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
    let (namespace, name) = (run.namespace().unwrap_or_default(), run.name_any());
    format!("{namespace}/{pipeline} {phase} ({:?}{attempt}, run {name}): {moved}{took}{ledger}", run.spec.mode)
}

/// The rows of each node that a run has shown.
async fn preview(connection: &Connection, run: &PipelineRun) -> Result<Vec<Value>, Failure> {
    let maps: Api<ConfigMap> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let map = connection.within(maps.get(&format!("{}-preview", run.name_any()))).await?;
    let kept = map.data.unwrap_or_default().remove(aggregator_crds::run::PREVIEW).unwrap_or_default();
    let mut kept: Value = serde_json::from_str(&kept).unwrap_or_default();
    match kept["nodes"].take() {
        Value::Array(nodes) => Ok(nodes),
        _ => Err(Failure::usage("the rows of the preview cannot be read", "see that the server is of this version")),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Shows the rows of a node.
fn show_rows(node: &Value) {
    output::line(&format!("{}:", text(&node["node"])));
    let columns: Vec<String> =
        node["columns"].as_array().into_iter().flatten().map(|column| text(&column["name"])).collect();
    let mut table = output::table(columns.clone());
    for row in node["rows"].as_array().into_iter().flatten() {
        table.add_row(columns.iter().map(|column| cell(&row[column])));
    }
    output::show(&table);
    if node["truncated"] == json!(true) {
        output::error_line("there were more rows than are kept");
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "∅".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(status: Value) -> PipelineRun {
        serde_json::from_value(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": "orders-x", "namespace": "demo"}, "spec": {"pipelineRef": {"name": "orders"}},
            "status": status,
        }))
        .expect("a run")
    }

    fn ended(holds: &str, reason: &str) -> PipelineRun {
        run(json!({"conditions": [{"type": "Succeeded", "status": holds, "reason": reason, "message": "so it is"}]}))
    }

    #[test]
    fn a_run_ends_with_the_exit_code_of_its_reason() {
        for (reason, code) in [
            ("QualityRuleBroken", 4),
            ("RejectBudgetExceeded", 4),
            ("Unreachable", 3),
            ("Invalid", 2),
            ("PipelineIsDraft", 2),
            ("Cancelled", 130),
            ("OutOfMemory", 1),
            ("Unheard", 1),
        ] {
            let failure = failure(&ended("False", reason)).expect("it failed");
            assert_eq!((failure.exit_code, failure.message.as_str()), (code, "so it is"), "{reason}");
        }
        assert!(failure(&ended("True", "LedgerBalanced")).is_none());
    }

    #[test]
    fn a_sentence_says_how_it_ended() {
        let run = run(json!({
            "phase": "Succeeded", "attempt": 2, "totals": {"read": 7, "written": 3, "rejected": 1},
            "ledger": {"balanced": true}, "cost": {"duration": "4s"},
        }));
        assert_eq!(
            summary("orders", &run),
            "demo/orders succeeded (Incremental, attempt 2, run orders-x): 7 rows read, 3 written, 1 rejected in 4s, \
             the ledger is balanced"
        );
    }

    #[test]
    fn the_server_makes_up_the_rest_of_the_name() {
        let spec = ended("True", "Valid").spec;
        let made = new("orders", spec.clone());
        assert_eq!(made.metadata.generate_name.as_deref(), Some("orders-"));
        assert_eq!(made.labels().get(labels::PIPELINE).map(String::as_str), Some("orders"));
        let long = new(&format!("{}-{}", "x".repeat(56), "y".repeat(20)), spec);
        assert_eq!(long.metadata.generate_name, Some(format!("{}-", "x".repeat(56))));
    }
}
