//! `aggregator completions`.

use clap::CommandFactory;

use crate::args::{Arguments, CompletionsArgs};
use crate::failure::Failure;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<u8, Failure> {
    clap_complete::generate(args.shell, &mut Arguments::command(), "aggregator", &mut std::io::stdout());
    Ok(0)
}
