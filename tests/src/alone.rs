//! Tests that have a process of their own: what it takes, no other test has taken.

use std::process::Command;

/// Set in such a process.
const ALONE: &str = "AGGREGATOR_ALONE";

/// Whether the test of that name has a process of its own; if not, it is run in one.
///
/// # Panics
/// When it fails there.
#[must_use]
pub fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test]).env(ALONE, "yes").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
    false
}
