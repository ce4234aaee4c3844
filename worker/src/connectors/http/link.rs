//! The `Link` header (RFC 8288 §3): the address with the relation `next`.

/// The target of the first link whose relation is `next`, as it is written. `values` are the header's lines.
///
/// No kept crate reads commas inside addresses and several relations in one `rel`, hence these lines.
pub(super) fn next<'a>(values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    values.flat_map(Links::new).find(|(_, parameters)| is_next(parameters)).map(|(target, _)| target)
}

/// The links of one line: target and the text of its parameters.
struct Links<'a> {
    rest: &'a str,
}

impl<'a> Links<'a> {
    fn new(rest: &'a str) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Links<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (_, opened) = self.rest.split_once('<')?;
        let (target, behind) = opened.split_once('>')?;
        let end = unquoted(behind, ',').unwrap_or(behind.len());
        self.rest = behind.get(end + 1..).unwrap_or_default();
        Some((target.trim(), &behind[..end]))
    }
}

/// Where the character first stands outside of quotes.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            character if character == wanted && !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

fn is_next(parameters: &str) -> bool {
    let mut rest = parameters;
    while !rest.is_empty() {
        let end = unquoted(rest, ';').unwrap_or(rest.len());
        if let Some((name, value)) = rest[..end].split_once('=')
            && name.trim().eq_ignore_ascii_case("rel")
        {
            // Only the first `rel` of a link counts.
            return value.trim().trim_matches('"').split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"));
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_next_link_is_found_wherever_it_stands() {
        let cases = [
            (vec![r#"<https://h/p?page=2>; rel="next", <https://h/p?page=9>; rel="last""#], Some("https://h/p?page=2")),
            (
                vec![
                    r#"<https://h/p?page=1>; rel=prev, <https://h/p?ids=1,2;3>; title="a, <b>; rel=x"; REL="Last Next""#,
                ],
                Some("https://h/p?ids=1,2;3"),
            ),
            (vec![r#"</p?page=1>; rel="prev""#, "</p?page=3>;rel=next"], Some("/p?page=3")),
            (vec![r#"<a>; title="say \"x\", y"; rel="next""#], Some("a")),
            (vec![r#"<a>; rel="nextish""#], None),
            (vec![r#"<a>; rel=prev; rel=next"#], None),
            (vec!["<a; rel=next", "", "nonsense"], None),
            (vec![], None),
        ];
        for (lines, expected) in cases {
            assert_eq!(next(lines.iter().copied()), expected, "{lines:?}");
        }
    }
}
