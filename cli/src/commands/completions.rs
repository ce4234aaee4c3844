//! `aggregator completions`.

use clap::CommandFactory;

use crate::args::{Arguments, CompletionsArgs};
use crate::failure::Failure;
use crate::output;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "aggregator", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(0)
}
