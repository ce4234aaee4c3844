//! Which objects are meant: a kind with names, or kinds and names in one word.

use crate::failure::Failure;

/// A kind, and which of its objects: all, where none is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) kind: String,
    pub(super) names: Vec<String>,
}

/// Reads `KIND`, `KIND NAME…`, `KIND,KIND`, or `KIND/NAME…`.
pub(super) fn wanted(words: &[String]) -> Result<Vec<Wanted>, Failure> {
    if !words.iter().any(|word| word.contains('/')) {
        let Some((kinds, names)) = words.split_first() else { return Ok(Vec::new()) };
        let all = kinds.split(',').map(|kind| Wanted { kind: kind.to_owned(), names: names.to_vec() });
        return Ok(all.collect());
    }
    let mut all: Vec<Wanted> = Vec::new();
    for word in words {
        let parts = word.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty());
        let Some((kind, name)) = parts.filter(|(_, name)| !name.contains('/')) else {
            return Err(Failure::usage(
                format!("`{word}` names no object beside {}", words.join(" ")),
                "write KIND NAME..., or KIND/NAME for each",
            ));
        };
        match all.last_mut().filter(|last| last.kind == kind) {
            Some(last) => last.names.push(name.to_owned()),
            None => all.push(Wanted { kind: kind.to_owned(), names: vec![name.to_owned()] }),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let all = wanted(&words).map_err(|failure| failure.message)?;
        let all = all.iter().map(|Wanted { kind, names }| format!("{kind}:{}", names.join("+")));
        Ok(all.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn objects_are_named_in_one_word_or_behind_their_kind() {
        for (text, all) in [
            ("pipelines", "pipelines:"),
            ("pipeline a b", "pipeline:a+b"),
            ("pipelines,connectors", "pipelines: connectors:"),
            ("pipeline/a", "pipeline:a"),
            ("pipeline/a pipeline/b connector/c", "pipeline:a+b connector:c"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(all), "{text}");
        }
        for text in ["pipeline a/b", "pipeline/a b", "pipeline/", "/a", "a/b/c"] {
            assert!(read(text).is_err_and(|message| message.contains("names no object")), "{text}");
        }
    }
}
