//! `aggregator connectors`.

use std::sync::Arc;

use aggregator_compiler::catalogue::Catalogue;
use aggregator_compiler::compile::violations;
use aggregator_compiler::diagnostic::{Diagnostic, Place};
use aggregator_worker::connector::ConnectorError;
use aggregator_worker::connectors;
use aggregator_worker::run::Places;

use crate::args::{ConnectorsArgs, ConnectorsCommand, Global, Output, ReachArgs};
use crate::failure::Failure;
use crate::{manifests, output};

pub(crate) async fn connectors(args: ConnectorsArgs, global: &Global) -> Result<u8, Failure> {
    match args.command {
        ConnectorsCommand::List => list(global),
        ConnectorsCommand::Schema { connector_type } => schema(&connector_type, global),
        ConnectorsCommand::Check(args) => check(args, global).await,
        ConnectorsCommand::Discover(args) => discover(args, global).await,
    }
}

fn list(global: &Global) -> Result<u8, Failure> {
    match global.output {
        Output::Json => {
            let all: Vec<serde_json::Value> = connectors::all()
                .iter()
                .map(|info| serde_json::json!({ "type": info.key, "summary": info.summary, "source": true, "sink": info.sink }))
                .collect();
            output::json(&all)?;
        }
        Output::Table => {
            let mut table = output::table(["TYPE", "SOURCE", "SINK", "WHAT IT IS"]);
            for info in connectors::all() {
                table.add_row([info.key, "yes", if info.sink { "yes" } else { "no" }, info.summary]);
            }
            output::show(&table);
        }
    }
    Ok(0)
}

fn schema(key: &str, global: &Global) -> Result<u8, Failure> {
    let Some(schema) = aggregator_crds::connector_schema(key) else {
        let known: Vec<&str> = connectors::all().iter().map(|info| info.key).collect();
        return Err(Failure::usage(
            format!("there is no connector type `{key}`"),
            format!("choose one of {}", known.join(", ")),
        ));
    };
    match global.output {
        Output::Json => output::json(&schema)?,
        Output::Table => {
            let mut table = output::table(["FIELD", "TYPE", "REQUIRED", "WHAT IT IS"]);
            fields("", &schema, &mut table);
            output::show(&table);
        }
    }
    Ok(0)
}

/// A row for each field of a JSON Schema, nested ones with their path.
fn fields(prefix: &str, schema: &serde_json::Value, table: &mut comfy_table::Table) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let description = text(&field["description"]).replace('\n', " ");
        table.add_row([
            path.clone(),
            text(&field["type"]),
            if required.contains(&name.as_str()) { "yes".to_owned() } else { String::new() },
            description,
        ]);
        fields(&format!("{path}."), field, table);
        fields(&format!("{path}[]."), &field["items"], table);
    }
}

/// The Connectors that are meant, by namespace and name; none is reached when one of them cannot stand.
fn meant(
    args: &ReachArgs,
    manifests: &aggregator_compiler::manifest::Manifests,
) -> Result<Vec<(String, String)>, Failure> {
    let all: Vec<(String, String)> =
        manifests.connectors().map(|located| (located.namespace.clone(), located.name.clone())).collect();
    let meant: Vec<(String, String)> =
        all.iter().filter(|(_, name)| args.connector.as_ref().is_none_or(|wanted| wanted == name)).cloned().collect();
    if let (true, Some(wanted)) = (meant.is_empty() && !all.is_empty(), &args.connector) {
        let known: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
        return Err(Failure::usage(
            format!("there is no Connector `{wanted}` among the manifests"),
            format!("choose one of {}", known.join(", ")),
        ));
    }
    if meant.is_empty() {
        return Err(Failure::usage("the manifests hold no Connector", "give the file that holds it with -f"));
    }
    let invalid: Vec<Diagnostic> = manifests
        .connectors()
        .filter(|located| args.connector.as_ref().is_none_or(|wanted| *wanted == located.name))
        .flat_map(violations)
        .collect();
    if invalid.is_empty() { Ok(meant) } else { Err(Failure::invalid(invalid)) }
}

async fn check(args: ReachArgs, global: &Global) -> Result<u8, Failure> {
    let secrets = manifests::secrets(args.secrets.clone())?;
    let manifests = Arc::new(manifests::load(&args.files)?);
    let mut results = Vec::new();
    let mut worst = 0;
    for (namespace, name) in meant(&args, &manifests)? {
        let places = Places::new(Arc::clone(&manifests), &namespace, secrets.clone());
        let checked = match places.connector(&name) {
            Ok(connector) => connector.check().await,
            Err(error) => Err(error),
        };
        if let Err(error) = &checked {
            worst = worst.max(Failure::from(error.clone()).exit_code);
        }
        results.push((format!("{namespace}/{name}"), checked));
    }
    match global.output {
        Output::Json => {
            let all: Vec<serde_json::Value> = results
                .iter()
                .map(|(name, checked)| match checked {
                    Ok(report) => serde_json::json!({ "connector": name, "ok": true, "report": report }),
                    Err(error) => {
                        serde_json::json!({ "connector": name, "ok": false, "error": Failure::from(error.clone()) })
                    }
                })
                .collect();
            output::json(&all)?;
        }
        Output::Table => {
            for (name, checked) in &results {
                match checked {
                    Ok(report) => {
                        output::line(&format!("✓ {name}: {} ({} ms)", report.message, report.latency.as_millis()))
                    }
                    Err(error) => output::line(&failed(name, error)),
                }
            }
        }
    }
    Ok(worst)
}

fn failed(name: &str, error: &ConnectorError) -> String {
    let place = error.place.as_deref().map(|place| {
        let Place { file, object, path, line, column } = place;
        format!("\n  at {file}:{line}:{column}: {object} {path}")
    });
    let help = error.remedy.as_ref().map(|remedy| format!("\n  help: {remedy}")).unwrap_or_default();
    format!("✗ {name}: {error}{}{help}", place.unwrap_or_default())
}

async fn discover(args: ReachArgs, global: &Global) -> Result<u8, Failure> {
    let secrets = manifests::secrets(args.secrets.clone())?;
    let manifests = Arc::new(manifests::load(&args.files)?);
    let meant = meant(&args, &manifests)?;
    let mut worst = 0;
    let mut found = Vec::new();
    for (namespace, name) in &meant {
        let places = Places::new(Arc::clone(&manifests), namespace, secrets.clone());
        let catalogue = match places.connector(name) {
            Ok(connector) => connector.discover().await,
            Err(error) => Err(error),
        };
        if let Err(error) = &catalogue {
            if meant.len() == 1 {
                return Err(error.clone().into());
            }
            // One that cannot be reached does not hide the others.
            worst = worst.max(Failure::from(error.clone()).exit_code);
        }
        found.push((format!("{namespace}/{name}"), catalogue));
    }
    match (global.output, found.as_slice()) {
        // One Connector's catalogue is written bare, as `lint --catalogue` reads it.
        (Output::Json, [(_, Ok(catalogue))]) => output::json(catalogue)?,
        (Output::Json, all) => {
            let all: Vec<serde_json::Value> = all
                .iter()
                .map(|(name, catalogue)| match catalogue {
                    Ok(catalogue) => {
                        serde_json::json!({ "connector": name, "ok": true, "streams": catalogue.streams })
                    }
                    Err(error) => {
                        serde_json::json!({ "connector": name, "ok": false, "error": Failure::from(error.clone()) })
                    }
                })
                .collect();
            output::json(&all)?;
        }
        (Output::Table, all) => {
            for (name, catalogue) in all {
                if let Err(error) = catalogue {
                    output::error_line(&failed(name, error));
                }
            }
            show_streams(all);
        }
    }
    Ok(worst)
}

fn show_streams(all: &[(String, Result<Catalogue, ConnectorError>)]) {
    let mut table = output::table(["CONNECTOR", "STREAM", "COLUMN", "TYPE", "NULLABLE", "KEY"]);
    for (connector, catalogue) in all {
        for stream in catalogue.iter().flat_map(|catalogue| &catalogue.streams) {
            for column in &stream.columns {
                let key = stream.primary_key.contains(&column.name);
                table.add_row([
                    connector.as_str(),
                    &stream.name,
                    &column.name,
                    &column.data_type,
                    if column.nullable { "yes" } else { "no" },
                    if key { "yes" } else { "" },
                ]);
            }
        }
    }
    output::show(&table);
}
