//! Whether two answers are the same.

use aggregator_embedded_kube::api::Refusal;
use aggregator_embedded_kube::api::schema::Admitted;
use serde_json::{Value, json};

use crate::server::Answer;

/// What differs, if anything. Causes come in any order: the real server takes them out of maps. `tidy` is done to both
/// objects before they are compared.
fn difference(real: &Answer, own: &Result<Admitted, Refusal>, tidy: impl Fn(&mut Value)) -> Option<String> {
    match own {
        Ok(admitted) if real.code < 300 => {
            let (mut theirs, mut ours) = (real.body.clone(), admitted.object.clone());
            for object in [&mut theirs, &mut ours] {
                forget(object);
                tidy(object);
            }
            let (mut their_warnings, mut our_warnings) = (real.warnings.clone(), admitted.warnings.clone());
            their_warnings.sort();
            our_warnings.sort();
            if theirs != ours {
                return Some(format!("the objects differ: {}", apart("", &theirs, &ours).join("; ")));
            }
            let differ = their_warnings != our_warnings;
            differ.then(|| format!("the warnings differ:\n  real {their_warnings:?}\n  own  {our_warnings:?}"))
        }
        Ok(_) => Some(format!("the real one refuses: {}", real.body["message"])),
        Err(refusal) if real.code < 300 => Some(format!("refused here alone: {}", refusal.message)),
        Err(refusal) => {
            let own = refusal.status();
            let (theirs, ours) = (canonical(&real.body), canonical(&own));
            (theirs != ours).then(|| format!("the refusals differ:\n  real {}\n  own  {}", real.body, own))
        }
    }
}

/// A refusal whose causes are in order.
fn canonical(status: &Value) -> Value {
    let mut letters: Vec<char> = status["message"].as_str().unwrap_or_default().chars().collect();
    letters.sort_unstable();
    let mut causes: Vec<String> =
        status["details"]["causes"].as_array().into_iter().flatten().map(ToString::to_string).collect();
    causes.sort();
    json!({
        "message": letters.into_iter().collect::<String>(),
        "reason": status["reason"],
        "code": status["code"],
        "name": status["details"]["name"],
        "group": status["details"]["group"],
        "kind": status["details"]["kind"],
        "causes": causes,
    })
}

/// What is of one server alone.
fn forget(object: &mut Value) {
    if let Some(meta) = object["metadata"].as_object_mut() {
        for name in ["uid", "creationTimestamp", "managedFields", "resourceVersion"] {
            meta.shift_remove(name);
        }
    }
}

/// Where two values differ.
fn apart(path: &str, theirs: &Value, ours: &Value) -> Vec<String> {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let mut names: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
            names.sort();
            names.dedup();
            let null = Value::Null;
            let field =
                |of: &'_ serde_json::Map<String, Value>, name: &str| of.get(name).cloned().unwrap_or(null.clone());
            names
                .into_iter()
                .filter(|name| theirs.get(*name) != ours.get(*name))
                .flat_map(|name| apart(&format!("{path}.{name}"), &field(theirs, name), &field(ours, name)))
                .collect()
        }
        (theirs, ours) if theirs == ours => vec![format!("{path}: absent or null")],
        _ => vec![format!("{path}: real {theirs}, own {ours}")],
    }
}

/// What has been compared.
pub(crate) struct Tally {
    what: &'static str,
    cases: usize,
    refused: usize,
    differences: Vec<String>,
}

impl Tally {
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, cases: 0, refused: 0, differences: Vec::new() }
    }

    /// Compares two answers.
    pub(crate) fn add(
        &mut self,
        case: &str,
        real: &Answer,
        own: &Result<Admitted, Refusal>,
        tidy: impl Fn(&mut Value),
    ) {
        self.cases += 1;
        self.refused += usize::from(real.code >= 300);
        if let Some(difference) = difference(real, own, tidy) {
            self.differences.push(format!("{case}\n{difference}"));
        }
    }

    /// Fails with what differs, or when there was not enough to compare.
    pub(crate) fn settle(self) {
        let Self { what, cases, refused, differences } = self;
        println!("{what}: {cases} cases, {refused} of them refused");
        let shown = differences.iter().take(12).map(|difference| format!("\n\n{difference}"));
        let shown = shown.collect::<String>();
        assert!(differences.is_empty(), "{what}: {} of {cases} differ{shown}", differences.len());
        // Cases that are all admitted, or all refused, compare half of what there is.
        assert!(refused > 0 && refused < cases, "{what}: {refused} of {cases} refused");
    }
}
