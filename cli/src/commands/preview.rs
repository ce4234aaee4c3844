//! `aggregator preview`, and `aggregator run --mode Preview`.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::manifest::Manifests;
use aggregator_compiler::plural::counted;
use aggregator_worker::run::{Preview, PreviewRequest, Resources, preview as preview_node};

use crate::args::{Global, Output, PreviewArgs, RunArgs};
use crate::failure::Failure;
use crate::{manifests, output};

pub(crate) async fn preview(args: PreviewArgs, global: &Global) -> Result<u8, Failure> {
    let manifests = Arc::new(manifests::load(&args.selection.files)?);
    let (namespace, pipeline) = manifests::select(&manifests, &args.selection)?;
    let request = PreviewRequest {
        manifests,
        namespace,
        pipeline,
        params: manifests::params(args.selection.params)?,
        secrets: manifests::secrets(args.selection.secrets)?,
        resources: Resources::of_this_machine(),
        node: args.node,
        limit: args.limit,
    };
    let shown = preview_node(&request).await?;
    match global.output {
        Output::Json => output::json(&as_json(&request.node, &shown)?)?,
        Output::Table => show(&shown)?,
    }
    Ok(0)
}

/// The first rows of every sink.
pub(super) async fn sinks(
    manifests: &Arc<Manifests>,
    namespace: &str,
    pipeline: &str,
    args: &RunArgs,
    global: &Global,
) -> Result<u8, Failure> {
    let names: Vec<String> = manifests
        .pipeline(namespace, pipeline)
        .map(|located| located.object.spec.sinks.iter().map(|sink| sink.name.clone()).collect())
        .unwrap_or_default();
    let mut all = BTreeMap::new();
    for node in names {
        let request = PreviewRequest {
            manifests: Arc::clone(manifests),
            namespace: namespace.to_owned(),
            pipeline: pipeline.to_owned(),
            params: args.selection.params.iter().cloned().collect(),
            secrets: manifests::secrets(args.selection.secrets.clone())?,
            resources: Resources::of_this_machine(),
            node,
            limit: 20,
        };
        let shown = preview_node(&request).await?;
        match global.output {
            Output::Json => {
                all.insert(request.node.clone(), as_json(&request.node, &shown)?);
            }
            Output::Table => {
                output::line(&format!("{}:", request.node));
                show(&shown)?;
            }
        }
    }
    if global.output == Output::Json {
        output::json(&all)?;
    }
    Ok(0)
}

pub(super) fn as_json(node: &str, preview: &Preview) -> Result<serde_json::Value, Failure> {
    let columns = aggregator_compiler::catalogue::Stream::from_schema(node, &preview.schema).columns;
    Ok(serde_json::json!({
        "node": node,
        "columns": columns,
        "rows": output::rows_json(&preview.batches)?,
        "rejects": preview.rejects,
    }))
}

fn show(preview: &Preview) -> Result<(), Failure> {
    output::show(&output::rows_table(&preview.schema, &preview.batches)?);
    if preview.rejects.total > 0 {
        output::error_line(&format!("{} rejected on the way", counted(output::count(preview.rejects.total), "row")));
    }
    Ok(())
}
