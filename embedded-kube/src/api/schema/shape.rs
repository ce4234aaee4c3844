//! A schema, read once: OpenAPI v3 with the extensions of CustomResourceDefinitions.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

use super::expression;
use super::rules::Rules;

/// What a value must be.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    /// `string`, `integer`, …; both for [`Self::int_or_string`], none if nothing is said.
    pub(crate) types: Vec<String>,
    pub(crate) nullable: bool,
    /// Only if it is one that is checked for the type.
    pub(crate) format: Option<String>,
    /// As it is written; rules read it.
    pub(crate) raw_format: String,
    pub(crate) default: Option<Value>,
    pub(crate) one_of_values: Vec<Value>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_maximum: bool,
    pub(crate) minimum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) max_length: Option<i64>,
    pub(crate) min_length: Option<i64>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) max_items: Option<i64>,
    pub(crate) min_items: Option<i64>,
    pub(crate) unique_items: bool,
    pub(crate) max_properties: Option<i64>,
    pub(crate) min_properties: Option<i64>,
    pub(crate) required: Vec<String>,
    pub(crate) properties: Properties,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
    pub(crate) int_or_string: bool,
    pub(crate) preserve: bool,
    pub(crate) embedded: bool,
    pub(crate) list_type: Option<String>,
    pub(crate) list_keys: Vec<String>,
    pub(crate) rules: Rules,
    /// Whether there are rules here or below.
    pub(crate) has_rules: bool,
}

/// Fields by their names, in the order in which they were written.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    fields: Vec<(String, Schema)>,
    places: HashMap<String, usize>,
}

/// What fields beyond the named ones must be.
#[derive(Debug, Default)]
pub(crate) enum Additional {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// Anything, or nothing.
    Flag(bool),
    Of(Box<Schema>),
}

/// An expression that a text must match.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    /// Nothing for one that cannot be read.
    pub(crate) expression: Option<Regex>,
}

impl Properties {
    pub(crate) fn get(&self, name: &str) -> Option<&Schema> {
        self.places.get(name).map(|place| &self.fields[*place].1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(String, Schema)> {
        self.fields.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl Schema {
    /// Reads a schema.
    pub(crate) fn read(schema: &Value) -> Self {
        let text = |name: &str| schema[name].as_str().unwrap_or_default().to_owned();
        let flag = |name: &str| schema[name].as_bool().unwrap_or_default();
        let whole = |name: &str| schema[name].as_i64();
        let list = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let texts = |name: &str| list(name).iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        let schemas = |name: &str| list(name).iter().map(Self::read).collect::<Vec<_>>();
        let one = |name: &str| schema.get(name).filter(|of| of.is_object()).map(|of| Box::new(Self::read(of)));

        let int_or_string = flag("x-kubernetes-int-or-string");
        let types = match (int_or_string, text("type")) {
            (true, _) => vec!["integer".to_owned(), "string".to_owned()],
            (false, name) if name.is_empty() => Vec::new(),
            (false, name) => vec![name],
        };
        let mut properties = Properties::default();
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            properties.places.insert(name.clone(), properties.fields.len());
            properties.fields.push((name.clone(), Self::read(of)));
        }
        let additional = match &schema["additionalProperties"] {
            Value::Bool(flag) => Additional::Flag(*flag),
            of @ Value::Object(_) => Additional::Of(Box::new(Self::read(of))),
            _ => Additional::Unsaid,
        };
        let raw_format = text("format");
        let mut read = Self {
            format: Some(raw_format.clone()).filter(|format| is_checked(&types, format)),
            types,
            nullable: flag("nullable"),
            raw_format,
            default: schema.get("default").filter(|default| !default.is_null()).cloned(),
            one_of_values: list("enum").to_vec(),
            maximum: schema["maximum"].as_f64(),
            exclusive_maximum: flag("exclusiveMaximum"),
            minimum: schema["minimum"].as_f64(),
            exclusive_minimum: flag("exclusiveMinimum"),
            multiple_of: schema["multipleOf"].as_f64(),
            max_length: whole("maxLength"),
            min_length: whole("minLength"),
            pattern: schema["pattern"].as_str().filter(|text| !text.is_empty()).map(Pattern::read),
            max_items: whole("maxItems"),
            min_items: whole("minItems"),
            unique_items: flag("uniqueItems"),
            max_properties: whole("maxProperties"),
            min_properties: whole("minProperties"),
            required: texts("required"),
            properties,
            additional,
            items: one("items"),
            all_of: schemas("allOf"),
            any_of: schemas("anyOf"),
            one_of: schemas("oneOf"),
            not: one("not"),
            int_or_string,
            preserve: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            list_type: schema["x-kubernetes-list-type"].as_str().map(ToOwned::to_owned),
            list_keys: texts("x-kubernetes-list-map-keys"),
            rules: Rules::read(&schema["x-kubernetes-validations"]),
            has_rules: false,
        };
        read.has_rules = !read.rules.is_empty() || read.children().any(|child| child.has_rules);
        read
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let fields = self.properties.iter().map(|(_, schema)| schema);
        fields.chain(self.items.as_deref()).chain(self.additional.schema())
    }

    /// The first of its types, as messages have it.
    pub(crate) fn type_name(&self) -> &str {
        if self.int_or_string { "" } else { self.types.first().map_or("", String::as_str) }
    }

    /// Whether it is of that type.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.types.iter().any(|of| of == name)
    }

    /// What a field of that name must be.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or_else(|| self.additional.schema())
    }
}

impl Additional {
    /// The schema of other fields.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        match self {
            Self::Of(schema) => Some(schema),
            _ => None,
        }
    }

    /// Whether anything is said about other fields, `false` too.
    pub(crate) fn is_said(&self) -> bool {
        !matches!(self, Self::Unsaid)
    }
}

impl Pattern {
    fn read(text: &str) -> Self {
        Self { text: text.to_owned(), expression: expression::read(text) }
    }
}

/// Whether a format is one that is checked for values of these types; others say something to people only.
fn is_checked(types: &[String], format: &str) -> bool {
    match types {
        [one] if one == "integer" => matches!(format, "int32" | "int64"),
        [one] if one == "number" => matches!(format, "float" | "double"),
        [one] if one != "string" => false,
        _ => super::formats::is_known(format),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_read() {
        let schema = Schema::read(&json!({
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": {"type": "string", "format": "made-up", "pattern": "^a"},
                "b": {"x-kubernetes-int-or-string": true},
                "c": {"type": "array", "items": {"type": "integer", "format": "int32",
                    "x-kubernetes-validations": [{"rule": "self > 1"}]}},
            },
        }));
        assert_eq!(schema.required, ["a"]);
        assert_eq!(schema.field("a").unwrap().format, None);
        assert_eq!(schema.field("b").unwrap().types, ["integer", "string"]);
        assert_eq!(schema.field("b").unwrap().type_name(), "");
        assert_eq!(schema.field("c").unwrap().items.as_ref().unwrap().format.as_deref(), Some("int32"));
        assert!(schema.has_rules && schema.field("d").is_none());
        assert!(!schema.field("a").unwrap().has_rules);
    }
}
