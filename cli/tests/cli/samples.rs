//! The manifests in `config/` are right.

use aggregator_tests::folder;
use serde_json::Value;

use crate::aggregator::Place;

fn lint(path: &str) -> Value {
    Place::new().json(&format!("lint -f {}", folder::workspace().join(path).display()))
}

#[test]
fn examples_have_no_errors_and_samples_no_warnings_of_their_own() {
    assert_eq!(lint("config/examples")["errors"], 0);
    let samples = lint("config/samples");
    assert_eq!(samples["errors"], 0);
    let found = samples["diagnostics"].as_array().expect("diagnostics");
    // Offline nobody knows the columns behind a source, and the demo writes one Connector itself.
    let others: Vec<&Value> = found.iter().filter(|one| one["code"] != "SchemaUnknown").collect();
    assert_eq!(others.len(), 1, "{others:?}");
    assert_eq!(others[0]["message"], "there is no Connector `states-api` in the namespace `demo`");
}
