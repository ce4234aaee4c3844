//! `aggregator apply`: objects of manifests become objects of the server, or change those that are there.

use std::time::Duration;

use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::plural::counted;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use super::conflict::conflict;
use super::connection::Connection;
use super::documents::{self, Document};
use super::kind::{Kind, Kinds};
use super::list::{self, Form};
use super::order::rank;
use super::trouble::Trouble;
use crate::args::{ApplyArgs, Global, Output};
use crate::failure::Failure;
use crate::output;

/// Who applies, for the server.
pub(super) const MANAGER: &str = "aggregator";
/// How long the server may take to serve a kind that was defined.
const SERVED: Duration = Duration::from_secs(30);

/// An object, and where it belongs.
struct Placed {
    document: Document,
    kind: Kind,
    /// None for what is in no namespace.
    namespace: Option<String>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    Created,
    Configured,
    Unchanged,
}

impl Became {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

pub(crate) async fn apply(args: ApplyArgs, global: &Global) -> Result<u8, Failure> {
    let documents = documents::read(&args.files)?;
    let connection = Connection::open(&args.at.server, args.at.namespace.as_deref()).await?;
    let mut placed = placed(&connection, documents, args.at.namespace.as_deref()).await?;
    placed.sort_by_key(|it| rank(&it.kind.resource.group, &it.kind.resource.kind));
    let mut params = PatchParams::apply(MANAGER).validation_strict();
    params.dry_run = args.dry_run;
    params.force = args.force_conflicts;
    let (mut results, mut worst) = (Vec::new(), 0_u8);
    for (index, it) in placed.iter().enumerate() {
        let became = match one(&connection, it, &params).await {
            Ok(became) => Ok(became),
            Err(trouble @ Trouble::Away { .. }) => {
                // Nobody is there to take the others.
                tell_left(&placed[index..], global);
                return Err(trouble.into());
            }
            // What it needs comes with it, and was not made either.
            Err(trouble) if args.dry_run && is_among(it, &placed[..index], &trouble) => Ok(Became::Created),
            Err(trouble) => Err(refused(it, trouble)),
        };
        worst = worst.max(became.as_ref().map_or_else(|failure| failure.exit_code, |_| 0));
        match global.output {
            Output::Json => results.push(as_json(it, &became)),
            Output::Table => show(it, &became, args.dry_run, global),
        }
    }
    if global.output == Output::Json {
        output::json(&results)?;
    }
    Ok(worst)
}

/// Finds the kind and the namespace of every object. All that is wrong is told at once.
async fn placed(
    connection: &Connection,
    documents: Vec<Document>,
    given: Option<&str>,
) -> Result<Vec<Placed>, Failure> {
    let mut kinds = Kinds::known();
    for document in documents.iter().filter(|document| document.kind() == "CustomResourceDefinition") {
        kinds.define(&document.object);
    }
    if documents.iter().any(|document| kinds.of(document.api_version(), document.kind()).is_none()) {
        kinds.learn(connection).await?;
    }
    let (mut placed, mut wrong) = (Vec::new(), Vec::new());
    for document in documents {
        match kinds.of(document.api_version(), document.kind()) {
            None => wrong.push(unknown(&document)),
            Some(_) if document.name().is_empty() => wrong.push(nameless(&document)),
            Some(kind) => match namespace(&document, kind, given, &connection.namespace) {
                Ok(namespace) => placed.push(Placed { kind: kind.clone(), namespace, document }),
                Err(diagnostic) => wrong.push(*diagnostic),
            },
        }
    }
    if wrong.is_empty() {
        return Ok(placed);
    }
    let remedy = Some("mend what is listed above; nothing was written".into());
    Err(Failure { remedy, ..Failure::invalid(wrong) })
}

fn unknown(document: &Document) -> Diagnostic {
    let what = format!("the server has no kind `{}` of `{}`", document.kind(), document.api_version());
    Diagnostic::error("UnknownKind", what)
        .help("correct it, or apply the CustomResourceDefinition of the kind first")
        .at(document.place(""))
}

fn nameless(document: &Document) -> Diagnostic {
    let help = "give it a `metadata.name`; `aggregator run NAME` makes a PipelineRun with a name of its own";
    Diagnostic::error("MissingField", "what is applied has a name").help(help).at(document.place("metadata"))
}

/// The namespace of an object: its own, or the one that is meant. A given one overrides none.
fn namespace(
    document: &Document,
    kind: &Kind,
    given: Option<&str>,
    usual: &str,
) -> Result<Option<String>, Box<Diagnostic>> {
    if !kind.namespaced {
        return Ok(None);
    }
    match (document.namespace(), given) {
        ("", _) => Ok(Some(usual.to_owned())),
        (own, Some(given)) if own != given => {
            let what = format!("it belongs to the namespace `{own}`, and --namespace says `{given}`");
            let diagnostic = Diagnostic::error("WrongNamespace", what);
            Err(Box::new(diagnostic.help("leave one of the two out").at(document.place("metadata.namespace"))))
        }
        (own, _) => Ok(Some(own.to_owned())),
    }
}

/// Makes or changes an object.
async fn one(connection: &Connection, it: &Placed, params: &PatchParams) -> Result<Became, Trouble> {
    let (name, namespace) = (it.document.name(), it.namespace.as_deref());
    let before = match list::one(connection, &it.kind, namespace, name, Form::Objects).await {
        Ok(object) => Some(said(object)),
        Err(trouble) if trouble.is_missing() => None,
        Err(trouble) => return Err(trouble),
    };
    let request = it.kind.requests(namespace).patch(name, params, &Patch::Apply(&it.document.object));
    let object: Value = connection.ask(connection.made(request)?).await?;
    if it.kind.is("apiextensions.k8s.io", "CustomResourceDefinition") && !params.dry_run {
        served(connection, name).await?;
    }
    Ok(match before {
        None => Became::Created,
        Some(before) if before == said(object) => Became::Unchanged,
        Some(_) => Became::Configured,
    })
}

/// What an object says, whatever becomes of it meanwhile: its status changes while it is applied.
fn said(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|name, _| !["resourceVersion", "managedFields", "generation"].contains(&name.as_str()));
        }
    }
    object
}

/// Waits until the server serves the kind that a definition defines.
async fn served(connection: &Connection, name: &str) -> Result<(), Trouble> {
    let definitions: Api<CustomResourceDefinition> = Api::all(connection.client.clone());
    let established = await_condition(definitions, name, is_crd_established());
    match tokio::time::timeout(SERVED, established).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::runtime::wait::Error::ProbeFailed(error))) => Err(connection.lost(error)),
        Err(_) => {
            // Its objects are refused next, if there are any.
            output::error_line(&format!("{name} is not served after {} s", SERVED.as_secs()));
            Ok(())
        }
    }
}

/// Whether what an object needs is among those before it: its namespace, or its kind.
fn is_among(it: &Placed, before: &[Placed], trouble: &Trouble) -> bool {
    let missing = trouble.refusal().is_some_and(kube::core::Status::is_not_found);
    missing
        && before.iter().any(|other| match other.document.kind() {
            "Namespace" => it.namespace.as_deref() == Some(other.document.name()),
            "CustomResourceDefinition" => {
                Kind::defined(&other.document.object).iter().any(|kind| kind.resource == it.kind.resource)
            }
            _ => false,
        })
}

/// Why an object was refused, with the place of the field that the server names.
fn refused(it: &Placed, trouble: Trouble) -> Failure {
    let status = trouble.refusal();
    let details = status.and_then(|status| status.details.as_ref());
    let field = details.and_then(|details| details.causes.first()).map_or("", |cause| cause.field.as_str());
    let place = it.document.place(field);
    let homeless = trouble.is_missing() && details.is_some_and(|details| details.kind == "namespaces");
    let conflict = status.and_then(conflict);
    let mut failure = conflict.unwrap_or_else(|| trouble.into());
    if homeless {
        failure.remedy = Some("put a Namespace of that name into the files, or name another one".into());
    }
    Failure { place: Some(Box::new(place)), message: format!("{}: {}", title(it), failure.message), ..failure }
}

fn title(it: &Placed) -> String {
    format!("{}/{}", it.kind.word(), it.document.name())
}

fn show(it: &Placed, became: &Result<Became, Failure>, dry_run: bool, global: &Global) {
    match became {
        Ok(became) => {
            let only = if dry_run { " (dry run)" } else { "" };
            output::line(&format!("{} {}{only}", title(it), became.word()));
        }
        Err(failure) => {
            failure.show(global);
        }
    }
}

fn as_json(it: &Placed, became: &Result<Became, Failure>) -> Value {
    let mut json = json!({"kind": it.kind.resource.kind, "name": it.document.name()});
    if let Some(namespace) = &it.namespace {
        json["namespace"] = namespace.as_str().into();
    }
    match became {
        Ok(became) => json["result"] = became.word().into(),
        Err(failure) => json["error"] = serde_json::to_value(failure).unwrap_or_default(),
    }
    json
}

/// Says what was not come to.
fn tell_left(left: &[Placed], global: &Global) {
    if global.output == Output::Table && left.len() > 1 {
        output::error_line(&format!("{} were not come to, from {} on", counted(left.len(), "object"), title(&left[0])));
    }
}

#[cfg(test)]
mod tests {
    use aggregator_compiler::manifest::ManifestText;

    use super::*;

    fn document(text: &str) -> Document {
        let text = ManifestText { file: "m.yaml".into(), text: text.into() };
        documents::parse(&[text]).expect("an object").remove(0)
    }

    fn connector(namespace: &str) -> Document {
        document(&format!(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: out{namespace}}}\n\
             spec: {{sqlite: {{path: a.sqlite}}}}\n"
        ))
    }

    #[test]
    fn an_object_is_unchanged_whatever_its_status_says() {
        let object = |version: &str, phase: &str, path: &str| {
            json!({
                "metadata": {"name": "a", "resourceVersion": version, "managedFields": [version]},
                "spec": {"path": path}, "status": {"phase": phase},
            })
        };
        assert_eq!(said(object("1", "Pending", "a")), said(object("2", "Ready", "a")));
        assert_ne!(said(object("1", "Ready", "a")), said(object("1", "Ready", "b")));
    }

    #[test]
    fn an_object_is_in_its_own_namespace_or_in_the_one_that_is_meant() {
        let kinds = Kinds::known();
        let (kind, cluster) = (kinds.called("connector").expect("ours"), kinds.called("namespace").expect("known"));
        let (own, none) = (connector(", namespace: shop"), connector(""));
        assert_eq!(namespace(&own, kind, None, "demo"), Ok(Some("shop".into())));
        assert_eq!(namespace(&own, kind, Some("shop"), "shop"), Ok(Some("shop".into())));
        assert_eq!(namespace(&none, kind, None, "demo"), Ok(Some("demo".into())));
        assert_eq!(namespace(&none, cluster, None, "demo"), Ok(None));
        let wrong = namespace(&own, kind, Some("demo"), "demo").expect_err("two namespaces");
        assert_eq!(wrong.message, "it belongs to the namespace `shop`, and --namespace says `demo`");
        assert_eq!(wrong.place.map(|place| place.line), Some(3));
    }
}
