//! Connectors and a catalogue that the tests share.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use aggregator_compiler::catalogue::{Catalogue, Catalogues};
use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::manifest::{ManifestText, Manifests};
use aggregator_compiler::{Compilation, CompileInput, compile};
use aggregator_tests::folder;

fn folder_of(name: &str) -> PathBuf {
    folder::package().join("tests").join(name)
}

pub(crate) fn catalogues() -> Catalogues {
    let text = std::fs::read_to_string(folder_of("fixture/catalogue.json")).expect("the catalogue");
    serde_json::from_str(&text).expect("a catalogue")
}

pub(crate) fn catalogues_of_demo() -> BTreeMap<(String, String), Catalogue> {
    catalogues().into_iter().map(|(name, catalogue)| (("demo".to_owned(), name), catalogue)).collect()
}

/// The manifests of a test, after the shared ones.
pub(crate) fn parse(file: &str, text: &str) -> (Manifests, Vec<Diagnostic>) {
    let shared = std::fs::read_to_string(folder_of("fixture/connectors.yaml")).expect("the connectors");
    let files = [("connectors.yaml", shared.as_str()), (file, text)];
    Manifests::parse(&files.map(|(file, text)| ManifestText { file: file.into(), text: text.into() }))
}

/// The files of a folder that end so, in order.
pub(crate) fn files(name: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder_of(name)).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == ending));
    files.sort();
    files
}

pub(crate) fn show(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().fold(String::new(), |mut text, diagnostic| {
        writeln!(text, "{diagnostic}").expect("text grows");
        text
    })
}

/// Compiles the only Pipeline of a text, `demo/<name>`.
pub(crate) fn compile_text(text: &str, name: &str, params: &[(&str, &str)]) -> Compilation {
    let (manifests, diagnostics) = parse("test.yaml", text);
    assert!(diagnostics.is_empty(), "{}", show(&diagnostics));
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let catalogues = catalogues();
    compile(&CompileInput {
        manifests: &manifests,
        namespace: "demo",
        pipeline: name,
        catalogues: &catalogues,
        params: &params,
    })
}

/// A Pipeline `demo/test` with one `sql` node over `flights`.
pub(crate) fn sql_pipeline(query: &str) -> String {
    let query = serde_json::Value::String(query.to_owned());
    format!(
        "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: test, namespace: demo}}\nspec:\n  params: [{{name: least, type: Int32, default: \"3\"}}, {{name: code, type: Utf8, default: X}}]\n  sources:\n    - {{name: flights, connector: db, stream: public.flights}}\n  transforms:\n    - name: node\n      from: [flights]\n      sql: {{query: {query}}}\n  sinks:\n    - {{name: out, from: node, connector: lake, stream: out/}}\n"
    )
}
