//! An input's first line: letters that choose how the rest is read.

/// The letters of the first line, and what is behind it.
pub(crate) fn split(input: &[u8]) -> (String, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let rest = input.get(end + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&input[..end]).into_owned(), rest)
}

/// The first number among the letters.
pub(crate) fn number(options: &str) -> Option<usize> {
    let digits = options.split(|character: char| !character.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    digits.parse().ok()
}
