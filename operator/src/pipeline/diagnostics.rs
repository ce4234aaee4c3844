//! What the compiler says of a Pipeline, as its status tells it.

use aggregator_compiler::diagnostic::{Diagnostic, DiagnosticSeverity as Severity};
use aggregator_crds::Pipeline;
use aggregator_crds::pipeline::{DiagnosticSeverity, PipelineDiagnostic};
use kube::ResourceExt;

use super::checks::Found;
use crate::news::short;
use crate::run::Unresolved;

/// The most diagnostics that are told.
const MOST: usize = 20;
/// The most bytes of what one says, of the name of its object, and of its path: users' text may be quoted in them.
const TEXT: usize = 1000;
const OBJECT: usize = 600;
const PATH: usize = 400;

/// What the compiler says of a Pipeline; nothing, when something is missing that it needs to say anything.
pub(super) fn told(pipeline: &Pipeline, found: &Found) -> Vec<PipelineDiagnostic> {
    let all = match found {
        Ok(warnings) => warnings,
        Err(Unresolved::Invalid(diagnostics) | Unresolved::SchemaMismatch(diagnostics)) => diagnostics,
        Err(_) => return Vec::new(),
    };
    let own = format!("Pipeline {}/{}", pipeline.namespace().unwrap_or_default(), pipeline.name_any());
    few(all).map(|diagnostic| as_told(diagnostic, &own)).collect()
}

/// As many as are told, in their order: of more, the errors first.
fn few(all: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    let mut errors = MOST;
    let mut warnings = MOST.saturating_sub(all.iter().filter(|diagnostic| diagnostic.is_error()).count());
    all.iter().filter(move |diagnostic| {
        let room = if diagnostic.is_error() { &mut errors } else { &mut warnings };
        let has = *room > 0;
        *room = room.saturating_sub(1);
        has
    })
}

fn as_told(diagnostic: &Diagnostic, own: &str) -> PipelineDiagnostic {
    let place = diagnostic.place.as_ref();
    let path = place.map(|place| place.path.as_str()).filter(|path| !path.is_empty());
    PipelineDiagnostic {
        severity: match diagnostic.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
        },
        code: diagnostic.code.to_owned(),
        object: place.filter(|place| place.object != own).map(|place| short(&place.object, OBJECT)),
        path: path.map(|path| short(path, PATH)),
        message: short(&diagnostic.message, TEXT),
        help: diagnostic.help.as_ref().map(|help| short(help, TEXT)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use aggregator_compiler::catalogue::{Catalogue, Catalogues};
    use aggregator_compiler::compile::lint;
    use aggregator_compiler::manifest::{ManifestText, Manifests};
    use aggregator_crds::Connector;
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::object;
    use crate::run::{self, Around};
    use crate::settings::Settings;

    fn manifest(kind: &str, name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": kind,
            "metadata": {"name": name, "namespace": "demo"}, "spec": spec,
        })
    }

    /// The Connectors that the Pipelines name.
    fn connectors() -> Vec<Value> {
        vec![
            manifest("Connector", "files", &json!({"file": {"root": "/data/files", "format": {"csv": {}}}})),
            manifest(
                "Connector",
                "shop",
                &json!({"postgres": {"host": "db", "database": "shop", "username": "reader"}}),
            ),
        ]
    }

    /// What was found at the shop.
    fn found() -> Catalogues {
        let columns = json!([{"name": "id", "type": "Int64", "nullable": false}]);
        let found: Catalogue = object(json!({"streams": [{"name": "public.orders", "columns": columns}]}));
        [("shop".to_owned(), found)].into_iter().collect()
    }

    /// What a Pipeline's status tells.
    fn status(pipeline: &Value, catalogues: &Catalogues) -> Vec<PipelineDiagnostic> {
        let pipeline: Pipeline = object(pipeline.clone());
        let connectors: Vec<Arc<Connector>> =
            connectors().into_iter().map(|connector| Arc::new(object(connector))).collect();
        let settings = Settings::of_tests();
        let around = Around { namespace: "demo", connectors: &connectors, transformations: &[], settings: &settings };
        told(&pipeline, &run::check(&around, "move", &pipeline.spec, catalogues))
    }

    /// What `aggregator lint` prints for the same objects, as `--output json` has it.
    fn linted(pipeline: &Value, catalogues: &Catalogues) -> Vec<Value> {
        let objects = std::iter::once(pipeline.clone()).chain(connectors());
        let files: Vec<ManifestText> = objects
            .enumerate()
            .map(|(number, object)| ManifestText {
                file: format!("{number}.yaml"),
                text: serde_saphyr::to_string(&object).expect("YAML"),
            })
            .collect();
        let (manifests, mut diagnostics) = Manifests::parse(&files);
        let found = catalogues.iter().map(|(name, found)| (("demo".to_owned(), name.clone()), found.clone()));
        diagnostics.extend(lint(&manifests, &found.collect::<BTreeMap<_, _>>()));
        diagnostics.iter().map(|diagnostic| serde_json::to_value(diagnostic).expect("JSON")).collect()
    }

    #[test]
    fn the_status_tells_what_lint_prints() {
        let sink = |from: &str| json!([{"name": "kept", "from": from, "connector": "files", "stream": "out/"}]);
        let files = json!([
            {"name": "rows", "connector": "files", "stream": "*.csv"},
            {"name": "spare", "connector": "files", "stream": "spare.csv"},
        ]);
        let orders = json!([{"name": "orders", "connector": "shop", "stream": "public.orders"}]);
        let paid = json!([{"name": "paid", "from": ["orders"], "filter": {"where": "paid"}}]);
        let cases = [
            (json!({"sources": files, "sinks": sink("rows")}), Catalogues::new(), vec!["Warning"; 3]),
            (
                json!({"sources": files, "sinks": sink("row")}),
                Catalogues::new(),
                vec!["Warning", "Warning", "Warning", "Warning", "Error"],
            ),
            (json!({"sources": orders, "transforms": paid, "sinks": sink("paid")}), found(), vec!["Error"]),
            (json!({"sources": orders, "sinks": sink("orders")}), found(), Vec::new()),
        ];
        for (spec, catalogues, severities) in cases {
            let pipeline = manifest("Pipeline", "move", &spec);
            let told = serde_json::to_value(status(&pipeline, &catalogues)).expect("JSON");
            let told = told.as_array().expect("a list");
            let words = |told: &Value| ["severity", "code", "message", "help"].map(|field| told[field].clone());
            let linted = linted(&pipeline, &catalogues);
            let prints: Vec<_> = linted.iter().map(|it| (words(it), it["place"]["path"].clone())).collect();
            let says: Vec<_> = told.iter().map(|it| (words(it), it["path"].clone())).collect();
            assert_eq!(says, prints, "{spec}");
            let found: Vec<&str> = told.iter().filter_map(|it| it["severity"].as_str()).collect();
            assert_eq!(found, severities, "{spec}");
        }
    }

    #[test]
    fn of_many_the_errors_are_told_and_no_text_is_too_long() {
        let pipeline: Pipeline = object(manifest(
            "Pipeline",
            "move",
            &json!({"sources": [{"name": "rows", "connector": "files", "stream": "*.csv"}],
                    "sinks": [{"name": "kept", "from": "rows", "connector": "files", "stream": "out/"}]}),
        ));
        let of = |warnings: usize, errors: usize| {
            let warnings = (0..warnings).map(|_| Diagnostic::warning("UnusedNode", "ö".repeat(5000)));
            let errors = (0..errors).map(|_| Diagnostic::error("UnknownInput", "no such node").help("x".repeat(5000)));
            let told = told(&pipeline, &Err(Unresolved::Invalid(warnings.chain(errors).collect())));
            let severe = told.iter().filter(|it| it.severity == DiagnosticSeverity::Error).count();
            assert!(
                told.iter().all(|it| it.message.len() <= TEXT && it.help.as_ref().is_none_or(|it| it.len() <= TEXT))
            );
            (told.len() - severe, severe)
        };
        assert_eq!([of(30, 3), of(30, 30), of(2, 3)], [(17, 3), (0, 20), (2, 3)]);
        assert_eq!(told(&pipeline, &Err(Unresolved::ConnectorMissing("files".into()))), []);
    }
}
