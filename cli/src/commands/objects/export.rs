//! `aggregator export`: what a server holds, as manifests that another one takes.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::ListParams;
use serde_json::{Value, json};

use super::connection::Connection;
use super::exported::exported;
use super::get::missing;
use super::kind::{Kind, Kinds};
use super::list::{self, Form};
use super::order::rank;
use super::trouble::Trouble;
use super::words::{Wanted, wanted};
use super::yaml::yaml;
use crate::args::{ExportArgs, Global, Output};
use crate::failure::Failure;
use crate::output;

/// What makes up a project. Runs and Checkpoints are of one server, and come only when they are asked for.
const PROJECT: [&str; 4] = ["connectors", "transformations", "pipelines", "schedules"];

pub(crate) async fn export(args: ExportArgs, global: &Global) -> Result<u8, Failure> {
    let mut all = wanted(&args.objects)?;
    let whole = all.is_empty();
    if whole {
        all.extend(PROJECT.map(|kind| Wanted { kind: kind.to_owned(), names: Vec::new() }));
    }
    if args.all_namespaces && all.iter().any(|wanted| !wanted.names.is_empty()) {
        return Err(Failure::usage(
            "--all-namespaces is for all objects of a kind",
            "name the namespace with --namespace",
        ));
    }
    let connection = Connection::open(&args.at.server, args.at.namespace.as_deref()).await?;
    let namespace = (!args.all_namespaces).then_some(connection.namespace.as_str());
    let mut kinds = Kinds::known();
    let mut objects = Vec::new();
    for Wanted { kind, names } in all {
        let kind = kinds.meant(&connection, &kind).await?;
        exportable(&kind)?;
        if names.is_empty() {
            objects.extend(list::objects(&connection, &kind, namespace, &ListParams::default()).await?);
        }
        for name in &names {
            let object = list::one(&connection, &kind, namespace, name, Form::Objects).await;
            objects.push(object.map_err(|trouble| missing(trouble.into(), &kind))?);
        }
    }
    let mut manifests: Vec<Value> = objects.into_iter().filter_map(exported).collect();
    if whole {
        let within: BTreeSet<String> = manifests.iter().map(|manifest| text(manifest, "/metadata/namespace")).collect();
        for name in within {
            manifests.extend(namespace_of(&connection, &name).await?);
        }
    }
    manifests.sort_by_key(place);
    if global.output == Output::Json {
        output::json(&json!({"apiVersion": "v1", "kind": "List", "items": manifests}))?;
        return Ok(0);
    }
    if manifests.is_empty() {
        let within = namespace.map(|namespace| format!(" in the namespace {namespace}")).unwrap_or_default();
        output::error_line(&format!("there is nothing to export{within}"));
    }
    write(&manifests)?;
    Ok(0)
}

/// Whether objects of the kind are manifests of somebody.
fn exportable(kind: &Kind) -> Result<(), Failure> {
    if kind.is_ours() || kind.is("", "Namespace") {
        return Ok(());
    }
    let plural = &kind.resource.plural;
    if kind.is("", "Secret") {
        let help = "make them anew on the other server, from where you keep them; `aggregator export` names those that are needed";
        return Err(Failure::usage("Secrets are never exported", help));
    }
    let help = format!("it exports {}, and PipelineRuns, Checkpoints and Namespaces", PROJECT.join(", "));
    Err(Failure::usage(format!("{plural} are not exported"), help))
}

/// The manifest of a namespace; only its name, where more may not be seen.
async fn namespace_of(connection: &Connection, name: &str) -> Result<Option<Value>, Failure> {
    let kinds = Kinds::known();
    let Some(kind) = kinds.of("v1", "Namespace") else { return Ok(None) };
    match list::one(connection, kind, None, name, Form::Objects).await {
        Ok(object) => Ok(exported(object)),
        Err(Trouble::Refused(status)) if matches!(status.code, 403 | 404) => {
            Ok(exported(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})))
        }
        Err(trouble) => Err(trouble.into()),
    }
}

fn text(manifest: &Value, pointer: &str) -> String {
    manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Where a manifest stands among others.
fn place(manifest: &Value) -> (usize, String, String) {
    let api_version = text(manifest, "/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    (rank(group, &text(manifest, "/kind")), text(manifest, "/metadata/namespace"), text(manifest, "/metadata/name"))
}

/// Writes the manifests to standard output, with the Secrets above them that they need.
fn write(manifests: &[Value]) -> Result<(), Failure> {
    for line in secrets(manifests) {
        output::line(&line);
    }
    for (index, manifest) in manifests.iter().enumerate() {
        if index > 0 {
            output::line("---");
        }
        output::line(yaml(manifest)?.trim_end());
    }
    Ok(())
}

/// The Secrets that Connectors name, and their keys, as comments.
fn secrets(manifests: &[Value]) -> Vec<String> {
    let mut secrets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for connector in manifests.iter().filter(|manifest| manifest["kind"] == "Connector") {
        let mut keys = BTreeSet::new();
        keys_in(&connector["spec"], &mut keys);
        if keys.is_empty() {
            continue;
        }
        let usual = || format!("connector-{}", text(connector, "/metadata/name"));
        let name = Some(text(connector, "/spec/secretName")).filter(|name| !name.is_empty()).unwrap_or_else(usual);
        let namespace = text(connector, "/metadata/namespace");
        secrets.entry(format!("{namespace}/{name}")).or_default().extend(keys);
    }
    if secrets.is_empty() {
        return Vec::new();
    }
    let lines = secrets.into_iter().map(|(name, keys)| {
        let keys: Vec<String> = keys.into_iter().collect();
        format!("#   {name}: {}", keys.join(", "))
    });
    let head = "# The Connectors name these Secrets and keys. Secrets are not exported: make them on the other server.";
    std::iter::once(head.to_owned()).chain(lines).collect()
}

/// The keys of a Secret that a spec names, wherever they stand.
fn keys_in(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(key) if name == "secretKey" => {
                        keys.insert(key.clone());
                    }
                    field => keys_in(field, keys),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys_in(item, keys)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(kind: &str, namespace: &str, name: &str) -> Value {
        let api_version = if kind == "Namespace" { "v1" } else { aggregator_crds::API_VERSION };
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}})
    }

    #[test]
    fn manifests_stand_in_an_order_that_works_and_does_not_change() {
        let mut manifests = [
            manifest("Pipeline", "a", "x"),
            manifest("Connector", "b", "x"),
            manifest("Connector", "a", "y"),
            manifest("Connector", "a", "x"),
            manifest("Namespace", "", "b"),
            manifest("Namespace", "", "a"),
        ];
        manifests.sort_by_key(place);
        let shown: Vec<String> = manifests
            .iter()
            .map(|it| {
                format!("{} {}/{}", text(it, "/kind"), text(it, "/metadata/namespace"), text(it, "/metadata/name"))
            })
            .collect();
        let wanted =
            ["Namespace /a", "Namespace /b", "Connector a/x", "Connector a/y", "Connector b/x", "Pipeline a/x"];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn the_secrets_that_connectors_need_are_named() {
        let mut shop = manifest("Connector", "demo", "shop");
        shop["spec"] = json!({"postgres": {"password": {"secretKey": "password"}, "tls": {"ca": {"secretKey": "ca"}}}});
        let mut api = manifest("Connector", "demo", "api");
        api["spec"] = json!({"secretName": "tokens", "http": {"auth": [{"token": {"secretKey": "token"}}]}});
        let mut files = manifest("Connector", "demo", "files");
        files["spec"] = json!({"secretName": "unused", "file": {"root": "x"}});
        let lines = secrets(&[shop, api, files.clone()]);
        assert_eq!(lines[1..], ["#   demo/connector-shop: ca, password", "#   demo/tokens: token"]);
        assert!(secrets(&[files]).is_empty());
    }
}
