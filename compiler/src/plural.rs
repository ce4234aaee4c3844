//! Counted things in words: `1 row`, `2 rows`, `1 234 entries`. Every message that counts says it so.

use std::fmt::Display;

/// A number and its thing, which is named as one.
#[must_use]
pub fn counted(number: impl Display, one: &str) -> String {
    let number = number.to_string();
    match one.strip_suffix('y') {
        _ if number == "1" => format!("1 {one}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {stem}ies"),
        _ => format!("{number} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_thing_is_one_and_all_others_are_many() {
        let told = [0, 1, 2, 21].map(|number| counted(number, "row"));
        assert_eq!(told, ["0 rows", "1 row", "2 rows", "21 rows"]);
        let told = [counted(1, "entry"), counted("1 001", "entry"), counted(2, "key")];
        assert_eq!(told, ["1 entry", "1 001 entries", "2 keys"]);
    }
}
