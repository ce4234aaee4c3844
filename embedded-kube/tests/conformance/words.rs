//! Command lines.

/// The words of a line, as a shell has them: apart by spaces, but for what is in quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    for letter in line.chars() {
        match quote {
            Some(mark) if letter == mark => quote = None,
            Some(_) => word.get_or_insert_default().push(letter),
            None if matches!(letter, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Whether kubectl is asked for JSON or YAML, or for an answer as it is.
pub(crate) fn is_structured(words: &[String]) -> bool {
    let is_form = |form: &str| matches!(form, "json" | "yaml");
    words.iter().enumerate().any(|(at, word)| match word.as_str() {
        "--raw" => true,
        "-o" | "--output" => words.get(at + 1).is_some_and(|form| is_form(form)),
        word => word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o")).is_some_and(is_form),
    })
}

#[test]
fn quotes_keep_words_together() {
    assert_eq!(words("get pods"), ["get", "pods"]);
    assert_eq!(words("a  --b='c d' \"\" e'f'"), ["a", "--b=c d", "", "ef"]);
    assert!(is_structured(&words("get pods -o yaml")) && is_structured(&words("get pods -ojson")));
    assert!(!is_structured(&words("get pods -o wide")) && !is_structured(&words("get pods --output=name")));
}
