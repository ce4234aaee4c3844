//! Objects made up from schemas: nearly right, with something hostile in them.

use aggregator_tests::random::Random;
use serde_json::{Map, Value, json};

/// Yes, once in so many times.
fn one_in(random: &mut Random, times: usize) -> bool {
    random.below(times) == 0
}

/// A value that is nearly what the schema says.
pub(crate) fn value(schema: &Value, random: &mut Random, depth: usize) -> Value {
    if one_in(random, 60) {
        return hostile(random);
    }
    if let Some(known) = schema["enum"].as_array().filter(|_| !one_in(random, 20)) {
        return random.pick(known).clone();
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return random.pick(&[json!(1), json!("50%"), json!("x"), json!(1.5)]).clone();
    }
    match schema["type"].as_str() {
        Some("string") => text(schema, random),
        Some("integer") => {
            let low = schema["minimum"].as_f64().unwrap_or(1.0);
            let high = schema["maximum"].as_f64().unwrap_or(low + 5.0);
            let near = [low, low, high, low + 1.0, low - 1.0, high + 1.0];
            #[allow(clippy::cast_possible_truncation)]
            let near = *random.pick(&near) as i64;
            json!(near)
        }
        Some("number") => random.pick(&[json!(1), json!(0.5), json!(-2.25), json!(1e10), json!(3.0)]).clone(),
        Some("boolean") => json!(one_in(random, 2)),
        Some("array") => {
            let most = if depth > 4 { 1 } else { 3 };
            let count = random.below(most + 1);
            Value::Array((0..count).map(|_| value(&schema["items"], random, depth + 1)).collect())
        }
        Some("object") if schema["additionalProperties"].is_object() => {
            let names = ["a", "b.c", "d-e", "f/g", "h i"];
            let count = random.below(3);
            let field = |random: &mut Random| {
                ((*random.pick(&names)).to_owned(), value(&schema["additionalProperties"], random, depth + 1))
            };
            Value::Object((0..count).map(|_| field(random)).collect())
        }
        Some("object") => object(schema, random, depth),
        _ => hostile(random),
    }
}

fn object(schema: &Value, random: &mut Random, depth: usize) -> Value {
    let mut fields = Map::new();
    let needed = schema["required"].as_array().cloned().unwrap_or_default();
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    // Of what is either this or that, mostly one.
    let alone = schema["oneOf"].is_array().then(|| random.below(properties.len().max(1)));
    for (place, (name, of)) in properties.iter().enumerate() {
        let must = needed.iter().any(|needed| needed == name);
        let may = match alone {
            Some(alone) => place == alone || one_in(random, 30),
            // Of many, few: each may be wrong.
            None if properties.len() > 20 => one_in(random, 12),
            None => random.below(depth + 3) < 2,
        };
        if (must && !one_in(random, 25)) || may {
            fields.insert(name.clone(), value(of, random, depth + 1));
        }
    }
    if one_in(random, 25) {
        fields.insert((*random.pick(&["unknown", "un.known", "kind"])).to_owned(), hostile(random));
    }
    fields.into()
}

fn text(schema: &Value, random: &mut Random) -> Value {
    let most = schema["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok());
    let mut texts = vec![
        "a",
        "some-name",
        "x1",
        "",
        " ",
        "5s",
        "1h",
        "2026-11-29T21:00:00Z",
        "2026-11-29",
        "ünï-🚀",
        "a\u{7}\"b\\",
        "../up",
        "https://example.com/a",
        "10.0.0.1",
        "upper(a) > 1",
        "$.a[*]",
        "1",
        "UTC",
        "a.b",
        "<&>",
    ]
    .into_iter()
    .map(ToOwned::to_owned)
    .collect::<Vec<_>>();
    if let Some(most) = most.filter(|most| *most < 2000) {
        texts.push("é".repeat(most));
        texts.push("x".repeat(most + 1));
    }
    random.pick(&texts).as_str().into()
}

/// What should be in no field.
pub(crate) fn hostile(random: &mut Random) -> Value {
    random
        .pick(&[
            Value::Null,
            json!(""),
            json!("Nonsense"),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(2_147_483_648_i64),
            json!(i64::MAX),
            json!(1e30),
            json!(true),
            json!([]),
            json!([null]),
            json!([1, "a", {}]),
            json!({}),
            json!({"a": {"b": [1]}}),
            json!("x".repeat(70)),
        ])
        .clone()
}

/// Puts something hostile somewhere into a value.
pub(crate) fn spoil(value: &mut Value, random: &mut Random) {
    let deeper = !one_in(random, 4);
    match value {
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let name = random.pick(&fields.keys().cloned().collect::<Vec<_>>()).clone();
            if one_in(random, 6) {
                fields.shift_remove(&name);
            } else if let Some(field) = fields.get_mut(&name) {
                spoil(field, random);
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let place = random.below(items.len());
            if one_in(random, 4) {
                let again = items[place].clone();
                items.push(again);
            } else {
                spoil(&mut items[place], random);
            }
        }
        other => *other = hostile(random),
    }
}
