//! `aggregator delete`: objects go, and what they own goes with them.

use std::time::Duration;

use aggregator_crds::Reason;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::Connection;
use super::documents;
use super::get::missing;
use super::gone::gone;
use super::kind::{Kind, Kinds};
use super::list::{self, Form};
use super::order::rank;
use super::trouble::Trouble;
use super::words::{Wanted, wanted};
use crate::args::{DeleteArgs, Files, Global, Output};
use crate::failure::Failure;
use crate::output;

/// An object that is to go.
#[derive(Debug)]
struct Target {
    kind: Kind,
    namespace: Option<String>,
    name: String,
}

pub(crate) async fn delete(args: DeleteArgs, global: &Global) -> Result<u8, Failure> {
    let connection = Connection::open(&args.at.server, args.at.namespace.as_deref()).await?;
    let targets = if args.files.is_empty() {
        named(&connection, &args).await?
    } else {
        of_files(&connection, Files { files: args.files.clone() }).await?
    };
    // All are asked to go before one is waited for: some hold others back.
    let mut asked = Vec::new();
    for target in targets {
        let answer = ask(&connection, &target).await;
        match answer {
            Err(trouble) if trouble.is_missing() && args.ignore_not_found => {}
            Err(trouble @ Trouble::Away { .. }) => return Err(trouble.into()),
            answer => asked.push((target, answer)),
        }
    }
    let until = Instant::now() + args.timeout;
    let (mut results, mut worst) = (Vec::new(), 0_u8);
    for (target, answer) in asked {
        let done = match answer {
            Ok(uid) if args.wait => wait(&connection, &target, &uid, until, args.timeout).await,
            Ok(_) => Ok(()),
            Err(trouble) if trouble.is_missing() => Err(missing(trouble.into(), &target.kind)),
            Err(trouble) => Err(target.told(trouble.into())),
        };
        worst = worst.max(done.as_ref().map_or_else(|failure| failure.exit_code, |_| 0));
        match (global.output, &done) {
            (Output::Json, done) => results.push(target.json(done)),
            (Output::Table, Ok(())) => output::line(&format!("{} deleted", target.title())),
            (Output::Table, Err(failure)) => {
                failure.show(global);
            }
        }
    }
    if global.output == Output::Json {
        output::json(&results)?;
    }
    Ok(worst)
}

/// The objects that are named, or selected by their labels.
async fn named(connection: &Connection, args: &DeleteArgs) -> Result<Vec<Target>, Failure> {
    let mut kinds = Kinds::known();
    let mut targets = Vec::new();
    for Wanted { kind, mut names } in wanted(&args.objects)? {
        let kind = kinds.meant(connection, &kind).await?;
        let namespace = kind.namespaced.then(|| connection.namespace.clone());
        match (names.is_empty(), &args.selector) {
            (true, None) => {
                let what = format!("nothing says which {} are to go", kind.resource.plural);
                return Err(Failure::usage(what, "name them, or select them by their labels with --selector"));
            }
            (false, Some(_)) => {
                let what = "names and --selector both say what is to go";
                return Err(Failure::usage(what, "leave one of the two out"));
            }
            (true, Some(labels)) => {
                let which = ListParams::default().labels(labels);
                let objects = list::objects(connection, &kind, namespace.as_deref(), &which).await?;
                names
                    .extend(objects.iter().filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned)));
                if names.is_empty() {
                    output::error_line(&format!("there are no {} with these labels", kind.resource.plural));
                }
            }
            (false, None) => {}
        }
        let of = |name| Target { kind: kind.clone(), namespace: namespace.clone(), name };
        targets.extend(names.into_iter().map(of));
    }
    Ok(targets)
}

/// The objects of manifests, the last first: what needs another goes before it.
async fn of_files(connection: &Connection, files: Files) -> Result<Vec<Target>, Failure> {
    let documents = documents::read(&files)?;
    let mut kinds = Kinds::known();
    if documents.iter().any(|document| kinds.of(document.api_version(), document.kind()).is_none()) {
        kinds.learn(connection).await?;
    }
    let mut targets = Vec::new();
    for document in documents {
        let Some(kind) = kinds.of(document.api_version(), document.kind()) else {
            let what = format!("the server has no kind `{}` of `{}`", document.kind(), document.api_version());
            let place = Some(Box::new(document.place("")));
            return Err(Failure { place, ..Failure::usage(what, "take it out of the files; nothing was deleted") });
        };
        let own = Some(document.namespace()).filter(|own| !own.is_empty()).unwrap_or(&connection.namespace);
        let namespace = kind.namespaced.then(|| own.to_owned());
        targets.push(Target { kind: kind.clone(), namespace, name: document.name().to_owned() });
    }
    targets.sort_by_key(|target| std::cmp::Reverse(rank(&target.kind.resource.group, &target.kind.resource.kind)));
    Ok(targets)
}

/// Asks an object to go. Gives its UID.
async fn ask(connection: &Connection, target: &Target) -> Result<String, Trouble> {
    let requests = target.kind.requests(target.namespace.as_deref());
    let request = connection.made(requests.delete(&target.name, &DeleteParams::background()))?;
    let answer: Value = connection.ask(request).await?;
    let uid = answer.pointer("/metadata/uid").or_else(|| answer.pointer("/details/uid"));
    Ok(uid.and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Waits until it is gone.
async fn wait(
    connection: &Connection,
    target: &Target,
    uid: &str,
    until: Instant,
    time: Duration,
) -> Result<(), Failure> {
    let namespace = target.namespace.as_deref();
    let api = target.kind.api(&connection.client, namespace);
    match tokio::time::timeout_at(until, gone(connection, api, &target.name, uid)).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            let object = list::one(connection, &target.kind, namespace, &target.name, Form::Objects).await;
            let held = object.ok().and_then(|object| finalizers(&object)).unwrap_or_default();
            Err(Failure {
                reason: Reason::TimedOut.as_str(),
                message: format!("{} is not gone after {time:?}{held}", target.title()),
                remedy: Some(
                    "it goes on by itself; wait longer with --timeout, or not at all with --wait=false".into(),
                ),
                place: None,
                diagnostics: Vec::new(),
                exit_code: 1,
            })
        }
    }
}

/// Who holds an object back.
fn finalizers(object: &Value) -> Option<String> {
    let names: Vec<&str> =
        object.pointer("/metadata/finalizers")?.as_array()?.iter().filter_map(Value::as_str).collect();
    (!names.is_empty()).then(|| format!(": {} holds it back", names.join(", ")))
}

impl Target {
    fn title(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }

    /// A failure that names it.
    fn told(&self, failure: Failure) -> Failure {
        Failure { message: format!("{}: {}", self.title(), failure.message), ..failure }
    }

    fn json(&self, done: &Result<(), Failure>) -> Value {
        let mut json = json!({"kind": self.kind.resource.kind, "name": self.name});
        if let Some(namespace) = &self.namespace {
            json["namespace"] = namespace.as_str().into();
        }
        match done {
            Ok(()) => json["result"] = "deleted".into(),
            Err(failure) => json["error"] = serde_json::to_value(failure).unwrap_or_default(),
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_an_object_back_is_named() {
        let object = json!({"metadata": {"finalizers": ["kubernetes", "a/b"]}});
        assert_eq!(finalizers(&object).as_deref(), Some(": kubernetes, a/b holds it back"));
        assert_eq!(finalizers(&json!({"metadata": {"finalizers": []}})), None);
        assert_eq!(finalizers(&json!({"metadata": {}})), None);
    }
}
