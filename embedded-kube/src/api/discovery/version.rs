//! `/version`.

use serde_json::{Value, json};

/// What version is served: `git` as `v1.37.2`, of which clients read the first two numbers, and may add what it likes behind
/// a plus sign.
#[must_use]
pub fn version(git: &str) -> Value {
    let mut numbers = git.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let platform = format!("{}/{}", std::env::consts::OS, architecture());
    json!({
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": minor,
        "gitVersion": git,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": platform,
    })
}

/// As Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_find_the_two_numbers() {
        let version = version("v1.37.2+embedded");
        assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("37")));
        assert_eq!(version["gitVersion"], "v1.37.2+embedded");
    }
}
