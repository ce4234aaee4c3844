//! The compiler as its users meet it: manifests and catalogues in, diagnostics and plans out.

mod broken;
mod codegen;
mod examples;
mod fixture;
mod params;
mod plans;
mod sandbox;
