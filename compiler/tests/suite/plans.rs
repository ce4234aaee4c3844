//! Each operation's plan, schema and lineage.

use std::fmt::Write as _;

use aggregator_compiler::graph::{CompiledPipeline, NodeKind};
use aggregator_compiler::types;

use aggregator_tests::golden::golden;

use crate::fixture::{compile_text, files, show};

#[test]
fn every_operation_has_its_plan() {
    let mut differences = Vec::new();
    for file in files("plans", "yaml") {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a manifest");
        let compilation = compile_text(&text, &name, &[]);
        assert!(
            compilation.diagnostics.iter().all(|found| !found.is_error()),
            "{name}: {}",
            show(&compilation.diagnostics)
        );
        let pipeline = compilation.pipeline.unwrap_or_else(|| panic!("{name}: {}", show(&compilation.diagnostics)));
        differences.extend(golden(&file.with_extension("txt"), &describe(&pipeline)));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn describe(pipeline: &CompiledPipeline) -> String {
    let mut text = String::new();
    for node in &pipeline.nodes {
        match &node.kind {
            NodeKind::Source(_) => continue,
            NodeKind::Transform(transform) => {
                writeln!(text, "{}: {} ({:?})", node.name, transform.operation, transform.grain).expect("text grows");
                writeln!(text, "{}", transform.plan.display_indent()).expect("text grows");
            }
            NodeKind::Sink(sink) => {
                writeln!(text, "{}: {:?} key {:?}", node.name, sink.mode, sink.key).expect("text grows")
            }
        }
        for field in node.schema.fields() {
            let origins: Vec<String> =
                node.lineage[field.name()].iter().map(|origin| format!("{}.{}", origin.node, origin.column)).collect();
            let kind = types::name(field.data_type());
            let null = if field.is_nullable() { "" } else { " not null" };
            writeln!(text, "  {}: {kind}{null} ← {}", field.name(), origins.join(", ")).expect("text grows");
        }
    }
    for check in &pipeline.quality {
        let sides = check.sides.join(" and ");
        writeln!(text, "quality {} of {} compares {sides}:", check.name, check.node).expect("text grows");
        writeln!(text, "{}", check.plan.display_indent()).expect("text grows");
    }
    text
}
