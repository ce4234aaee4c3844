//! `aggregator plan`.

use std::sync::Arc;

use aggregator_worker::checkpoint::LocalStore;
use aggregator_worker::run::{PipelinePlan, PlannedSink, PlannedSource, plan as plan_pipeline};

use crate::args::{Global, Output, PlanArgs};
use crate::failure::Failure;
use crate::{manifests, output};

pub(crate) async fn plan(args: PlanArgs, global: &Global) -> Result<u8, Failure> {
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, name) = manifests::select(&manifests, &args.selection)?;
    let secrets = manifests::secrets(args.selection.secrets)?;
    let params = manifests::params(args.selection.params)?;
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
        let PlannedSource { node, stream, connector, sync, .. } = source;
        output::hanging("  read   ", &format!("{node} from {stream} of {connector} ({sync:?}{from})"));
        output::hanging(BELOW, &columns(&source.columns));
    }
    for transform in &plan.transforms {
        let from = transform.from.join(", ");
        output::hanging("  make   ", &format!("{} by {} of {from}", transform.node, transform.operation));
        output::hanging(BELOW, &columns(&transform.columns));
    }
    for sink in &plan.sinks {
        let key = if sink.key.is_empty() { String::new() } else { format!(" by {}", sink.key.join(", ")) };
        let PlannedSink { node, stream, connector, mode, .. } = sink;
        output::hanging("  write  ", &format!("{node} to {stream} of {connector} ({mode}{key})"));
        output::hanging(BELOW, &columns(&sink.columns));
        for change in &sink.changes {
            output::hanging("         - ", &change.action);
            if let Some(statement) = &change.statement {
                output::hanging("           ", statement);
            }
        }
    }
}

/// What stands before the columns of a node.
const BELOW: &str = "         ";

fn columns(columns: &[aggregator_compiler::catalogue::Column]) -> String {
    let shown: Vec<String> = columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect();
    shown.join(", ")
}
