//! Objects made up from schemas: nearly right, with something hostile in them.

use serde_json::{Map, Value, json};

/// Numbers that look random, the same for a seed.
pub(crate) struct Random(u64);

impl Random {
    /// From `SEED`, or one of its own, which it prints.
    pub(crate) fn seeded(what: &str) -> Self {
        let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let seed = given.unwrap_or(u64::from(now.subsec_nanos()) | 1);
        println!("{what}: SEED={seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most.max(1)).expect("small")).expect("small")
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// A value that is nearly what the schema says.
pub(crate) fn value(schema: &Value, random: &mut Random, depth: usize) -> Value {
    if random.chance(60) {
        return hostile(random);
    }
    if let Some(known) = schema["enum"].as_array().filter(|_| !random.chance(20)) {
        return random.one(known);
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return random.one(&[json!(1), json!("50%"), json!("x"), json!(1.5)]);
    }
    match schema["type"].as_str() {
        Some("string") => text(schema, random),
        Some("integer") => {
            let low = schema["minimum"].as_f64().unwrap_or(1.0);
            let high = schema["maximum"].as_f64().unwrap_or(low + 5.0);
            let near = [low, low, high, low + 1.0, low - 1.0, high + 1.0];
            #[allow(clippy::cast_possible_truncation)]
            let near = random.one(&near) as i64;
            json!(near)
        }
        Some("number") => random.one(&[json!(1), json!(0.5), json!(-2.25), json!(1e10), json!(3.0)]),
        Some("boolean") => json!(random.chance(2)),
        Some("array") => {
            let most = if depth > 4 { 1 } else { 3 };
            let count = random.below(most + 1);
            Value::Array((0..count).map(|_| value(&schema["items"], random, depth + 1)).collect())
        }
        Some("object") if schema["additionalProperties"].is_object() => {
            let names = ["a", "b.c", "d-e", "f/g", "h i"];
            let count = random.below(3);
            let field = |random: &mut Random| {
                (random.one(&names).to_owned(), value(&schema["additionalProperties"], random, depth + 1))
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
            Some(alone) => place == alone || random.chance(30),
            // Of many, few: each may be wrong.
            None if properties.len() > 20 => random.chance(12),
            None => random.below(depth + 3) < 2,
        };
        if (must && !random.chance(25)) || may {
            fields.insert(name.clone(), value(of, random, depth + 1));
        }
    }
    if random.chance(25) {
        fields.insert(random.one(&["unknown", "un.known", "kind"]).to_owned(), hostile(random));
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
    random.one(&texts).into()
}

/// What should be in no field.
pub(crate) fn hostile(random: &mut Random) -> Value {
    random.one(&[
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
}

/// Puts something hostile somewhere into a value.
pub(crate) fn spoil(value: &mut Value, random: &mut Random) {
    let deeper = !random.chance(4);
    match value {
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let name = random.one(&fields.keys().cloned().collect::<Vec<_>>());
            if random.chance(6) {
                fields.shift_remove(&name);
            } else if let Some(field) = fields.get_mut(&name) {
                spoil(field, random);
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let place = random.below(items.len());
            if random.chance(4) {
                let again = items[place].clone();
                items.push(again);
            } else {
                spoil(&mut items[place], random);
            }
        }
        other => *other = hostile(random),
    }
}
