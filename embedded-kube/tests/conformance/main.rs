//! The embedded API answers as a real control plane does: the same is done on both, over TLS, by kubectl, by kube-rs and by
//! hand, and the answers are compared field by field.
//!
//! `CONFORMANCE_CASES` chooses the cases of whose names it is a part, as `describe/` or `logs/followed`.

mod allowed;
mod both;
mod case;
mod cases;
mod compare;
mod kubectl;
mod manifests;
mod masks;
mod planes;
mod play;
mod request;
mod stage;
mod words;

use std::collections::BTreeSet;

use both::{compare, stale};
use case::Case;
use planes::Planes;

/// The fewest cases that there are.
const FEWEST: usize = 200;

/// Every case, with its family.
fn all() -> Vec<(&'static str, Case)> {
    let families = cases::families().into_iter();
    families.flat_map(|(family, cases)| cases.into_iter().map(move |case| (family, case))).collect()
}

#[test]
fn the_embedded_api_answers_as_a_real_control_plane() {
    let chosen = std::env::var("CONFORMANCE_CASES").unwrap_or_default();
    let cases: Vec<(&str, Case)> =
        all().into_iter().filter(|(family, case)| format!("{family}/{}", case.name).contains(&chosen)).collect();
    let count = cases.len();
    assert!(count > 0, "no case has {chosen} in its name");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let outcome = runtime.block_on(async {
        let planes = Planes::start().await;
        let outcome = compare(&planes, cases).await;
        planes.stop().await;
        outcome
    });
    let wrong = outcome.failures.len();
    println!("{count} cases, {} of them the same on both", count - wrong);
    assert!(wrong == 0, "{wrong} of {count} cases are not the same on both\n{}", outcome.failures.join("\n"));
    if chosen.is_empty() {
        let stale = stale(&outcome);
        assert!(stale.is_empty(), "no case shows these differences, so they need not be allowed\n{}", stale.join("\n"));
    }
}

#[test]
fn there_are_enough_cases_and_each_has_a_name_of_its_own() {
    let all = all();
    for (family, cases) in cases::families() {
        println!("{family}: {} cases", cases.len());
        assert!(!cases.is_empty(), "{family}");
    }
    let names: BTreeSet<&str> = all.iter().map(|(_, case)| case.name).collect();
    assert_eq!(names.len(), all.len(), "a name is that of the case's namespace");
    assert!(all.iter().all(|(_, case)| !case.steps.is_empty() && case.name.len() < 40));
    println!("{} cases", all.len());
    assert!(all.len() >= FEWEST);
}
