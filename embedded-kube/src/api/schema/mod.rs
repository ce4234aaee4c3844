//! What objects must be: their schemas, and what is done to make them so.
//!
//! ```text
//! body ─► decoded (strict fields, prune, null, defaults) ─► hooks ─► created or updated (validate, rules) ─► store
//! ```
//! Everything here is a function of values: what time it is and what is stored is none of its business.

mod cel;
mod check;
mod cost;
mod custom;
mod durations;
mod embedded;
mod expression;
mod fault;
mod formats;
pub(crate) mod go;
mod lists;
pub(crate) mod metadata;
pub(crate) mod mistake;
pub(crate) mod names;
mod pair;
pub(crate) mod path;
mod prune;
mod rules;
mod shape;
pub(crate) mod structural;
pub(crate) mod tree;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Number, Value};

pub(crate) use custom::keep_system_fields;
pub(crate) use shape::Schema;

use self::tree::Tree;
use super::builtin::{self, decode};
use super::{Kind, Refusal};

/// What becomes of fields that nobody knows, and of those that are there twice: the parameter `fieldValidation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// The object is refused.
    Strict,
    /// The client is warned.
    #[default]
    Warn,
    /// Nothing.
    Ignore,
}

impl Strictness {
    /// As the parameter has it; nothing for what it may not be.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "Strict" => Some(Self::Strict),
            "" | "Warn" => Some(Self::Warn),
            "Ignore" => Some(Self::Ignore),
            _ => None,
        }
    }
}

/// An object that may go on, and what the client is warned of.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// The object.
    pub object: Value,
    /// One header `Warning` for each.
    pub warnings: Vec<String>,
}

/// A document as an object of a kind, and what is wrong with it for who is strict.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The object.
    pub object: Value,
    /// `unknown field "…"` and `duplicate field "…"`.
    pub strict: Vec<String>,
}

/// The schemas of kinds, each read and its rules compiled when it is first needed.
#[derive(Debug, Default)]
pub struct Schemas {
    read: Mutex<HashMap<String, Read>>,
}

/// A schema as it was written, and as it was read.
type Read = (Arc<Value>, Arc<Schema>);

impl Schemas {
    fn of(&self, kind: &Kind) -> Arc<Schema> {
        let name = format!("{}/{}", kind.api_version(), kind.kind);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, schema)) = read.get(&name)
            && Arc::ptr_eq(of, &kind.schema)
        {
            return Arc::clone(schema);
        }
        let schema = Arc::new(Schema::read(&kind.schema));
        read.insert(name, (Arc::clone(&kind.schema), Arc::clone(&schema)));
        schema
    }

    /// The body of a request as an object of the kind.
    ///
    /// # Errors
    /// It cannot be read, it is of another kind, or it is not strict enough.
    pub fn decoded(&self, kind: &Kind, body: &[u8], strictness: Strictness) -> Result<Admitted, Refusal> {
        let document: Tree = serde_json::from_slice(body).map_err(|error| {
            let error = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
            unrecognized(kind, &format!("couldn't get version/kind; json parse error: {error}"), body)
        })?;
        if let Some(what) = no_object(&document) {
            return Err(unrecognized(kind, &format!("couldn't get version/kind; json parse error: {what}"), body));
        }
        let says = |name: &str| match document.field(name) {
            None => Ok(""),
            Some(field) => field.text().ok_or_else(|| {
                let what = format!("couldn't get version/kind; json parse error: {}", not_text(field, name));
                unrecognized(kind, &what, body)
            }),
        };
        let (version, name) = (says("apiVersion")?, says("kind")?);
        if kind.custom && name.is_empty() {
            let what = format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(body));
            return Err(unrecognized(kind, &what, body));
        }
        let wanted = kind.api_version();
        let version = if version.is_empty() { wanted.as_str() } else { version };
        let name = if name.is_empty() { kind.kind.as_str() } else { name };
        let own_version = version.rsplit('/').next().unwrap_or_default();
        let cannot = |what: &str| {
            let of = &kind.kind;
            Refusal::bad_request(format!(
                "{name} in version {} cannot be handled as a {of}: {what}",
                go::quoted(own_version)
            ))
        };
        if kind.custom && version != wanted {
            // Nothing is known of that version.
            let read = custom::read(kind, &Schema::default(), document.clone()).map_err(|what| cannot(&what))?;
            if strictness == Strictness::Strict && !read.strict.is_empty() {
                return Err(cannot(&strict_error(&read.strict)));
            }
            let what =
                format!("the API version in the data ({version}) does not match the expected API version ({wanted})");
            return Err(Refusal::bad_request(what));
        }
        if !kind.custom && (version != wanted || name != kind.kind) {
            return Err(cannot(&other_kind(kind, name, version)));
        }
        let (name, own_version) = (name.to_owned(), own_version.to_owned());
        let cannot = |what: &str| {
            let of = &kind.kind;
            let version = go::quoted(&own_version);
            Refusal::bad_request(format!("{name} in version {version} cannot be handled as a {of}: {what}"))
        };
        let converted = self.read(kind, document).map_err(|what| cannot(&what))?;
        match strictness {
            Strictness::Strict if !converted.strict.is_empty() => Err(cannot(&strict_error(&converted.strict))),
            Strictness::Warn => Ok(Admitted { object: converted.object, warnings: converted.strict }),
            _ => Ok(Admitted { object: converted.object, warnings: Vec::new() }),
        }
    }

    /// A value, such as a patched object, as an object of the kind.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn converted(&self, kind: &Kind, object: &Value) -> Result<Converted, String> {
        self.read(kind, Tree::from(object))
    }

    fn read(&self, kind: &Kind, document: Tree) -> Result<Converted, String> {
        let read =
            if kind.custom { custom::read(kind, &self.of(kind), document)? } else { builtin::read(kind, &document)? };
        let decode::Decoded { mut value, strict } = read;
        if let Some(fields) = value.as_object_mut() {
            fields.insert(
                "apiVersion".into(),
                fields.get("apiVersion").cloned().unwrap_or_else(|| kind.api_version().into()),
            );
            fields.insert("kind".into(), fields.get("kind").cloned().unwrap_or_else(|| kind.kind.clone().into()));
        }
        Ok(Converted { object: value, strict })
    }

    /// A stored object, with the defaults of today.
    #[must_use]
    pub fn stored(&self, kind: &Kind, mut object: Value) -> Value {
        if kind.custom {
            let schema = self.of(kind);
            prune::prune(&mut object, &schema, true);
            prune::drop_nulls(&mut object, Some(&schema));
            prune::fill_in(&mut object, &schema);
        }
        object
    }

    /// Looks at a new object. It has its name, namespace, UID and time of creation by now.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn created(&self, kind: &Kind, object: Value) -> Result<Admitted, Refusal> {
        let admitted =
            if kind.custom { custom::create(kind, &self.of(kind), object) } else { builtin::create(kind, object) };
        admitted.map(whole_numbers)
    }

    /// Looks at what is to replace an object; of a write to a subresource, only what the subresource is of counts.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn updated(&self, kind: &Kind, object: Value, old: &Value, subresource: &str) -> Result<Admitted, Refusal> {
        let admitted = if kind.custom {
            custom::update(kind, &self.of(kind), object, old, subresource == "status")
        } else {
            builtin::update(kind, object, old, subresource)
        };
        admitted.map(whole_numbers)
    }

    /// All of it at once, for who has no hooks between: a new object when there is no old one.
    ///
    /// # Errors
    /// It cannot be read, or something is wrong with it.
    pub fn admitted(
        &self,
        kind: &Kind,
        body: &[u8],
        old: Option<&Value>,
        subresource: &str,
        strictness: Strictness,
    ) -> Result<Admitted, Refusal> {
        let decoded = self.decoded(kind, body, strictness)?;
        let mut admitted = match old {
            Some(old) => self.updated(kind, decoded.object, old, subresource)?,
            None => self.created(kind, decoded.object)?,
        };
        admitted.warnings.splice(0..0, decoded.warnings);
        Ok(admitted)
    }
}

/// What is said when fields are unknown or there twice.
#[must_use]
pub fn strict_error(strict: &[String]) -> String {
    format!("strict decoding error: {}", strict.join(", "))
}

fn unrecognized(kind: &Kind, what: &str, body: &[u8]) -> Refusal {
    Refusal::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {what} ({})",
        kind.kind,
        summary(body)
    ))
}

/// What is said of an object of another kind than that of the path.
fn other_kind(kind: &Kind, name: &str, version: &str) -> String {
    if builtin::kinds().iter().any(|known| known.kind == name && known.api_version() == version) {
        let own_version = version.rsplit('/').next().unwrap_or_default();
        let package = match kind.group.split('.').next() {
            None | Some("") => "core",
            Some(package) => package,
        };
        return format!("converting ({own_version}.{name}) to ({package}.{}): unknown conversion", kind.kind);
    }
    let (name, version) = (go::quoted(name), go::quoted(version));
    format!("no kind {name} is registered for version {version} in scheme \"pkg/runtime/scheme.go:111\"")
}

/// The beginning of a body.
fn summary(body: &[u8]) -> String {
    let more = if body.len() > 30 { " ..." } else { "" };
    let beginning = &body[..body.len().min(30)];
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(beginning)),
        Some(_) => {
            let hex: String = beginning.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{hex}{more}")
        }
    }
}

fn not_text(field: &Tree, name: &str) -> String {
    let what = called(field);
    format!("json: cannot unmarshal {what} into Go struct field .{name} of type string")
}

/// What is said of a body that is no object, and so has no field that says what it is.
fn no_object(document: &Tree) -> Option<String> {
    if matches!(document, Tree::Object(_) | Tree::Plain(Value::Null)) {
        return None;
    }
    let fields = r#"APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"""#;
    let what = called(document);
    Some(format!("json: cannot unmarshal {what} into Go value of type struct {{ {fields} }}"))
}

/// What Go calls a value of JSON.
fn called(value: &Tree) -> &'static str {
    match value {
        Tree::Plain(Value::Bool(_)) => "bool",
        Tree::Plain(Value::String(_)) => "string",
        Tree::Plain(_) => "number",
        Tree::List(_) => "array",
        Tree::Object(_) => "object",
    }
}

/// `1.0` is stored as `1`.
fn whole_numbers(mut admitted: Admitted) -> Admitted {
    fn visit(value: &mut Value) {
        match value {
            Value::Number(number) if number.is_f64() => {
                #[allow(clippy::cast_possible_truncation)]
                let whole = number
                    .as_f64()
                    .filter(|value| value.fract() == 0.0 && value.abs() < 9.2e18)
                    .map(|value| value as i64);
                if let Some(whole) = whole {
                    *number = Number::from(whole);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(visit),
            Value::Object(fields) => fields.values_mut().for_each(visit),
            _ => {}
        }
    }
    visit(&mut admitted.object);
    admitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::builtin::{kinds, of_definition};
    use serde_json::json;

    fn kind(schema: Value) -> Kind {
        let definition = json!({
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}}}],
            },
        });
        of_definition(&definition).unwrap().remove(0)
    }

    const BODY: &str = r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"n"},
        "spec":{"size":1,"size":2,"color":"red"},"status":{"x":1}}"#;

    #[test]
    fn schemas_are_shared() {
        fn shared<T: Send + Sync>() {}
        shared::<Schemas>();
    }

    #[test]
    fn who_is_strict_is_told() {
        let kind = kind(json!({"type": "object", "properties": {"size": {"type": "integer"}}}));
        let schemas = Schemas::default();
        let refusal = schemas.decoded(&kind, BODY.as_bytes(), Strictness::Strict).unwrap_err();
        assert_eq!(
            refusal.message,
            "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: duplicate field \"spec.size\", \
             unknown field \"spec.color\", unknown field \"status\"",
        );
        let warned = schemas.decoded(&kind, BODY.as_bytes(), Strictness::Warn).unwrap();
        assert_eq!(warned.warnings.len(), 3);
        assert_eq!(warned.object["spec"], json!({"size": 2}));
        assert!(schemas.decoded(&kind, BODY.as_bytes(), Strictness::Ignore).unwrap().warnings.is_empty());
    }

    #[test]
    fn an_object_is_made_and_changed() {
        let kind = kind(json!({"type": "object", "properties": {
            "size": {"type": "integer", "maximum": 3},
            "mode": {"type": "string", "default": "slow"},
        }}));
        let schemas = Schemas::default();
        let made = schemas.admitted(&kind, BODY.as_bytes(), None, "", Strictness::Ignore).unwrap().object;
        assert_eq!(made["spec"], json!({"size": 2, "mode": "slow"}));
        assert_eq!(made["metadata"]["generation"], 1);
        assert!(made.get("status").is_none());

        let mut old = made.clone();
        old["metadata"]["resourceVersion"] = "1".into();
        let mut new = old.clone();
        new["spec"]["size"] = json!(3.0);
        let changed = schemas.updated(&kind, new.clone(), &old, "").unwrap().object;
        assert_eq!(changed["metadata"]["generation"], 2);
        assert_eq!(changed["spec"]["size"].to_string(), "3");
        new["spec"]["size"] = json!(4);
        let refusal = schemas.updated(&kind, new, &old, "").unwrap_err();
        assert_eq!(
            refusal.message,
            "Widget.example.com \"a\" is invalid: spec.size: Invalid value: 4: spec.size in body should be less than or equal to 3",
        );
    }

    #[test]
    fn a_built_in_kind_is_read_as_its_type() {
        let kind = kinds().into_iter().find(|kind| kind.kind == "ConfigMap").unwrap();
        let body = br#"{"metadata":{"name":"a","namespace":"n"},"data":{"a":1}}"#;
        let refusal = Schemas::default().decoded(&kind, body, Strictness::Warn).unwrap_err();
        assert_eq!(
            refusal.message,
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct \
             field ConfigMap.data of type string",
        );
    }
}
