//! What somebody, or some program, may write into a field.

use serde_json::{Map, Value, json};

/// A value, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Hostile {
    pub(super) what: &'static str,
    /// None: the field is taken away.
    pub(super) value: Option<Value>,
}

/// More texts than any list or map may have; and so many of what is larger, that a debug build looks at them in its time.
const TEXTS: usize = 10_001;
const OTHERS: usize = 300;

fn many(first: &Value) -> usize {
    if first.is_string() { TEXTS } else { OTHERS }
}

/// The values for a field in which that may stand, and in which this stands now.
pub(super) fn hostile(schema: &Value, now: &Value) -> Vec<Hostile> {
    let mut all = vec![("unset", None), ("null", Some(Value::Null))];
    let mut add = |what, value: Value| all.push((what, Some(value)));
    match schema["type"].as_str() {
        Some("string") if schema["enum"].is_array() => {
            let other = now.as_str().unwrap_or_default();
            let turned = if other.to_lowercase() == other { other.to_uppercase() } else { other.to_lowercase() };
            add("empty", json!(""));
            add("nonsense", json!("Nonsense"));
            add("other case", json!(turned));
            add("a number", json!(5));
        }
        Some("string") => {
            texts(&mut add);
            if schema["format"] == "date-time" {
                for time in [
                    "0000-01-01T00:00:00Z",
                    "9999-12-31T23:59:59Z",
                    "9999-12-31T23:59:59-23:59",
                    "2026-02-30T00:00:00Z",
                    "2026-11-23t10:00:00z",
                    "2016-12-31T23:59:60Z",
                    "2026-11-23T10:00:00.123456789123Z",
                    "2026-11-23",
                ] {
                    add("a time", json!(time));
                }
            }
        }
        Some("integer" | "number") => numbers(schema, &mut add),
        Some("boolean") => {
            add("the other", json!(now != &json!(true)));
            add("text", json!("true"));
            add("a number", json!(0));
        }
        Some("array") => {
            let first = now.get(0).cloned().unwrap_or_default();
            add("empty", json!([]));
            add("a list of nothing", json!([null]));
            add("a mapping", json!({}));
            add("text", json!("a"));
            add("twice the same", json!([first, first]));
            add("many", Value::Array(vec![first.clone(); many(&first)]));
        }
        Some("object") if schema["additionalProperties"].is_object() => {
            let first = now.as_object().and_then(|map| map.values().next()).cloned().unwrap_or_default();
            add("empty", json!({}));
            add("a list", json!([]));
            for (what, key) in [
                ("an empty key", ""),
                ("a key with NUL", "a\0b"),
                ("a key in Unicode", "ünï-🚀"),
                ("a key with a slash", "a/b"),
                ("a key with a space", "a b"),
            ] {
                add(what, json!({ key: first }));
            }
            add(
                "many",
                Value::Object(
                    (0..many(&first)).map(|number| (format!("k{number}"), first.clone())).collect::<Map<_, _>>(),
                ),
            );
        }
        Some("object") => {
            add("empty", json!({}));
            add("a list", json!([]));
            add("text", json!("a"));
        }
        _ => {
            add("text", json!("Nonsense"));
            add("a number", json!(5));
            add("true", json!(true));
            add("an empty mapping", json!({}));
            add("an empty list", json!([]));
            add("a list of numbers", json!([1]));
            add("a list of nothing", json!([null]));
            add("deep", (0..60).fold(json!(1), |inner, _| json!({ "a": inner })));
        }
    }
    all.into_iter().map(|(what, value)| Hostile { what, value }).collect()
}

fn texts(add: &mut impl FnMut(&'static str, Value)) {
    for (what, text) in [
        ("empty", ""),
        ("blank", " "),
        ("NUL", "a\0b"),
        ("a control character", "a\u{7}b"),
        ("two lines", "a\nb"),
        ("unicode", "ünï-🚀-\u{202e}x"),
        ("elsewhere", "other/name"),
        ("a way up", "../../etc/passwd"),
        ("negative", "-1"),
        ("endless", "99999999999999999999h"),
        ("too long a time", "150000000h"),
        ("a variable", "$(HOME) ${x} %s"),
    ] {
        add(what, json!(text));
    }
    add("a number", json!(5));
    add("long", json!("x".repeat(60_000)));
    // Any more take only time.
    add("huge", json!("x".repeat(100_000)));
}

fn numbers(schema: &Value, add: &mut impl FnMut(&'static str, Value)) {
    for (what, number) in [
        ("negative", json!(-1)),
        ("zero", json!(0)),
        ("a fraction", json!(1.5)),
        ("32 bits", json!(2_147_483_648_u64)),
        ("the largest", json!(i64::MAX)),
        ("the least", json!(i64::MIN)),
        ("64 bits", json!(u64::MAX)),
        ("huge", json!(1e30)),
        ("text", json!("1")),
        ("true", json!(true)),
    ] {
        add(what, number);
    }
    for (what, bound) in [("minimum", &schema["minimum"]), ("maximum", &schema["maximum"])] {
        if let Some(bound) = bound.as_f64() {
            for (beyond, outside) in [(what, 0.0), ("below", -1.0), ("above", 1.0)] {
                // Bounds of the schemas are whole, and smaller than what an f64 counts.
                add(beyond, json!(format!("{:.0}", bound + outside).parse::<i64>().unwrap_or(i64::MAX)));
            }
        }
    }
}
