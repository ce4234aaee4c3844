//! The types of the built-in kinds, as the API server has them.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    /// Its name in messages, as `v1.PodSpec`.
    pub(crate) name: String,
    /// What it is.
    pub(crate) shape: Shape,
    /// Whether what is absent is told from what is empty.
    pub(crate) pointer: bool,
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Flag,
    Whole {
        bits: u32,
    },
    Fraction,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrText,
    /// Anything.
    Raw,
    /// A schema, or whether anything is allowed.
    SchemaOrFlag,
    /// A schema, or one for each item.
    SchemaOrList,
    /// A schema, or names.
    SchemaOrNames,
    List(Box<Type>),
    Map(Box<Type>),
    Structure(String),
}

/// When a field is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Omit {
    /// When it is empty, unless it is a structure.
    Empty,
    /// When it is empty.
    Zero,
    Never,
}

/// A field of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) of: Type,
    pub(crate) omit: Omit,
    /// How a list or a structure is merged: `atomic`, `set`, `map(name)`.
    pub(crate) merge: Option<String>,
    /// The structures that it is inlined from, with dots between.
    pub(crate) inlined: Option<String>,
}

/// All types.
#[derive(Debug, Default)]
pub(crate) struct Types {
    structures: HashMap<String, Vec<Field>>,
    /// Those that are merged as one.
    atomic: HashSet<String>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| Types::parse(include_str!("types.txt")));

impl Types {
    /// The types of the built-in kinds.
    pub(crate) fn known() -> &'static Self {
        &TYPES
    }

    /// The fields of a structure.
    pub(crate) fn fields(&self, structure: &str) -> &[Field] {
        self.structures.get(structure).map_or(&[], Vec::as_slice)
    }

    /// Whether a structure is merged as one.
    pub(crate) fn is_atomic(&self, structure: &str) -> bool {
        self.atomic.contains(structure)
    }

    fn parse(text: &str) -> Self {
        let mut aliases = HashMap::new();
        let mut types = Self::default();
        let mut current = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Some((name, of)) = line.split_once(" = ") {
                aliases.insert(name, of);
            } else if let Some(field) = line.strip_prefix(' ') {
                let field = Field::parse(field, &aliases);
                types.structures.entry(current.clone()).or_default().push(field);
            } else {
                let name = line.strip_suffix(" atomic");
                name.unwrap_or(line).clone_into(&mut current);
                types.structures.insert(current.clone(), Vec::new());
                if name.is_some() {
                    types.atomic.insert(current.clone());
                }
            }
        }
        types
    }
}

impl Field {
    fn parse(text: &str, aliases: &HashMap<&str, &str>) -> Self {
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let of = words.next().unwrap_or_default();
        let (of, omit) = match (of.strip_suffix('!'), of.strip_suffix('~')) {
            (Some(of), _) => (of, Omit::Never),
            (_, Some(of)) => (of, Omit::Zero),
            _ => (of, Omit::Empty),
        };
        let mut field = Self { name, of: Type::parse(of, aliases), omit, merge: None, inlined: None };
        for word in words {
            match word.strip_prefix('@') {
                Some(from) => field.inlined = Some(from.to_owned()),
                None => field.merge = Some(word.to_owned()),
            }
        }
        field
    }

    /// How a list is merged: its kind, and the names of the keys.
    pub(crate) fn list(&self) -> Option<(&str, Vec<&str>)> {
        let merge = self.merge.as_deref()?;
        let (kind, keys) = merge.split_once('(').unwrap_or((merge, ""));
        Some((kind, keys.trim_end_matches(')').split(',').filter(|key| !key.is_empty()).collect()))
    }
}

impl Type {
    fn parse(text: &str, aliases: &HashMap<&str, &str>) -> Self {
        let (text, pointer) = text.strip_prefix('*').map_or((text, false), |text| (text, true));
        Self { name: shown(text), shape: Shape::parse(text, aliases), pointer }
    }

    /// The type of a structure.
    pub(crate) fn structure(name: &str) -> Self {
        Self { name: shown(name), shape: Shape::Structure(name.to_owned()), pointer: false }
    }
}

impl Shape {
    fn parse(text: &str, aliases: &HashMap<&str, &str>) -> Self {
        if let Some(of) = text.strip_prefix("[]") {
            return if of == "byte" { Self::Bytes } else { Self::List(Box::new(Type::parse(of, aliases))) };
        }
        if let Some((_, of)) = text.strip_prefix("map[").and_then(|text| text.split_once(']')) {
            return Self::Map(Box::new(Type::parse(of, aliases)));
        }
        match text {
            "string" | "meta.Duration" => Self::Text,
            "bool" => Self::Flag,
            "int32" => Self::Whole { bits: 32 },
            "int64" | "int" => Self::Whole { bits: 64 },
            "float64" => Self::Fraction,
            "meta.Time" => Self::Time,
            "meta.MicroTime" => Self::MicroTime,
            "resource.Quantity" => Self::Quantity,
            "intstr.IntOrString" => Self::IntOrText,
            "meta.FieldsV1" | "runtime.RawExtension" | "apiextensions.JSON" => Self::Raw,
            "apiextensions.JSONSchemaPropsOrBool" => Self::SchemaOrFlag,
            "apiextensions.JSONSchemaPropsOrArray" => Self::SchemaOrList,
            "apiextensions.JSONSchemaPropsOrStringArray" => Self::SchemaOrNames,
            _ => match aliases.get(text) {
                Some(of) => Self::parse(of, aliases),
                None => Self::Structure(text.to_owned()),
            },
        }
    }
}

/// How messages name a type: every API package is called by its version.
fn shown(text: &str) -> String {
    if let Some(of) = text.strip_prefix("[]") {
        return if of == "byte" { "[]uint8".to_owned() } else { format!("[]{}", shown(of)) };
    }
    if let Some((key, of)) = text.strip_prefix("map[").and_then(|text| text.split_once(']')) {
        return format!("map[{}]{}", shown(key), shown(of));
    }
    match text.split_once('.') {
        Some(("types" | "resource" | "intstr" | "runtime", _)) | None => text.to_owned(),
        Some((_, name)) => format!("v1.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_structure_is_there() {
        let types = Types::known();
        assert!(types.structures.len() > 200);
        for (name, fields) in &types.structures {
            for field in fields {
                let mut of = &field.of.shape;
                while let Shape::List(inner) | Shape::Map(inner) = of {
                    of = &inner.shape;
                }
                if let Shape::Structure(inner) = of {
                    assert!(types.structures.contains_key(inner), "{name}.{}: {inner}", field.name);
                }
            }
        }
    }

    #[test]
    fn a_field_is_known_with_all_that_is_to_know() {
        let field = |structure: &str, name: &str| {
            Types::known().fields(structure).iter().find(|field| field.name == name).unwrap().clone()
        };
        let env = field("core.Container", "env");
        assert_eq!(env.of.name, "[]v1.EnvVar");
        assert_eq!(env.list(), Some(("map", vec!["name"])));
        assert_eq!(field("core.Container", "name").omit, Omit::Never);
        assert_eq!(field("core.Container", "imagePullPolicy").of.name, "v1.PullPolicy");
        assert_eq!(field("core.Container", "imagePullPolicy").of.shape, Shape::Text);
        assert_eq!(field("core.Volume", "emptyDir").inlined.as_deref(), Some("VolumeSource"));
        assert_eq!(field("core.Secret", "data").of.name, "map[string][]uint8");
        assert!(field("batch.JobSpec", "parallelism").of.pointer);
    }
}
