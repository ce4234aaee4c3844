//! How large a JSON text gets as a tree of its values: many times as large, if these are small.

use serde_json::Value;

use super::integers::end_of_text;

/// What is taken for a value: a list or object that grows has room for as many again.
const VALUE: u64 = 2 * size_of::<Value>() as u64;
/// What is taken for an object, before its second member: it has room for some, and a table to find them by.
const OBJECT: u64 = 4 * (size_of::<Value>() as u64 + 64);

/// Whether the tree of a JSON text has more than about so many bytes.
pub(crate) fn is_larger(text: &[u8], most: u64) -> bool {
    let mut bytes = text.len() as u64;
    // Nothing takes more for each of its bytes than an empty object.
    if bytes.saturating_mul(OBJECT) <= most {
        return false;
    }
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = end_of_text(text, at);
                continue;
            }
            b'{' => bytes += OBJECT,
            b'[' | b',' => bytes += VALUE,
            _ => {}
        }
        at += 1;
    }
    bytes > most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_as_large_as_it_has_values() {
        let texts = format!("[{}]", vec![format!("{:?}", "x".repeat(10_000)); 1000].join(","));
        assert!(is_larger(texts.as_bytes(), 10_000_000) && !is_larger(texts.as_bytes(), 11_000_000));
        let numbers = format!("[{}]", vec!["1"; 1_000_000].join(","));
        assert!(is_larger(numbers.as_bytes(), 50_000_000) && !is_larger(numbers.as_bytes(), 200_000_000));
        let objects = format!("[{}]", vec![r#"{"id":1}"#; 1_000_000].join(","));
        assert!(is_larger(objects.as_bytes(), 400_000_000) && !is_larger(objects.as_bytes(), 1_000_000_000));
        assert!(!is_larger(br#"["{{{{{{{{[[[[,,,,\"{{{{"]"#, 1000), "brackets in a text are none");
    }
}
