//! Generated code, executed: SQL by DataFusion, Python by pandas and Polars. It gives the engine's rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use aggregator_compiler::codegen::{Target, codegen};
use aggregator_compiler::manifest::{Located, ManifestText, Manifests};
use aggregator_compiler::{compile_transformation, types};
use aggregator_crds::Transformation;
use aggregator_crds::transformation::TestCase;
use aggregator_tests::{folder, python};
use aggregator_worker::run::{Resources, run_step};
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use arrow::json::ReaderBuilder;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;

fn project() -> PathBuf {
    folder::workspace()
}

fn transformations() -> Vec<Located<Transformation>> {
    let folder = project().join("compiler/tests/codegen");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the folder of cases").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    paths.sort();
    let texts: Vec<ManifestText> = paths
        .iter()
        .map(|path| ManifestText {
            file: path.display().to_string(),
            text: std::fs::read_to_string(path).expect("a case"),
        })
        .collect();
    let (manifests, diagnostics) = Manifests::parse(&texts);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    manifests.transformations().cloned().collect()
}

/// The rows of a case; columns without a given type are text.
fn rows(case: &TestCase) -> RecordBatch {
    let fields: Vec<Field> = case.rows[0]
        .0
        .keys()
        .map(|name| {
            let data_type =
                case.types.get(name).map_or(DataType::Utf8, |written| types::parse(written).expect(written));
            Field::new(name, data_type, true)
        })
        .collect();
    let mut decoder = ReaderBuilder::new(Arc::new(Schema::new(fields))).build_decoder().expect("a decoder");
    decoder.serialize(&case.rows.iter().map(|row| &row.0).collect::<Vec<_>>()).expect("rows of their types");
    decoder.flush().expect("rows").expect("at least one row")
}

/// Rows as text, with the engine's types; columns in the engine's order.
fn shown(batches: &[RecordBatch], schema: &SchemaRef, ordered: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let wanted: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, wanted, "the columns");
        let columns: Vec<_> = std::iter::zip(batch.columns(), schema.fields())
            .map(|(column, field)| cast(column, field.data_type()).expect("a column of the engine's type"))
            .collect();
        let options = FormatOptions::default().with_null("∅");
        let formatters: Vec<_> =
            columns.iter().map(|column| ArrayFormatter::try_new(column, &options).expect("a formatter")).collect();
        for row in 0..batch.num_rows() {
            let cells = std::iter::zip(&names, &formatters).map(|(name, cell)| format!("{name}={}", cell.value(row)));
            lines.push(cells.collect::<Vec<_>>().join(" | "));
        }
    }
    if !ordered {
        lines.sort();
    }
    lines
}

async fn by_sql(code: &str, input: &RecordBatch, params: Vec<(String, ScalarValue)>) -> Vec<RecordBatch> {
    let context = SessionContext::new();
    context.register_batch("input", input.clone()).expect("a table");
    let frame = context.sql(code).await.expect(code);
    let frame = if params.is_empty() { frame } else { frame.with_param_values(params).expect("parameters") };
    frame.collect().await.expect(code)
}

fn by_python(code: &str, input: &RecordBatch, library: &str, params: &str) -> Vec<RecordBatch> {
    let folder = tempfile::tempdir().expect("a folder");
    let [module, rows, result] = ["generated.py", "rows.arrow", "result.arrow"].map(|name| folder.path().join(name));
    std::fs::write(&module, code).expect("a module");
    let mut writer = FileWriter::try_new(File::create(&rows).expect("a file"), &input.schema()).expect("a writer");
    writer.write(input).and_then(|()| writer.finish()).expect("rows");
    let run = Command::new(python::interpreter())
        .arg(project().join("worker/tests/codegen/run.py"))
        .args([&module, &rows, &result])
        .args([library, params])
        .output()
        .expect("python");
    assert!(run.status.success(), "{code}\n{library}: {}", String::from_utf8_lossy(&run.stderr));
    let reader = FileReader::try_new(File::open(&result).expect("a result"), None).expect("an Arrow file");
    reader.collect::<Result<_, _>>().expect("batches")
}

/// The cells in which a row differs.
fn difference(name: &str, library: &str, engine: &str, row: &str) -> String {
    let cells = std::iter::zip(engine.split(" | "), row.split(" | ")).filter(|(engine, row)| engine != row);
    let cells: Vec<String> = cells.map(|(engine, row)| format!("engine {engine}, {library} {row}")).collect();
    format!("{name}: {}\n  in {engine}", cells.join("; "))
}

#[tokio::test]
async fn sql_pandas_and_polars_give_the_rows_of_the_engine() {
    let (mut compared, mut failures) = (BTreeMap::new(), Vec::new());
    for located in transformations() {
        for case in &located.object.spec.tests {
            let name = format!("{}: {}", located.name, case.name);
            let input = rows(case);
            let step = compile_transformation(&located, &input.schema(), &case.params).expect(&name);
            let came = run_step(&step.plan, input.clone(), &Resources::of_this_machine()).await.expect(&name);
            let ordered = matches!(located.object.spec.step, aggregator_crds::transformation::Step::Mapping(_));
            let engine = shown(&came.batches, &step.schema, ordered);
            assert!(!engine.is_empty(), "{name}");
            let rejected: usize = came.rejects.iter().map(|group| group.rejects.len()).sum();

            // SQL is given every parameter, Python only the ones that a use sets: it knows the defaults.
            let declared = &located.object.spec.params;
            let bound = declared.iter().map(|param| {
                let text = case.params.get(&param.name).or(param.default.as_ref()).expect("a value");
                let data_type = types::parse(&param.data_type).expect("a type");
                let value = ScalarValue::Utf8(Some(text.clone())).cast_to(&data_type).expect("a value of the type");
                (param.name.clone(), value)
            });
            let bound: Vec<(String, ScalarValue)> = bound.collect();
            let given: BTreeMap<&String, (&String, &String)> = case
                .params
                .iter()
                .filter_map(|(name, text)| {
                    declared.iter().find(|param| param.name == *name).map(|it| (name, (&it.data_type, text)))
                })
                .collect();
            let given = serde_json::to_string(&given).expect("JSON");

            let sql = codegen(&located, Target::Sql).expect(&name);
            let mut results = vec![("SQL", by_sql(&sql, &input, bound).await)];
            for (target, library) in [(Target::Pandas, "pandas"), (Target::Polars, "polars")] {
                let code = codegen(&located, target).expect(&name);
                results.push((library, by_python(&code, &input, library, &given)));
            }
            for (library, batches) in results {
                let rows = shown(&batches, &step.schema, ordered);
                if rows.len() != engine.len() {
                    failures.push(format!("{name}, {library}: {} rows, the engine has {}", rows.len(), engine.len()));
                }
                let pairs = std::iter::zip(&engine, &rows).filter(|(engine, rows)| engine != rows);
                failures.extend(pairs.map(|(engine, row)| difference(&name, library, engine, row)));
            }
            compared.insert(name, (engine.len(), rejected));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared.len() >= 9, "{compared:?}");
    assert_eq!(
        compared["clean-flight: spaces, cases, times, rejects"].1, 4,
        "rows that the engine rejects: {compared:?}"
    );
}
