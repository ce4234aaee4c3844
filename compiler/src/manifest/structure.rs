//! Whether a document has the shape of its kind: every mistake at once, in our own words.

use std::sync::OnceLock;

use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Value, json};

use super::located::Locator;
use super::position;
use super::salvage::{By, Mend, least, whole};
use crate::diagnostic::Diagnostic;
use crate::suggest;

const KINDS: usize = aggregator_crds::kinds().len();

/// The shape of one kind.
pub(super) struct Structure {
    schema: Value,
    validator: Validator,
}

/// A mistake in a document's shape.
pub(super) struct Finding {
    /// What is said of it; None when another finding says it.
    pub(super) diagnostic: Option<Diagnostic>,
    /// What would let the rest be read.
    pub(super) mend: Mend,
}

impl Structure {
    /// The shape of that kind of ours; None when there is none.
    pub(super) fn of(kind: &str) -> Option<&'static Self> {
        /// Each is made when the first document of its kind comes.
        static STRUCTURES: [OnceLock<Option<Structure>>; KINDS] = [const { OnceLock::new() }; KINDS];
        let (structure, kind) =
            STRUCTURES.iter().zip(aggregator_crds::kinds()).find(|(_, known)| known.kind == kind)?;
        structure.get_or_init(|| Self::new(kind.schema())).as_ref()
    }

    fn new(mut schema: Value) -> Option<Self> {
        let properties = schema.get_mut("properties")?.as_object_mut()?;
        properties.insert("apiVersion".into(), json!({ "type": "string" }));
        properties.insert("kind".into(), json!({ "type": "string" }));
        properties.insert("metadata".into(), metadata());
        schema["required"] = json!(["metadata", "spec"]);
        Self::closed(schema)
    }

    /// The shape of what is no object of a kind, with no other fields than those.
    pub(super) fn closed(mut schema: Value) -> Option<Self> {
        close(&mut schema);
        let validator = jsonschema::validator_for(&schema).ok()?;
        Some(Self { schema, validator })
    }

    /// Everything about the document that is not of this shape, each with what would let the rest be read.
    pub(super) fn check(&self, document: &Value, locator: &Locator) -> Vec<Finding> {
        let mut found: Vec<Finding> = Vec::new();
        // Where there are unknown fields, and which ones they may have been meant for.
        let mut unknown: Vec<(String, Option<String>)> = Vec::new();
        for error in self.validator.iter_errors(document) {
            let pointer = error.instance_path().as_str();
            let path = position::from_pointer(pointer);
            if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
                let known = self.known_fields(error.schema_path().as_str());
                for name in unexpected {
                    let meant = suggest::closest(name, known.iter().map(String::as_str));
                    unknown.push((pointer.to_owned(), meant.map(str::to_owned)));
                    let mend = Mend { pointer: pointer.to_owned(), by: By::LeavingOut(name.clone()) };
                    let diagnostic = Some(unknown_field(&path, name, &known, locator));
                    found.push(Finding { diagnostic, mend });
                }
                continue;
            }
            let Some((message, help)) = self.sentence(&error) else { continue };
            let code = if matches!(error.kind(), ValidationErrorKind::Required { .. }) {
                "MissingField"
            } else {
                "WrongShape"
            };
            let mend = Mend { pointer: pointer.to_owned(), by: self.mend(&error) };
            let diagnostic = Some(Diagnostic::error(code, message).help(help).at(locator.place(&path)));
            found.push(Finding { diagnostic, mend });
        }
        // A misspelt field is unknown, and missed where it should be: one mistake, told once.
        for Finding { diagnostic, mend } in &mut found {
            let here = || unknown.iter().filter(|(pointer, _)| *pointer == mend.pointer);
            let repeated = match (&mend.by, diagnostic.as_ref()) {
                (By::PuttingIn(_, _), Some(told)) if told.message.starts_with("exactly one of") => {
                    here().next().is_some()
                }
                (By::PuttingIn(name, _), _) => here().any(|(_, meant)| meant.as_ref() == Some(name)),
                _ => false,
            };
            if repeated {
                *diagnostic = None;
            }
        }
        found
    }

    /// What lets the rest of the document be read.
    fn mend(&self, error: &jsonschema::ValidationError<'_>) -> By {
        let path = error.schema_path().as_str();
        let schema = path.rsplit_once('/').and_then(|(schema, _)| self.schema.pointer(schema)).unwrap_or(&Value::Null);
        if names_columns(schema) {
            return By::Replacing(json!("PrimaryKey"));
        }
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let field = schema.get("properties").and_then(|fields| fields.get(name)).unwrap_or(&Value::Null);
                By::PuttingIn(name.to_owned(), least(field))
            }
            ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
                let keys = self.keys(error);
                let found: Vec<&str> =
                    keys.iter().copied().filter(|key| error.instance().as_ref().get(key).is_some()).collect();
                match (found.as_slice(), keys.first()) {
                    ([], Some(first)) => {
                        let field = schema.get("properties").and_then(|fields| fields.get(first));
                        By::PuttingIn((*first).to_owned(), least(field.unwrap_or(&Value::Null)))
                    }
                    _ => By::Choosing(found.into_iter().map(str::to_owned).collect()),
                }
            }
            // Of the right type: it can be read as it stands.
            ValidationErrorKind::Pattern { .. }
            | ValidationErrorKind::MinLength { .. }
            | ValidationErrorKind::MaxLength { .. }
            | ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MaxItems { .. } => By::Replacing(error.instance().as_ref().clone()),
            _ => By::Replacing(least(schema)),
        }
    }

    /// The keys that a choice is made among.
    fn keys(&self, error: &jsonschema::ValidationError<'_>) -> Vec<&str> {
        let branches = self.schema.pointer(error.schema_path().as_str()).and_then(Value::as_array);
        branches
            .into_iter()
            .flatten()
            .filter_map(|branch| branch.get("required")?.as_array()?.first()?.as_str())
            .collect()
    }

    fn known_fields(&self, schema_path: &str) -> Vec<String> {
        let object = schema_path.rsplit_once('/').map_or("", |(object, _)| object);
        let properties = self.schema.pointer(&format!("{object}/properties")).and_then(Value::as_object);
        properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
    }

    /// What is wrong, and what would be right.
    fn sentence(&self, error: &jsonschema::ValidationError<'_>) -> Option<(String, String)> {
        let value = error.instance().as_ref();
        let schema = error.schema_path().as_str().rsplit_once('/').and_then(|(schema, _)| self.schema.pointer(schema));
        if schema.is_some_and(names_columns) {
            let help = "write `PrimaryKey`, or a list of columns, as `[id]`";
            return Some((format!("{} names no columns", shown(value, "true or false")), help.into()));
        }
        Some(match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                (format!("the field `{name}` is missing"), format!("add `{name}:`{}", self.describe(error, name)))
            }
            ValidationErrorKind::Type { kind } => {
                let expected = match kind {
                    TypeKind::Single(kind) => word(&kind.to_string()).to_owned(),
                    TypeKind::Multiple(kinds) => {
                        let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
                        names
                            .iter()
                            .filter(|name| *name != "null")
                            .map(|name| word(name))
                            .collect::<Vec<_>>()
                            .join(" or ")
                    }
                };
                let help = if expected == "a mapping" { self.example(error) } else { None };
                (
                    format!("expected {expected}, got {}", shown(value, &expected)),
                    help.unwrap_or_else(|| retype(value, &expected)),
                )
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<&str> = options.as_array()?.iter().filter_map(Value::as_str).collect();
                let written = value.as_str().map_or_else(|| shown(value, "text"), |text| format!("`{}`", short(text)));
                let help = match value.as_str().and_then(|text| suggest::closest(text, options.iter().copied())) {
                    Some(near) => format!("did you mean `{near}`? one of: {}", options.join(", ")),
                    None => format!("write one of: {}", options.join(", ")),
                };
                (format!("{written} is not a value of this field"), help)
            }
            ValidationErrorKind::OneOfNotValid { .. }
            | ValidationErrorKind::OneOfMultipleValid { .. }
            | ValidationErrorKind::AnyOf { .. } => self.choice(error, value),
            ValidationErrorKind::MinItems { limit } => {
                let least = if *limit == 1 { "one entry".to_owned() } else { format!("{limit} entries") };
                (format!("the list needs at least {least}"), "add one".into())
            }
            ValidationErrorKind::MaxItems { limit } => {
                let most = if *limit == 1 { "one entry".to_owned() } else { format!("{limit} entries") };
                (format!("the list has more than {most}"), "split the object".into())
            }
            ValidationErrorKind::MinLength { limit } => {
                (format!("the text is shorter than {limit} characters"), "write a value, or remove the field".into())
            }
            ValidationErrorKind::MaxLength { limit } => {
                (format!("the text is longer than {limit} characters"), "shorten it".into())
            }
            ValidationErrorKind::Minimum { limit } => {
                (format!("{value} is too small"), format!("at least {}", whole(limit)))
            }
            ValidationErrorKind::Maximum { limit } => {
                (format!("{value} is too large"), format!("at most {}", whole(limit)))
            }
            ValidationErrorKind::Pattern { .. } if error.instance_path().as_str().ends_with("/secretKey") => (
                "this is not a key of a Secret".to_owned(),
                "name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never \
                 stands here"
                    .to_owned(),
            ),
            ValidationErrorKind::Pattern { pattern } => {
                let help = if pattern == r"^[A-Za-z_][A-Za-z0-9_]*$" {
                    "a name is letters, digits and `_`, and does not begin with a digit".to_owned()
                } else if pattern.contains("[Tt]") {
                    "write a time as 2026-11-29T10:00:00Z, of a year from 1000 to 2999".to_owned()
                } else {
                    format!("the pattern is {pattern}")
                };
                let text = value.as_str().unwrap_or_default();
                // An address may hold a password.
                let what = if text.contains('@') { "this".to_owned() } else { format!("`{}`", short(text)) };
                (format!("{what} does not have the right form"), help)
            }
            _ => (error.masked().to_string(), String::new()),
        })
    }

    /// A choice among keys that was not made, or made twice.
    fn choice(&self, error: &jsonschema::ValidationError<'_>, value: &Value) -> (String, String) {
        let keys = self.keys(error);
        if keys.is_empty() {
            return (format!("{} does not fit here", shown(value, "")), "see the field's documentation".into());
        }
        let found: Vec<&str> = keys.iter().copied().filter(|key| value.get(key).is_some()).collect();
        let message = format!(
            "exactly one of {} must be given: found {}",
            keys.join(", "),
            if found.is_empty() { "none".to_owned() } else { found.join(" and ") }
        );
        let help = if found.is_empty() { format!("add one, as `{}:`", keys[0]) } else { "keep one of them".to_owned() };
        (message, help)
    }

    /// What a mapping that was expected would look like.
    fn example(&self, error: &jsonschema::ValidationError<'_>) -> Option<String> {
        let object = error.schema_path().as_str().rsplit_once('/')?.0;
        let properties = self.schema.pointer(&format!("{object}/properties"))?.as_object()?;
        if properties.contains_key("secretKey") {
            return Some("write `{secretKey: KEY}`, and keep the value under KEY in the Connector's Secret".to_owned());
        }
        let fields = properties.keys().map(String::as_str);
        Some(format!("write a mapping of fields: {}", suggest::list(fields)))
    }

    /// The documentation of a field, for its absence.
    fn describe(&self, error: &jsonschema::ValidationError<'_>, field: &str) -> String {
        let path = error.schema_path().as_str();
        let object = path.rsplit_once('/').map_or("", |(object, _)| object);
        self.schema
            .pointer(&format!("{object}/properties/{field}/description"))
            .and_then(Value::as_str)
            .and_then(|text| text.lines().next())
            .map(|text| format!(" — {}", text.trim_end_matches('.')))
            .unwrap_or_default()
    }
}

/// Whether a list of columns stands there, or the word for those of the primary key.
fn names_columns(schema: &Value) -> bool {
    schema["pattern"] == "^PrimaryKey$"
}

fn unknown_field(path: &str, name: &str, known: &[String], locator: &Locator) -> Diagnostic {
    let known = known.iter().map(String::as_str);
    let at = position::child(path, name);
    Diagnostic::error("UnknownField", format!("`{name}` is not a field here"))
        .help(suggest::advice(name, "fields", known))
        .at(locator.key(&at))
}

/// Our word for a JSON type.
fn word(json: &str) -> &str {
    match json {
        "string" => "text",
        "object" => "a mapping",
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        other => other,
    }
}

/// What was written, as far as it is no secret: text is shown only where a number or truth value was due.
fn shown(value: &Value, expected: &str) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) if expected.contains("number") || expected.contains("true") => {
            format!("text {:?}", short(text))
        }
        Value::String(_) => "text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn retype(value: &Value, expected: &str) -> String {
    match value {
        Value::Bool(_) | Value::Number(_) if expected.contains("text") => {
            "put it in quotes (YAML takes bare words such as yes, no, on and off for true and false)".to_owned()
        }
        Value::String(_) if expected.contains("number") || expected.contains("true") => {
            "write it without quotes".to_owned()
        }
        Value::String(_) if expected.contains("list") => "write it in brackets: [ … ]".to_owned(),
        _ => format!("write {expected}"),
    }
}

fn short(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN { text.to_owned() } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

fn metadata() -> Value {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "minLength": 1, "description": "The object's name." },
            "namespace": { "type": "string", "minLength": 1 },
            "labels": texts,
            "annotations": texts,
        },
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// Forbids unknown fields, and allows null where Kubernetes does.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("nullable") == Some(&Value::Bool(true)) {
        if let Some(Value::String(kind)) = object.get("type").cloned() {
            object.insert("type".into(), json!([kind, "null"]));
        }
        if let Some(Value::Array(options)) = object.get_mut("enum")
            && !options.contains(&Value::Null)
        {
            options.push(Value::Null);
        }
    }
    let open = object.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if object.contains_key("properties") && !open && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".into(), Value::Bool(false));
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(close);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            close(inner);
        }
    }
}
