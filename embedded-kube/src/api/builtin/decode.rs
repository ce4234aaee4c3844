//! A document as one of the API server's own types: what it does not know is dropped, what is empty left out, and what is
//! of another type refused.

use serde_json::{Map, Value, json};

use super::moment;
use super::quantity;
use super::types::{Field, Omit, Shape, Type, Types};
use crate::api::schema::tree::{Tree, duplicate_field, join, say_once, unknown_field};

/// What a document says, and which of its fields are unknown or there twice.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) value: Value,
    pub(crate) strict: Vec<String>,
}

/// Reads a document as a structure. The refusal is in the words of the API server, without what was read.
pub(crate) fn decode(structure: &str, document: &Tree) -> Result<Decoded, String> {
    let mut decoder = Decoder { types: Types::known(), strict: Vec::new() };
    let value = decoder.value(&Type::structure(structure), document, &At::default())?;
    Ok(Decoded { value: value.unwrap_or(Value::Null), strict: decoder.strict })
}

struct Decoder {
    types: &'static Types,
    strict: Vec<String>,
}

/// Where we are.
#[derive(Clone, Default)]
struct At {
    /// With places of lists and keys of maps.
    path: String,
    /// The structure.
    owner: String,
    /// The fields on the way.
    fields: Vec<String>,
}

impl At {
    fn field(&self, structure: &str, field: &Field) -> Self {
        let mut fields = self.fields.clone();
        fields.extend(field.inlined.clone());
        fields.push(field.name.clone());
        let owner = structure.rsplit('.').next().unwrap_or(structure).to_owned();
        Self { path: join(&self.path, &field.name), owner, fields }
    }

    fn item(&self, place: usize) -> Self {
        Self { path: format!("{}[{place}]", self.path), ..self.clone() }
    }

    fn key(&self, key: &str) -> Self {
        Self { path: join(&self.path, key), ..self.clone() }
    }

    fn refusal(&self, what: &str, of: &str) -> String {
        if self.fields.is_empty() {
            return format!("json: cannot unmarshal {what} into Go value of type {of}");
        }
        let place = self.fields.join(".");
        format!("json: cannot unmarshal {what} into Go struct field {}.{place} of type {of}", self.owner)
    }
}

impl Decoder {
    /// Nothing for `null`.
    fn value(&mut self, of: &Type, document: &Tree, at: &At) -> Result<Option<Value>, String> {
        if *document == Tree::Plain(Value::Null) {
            return Ok(None);
        }
        match (&of.shape, document) {
            (Shape::Raw, document) => Ok(Some(document.clone().into_value())),
            (Shape::Text, Tree::Plain(value @ Value::String(_)))
            | (Shape::Flag, Tree::Plain(value @ Value::Bool(_)))
            | (Shape::Fraction, Tree::Plain(value @ Value::Number(_))) => Ok(Some(value.clone())),
            (Shape::Whole { bits }, Tree::Plain(value @ Value::Number(number))) => {
                let fits = number.as_i64().is_some_and(|whole| *bits > 32 || i32::try_from(whole).is_ok());
                if fits { Ok(Some(value.clone())) } else { Err(at.refusal(&format!("number {number}"), &of.name)) }
            }
            (Shape::Bytes, Tree::Plain(Value::String(text))) => bytes(text).map(Some),
            (Shape::Time | Shape::MicroTime, Tree::Plain(value)) => {
                let Value::String(text) = value else {
                    return Err(At::default().refusal(named(document), "string"));
                };
                moment::read(text, of.shape == Shape::MicroTime).map(|text| Some(text.into()))
            }
            (Shape::Quantity, Tree::Plain(value)) => {
                let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                quantity::canonical(text.trim()).map(|text| Some(text.into())).map_err(ToOwned::to_owned)
            }
            (Shape::IntOrText, Tree::Plain(value)) => match value {
                Value::String(_) => Ok(Some(value.clone())),
                _ => self.value(
                    &Type { name: "int32".to_owned(), shape: Shape::Whole { bits: 32 }, pointer: false },
                    document,
                    &At::default(),
                ),
            },
            (Shape::SchemaOrFlag, Tree::Plain(value @ Value::Bool(_))) => Ok(Some(value.clone())),
            (Shape::SchemaOrFlag, Tree::Object(_)) | (Shape::SchemaOrList | Shape::SchemaOrNames, Tree::Object(_)) => {
                self.value(&Type::structure("apiextensions.JSONSchemaProps"), document, at)
            }
            (Shape::SchemaOrList | Shape::SchemaOrNames, Tree::List(_)) => Ok(Some(document.clone().into_value())),
            (Shape::SchemaOrFlag, _) => Err("boolean or JSON schema expected".to_owned()),
            (Shape::List(of), Tree::List(items)) => {
                let mut list = Vec::with_capacity(items.len());
                for (place, item) in items.iter().enumerate() {
                    list.push(self.value(of, item, &at.item(place))?.map_or_else(|| self.zero(of), Ok)?);
                }
                Ok(Some(list.into()))
            }
            (Shape::Map(of), Tree::Object(fields)) => {
                let mut map = Map::new();
                for (place, (name, field)) in fields.iter().enumerate() {
                    let at = at.key(name);
                    if fields.iter().take(place).any(|(other, _)| other == name) {
                        say_once(&mut self.strict, duplicate_field(&at.path));
                    }
                    map.insert(name.clone(), self.value(of, field, &at)?.map_or_else(|| self.zero(of), Ok)?);
                }
                Ok(Some(map.into()))
            }
            (Shape::Structure(name), Tree::Object(fields)) => self.structure(name, fields, at).map(Some),
            _ => Err(at.refusal(named(document), &of.name)),
        }
    }

    fn structure(&mut self, name: &str, document: &[(String, Tree)], at: &At) -> Result<Value, String> {
        let fields = self.types.fields(name);
        let mut read: Vec<Option<Option<Value>>> = vec![None; fields.len()];
        for (key, value) in document {
            let Some(place) = fields.iter().position(|field| field.name == *key) else {
                say_once(&mut self.strict, unknown_field(&join(&at.path, key)));
                continue;
            };
            let field = &fields[place];
            if read[place].is_some() {
                say_once(&mut self.strict, duplicate_field(&join(&at.path, key)));
            }
            read[place] = Some(self.value(&field.of, value, &at.field(name, field))?);
        }
        let mut structure = Map::new();
        for (field, value) in fields.iter().zip(read) {
            if let Some(value) = self.written(field, value.flatten())? {
                structure.insert(field.name.clone(), value);
            }
        }
        Ok(structure.into())
    }

    /// The field as it is written; nothing if it is left out.
    fn written(&mut self, field: &Field, value: Option<Value>) -> Result<Option<Value>, String> {
        let of = &field.of;
        if of.pointer {
            return Ok(value.or((field.omit == Omit::Never).then_some(Value::Null)));
        }
        match of.shape {
            Shape::List(_) | Shape::Map(_) | Shape::Bytes => {
                let value = value.filter(|value| !is_empty(value));
                Ok(value.or((field.omit == Omit::Never).then_some(Value::Null)))
            }
            Shape::Raw => Ok(value),
            Shape::Time | Shape::MicroTime => Ok(value.or((field.omit != Omit::Zero).then_some(Value::Null))),
            Shape::Structure(_) | Shape::Quantity | Shape::IntOrText => {
                let zero = self.zero(of)?;
                let value = value.unwrap_or_else(|| zero.clone());
                Ok((field.omit != Omit::Zero || value != zero).then_some(value))
            }
            _ => {
                let zero = self.zero(of)?;
                let value = value.unwrap_or_else(|| zero.clone());
                Ok((field.omit == Omit::Never || value != zero).then_some(value))
            }
        }
    }

    /// What a value is that nobody has set.
    fn zero(&mut self, of: &Type) -> Result<Value, String> {
        if of.pointer {
            return Ok(Value::Null);
        }
        Ok(match &of.shape {
            Shape::Text | Shape::Bytes => json!(""),
            Shape::Flag => json!(false),
            Shape::Whole { .. } | Shape::Fraction | Shape::IntOrText => json!(0),
            Shape::Quantity => json!("0"),
            Shape::Structure(name) => self.structure(name, &[], &At::default())?,
            _ => Value::Null,
        })
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// How Go names what a value of JSON is.
fn named(document: &Tree) -> &'static str {
    match document {
        Tree::Plain(Value::String(_)) => "string",
        Tree::Plain(Value::Number(_)) => "number",
        Tree::Plain(Value::Bool(_)) => "bool",
        Tree::Plain(_) => "null",
        Tree::List(_) => "array",
        Tree::Object(_) => "object",
    }
}

/// Base64, checked.
fn bytes(text: &str) -> Result<Value, String> {
    let plain: String = text.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
    match serde_json::from_value::<k8s_openapi::ByteString>(plain.clone().into()) {
        Ok(_) => Ok(plain.into()),
        Err(_) => Err(format!("illegal base64 data at input byte {}", first_wrong(text))),
    }
}

/// Where base64 stops to be it.
fn first_wrong(text: &str) -> usize {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'\r' | b'\n');
    let wrong = text.bytes().position(|byte| !letter(byte)).unwrap_or(text.len());
    // A group of four that is cut short is wrong at its beginning.
    if wrong == text.len() { wrong - wrong % 4 } else { wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(structure: &str, text: &str) -> Result<Decoded, String> {
        decode(structure, &serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_is_empty_is_left_out_unless_the_server_writes_it() {
        let pod = read(
            "core.Pod",
            r#"{"metadata":{"labels":{},"name":"p","annotations":null},
                "spec":{"hostNetwork":false,"containers":[{"name":"","stdin":true,"args":[],"securityContext":{},
                "resources":{"limits":{"cpu":0.5}}}]}}"#,
        );
        assert_eq!(
            pod.unwrap().value,
            json!({
                "metadata": {"name": "p"},
                "spec": {"containers": [{"name": "", "resources": {"limits": {"cpu": "500m"}}, "securityContext": {}, "stdin": true}]},
                "status": {},
            }),
        );
        assert_eq!(read("rbac.Role", r#"{"rules":[]}"#).unwrap().value, json!({"metadata": {}, "rules": null}));
    }

    #[test]
    fn what_nobody_knows_and_what_is_there_twice_is_told_in_order() {
        let text = r#"{"spec":{"a.b":1,"containers":[{"name":"x","name":"y","foo":{"x":1,"x":2}}]},"data":1}"#;
        assert_eq!(
            read("core.Pod", text).unwrap().strict,
            [
                r#"unknown field "spec.a.b""#,
                r#"duplicate field "spec.containers[0].name""#,
                r#"unknown field "spec.containers[0].foo""#,
                r#"unknown field "data""#,
            ],
        );
    }

    #[test]
    fn other_types_are_refused() {
        for (text, refusal) in [
            (r#"{"spec":1}"#, "json: cannot unmarshal number into Go struct field Pod.spec of type v1.PodSpec"),
            (
                r#"{"spec":{"containers":[{"image":1}]}}"#,
                "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
            ),
            (
                r#"{"metadata":{"labels":{"a":true}}}"#,
                "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
            ),
            (
                r#"{"spec":{"priority":99999999999}}"#,
                "json: cannot unmarshal number 99999999999 into Go struct field PodSpec.spec.priority of type int32",
            ),
            (
                r#"{"spec":{"overhead":{"cpu":"x"}}}"#,
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            ),
        ] {
            assert_eq!(read("core.Pod", text), Err(refusal.to_owned()), "{text}");
        }
    }
}
