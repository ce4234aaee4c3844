//! `aggregator codegen`.

use aggregator_compiler::codegen::{Target, codegen as write};

use crate::args::{CodegenArgs, Global, Language, Output};
use crate::failure::Failure;
use crate::{manifests, output};

pub(crate) fn codegen(args: &CodegenArgs, global: &Global) -> Result<u8, Failure> {
    let manifests = manifests::load(&args.files)?;
    let all: Vec<_> = manifests.transformations().collect();
    let found: Vec<_> = all
        .iter()
        .filter(|located| {
            args.transformation == located.name
                || args.transformation == format!("{}/{}", located.namespace, located.name)
        })
        .collect();
    let names =
        || all.iter().map(|located| format!("{}/{}", located.namespace, located.name)).collect::<Vec<_>>().join(", ");
    let located = match found.as_slice() {
        [one] => one,
        [] if all.is_empty() => {
            return Err(Failure::usage("the manifests hold no Transformation", "give the file that holds it with -f"));
        }
        [] => {
            let message = format!("there is no Transformation `{}` among the manifests", args.transformation);
            return Err(Failure::usage(message, format!("choose one of {}", names())));
        }
        _ => {
            let message = format!("several namespaces hold a Transformation `{}`", args.transformation);
            return Err(Failure::usage(message, format!("write its namespace too: {}", names())));
        }
    };
    let (target, language) = match args.to {
        Language::Sql => (Target::Sql, "sql"),
        Language::Pandas => (Target::Pandas, "pandas"),
        Language::Polars => (Target::Polars, "polars"),
    };
    let code = write(located, target).map_err(Failure::invalid)?;
    match global.output {
        Output::Table => output::line(code.trim_end()),
        Output::Json => output::json(
            &serde_json::json!({ "namespace": located.namespace, "transformation": located.name, "language": language, "code": code }),
        )?,
    }
    Ok(0)
}
