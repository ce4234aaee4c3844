//! Rules of definitions, in CEL. The first line has letters: `o` when there was an object before. The rule follows, then, behind
//! lines `---`, the spec of a Widget, and the one that it had before.

use std::time::{Duration, Instant};

use aggregator_embedded_kube::api::Refusal;
use aggregator_embedded_kube::api::builtin::of_definition;
use aggregator_embedded_kube::api::schema::{Admitted, Schemas, Strictness};
use serde_json::{Value, json};

use crate::kinds::{check_kept, check_refusal, definition};

/// How long one rule may take for one object.
const LONGEST: Duration = Duration::from_secs(10);
const LONGEST_INPUT: usize = 1024;

/// Any rule is refused with its definition, or says of any object whether it holds, soon, and the same when it is asked again.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(input) else { return "no text" };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut parts = rest.splitn(3, "\n---\n");
    let rule = parts.next().unwrap_or_default();
    let mut spec = || serde_json::from_str::<Value>(parts.next().unwrap_or("{}")).unwrap_or_default();
    let (new, old) = (spec(), spec());
    if text.len() > LONGEST_INPUT {
        return "too long";
    }
    let begun = Instant::now();
    let kind = match of_definition(&definition(&schema(rule))) {
        Ok(kinds) => kinds.into_iter().next().expect("a definition of one version"),
        Err(refusal) => {
            check_refusal(&refusal, &[422]);
            return "no rule";
        }
    };
    let widget = |spec: &Value| {
        let metadata = json!({"name": "a", "namespace": "demo", "uid": "u", "generation": 1, "resourceVersion": "1",
                              "creationTimestamp": "2026-01-01T00:00:00Z"});
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": spec})
    };
    let before = first.contains('o').then(|| widget(&old));
    let body = widget(&new).to_string();
    let look = || {
        let schemas = Schemas::default();
        schemas.admitted(&kind, body.as_bytes(), before.as_ref(), "", Strictness::Ignore)
    };
    let told = look();
    assert_eq!(look(), told, "asked again");
    assert!(begun.elapsed() < LONGEST, "it took {:?}", begun.elapsed());
    fate(&told)
}

/// Small enough for rules of several loops, which are estimated by what there may be.
fn schema(rule: &str) -> Value {
    let named = json!({"type": "object", "required": ["name"],
                       "properties": {"name": {"type": "string", "maxLength": 16}, "value": {"type": "integer"}}});
    json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": rule, "message": "it does not hold"}],
        "properties": {
            "size": {"type": "integer"},
            "share": {"type": "number"},
            "word": {"type": "string", "maxLength": 64},
            "flag": {"type": "boolean"},
            "time": {"type": "string", "format": "date-time"},
            "names": {"type": "array", "items": {"type": "string", "maxLength": 16}, "maxItems": 8},
            "numbers": {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 8},
            "list": {"type": "array", "items": named, "maxItems": 8,
                     "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    })
}

fn fate(told: &Result<Admitted, Refusal>) -> &'static str {
    match told {
        Ok(admitted) => {
            check_kept(&admitted.object);
            "holds"
        }
        Err(refusal) => {
            check_refusal(refusal, &[400, 422]);
            let says = |words: &str| {
                let mut causes = refusal.details.iter().flat_map(|details| &details.causes);
                causes.any(|cause| cause.message.contains(words))
            };
            if says("no further validation rules will be run") {
                "too dear"
            } else if says("it does not hold") {
                "does not hold"
            } else {
                "no such object"
            }
        }
    }
}
