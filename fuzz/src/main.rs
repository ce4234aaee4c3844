//! Makes inputs up for the target that the variable `TARGET` names. Built for fuzzing only: see `scripts/fuzz`.
#![no_main]

use std::sync::LazyLock;

use aggregator_fuzz::{Target, target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").expect("the variable TARGET names a target");
    target(&name).unwrap_or_else(|| panic!("there is no target `{name}`"))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (TARGET.run)(input);
});
