//! What there is to each message: the table.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Whether its presence counts, so that zero is not the same as nothing.
    pub counts: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value.
    One(Type),
    /// A message whose fields stand in the place of the field.
    Embedded(&'static str),
    /// A list.
    List(Type),
    /// An object of any names.
    Map(Type),
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Truth,
    Number,
    /// Base64 in JSON.
    Bytes,
    Time,
    MicroTime,
    Quantity,
    NumberOrText,
    /// JSON as bytes.
    Json,
    /// A list in a message of its own, since a map cannot hold lists.
    Texts,
    Message(&'static str),
}

type Messages = HashMap<&'static str, HashMap<u32, Field>>;

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    let lines = include_str!("messages.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(message).collect()
});

/// A field of a message, by its number.
pub(super) fn field(message: &str, number: u32) -> Option<&'static Field> {
    MESSAGES.get(message)?.get(&number)
}

fn message(line: &'static str) -> Option<(&'static str, HashMap<u32, Field>)> {
    let mut words = line.split(' ');
    Some((words.next()?, words.filter_map(numbered).collect()))
}

fn numbered(word: &'static str) -> Option<(u32, Field)> {
    let mut parts = word.splitn(3, ':');
    let (number, name, shape) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let (counts, shape) = shape.strip_prefix('*').map_or((false, shape), |shape| (true, shape));
    let shape = if name == "^" {
        Shape::Embedded(shape)
    } else if let Some(element) = shape.strip_prefix("[]") {
        Shape::List(type_of(element))
    } else if let Some(value) = shape.strip_prefix("{}") {
        Shape::Map(type_of(value))
    } else {
        Shape::One(type_of(shape))
    };
    Some((number, Field { name, shape, counts }))
}

fn type_of(name: &'static str) -> Type {
    match name {
        "string" => Type::Text,
        "bool" => Type::Truth,
        "int" => Type::Number,
        "bytes" => Type::Bytes,
        "Time" => Type::Time,
        "MicroTime" => Type::MicroTime,
        "Quantity" => Type::Quantity,
        "IntOrString" => Type::NumberOrText,
        "FieldsV1" => Type::Json,
        "ExtraValue" | "AttestationValue" => Type::Texts,
        message => Type::Message(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages that a message has within it, directly.
    fn within(message: &str) -> Vec<&'static str> {
        let fields = MESSAGES.get(message).unwrap_or_else(|| panic!("{message} is not in the table"));
        let messages = fields.values().filter_map(|field| match field.shape {
            Shape::Embedded(message)
            | Shape::One(Type::Message(message))
            | Shape::List(Type::Message(message))
            | Shape::Map(Type::Message(message)) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    fn depth(message: &str, above: &mut Vec<String>) -> usize {
        assert!(!above.iter().any(|name| name == message), "{message} is within itself: {above:?}");
        above.push(message.to_owned());
        let depth = within(message).into_iter().map(|message| depth(message, above)).max().unwrap_or(0) + 1;
        above.pop();
        depth
    }

    /// Reading goes into messages by recursion, so that this is what keeps it from going too deep.
    #[test]
    fn no_message_is_within_itself() {
        let deepest = super::super::KINDS.iter().map(|(_, kind)| depth(kind, &mut Vec::new())).max().unwrap();
        assert!((5..20).contains(&deepest), "{deepest}");
    }

    #[test]
    fn every_line_is_read_whole() {
        let lines = include_str!("messages.txt").lines().filter(|line| !line.starts_with('#'));
        let words: usize = lines.clone().map(|line| line.split(' ').count() - 1).sum();
        assert_eq!(MESSAGES.len(), lines.count());
        assert_eq!(MESSAGES.values().map(HashMap::len).sum::<usize>(), words);
        assert!(words > 700, "{words}");
        let name = field("ObjectMeta", 1).unwrap();
        assert_eq!((name.name, name.shape, name.counts), ("name", Shape::One(Type::Text), false));
        let parallelism = field("JobSpec", 1).unwrap();
        assert_eq!(
            (parallelism.name, parallelism.shape, parallelism.counts),
            ("parallelism", Shape::One(Type::Number), true)
        );
    }
}
