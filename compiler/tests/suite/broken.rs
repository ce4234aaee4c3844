//! Broken manifests, each with the message that tells the fix.

use aggregator_compiler::lint;

use aggregator_tests::golden::golden;

use crate::fixture::{catalogues_of_demo, files, parse, show};

#[test]
fn every_broken_manifest_is_told_how_to_be_mended() {
    let (mut differences, mut count) = (Vec::new(), 0);
    for file in files("broken", "yaml") {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a manifest");
        let (manifests, mut diagnostics) = parse(&name, &text);
        diagnostics.extend(lint(&manifests, &catalogues_of_demo()));
        assert!(!diagnostics.is_empty(), "{name} is broken, and nothing was said");
        for diagnostic in &diagnostics {
            let place = diagnostic.place.as_ref().unwrap_or_else(|| panic!("{name}: no place: {diagnostic}"));
            assert_eq!(place.file, name, "{diagnostic}");
            assert!(!diagnostic.to_string().contains("hunter2"), "{name} shows a secret: {diagnostic}");
        }
        differences.extend(golden(&file.with_extension("txt"), &show(&diagnostics)));
        count += 1;
    }
    assert!(count >= 20, "only {count} broken manifests");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
