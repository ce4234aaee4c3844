//! The examples, exactly as users write them, are without errors.

use std::collections::BTreeMap;

use aggregator_compiler::lint;
use aggregator_compiler::manifest::{ManifestText, Manifests};

use crate::fixture::{files, show};

#[test]
fn the_examples_lint_without_errors() {
    let texts: Vec<ManifestText> = files("../../config/examples", "yaml")
        .into_iter()
        .map(|file| ManifestText {
            file: file.file_name().expect("a name").to_string_lossy().into_owned(),
            text: std::fs::read_to_string(&file).expect("an example"),
        })
        .collect();
    assert_eq!(texts.len(), 3);
    let (manifests, mut diagnostics) = Manifests::parse(&texts);
    assert_eq!(manifests.pipelines().count(), 2);
    assert_eq!(manifests.connectors().count(), 4);
    assert_eq!(manifests.transformations().count(), 1);
    assert_eq!(manifests.schedules().count(), 1);
    assert_eq!(manifests.runs().count(), 1);
    diagnostics.extend(lint(&manifests, &BTreeMap::new()));
    let errors: Vec<_> = diagnostics.iter().filter(|found| found.is_error()).cloned().collect();
    assert!(errors.is_empty(), "{}", show(&errors));
    let unknown = diagnostics.iter().filter(|found| found.code == "SchemaUnknown").count();
    assert_eq!(unknown, 4, "one for each source:\n{}", show(&diagnostics));
}
