//! Who owns fields of an object.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields;
use super::set::FieldSet;

/// What a user agent's name is cut to.
const LONGEST: usize = 128;

/// Who writes an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// The name.
    pub name: String,
    /// The part of the object that is written, as `status`; empty for the object itself.
    pub subresource: String,
}

impl Manager {
    /// The manager that a request names, or else the program that sends it.
    #[must_use]
    pub fn named(field_manager: &str, user_agent: &str, subresource: &str) -> Self {
        let name = if field_manager.is_empty() { program(user_agent) } else { field_manager.to_owned() };
        Self { name, subresource: subresource.to_owned() }
    }
}

fn program(user_agent: &str) -> String {
    let mut program = String::new();
    for letter in user_agent.split('/').next().unwrap_or_default().chars().filter(|letter| !letter.is_control()) {
        if program.len() + letter.len_utf8() > LONGEST {
            break;
        }
        program.push(letter);
    }
    program
}

/// How fields came to be owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// An entry of `managedFields`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owner {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) version: String,
    pub(super) subresource: String,
    pub(super) time: Option<Timestamp>,
    pub(super) fields: FieldSet,
}

impl Owner {
    pub(super) fn new(manager: &Manager, operation: Operation, version: String) -> Self {
        // An update by nobody in particular is still one by somebody.
        let name = if manager.name.is_empty() { "unknown" } else { &manager.name };
        Self {
            manager: name.to_owned(),
            operation,
            version,
            subresource: manager.subresource.clone(),
            time: None,
            fields: FieldSet::default(),
        }
    }

    /// What tells it from others. Whoever applies does it in whatever version. Entries are sorted by it.
    pub(super) fn identifier(&self) -> String {
        let mut identifier = String::from("{");
        let mut part = |name: &str, value: &str| {
            if !value.is_empty() {
                let separator = if identifier.len() > 1 { "," } else { "" };
                identifier.push_str(&format!("{separator}\"{name}\":{}", Value::from(value)));
            }
        };
        part("manager", &self.manager);
        part("operation", self.operation.name());
        if self.operation == Operation::Update {
            part("apiVersion", &self.version);
        }
        part("subresource", &self.subresource);
        identifier.push('}');
        identifier
    }

    /// As messages call it.
    pub(super) fn described(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.version));
        }
        text
    }

    pub(super) fn read(entry: &Value) -> Result<Self, String> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".into()),
        };
        let version = text("apiVersion");
        if version.is_empty() {
            return Err("apiVersion must not be empty".into());
        }
        match text("fieldsType").as_str() {
            "FieldsV1" => {}
            "" => return Err("missing fieldsType in managed fields entry".into()),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry")),
        }
        let fields = match entry.get("fieldsV1") {
            None | Some(Value::Null) => FieldSet::default(),
            Some(fields) => fields::read(fields).map_err(|error| format!("error decoding set: {error}"))?,
        };
        let (manager, subresource) = (text("manager"), text("subresource"));
        Ok(Self { manager, operation, version, subresource, time: text("time").parse().ok(), fields })
    }

    pub(super) fn written(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": self.operation.name(),
            "apiVersion": self.version,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields::written(&self.fields),
        });
        if let Some(time) = self.time {
            entry["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        }
        if !self.subresource.is_empty() {
            entry["subresource"] = self.subresource.as_str().into();
        }
        entry
    }
}
