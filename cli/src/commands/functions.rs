//! `aggregator functions`.

use aggregator_compiler::functions::{Description, describe, descriptions, nearest};

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
        Output::Table => show_all(&all),
    }
    Ok(0)
}

fn explain(name: &str, global: &Global) -> Result<u8, Failure> {
    let function = describe(name).ok_or_else(|| {
        let remedy = match nearest(name) {
            Some(near) => format!("did you mean `{near}`? `aggregator functions` lists them all"),
            None => "list them all with `aggregator functions`".to_owned(),
        };
        Failure::usage(format!("there is no function `{name}`"), remedy)
    })?;
    match global.output {
        Output::Json => output::json(&function)?,
        Output::Table => show(&function),
    }
    Ok(0)
}

/// A line for each function, below the name of its shelf.
fn show_all(all: &[Description]) {
    let mut shelves: Vec<(&str, Vec<&Description>)> = Vec::new();
    for function in all {
        match shelves.iter_mut().find(|(shelf, _)| *shelf == function.category) {
            Some((_, functions)) => functions.push(function),
            None => shelves.push((&function.category, vec![function])),
        }
    }
    for (shelf, functions) in shelves {
        output::line(shelf);
        let widest = functions.iter().map(|function| function.name.chars().count()).max().unwrap_or(0);
        for function in functions {
            let summary = function.summary.lines().next().unwrap_or_default();
            output::fitting("  ", &format!("{:widest$}  {summary}", function.name));
        }
        output::line("");
    }
    output::line("One of them in full: aggregator functions NAME");
}

fn show(function: &Description) {
    output::paragraph(&function.signature);
    output::line("");
    output::paragraph(&function.summary);
    if !function.arguments.is_empty() {
        output::line("");
    }
    for argument in &function.arguments {
        output::hanging(&format!("  {}: ", argument.name), &argument.description);
    }
    if let Some(bad) = &function.bad_input {
        output::line("");
        output::hanging("Bad input: ", bad);
    }
    for (index, example) in function.examples.iter().enumerate() {
        // Sessions have lines of their own, and each stands apart; expressions stand below each other.
        if index == 0 || example.contains('\n') {
            output::line("");
        }
        output::line(example.trim());
    }
    if !function.aliases.is_empty() {
        output::line("");
        output::hanging("Also called ", &function.aliases.join(", "));
    }
}
