//! Reading a label selector, which stops at the first mistake and says what was expected there.

use std::collections::BTreeSet;

use super::key;
use super::lexer::{Word, words};
use super::requirement::{Operator, Requirement};

const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

struct Parser<'a> {
    words: Vec<Word<'a>>,
    position: usize,
}

/// The requirements of a selector, in the order of the text.
///
/// # Errors
/// What is wrong with the text, in the API server's words.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { words: words(text), position: 0 };
    let mut requirements = Vec::new();
    loop {
        match parser.peek() {
            Word::Name(_) | Word::Mark("!") => {
                let requirement = parser.requirement();
                requirements.push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
                match parser.take() {
                    Word::End => return Ok(requirements),
                    Word::Mark(",") => {}
                    other => {
                        let expected = "',' or 'end of string'";
                        return Err(format!("found '{}', expected: {expected}", other.text()));
                    }
                }
                if !matches!(parser.peek(), Word::Name(_) | Word::Mark("!")) {
                    return Err(format!("found '{}', expected: identifier after ','", parser.peek().text()));
                }
            }
            Word::End => return Ok(requirements),
            other => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", other.text())),
        }
    }
}

impl<'a> Parser<'a> {
    /// The next word, where an operator would be a value.
    fn peek(&self) -> Word<'a> {
        self.words.get(self.position).copied().unwrap_or(Word::End).as_value()
    }

    fn take(&mut self) -> Word<'a> {
        self.take_any().as_value()
    }

    /// The next word, where an operator may be.
    fn take_any(&mut self) -> Word<'a> {
        let word = self.words.get(self.position).copied().unwrap_or(Word::End);
        self.position += 1;
        word
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut word = self.take();
        let absent = word == Word::Mark("!");
        if absent {
            word = self.take();
        }
        let Word::Name(name) = word else { return Err(format!("found '{}', expected: identifier", word.text())) };
        if let Some(why) = key::bad_key("<nil>", name) {
            return Err(why);
        }
        if absent {
            return Requirement::new(name, Operator::DoesNotExist, &[]);
        }
        if matches!(self.peek(), Word::End | Word::Mark(",")) {
            return Requirement::new(name, Operator::Exists, &[]);
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => BTreeSet::from([self.value()?]),
        };
        Requirement::new(name, operator, &values.into_iter().collect::<Vec<_>>())
    }

    fn operator(&mut self) -> Result<Operator, String> {
        Ok(match self.take_any() {
            Word::Mark("in") => Operator::In,
            Word::Mark("notin") => Operator::NotIn,
            Word::Mark("=") => Operator::Equals,
            Word::Mark("==") => Operator::DoubleEquals,
            Word::Mark("!=") => Operator::NotEquals,
            Word::Mark(">") => Operator::GreaterThan,
            Word::Mark("<") => Operator::LessThan,
            other => return Err(format!("found '{}', expected: {OPERATORS}", other.text())),
        })
    }

    /// The one value behind an operator; none is an empty one.
    fn value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Word::End | Word::Mark(",")) {
            return Ok(String::new());
        }
        match self.take() {
            Word::Name(value) => Ok(value.to_owned()),
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    /// The values in parentheses; where none stands is an empty one.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.take();
        if open != Word::Mark("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        match self.peek() {
            Word::Name(_) | Word::Mark(",") => {}
            Word::Mark(")") => {
                self.take();
                return Ok(BTreeSet::from([String::new()]));
            }
            other => return Err(format!("found '{}', expected: ',', ')' or identifier", other.text())),
        }
        let mut values = BTreeSet::new();
        loop {
            match self.take() {
                Word::Name(value) => {
                    values.insert(value.to_owned());
                    if !matches!(self.peek(), Word::Mark("," | ")")) {
                        return Err(format!("found '{}', expected: ',' or ')'", self.peek().text()));
                    }
                }
                Word::Mark(",") => {
                    if values.is_empty() || matches!(self.peek(), Word::Mark("," | ")")) {
                        values.insert(String::new());
                    }
                }
                other => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
            }
            if self.peek() == Word::Mark(")") {
                self.take();
                return Ok(values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_what_was_expected() {
        for (text, expected) in [
            ("a,", "found '', expected: identifier after ','"),
            (",a", "found ',', expected: !, identifier, or 'end of string'"),
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a in (b,", "unable to parse requirement: found '', expected: ',', or identifier"),
            ("a in (b=c)", "unable to parse requirement: found '=', expected: ',' or ')'"),
            ("a==(", "unable to parse requirement: found '(', expected: identifier"),
            (
                "a>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ] {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
        }
        let bad = parse("a=-").unwrap_err();
        let place = "unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label must be an empty";
        assert!(bad.starts_with(place), "{bad}");
        let bad = parse("-=a").unwrap_err();
        assert!(bad.starts_with("unable to parse requirement: <nil>: Invalid value: \"-\": name part must"), "{bad}");
    }

    #[test]
    fn operators_are_values_where_values_stand() {
        let requirement = parse("in in (in, notin)").unwrap().remove(0);
        assert_eq!((requirement.key.as_str(), requirement.operator), ("in", Operator::In));
        assert_eq!(requirement.values, BTreeSet::from(["in".to_owned(), "notin".to_owned()]));
        assert_eq!(parse("a=in").unwrap()[0].values, BTreeSet::from(["in".to_owned()]));
        assert_eq!(parse("notin").unwrap()[0].operator, Operator::Exists);
    }

    #[test]
    fn nothing_between_commas_is_an_empty_value() {
        let values = |text: &str| parse(text).unwrap().remove(0).values.into_iter().collect::<Vec<_>>();
        assert_eq!(values("a in (,b)"), ["", "b"]);
        assert_eq!(values("a in (b,)"), ["", "b"]);
        assert_eq!(values("a in (b,,c)"), ["", "b", "c"]);
        assert_eq!(values("a in (b,c)"), ["b", "c"]);
        assert_eq!(values("a in (,)"), [""]);
        assert_eq!(values("a="), [""]);
    }
}
