//! How the API server writes values in its messages: as Go does.

use serde_json::{Number, Value};

/// A string in quotes, as `%q` has it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            _ if printable(letter) => out.push(letter),
            _ if u32::from(letter) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            _ if u32::from(letter) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(letter))),
        }
    }
    out.push('"');
    out
}

/// Whether it can be seen. Marks that stand on other letters can.
pub(crate) fn printable(letter: char) -> bool {
    // Rust escapes what cannot be seen, and a mark only when nothing stands before it.
    matches!(letter, '\'' | '"' | '\\') || format!("a{letter}").escape_debug().count() == 2
}

/// A number as `%v` has it.
pub(crate) fn number(number: &Number) -> String {
    match number.as_i64() {
        Some(whole) => whole.to_string(),
        None => float(number.as_f64().unwrap_or_default(), -4, 6),
    }
}

/// A float as `%v` has it.
pub(crate) fn float_value(value: f64) -> String {
    float(value, -4, 6)
}

/// A float in the fewest digits, with an exponent below the one power of ten and from the other on.
fn float(value: f64, below: i32, from: i32) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (below..from).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// A value as JSON: keys in order, and without the letters that a web page would misunderstand.
pub(crate) fn json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => out.push_str(&whole.to_string()),
            None => out.push_str(&short_exponent(&float(number.as_f64().unwrap_or_default(), -6, 21))),
        },
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (place, (name, field)) in fields.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write(field, out);
            }
            out.push('}');
        }
    }
}

/// `1e-9` and not `1e-09`.
fn short_exponent(text: &str) -> String {
    text.replacen("e-0", "e-", 1)
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_quoted() {
        assert_eq!(quoted("a\"b\\\n\u{1}\u{7f}é\u{a0}\u{301}"), "\"a\\\"b\\\\\\n\\x01\\x7fé\\u00a0\u{301}\"");
    }

    #[test]
    fn numbers_are_written() {
        for (value, text) in [
            (json!(1), "1"),
            (json!(-3), "-3"),
            (json!(1.0), "1"),
            (json!(0.5), "0.5"),
            (json!(1e21), "1e+21"),
            (json!(1e5), "100000"),
            (json!(1e10), "1e+10"),
            (json!(0.00001), "1e-05"),
            (json!(u64::MAX), "1.8446744073709552e+19"),
        ] {
            let Value::Number(value) = value else { unreachable!() };
            assert_eq!(number(&value), text);
        }
    }

    #[test]
    fn json_is_in_order() {
        assert_eq!(
            json(&json!({"b": [1, null, 1.5], "a": "<&\u{1}"})),
            r#"{"a":"\u003c\u0026\u0001","b":[1,null,1.5]}"#
        );
    }
}
