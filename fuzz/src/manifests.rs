//! Manifests: read, looked over, compiled.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aggregator_compiler::catalogue::{Catalogue, Catalogues};
use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::manifest::{ManifestText, Manifests};
use aggregator_compiler::{CompileInput, compile, lint};

/// The file's name in every diagnostic.
const FILE: &str = "input.yaml";

/// What the Connectors of the compiler's own tests have.
static CATALOGUES: LazyLock<Catalogues> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../compiler/tests/fixture/catalogue.json")).expect("catalogues")
});
static CONNECTORS: &str = include_str!("../../compiler/tests/fixture/connectors.yaml");

/// Whatever the text: every diagnostic says where and what; a Pipeline is compiled exactly when nothing is wrong with it; and what is
/// wrong does not depend on who looks.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(input) else { return "no text" };
    let file = |file: &str, text: &str| ManifestText { file: file.into(), text: text.into() };
    let (manifests, broken) = Manifests::parse(&[file("connectors.yaml", CONNECTORS), file(FILE, text)]);
    let of_demo: BTreeMap<(String, String), Catalogue> =
        CATALOGUES.iter().map(|(name, catalogue)| (("demo".to_owned(), name.clone()), catalogue.clone())).collect();
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    check(&broken, lines);
    let looked = lint(&manifests, &of_demo);
    check(&looked, lines);
    let mut fate = if broken.is_empty() && looked.is_empty() { "nothing to say" } else { "broken" };
    for pipeline in manifests.pipelines() {
        let input = CompileInput {
            manifests: &manifests,
            namespace: &pipeline.namespace,
            pipeline: &pipeline.name,
            catalogues: &CATALOGUES,
            params: &BTreeMap::new(),
        };
        let compilation = compile(&input);
        check(&compilation.diagnostics, lines);
        let wrong = compilation.diagnostics.iter().any(Diagnostic::is_error);
        assert!(!wrong || compilation.pipeline.is_none(), "a Pipeline with mistakes is compiled");
        if let Some(compiled) = &compilation.pipeline {
            let spec = &pipeline.object.spec;
            let nodes = spec.sources.len() + spec.transforms.len() + spec.sinks.len();
            assert_eq!(compiled.nodes.len(), nodes, "a node is lost");
            fate = "compiled";
        }
    }
    fate
}

fn check(diagnostics: &[Diagnostic], lines: usize) {
    for diagnostic in diagnostics {
        assert!(!diagnostic.message.trim().is_empty(), "nothing is said: {diagnostic:?}");
        let Some(place) = &diagnostic.place else { panic!("no place is named: {diagnostic}") };
        assert!(place.line >= 1 && place.column >= 1, "{diagnostic}");
        assert!(place.file != FILE || place.line as usize <= lines, "behind the end: {diagnostic}");
    }
}
