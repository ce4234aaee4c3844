//! `aggregator lint`: every mistake at once, offline.

use std::collections::BTreeMap;

use aggregator_compiler::plural::counted;

use aggregator_compiler::catalogue::Catalogue;
use aggregator_compiler::compile::lint as compile_lint;
use aggregator_compiler::diagnostic::{Diagnostic, DiagnosticSeverity};
use aggregator_compiler::manifest::Manifests;

use crate::args::{Global, LintArgs, Output};
use crate::failure::Failure;
use crate::{manifests, output};

pub(crate) fn lint(args: &LintArgs, global: &Global) -> Result<u8, Failure> {
    let texts = manifests::read(&args.files)?;
    let (parsed, mut diagnostics) = Manifests::parse(&texts);
    if parsed.is_empty() && !diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Failure::usage(
            "none of the objects is of a kind that is checked here",
            "give a Connector, a Pipeline, a Transformation, a Schedule, a PipelineRun or a Checkpoint with -f",
        ));
    }
    diagnostics.extend(compile_lint(&parsed, &catalogues(args, &parsed)?));
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == DiagnosticSeverity::Error).count();
    match global.output {
        Output::Json => output::json(&serde_json::json!({
            "files": texts.len(),
            "errors": errors,
            "warnings": diagnostics.len() - errors,
            "diagnostics": diagnostics,
        }))?,
        Output::Table => show(&diagnostics, errors, texts.len()),
    }
    Ok(if errors > 0 { 2 } else { 0 })
}

fn show(diagnostics: &[Diagnostic], errors: usize, files: usize) {
    for diagnostic in diagnostics {
        output::line(&format!("{diagnostic}\n"));
    }
    let warnings = diagnostics.len() - errors;
    output::line(&format!(
        "{} checked: {}, {}",
        counted(files, "file"),
        counted(errors, "error"),
        counted(warnings, "warning")
    ));
}

/// The catalogues given on the command line, for each namespace that has such a Connector.
fn catalogues(args: &LintArgs, parsed: &Manifests) -> Result<BTreeMap<(String, String), Catalogue>, Failure> {
    let mut catalogues = BTreeMap::new();
    for (connector, file) in &args.catalogues {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("cannot read {file}: {error}"), "check the path given with --catalogue")
        })?;
        let catalogue: Catalogue = serde_json::from_str(&text).map_err(|error| {
            Failure::usage(
                format!("{file} is not a catalogue: {error}"),
                "write it with `aggregator connectors discover --connector NAME --output json`",
            )
        })?;
        if !parsed.connectors().any(|located| located.name == *connector) {
            let names: Vec<&str> = parsed.connectors().map(|located| located.name.as_str()).collect();
            return Err(Failure::usage(
                format!("--catalogue names a Connector `{connector}`, which is not among the manifests"),
                format!("choose one of {}", names.join(", ")),
            ));
        }
        for located in parsed.connectors().filter(|located| located.name == *connector) {
            catalogues.insert((located.namespace.clone(), connector.clone()), catalogue.clone());
        }
    }
    Ok(catalogues)
}
