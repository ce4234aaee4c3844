//! What the rules of a schema cost, by their estimates
//! (<https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apis/apiextensions/validation/cel_validation.go>).

use serde_json::Value;

use super::{fields, text};
use crate::api::Cause;
use crate::api::schema::cost::{self, Bounds, estimate};
use crate::api::schema::mistake::forbidden;
use crate::api::schema::path::Path;
use crate::api::schema::rules::Rules;

/// How many of the dearest expressions are told when all of them cost too much.
const DEAREST: usize = 4;

/// What is said of rules of a schema that cost too much. The schema is right otherwise.
pub(crate) fn costs(schema: &Value, path: &Path) -> Vec<Cause> {
    let mut costs = Costs::default();
    costs.walk(schema, Some(1), true, path);
    costs.told(path)
}

#[derive(Default)]
struct Costs {
    total: u64,
    /// Where expressions are that cost a hundredth of what all of them may, or more, and what they cost.
    dear: Vec<(Path, u64)>,
    causes: Vec<Cause>,
}

impl Costs {
    /// Looks at a place and those below. It is there so many `times` in an object at most, if the schema says how many, and
    /// the first one is the `whole` object.
    fn walk(&mut self, schema: &Value, times: Option<u64>, whole: bool, path: &Path) {
        let inner = |of: &Value| of["x-kubernetes-embedded-resource"] == true;
        self.rules(schema, times, whole, path);
        let below = times.zip(elements(schema)).map(|(times, elements)| times.saturating_mul(elements));
        let additional = &schema["additionalProperties"];
        if additional.is_object() {
            self.walk(additional, below, inner(additional), &path.child("additionalProperties"));
        }
        for (name, field) in fields(schema, "properties") {
            self.walk(field, below, inner(field), &path.child("properties").key(name));
        }
        let items = &schema["items"];
        if items.is_object() {
            self.walk(items, below, inner(items), &path.child("items"));
        }
    }

    fn rules(&mut self, schema: &Value, times: Option<u64>, whole: bool, path: &Path) {
        let rules = Rules::read(&schema["x-kubernetes-validations"]);
        if rules.is_empty() {
            return;
        }
        let Some(bounds) = Bounds::read(schema, whole) else { return };
        let times = times.unwrap_or_else(|| bounds.times());
        for (place, rule, message) in rules.expressions() {
            let path = path.child("x-kubernetes-validations").index(place);
            let cost = estimate(rule, &bounds).saturating_mul(times);
            self.add("estimated rule cost", cost, path.child("rule"));
            if let Some(message) = message {
                let cost = estimate(message, &bounds);
                self.add("estimated messageExpression cost", cost, path.child("messageExpression"));
            }
        }
    }

    fn add(&mut self, what: &str, cost: u64, path: Path) {
        if cost > cost::PER_RULE {
            self.causes.push(forbidden(&path, &exceeds(what, cost, cost::PER_RULE)));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= cost::PER_DEFINITION / 100 {
            self.dear.push((path, cost));
        }
    }

    fn told(mut self, path: &Path) -> Vec<Cause> {
        if self.total > cost::PER_DEFINITION {
            self.dear.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            self.causes.extend(self.dear.iter().take(DEAREST).map(|(path, _)| forbidden(path, detail)));
            let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
            self.causes.push(forbidden(path, &exceeds(what, self.total, cost::PER_DEFINITION)));
        }
        self.causes
    }
}

/// How many values of a schema's children one of it has at most; nothing if nothing is said.
fn elements(schema: &Value) -> Option<u64> {
    let most = |name: &str| schema[name].as_i64().map(|most| u64::try_from(most).unwrap_or_default());
    match text(schema, "type") {
        "object" if !schema["additionalProperties"].is_null() => most("maxProperties"),
        "array" => most("maxItems"),
        _ => Some(1),
    }
}

#[allow(clippy::cast_precision_loss)]
fn exceeds(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LOOPS: &str = "self.all(a, self.all(b, self.all(c, a == b || b == c)))";
    const ADVICE: &str = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";

    fn told(schema: &Value) -> Vec<String> {
        let causes = costs(&json!({"type": "object", "properties": {"f": schema}}), &Path::of("s"));
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    fn list(items: &Value, rule: &str) -> Value {
        json!({"type": "array", "items": items, "x-kubernetes-validations": [{"rule": rule}]})
    }

    #[test]
    fn loops_without_bounds_are_refused() {
        let place = "s.properties[f].x-kubernetes-validations[0].rule: Forbidden:";
        assert_eq!(
            told(&list(&json!({"type": "string"}), LOOPS)),
            [
                format!("{place} estimated rule cost exceeds budget by factor of more than 100x {ADVICE}"),
                format!(
                    "{place} contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
                ),
                format!(
                    "s: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds \
                     budget by factor of more than 100x {ADVICE}"
                ),
            ],
        );
        let dear = list(&json!({"type": "integer"}), "self.all(x, x == 1 && x == 2 && x == 3 && x == 4)");
        assert_eq!(
            told(&dear),
            [format!("{place} estimated rule cost exceeds budget by factor of 1.101004x {ADVICE}")]
        );
    }

    #[test]
    fn loops_with_bounds_are_taken() {
        let mut schema = list(&json!({"type": "string", "maxLength": 5}), LOOPS);
        schema["maxItems"] = 10.into();
        assert_eq!(told(&schema), Vec::<String>::new());
    }

    #[test]
    fn rules_are_there_as_often_as_their_places() {
        let word =
            json!({"type": "string", "maxLength": 1000, "x-kubernetes-validations": [{"rule": "self.contains('a')"}]});
        let map = json!({"type": "object", "additionalProperties": word, "maxProperties": 10});
        let lists = |most: Value| json!({"type": "array", "items": map, "maxItems": most});
        // 401 units each.
        assert_eq!(told(&lists(json!(2000))), Vec::<String>::new());
        assert_eq!(told(&lists(json!(5000))).len(), 1);
        assert_eq!(told(&lists(Value::Null)).len(), 3, "it may be there as often as there is place in a request");
    }

    #[test]
    fn what_messages_cost_is_estimated_too() {
        let rules = json!([{"rule": "self > 0", "messageExpression": "'it is ' + string(self)"}]);
        let told = told(&json!({"type": "integer", "x-kubernetes-validations": rules}));
        let place = "s.properties[f].x-kubernetes-validations[0].messageExpression: Forbidden:";
        assert_eq!(
            told[0],
            format!("{place} estimated messageExpression cost exceeds budget by factor of more than 100x {ADVICE}"),
        );
    }
}
