//! Objects in the form that a client accepts.

use http::header::ACCEPT;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::discovery::{Endpoint, Form, MetaVersion, negotiate};
use super::super::follow::Page;
use super::super::request::query;
use super::super::store::Stored;
use super::super::table::{Include, Options, Printer, metadata, metadata_list, mismatch};
use super::super::{Kind, Refusal};
use super::{Asked, event};

/// The form in which a request is answered.
pub(super) struct Shape {
    form: Form,
    include: Include,
    printer: Option<Printer>,
}

impl Shape {
    /// What a request wants.
    ///
    /// # Errors
    /// When it accepts nothing that is served.
    pub(super) fn of(asked: &Asked, kind: &Kind, endpoint: Endpoint) -> Result<Self, Refusal> {
        let accept = asked.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let form = negotiate(accept, endpoint, kind.custom)?;
        let (include, printer) = match form {
            Form::Table(_) => {
                let options = query(&asked.uri);
                let include = Include::parse(options.get("includeObject").map(String::as_str))?;
                (include, Some(Printer::new(kind)))
            }
            _ => (Include::Metadata, None),
        };
        Ok(Self { form, include, printer })
    }

    fn options(&self, version: MetaVersion, headers: bool) -> Options {
        Options { include: self.include, headers, version }
    }

    /// One object; `first` is whether a table has its heads.
    ///
    /// # Errors
    /// When a list was wanted.
    pub(super) fn object(&self, kind: &Kind, object: &Value, first: bool) -> Result<Value, Refusal> {
        match (self.form, &self.printer) {
            (Form::Table(version), Some(printer)) => {
                Ok(printer.object(object, self.options(version, first), Timestamp::now()))
            }
            (Form::Metadata(version), _) => Ok(metadata(object, version)),
            (Form::MetadataList(_), _) => Err(mismatch(kind, false)),
            _ => Ok(object.clone()),
        }
    }

    /// An object of a watch.
    pub(super) fn event(&self, kind: &Kind, object: &Value, first: bool) -> Value {
        match self.form {
            Form::MetadataList(version) => metadata(object, version),
            // What is no list is taken as it is.
            _ => self.object(kind, object, first).unwrap_or_else(|_| object.clone()),
        }
    }

    /// Whether objects are given as they are.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.form, Form::Plain)
    }

    /// A page of a list.
    ///
    /// # Errors
    /// When one object was wanted.
    pub(super) fn list(&self, kind: &Kind, page: &Page, counts: bool) -> Result<Value, Refusal> {
        // Rows say of what kind their objects are.
        let bare = !kind.custom && self.include != Include::Object;
        let list = list(kind, page, counts, bare);
        match (self.form, &self.printer) {
            (Form::Table(version), Some(printer)) => {
                Ok(printer.list(&list, self.options(version, true), Timestamp::now()))
            }
            (Form::MetadataList(version), _) => Ok(metadata_list(&list, version)),
            (Form::Metadata(_), _) => Err(mismatch(kind, true)),
            _ => Ok(list),
        }
    }
}

/// An object as it is shown.
pub(super) fn shown(kind: &Kind, stored: &Stored) -> Value {
    event::shown(kind, stored.object.clone())
}

fn list(kind: &Kind, page: &Page, counts: bool, bare: bool) -> Value {
    let items = page.items.iter().map(|stored| {
        let mut object = shown(kind, stored);
        // Objects of a list of a built-in kind do not say what they are.
        if let (true, Value::Object(fields)) = (bare, &mut object) {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        object
    });
    let items: Vec<Value> = items.collect();
    let mut metadata = json!({"resourceVersion": page.version.to_string()});
    if !page.continue_token.is_empty() {
        metadata["continue"] = page.continue_token.clone().into();
        if counts {
            metadata["remainingItemCount"] = page.remaining.into();
        }
    } else if kind.custom {
        metadata["continue"] = "".into();
    }
    json!({
        "kind": format!("{}List", kind.kind),
        "apiVersion": kind.api_version(),
        "metadata": metadata,
        "items": items,
    })
}
