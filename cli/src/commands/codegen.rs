//! `aggregator codegen`.

use crate::args::CodegenArgs;
use crate::failure::Failure;

pub(crate) fn codegen(_: &CodegenArgs) -> Result<u8, Failure> {
    Err(Failure::usage("not there", ""))
}
