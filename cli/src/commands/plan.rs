//! `aggregator plan`.

use std::sync::Arc;

use aggregator_worker::checkpoint::LocalStore;
use aggregator_worker::run::{PipelinePlan, SecretSource, plan as plan_pipeline};

use crate::args::{Global, Output, PlanArgs};
use crate::failure::Failure;
use crate::{manifests, output};

pub(crate) async fn plan(args: PlanArgs, global: &Global) -> Result<u8, Failure> {
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, name) = manifests::select(&manifests, &args.selection)?;
    let secrets = SecretSource { folder: args.selection.secrets };
    let params = args.selection.params.into_iter().collect();
    let store = LocalStore::new(&args.state.state);
    let planned = plan_pipeline(&manifests, &namespace, &name, &params, &secrets, &store).await?;
    match global.output {
        Output::Json => output::json(&planned)?,
        Output::Table => show(&planned),
    }
    Ok(0)
}

fn show(plan: &PipelinePlan) {
    for warning in &plan.warnings {
        output::error_line(&warning.to_string());
    }
    output::line(&format!("A run of {} would", plan.pipeline));
    for source in &plan.sources {
        let from = match &source.from {
            Some(position) => format!(", going on from its checkpoint ({})", position.kind),
            None => String::new(),
        };
        output::line(&format!(
            "  read   {} from {} of {} ({:?}{from}): {}",
            source.node,
            source.stream,
            source.connector,
            source.sync,
            columns(&source.columns)
        ));
    }
    for transform in &plan.transforms {
        output::line(&format!(
            "  make   {} by {} of {}: {}",
            transform.node,
            transform.operation,
            transform.from.join(", "),
            columns(&transform.columns)
        ));
    }
    for sink in &plan.sinks {
        let key = if sink.key.is_empty() { String::new() } else { format!(" by {}", sink.key.join(", ")) };
        output::line(&format!(
            "  write  {} to {} of {} ({:?}{key}): {}",
            sink.node,
            sink.stream,
            sink.connector,
            sink.mode,
            columns(&sink.columns)
        ));
        for change in &sink.changes {
            output::line(&format!("         - {}", change.action));
            for text in change.statement.iter().flat_map(|statement| statement.lines()) {
                output::line(&format!("             {text}"));
            }
        }
    }
}

fn columns(columns: &[aggregator_compiler::catalogue::Column]) -> String {
    let shown: Vec<String> = columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect();
    shown.join(", ")
}
