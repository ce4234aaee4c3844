//! Whether a value is what its schema says, in the order and the words of the API server
//! (<https://github.com/kubernetes/kube-openapi/tree/master/pkg/validation/validate>).

use serde_json::{Map, Number, Value};

use super::fault::{Fault, Outcome};
use super::formats;
use super::go;
use super::pair::Pair;
use super::shape::{Additional, Schema};

/// Looks at a value. What has not changed since may stay as it is.
pub(crate) fn check(schema: &Schema, value: &Value, path: &str, pair: Option<Pair<'_>>) -> Outcome {
    let outcome = look(schema, value, path, pair);
    match pair {
        Some(pair) if !outcome.is_valid() && pair.is_equal() => Outcome::default(),
        _ => outcome,
    }
}

fn look(schema: &Schema, value: &Value, path: &str, pair: Option<Pair<'_>>) -> Outcome {
    let mut outcome = Outcome::default();
    if value.is_null() {
        outcome.merge(of_type(schema, value, path));
        outcome.merge(among_values(schema, value, path));
        return outcome;
    }
    if !schema.types.is_empty() || schema.format.is_some() {
        outcome.add(of_type(schema, value, path));
    }
    outcome.add(combined(schema, value, path));
    match value {
        Value::String(text) => {
            outcome.add(text_of(schema, text, path));
            if let Some(format) = &schema.format
                && formats::is_known(format)
            {
                let fault = (!formats::is_of(format, text)).then(|| Fault::type_of(path, format, text));
                outcome.add(fault.into());
            }
        }
        Value::Number(number) => outcome.add(number_of(schema, number, path)),
        Value::Array(items) => outcome.add(list_of(schema, items, path, pair)),
        _ => {}
    }
    outcome.add(among_values(schema, value, path));
    if let Value::Object(fields) = value {
        outcome.add(object_of(schema, fields, path, pair));
    }
    outcome.count();
    outcome
}

/// What a value of JSON is, and in which form.
fn kind_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::String(_) => ("string", ""),
        Value::Number(number) if number.as_i64().is_some() => ("integer", "int64"),
        Value::Number(_) => ("number", "float64"),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

fn of_type(schema: &Schema, value: &Value, path: &str) -> Outcome {
    let types = schema.types.join(",");
    let (kind, form) = kind_of(value);
    if value.is_null() {
        let allowed = schema.types.is_empty() || schema.nullable;
        return if allowed { Outcome::counted() } else { Fault::type_of(path, &types, kind).into() };
    }
    let float_whole = kind == "number" && schema.is("integer") && value.as_f64().is_some_and(is_whole);
    let fits = schema.is(kind) || float_whole || (kind == "integer" && schema.is("number"));
    if let Some(format) = &schema.format {
        let texts = matches!(value, Value::String(_) | Value::Array(_));
        if !texts && !fits && form != format {
            return Fault::type_of(path, format, form).into();
        }
        if texts && !schema.is("number") && !schema.is("integer") {
            return Outcome::counted();
        }
    }
    if fits { Outcome::counted() } else { Fault::type_of(path, &types, kind).into() }
}

fn is_whole(value: f64) -> bool {
    value.is_finite() && value.abs() <= 9_007_199_254_740_992.0 && value.fract() == 0.0
}

fn combined(schema: &Schema, value: &Value, path: &str) -> Outcome {
    let mut outcome = Outcome::default();
    if !schema.any_of.is_empty() {
        let mut best: Option<Outcome> = None;
        let mut good = None;
        for of in &schema.any_of {
            let one = check(of, value, path, None);
            if one.is_valid() {
                good = Some(one);
                break;
            }
            if best.as_ref().is_none_or(|best| one.matches > best.matches) {
                best = Some(one);
            }
        }
        if good.is_none() {
            outcome.push(Fault::plain(format!("{} must validate at least one schema (anyOf)", go::quoted(path))));
        }
        outcome.merge(good.or(best).unwrap_or_default());
    }
    if !schema.one_of.is_empty() {
        one_of(schema, value, path, &mut outcome);
    }
    if !schema.all_of.is_empty() {
        let mut good = 0;
        for of in &schema.all_of {
            let one = check(of, value, path, None);
            good += usize::from(one.is_valid());
            outcome.merge(one);
        }
        if good != schema.all_of.len() {
            let none = if good == 0 { ". None validated" } else { "" };
            outcome.push(Fault::plain(format!("{} must validate all the schemas (allOf){none}", go::quoted(path))));
        }
    }
    if let Some(not) = &schema.not
        && check(not, value, path, None).is_valid()
    {
        outcome.push(Fault::plain(format!("{} must not validate the schema (not)", go::quoted(path))));
    }
    outcome.count();
    outcome
}

fn one_of(schema: &Schema, value: &Value, path: &str, outcome: &mut Outcome) {
    let (mut best, mut first, mut good) = (None::<Outcome>, None, 0);
    for of in &schema.one_of {
        let one = check(of, value, path, None);
        if one.is_valid() {
            good += 1;
            best = None;
            first.get_or_insert(one);
        } else if good == 0 && best.as_ref().is_none_or(|best| one.matches > best.matches) {
            best = Some(one);
        }
    }
    match (good, first) {
        (1, Some(first)) => outcome.merge(first),
        _ => {
            let found =
                if good == 0 { "Found none valid".to_owned() } else { format!("Found {good} valid alternatives") };
            let path = go::quoted(path);
            outcome.push(Fault::plain(format!("{path} must validate one and only one schema (oneOf). {found}")));
            outcome.merge(best.unwrap_or_default());
        }
    }
}

fn text_of(schema: &Schema, text: &str, path: &str) -> Outcome {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(most) = schema.max_length.filter(|most| length > *most) {
        return Fault::too_long(path, most).into();
    }
    if let Some(least) = schema.min_length.filter(|least| length < *least) {
        return Fault::other(path, text.into(), format!("should be at least {least} chars long")).into();
    }
    if let Some(pattern) = &schema.pattern
        && !pattern.expression.as_ref().is_some_and(|expression| expression.is_match(text))
    {
        return Fault::other(path, text.into(), format!("should match '{}'", pattern.text)).into();
    }
    Outcome::default()
}

fn number_of(schema: &Schema, number: &Number, path: &str) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.merge(in_range(schema, number, "Checked", path));
    let float = number.as_f64().unwrap_or_default();
    for (bound, what) in
        [(schema.multiple_of, "MultipleOf"), (schema.minimum, "Minimum boundary"), (schema.maximum, "Maximum boundary")]
    {
        let Some(bound) = bound else { continue };
        let fits = in_range(schema, &float_number(bound), what, path);
        // What the bound cannot be is told, and it is compared as a fraction.
        let whole = number.as_i64().filter(|_| fits.is_valid());
        outcome.merge(fits);
        let fault = match (what, whole) {
            ("MultipleOf", Some(value)) => not_multiple(path, value, bound),
            ("MultipleOf", None) => not_multiple_float(path, float, bound),
            ("Minimum boundary", value) => too_small(schema, path, number, value, bound),
            (_, value) => too_large(schema, path, number, value, bound),
        };
        outcome.merge(fault.into());
    }
    outcome.count();
    outcome
}

#[allow(clippy::cast_possible_truncation)]
fn too_large(schema: &Schema, path: &str, number: &Number, whole: Option<i64>, bound: f64) -> Option<Fault> {
    let (beyond, at, shown) = match whole {
        Some(value) => (value > bound as i64, value == bound as i64, (bound as i64).to_string()),
        None => {
            let value = number.as_f64().unwrap_or_default();
            (value > bound, value >= bound, go::float_value(bound))
        }
    };
    let exclusive = schema.exclusive_maximum;
    let words = if exclusive { "should be less than" } else { "should be less than or equal to" };
    (beyond || (exclusive && at)).then(|| Fault::other(path, number.clone().into(), format!("{words} {shown}")))
}

#[allow(clippy::cast_possible_truncation)]
fn too_small(schema: &Schema, path: &str, number: &Number, whole: Option<i64>, bound: f64) -> Option<Fault> {
    let (beyond, at, shown) = match whole {
        Some(value) => (value < bound as i64, value == bound as i64, (bound as i64).to_string()),
        None => {
            let value = number.as_f64().unwrap_or_default();
            (value < bound, value <= bound, go::float_value(bound))
        }
    };
    let exclusive = schema.exclusive_minimum;
    let words = if exclusive { "should be greater than" } else { "should be greater than or equal to" };
    (beyond || (exclusive && at)).then(|| Fault::other(path, number.clone().into(), format!("{words} {shown}")))
}

#[allow(clippy::cast_possible_truncation)]
fn not_multiple(path: &str, value: i64, factor: f64) -> Option<Fault> {
    let factor = factor as i64;
    if factor <= 0 {
        return Some(Fault::whole(
            path,
            factor.into(),
            format!("factor MultipleOf declared for {path} must be positive: {factor}"),
        ));
    }
    (value % factor != 0).then(|| Fault::other(path, value.into(), format!("should be a multiple of {factor}")))
}

fn not_multiple_float(path: &str, value: f64, factor: f64) -> Option<Fault> {
    let shown = go::float_value(factor);
    if factor <= 0.0 {
        let message = format!("factor MultipleOf declared for {path} must be positive: {shown}");
        return Some(Fault::whole(path, float_number(factor).into(), message));
    }
    let times = if factor < 1.0 { 1.0 / factor * value } else { value / factor };
    (!is_nearly_whole(times))
        .then(|| Fault::other(path, float_number(value).into(), format!("should be a multiple of {shown}")))
}

fn is_nearly_whole(value: f64) -> bool {
    let rounded = value.round();
    let near = value == rounded || (rounded != 0.0 && (value - rounded).abs() < 1e-9 * rounded.abs());
    value.is_finite() && value.abs() <= 9_007_199_254_740_992.0 && near
}

fn float_number(value: f64) -> Number {
    Number::from_f64(value).unwrap_or_else(|| 0.into())
}

/// Whether a number fits into the form that the schema asks for.
fn in_range(schema: &Schema, number: &Number, what: &str, path: &str) -> Outcome {
    let [one] = schema.types.as_slice() else { return Outcome::default() };
    let format = schema.format.as_deref().unwrap_or_default();
    #[allow(clippy::cast_possible_truncation)]
    let whole = number.as_i64().or_else(|| {
        number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 9.2e18).map(|value| value as i64)
    });
    #[allow(clippy::cast_possible_truncation)]
    let fits = match (one.as_str(), format) {
        ("integer", "int32") => whole.is_some_and(|whole| i32::try_from(whole).is_ok()),
        ("integer", _) => whole.is_some(),
        ("number", "float") => number.as_f64().is_some_and(|value| (value as f32).is_finite()),
        _ => true,
    };
    if fits {
        return Outcome::default();
    }
    let form = if format.is_empty() { "(default format)".to_owned() } else { format!("with format {format}") };
    Fault::plain(format!("{what} value must be of type {one} {form} in {path}")).into()
}

fn list_of(schema: &Schema, items: &[Value], path: &str, pair: Option<Pair<'_>>) -> Outcome {
    let mut outcome = Outcome::default();
    if let Some(of) = &schema.items {
        for (place, item) in items.iter().enumerate() {
            let pair = pair.and_then(|pair| pair.index(place));
            outcome.merge(check(of, item, &format!("{path}[{place}]"), pair));
        }
    }
    let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if let Some(least) = schema.min_items.filter(|least| size < *least) {
        outcome.push(Fault::other(path, size.into(), format!("should have at least {least} items")));
    }
    if let Some(most) = schema.max_items.filter(|most| size > *most) {
        outcome.push(Fault::too_many(path, size, most, "items"));
    }
    if schema.unique_items && items.iter().enumerate().any(|(place, item)| items[..place].contains(item)) {
        outcome.push(Fault::other(path, "".into(), "shouldn't contain duplicates".to_owned()));
    }
    outcome.count();
    outcome
}

fn among_values(schema: &Schema, value: &Value, path: &str) -> Outcome {
    let known = &schema.one_of_values;
    if known.is_empty() || known.iter().any(|known| is_value(value, known)) {
        return Outcome::default();
    }
    Fault::not_among(path, value, known).into()
}

/// Numbers are compared in the form that the schema has.
#[allow(clippy::float_cmp)]
fn is_value(value: &Value, known: &Value) -> bool {
    match (value, known) {
        (Value::Number(value), Value::Number(known)) => match known.as_i64() {
            Some(known) => value
                .as_i64()
                .map_or_else(|| value.as_f64().map(f64::trunc) == Some(float(known)), |value| value == known),
            None => value.as_f64() == known.as_f64(),
        },
        (value, known) => !known.is_null() && value == known,
    }
}

#[allow(clippy::cast_precision_loss)]
fn float(whole: i64) -> f64 {
    whole as f64
}

fn object_of(schema: &Schema, fields: &Map<String, Value>, path: &str, pair: Option<Pair<'_>>) -> Outcome {
    let mut outcome = Outcome::default();
    let size = i64::try_from(fields.len()).unwrap_or(i64::MAX);
    if let Some(least) = schema.min_properties.filter(|least| size < *least) {
        outcome.push(Fault::other(path, size.into(), format!("should have at least {least} properties")));
    }
    if let Some(most) = schema.max_properties.filter(|most| size > *most) {
        outcome.push(Fault::too_many(path, size, most, "properties"));
    }
    // What every object has is no matter of ratchets: the API server writes both.
    let before = |name: &str| {
        let always = path.is_empty() && matches!(name, "kind" | "apiVersion");
        pair.filter(|_| !always).and_then(|pair| pair.key(name))
    };
    for (name, value) in fields.iter().filter(|(name, _)| schema.properties.get(name).is_none()) {
        match &schema.additional {
            Additional::Flag(false) => {
                outcome.push(Fault::whole(
                    path,
                    name.as_str().into(),
                    format!("{path}.{name} in body is a forbidden property"),
                ));
            }
            Additional::Of(of) => outcome.merge(check(of, value, &format!("{path}.{name}"), before(name))),
            _ => {}
        }
    }
    for (name, of) in schema.properties.iter() {
        if let Some(value) = fields.get(name) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            outcome.merge(check(of, value, &path, before(name)));
        }
    }
    for name in schema.required.iter().filter(|name| !fields.contains_key(*name)) {
        outcome.push(Fault::required(&format!("{path}.{name}")));
    }
    outcome
}
