//! `aggregator functions`.

use aggregator_compiler::functions::{Description, describe, descriptions};

use crate::args::{FunctionsArgs, Global, Output};
use crate::failure::Failure;
use crate::output;

pub(crate) fn functions(args: &FunctionsArgs, global: &Global) -> Result<u8, Failure> {
    match &args.name {
        None => list(global),
        Some(name) => explain(name, global),
    }
}

fn list(global: &Global) -> Result<u8, Failure> {
    let all = descriptions();
    match global.output {
        Output::Json => output::json(&all)?,
        Output::Table => {
            let mut table = output::table(["FUNCTION", "CATEGORY", "WHAT IT GIVES"]);
            for function in &all {
                let summary: String = function.summary.lines().next().unwrap_or_default().chars().take(90).collect();
                table.add_row([function.name.as_str(), function.category.as_str(), summary.trim_end()]);
            }
            output::show(&table);
            output::line("\nOne of them in full: aggregator functions NAME");
        }
    }
    Ok(0)
}

fn explain(name: &str, global: &Global) -> Result<u8, Failure> {
    let function = describe(name).ok_or_else(|| {
        let all = descriptions();
        let near: Vec<&str> = all
            .iter()
            .map(|function| function.name.as_str())
            .filter(|known| known.contains(name) || name.contains(known))
            .take(5)
            .collect();
        let remedy = if near.is_empty() {
            "list them all with `aggregator functions`".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        Failure::usage(format!("there is no function `{name}`"), remedy)
    })?;
    match global.output {
        Output::Json => output::json(&function)?,
        Output::Table => show(&function),
    }
    Ok(0)
}

fn show(function: &Description) {
    output::line(&function.signature);
    output::line(&format!("\n{}", function.summary));
    if !function.arguments.is_empty() {
        output::line("");
    }
    for argument in &function.arguments {
        output::line(&format!("  {}: {}", argument.name, argument.description));
    }
    if let Some(bad) = &function.bad_input {
        output::line(&format!("\nBad input: {bad}"));
    }
    for example in &function.examples {
        output::line(&format!("\n{example}"));
    }
    if !function.aliases.is_empty() {
        output::line(&format!("\nAlso called {}", function.aliases.join(", ")));
    }
}
