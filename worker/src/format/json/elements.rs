//! The elements of a list in a JSON text, found one after the other. As values, all of them may take many times as much as
//! their text.

use super::integers::end_of_text;

/// The elements of a list in a text that is known to be JSON.
pub(super) struct Elements {
    text: Vec<u8>,
    /// The bracket or comma before the next one, or the bracket behind the last one.
    at: usize,
}

impl Elements {
    /// Those of the list that members of these names lead to, each in the one before. Gives the text back if there is no list.
    pub(super) fn of(text: Vec<u8>, names: &[String]) -> Result<Self, Vec<u8>> {
        let mut walk = Walk { text: &text, at: 0 };
        let found = names.iter().all(|name| walk.enter(name)) && walk.peek() == Some(b'[');
        let at = walk.at;
        if found { Ok(Self { text, at }) } else { Err(text) }
    }

    /// The text of the next one.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        if self.text.get(self.at) == Some(&b']') {
            return None;
        }
        let mut walk = Walk { text: &self.text, at: self.at + 1 };
        // A list may be empty.
        let (first, begin) = (walk.peek(), walk.at);
        walk.pass();
        self.at = walk.at;
        first.filter(|first| *first != b']').map(|_| &self.text[begin..self.at])
    }
}

/// A place in a text that is JSON.
struct Walk<'t> {
    text: &'t [u8],
    at: usize,
}

impl Walk<'_> {
    /// The next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Passes a value: to the comma or bracket behind it.
    fn pass(&mut self) {
        let mut open = 0_usize;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'"' => {
                    self.at = end_of_text(self.text, self.at);
                    continue;
                }
                b'[' | b'{' => open += 1,
                b',' | b']' | b'}' if open == 0 => return,
                b']' | b'}' => open -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Goes to the value of the last member of that name, which is the one that counts. False if there is none.
    fn enter(&mut self, name: &str) -> bool {
        if self.peek() != Some(b'{') {
            return false;
        }
        let mut found = None;
        loop {
            // Behind the bracket, or a comma.
            self.at += 1;
            if self.peek() != Some(b'"') {
                break;
            }
            let key = self.at..end_of_text(self.text, self.at);
            self.at = key.end;
            // Behind the colon.
            self.peek();
            self.at += 1;
            if serde_json::from_slice::<String>(&self.text[key]).is_ok_and(|key| key == name) {
                found = Some(self.at);
            }
            self.pass();
        }
        self.at = found.unwrap_or(self.at);
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use aggregator_tests::random::Random;
    use serde_json::{Value, json};

    use super::*;

    fn elements(text: &str, names: &[&str]) -> Option<Vec<Value>> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut elements = Elements::of(text.as_bytes().to_vec(), &names).ok()?;
        let mut found = Vec::new();
        while let Some(element) = elements.next() {
            found.push(serde_json::from_slice(element).expect("JSON"));
        }
        assert_eq!(elements.next(), None, "it stays at the end");
        Some(found)
    }

    #[test]
    fn elements_are_found_where_the_names_lead() {
        assert_eq!(elements("[]", &[]), Some(vec![]));
        assert_eq!(elements(" [ ] ", &[]), Some(vec![]));
        let expected = vec![json!(1), json!([2, 3]), json!({"a": [4]}), json!("],}\"")];
        assert_eq!(elements(r#" [1 , [2,3],{"a":[4]} ,"],}\""] "#, &[]), Some(expected));
        let nested = r#"{"a":{"data":[0]},"data" : {"b":{}, "list\n":[ 7 ]},"z":"}"}"#;
        assert_eq!(elements(nested, &["data", "list\n"]), Some(vec![json!(7)]));
        assert_eq!(elements(r#"{"a":[1],"\u0061":[2],"b":[3]}"#, &["a"]), Some(vec![json!(2)]), "the last one counts");
        for (text, names) in
            [("{}", &["a"][..]), (r#"{"a":{}}"#, &["a"]), (r#"{"a":[1]}"#, &[]), ("[]", &["a"]), ("7", &[])]
        {
            assert_eq!(elements(text, names), None, "{text}");
        }
    }

    /// A value of any kind, with blanks where there may be some.
    fn write(random: &mut Random, depth: usize, text: &mut String) {
        const BLANKS: [&str; 4] = ["", " ", "\n\t", "\r\n"];
        const KEYS: [&str; 4] = [r#""a""#, r#""\"}""#, r#""\\""#, r#""[,""#];
        const PLAIN: [&str; 6] = ["null", "true", "-1.5e3", r#""""#, r#""x\\\"]""#, r#""ä,{""#];
        text.push_str(random.pick::<&str>(&BLANKS));
        let kind = if depth == 0 { 0 } else { random.below(3) };
        match kind {
            0 => text.push_str(random.pick::<&str>(&PLAIN)),
            1 => {
                text.push('[');
                for number in 0..random.below(4) {
                    text.push_str(if number > 0 { "," } else { "" });
                    write(random, depth - 1, text);
                }
                text.push(']');
            }
            _ => {
                text.push('{');
                for number in 0..random.below(4) {
                    text.push_str(if number > 0 { " ," } else { "" });
                    text.push_str(random.pick::<&str>(&KEYS));
                    text.push_str(random.pick::<&str>(&[":", " : "]));
                    write(random, depth - 1, text);
                }
                text.push('}');
            }
        }
        text.push_str(random.pick::<&str>(&BLANKS));
    }

    #[test]
    fn what_is_found_is_what_a_parser_finds() {
        let mut random = Random::seeded("what_is_found_is_what_a_parser_finds");
        let (mut lists, mut members) = (0, 0);
        for _ in 0..5_000 {
            let mut text = String::new();
            write(&mut random, 4, &mut text);
            let document: Value = serde_json::from_str(&text).expect("JSON");
            lists += usize::from(document.is_array());
            assert_eq!(elements(&text, &[]), document.as_array().cloned(), "{text}");
            for key in ["a", "\"}", "\\", "[,"] {
                let expected = document.get(key).and_then(Value::as_array).cloned();
                members += usize::from(expected.is_some());
                assert_eq!(elements(&text, &[key]), expected, "{key} of {text}");
            }
        }
        assert!(lists > 500 && members > 500, "{lists} lists and {members} members are no test");
    }
}
