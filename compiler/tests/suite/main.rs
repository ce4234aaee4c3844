//! The compiler as its users meet it: manifests and catalogues in, diagnostics and plans out.

#![expect(clippy::panic, reason = "a test has no caller that could handle its failure")]

mod broken;
mod codegen;
mod examples;
mod fixture;
mod params;
mod plans;
mod sandbox;
