//! The objects of manifests, of any kind, and where they stand.

use std::collections::HashMap;

use aggregator_compiler::diagnostic::{Diagnostic, Place};
use aggregator_compiler::manifest::{Locator, ManifestText, Manifests};
use serde_json::Value;

use crate::args::Files;
use crate::failure::Failure;
use crate::{manifests, output};

/// An object of a manifest.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) object: Value,
    file: String,
    /// Where its fields stand, for the kinds whose fields were looked at.
    locator: Option<Locator>,
    /// Where it stands itself, if that is known without the above.
    place: Option<Place>,
}

/// What a kind is called that is none of those whose fields are looked at here: the server knows it.
const OTHER_KIND: &str = "UnknownKind";

/// The objects of the files, which are all read and looked at first: a mistake of form ends the command.
pub(super) fn read(files: &Files) -> Result<Vec<Document>, Failure> {
    let texts = manifests::read(files)?;
    let documents = parse(&texts)?;
    if documents.is_empty() {
        return Err(Failure::usage("the files hold no object", "name files with objects with -f"));
    }
    Ok(documents)
}

/// The objects of texts.
pub(super) fn parse(texts: &[ManifestText]) -> Result<Vec<Document>, Failure> {
    let (parsed, diagnostics) = Manifests::parse(texts);
    let (errors, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) =
        diagnostics.into_iter().partition(Diagnostic::is_error);
    if !errors.is_empty() {
        return Err(Failure::invalid(errors));
    }
    let mut places: HashMap<(String, String), Place> = HashMap::new();
    for warning in warnings {
        match warning.place {
            Some(place) if warning.code == OTHER_KIND => {
                places.insert((place.file.clone(), place.object.clone()), place);
            }
            _ => output::error_line(&warning.to_string()),
        }
    }
    let locators = locators(&parsed);
    let mut documents = Vec::new();
    for text in texts {
        let values: Result<Vec<Value>, _> = serde_saphyr::from_multiple(&text.text);
        // The message may quote the text, and that may be a Secret.
        let values = values.map_err(|_| {
            let message = format!("{} cannot be read as YAML values", text.file);
            Failure::usage(message, "`aggregator lint` says more; look for unknown tags and aliases")
        })?;
        for object in values.into_iter().flat_map(items) {
            let key = (text.file.clone(), title(&object));
            let (locator, place) = (locators.get(&key).cloned(), places.get(&key).cloned());
            documents.push(Document { object, file: text.file.clone(), locator, place });
        }
    }
    Ok(documents)
}

/// The items of a `v1` List, or the object itself.
fn items(mut object: Value) -> Vec<Value> {
    if object["kind"] != "List" || object["apiVersion"] != "v1" {
        return vec![object];
    }
    match object["items"].take() {
        Value::Array(all) => all.into_iter().flat_map(items).collect(),
        _ => Vec::new(),
    }
}

/// Where the fields stand of the objects that were looked at, by file and title.
fn locators(parsed: &Manifests) -> HashMap<(String, String), Locator> {
    let all = parsed
        .connectors()
        .map(|located| &located.locator)
        .chain(parsed.pipelines().map(|located| &located.locator))
        .chain(parsed.transformations().map(|located| &located.locator))
        .chain(parsed.schedules().map(|located| &located.locator))
        .chain(parsed.runs().map(|located| &located.locator))
        .chain(parsed.checkpoints().map(|located| &located.locator))
        .chain(parsed.secrets().map(|located| &located.locator))
        .chain(parsed.config_maps().map(|located| &located.locator));
    let keyed = all.map(|locator| {
        let place = locator.place("");
        ((place.file, place.object), locator.clone())
    });
    keyed.collect()
}

/// What an object is called in a place: `Pipeline demo/delays`.
fn title(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("document");
    match (text("/metadata/namespace").unwrap_or("default"), text("/metadata/name")) {
        (namespace, Some(name)) => format!("{kind} {namespace}/{name}"),
        (_, None) => kind.to_owned(),
    }
}

impl Document {
    fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(super) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The namespace that it names; empty when it names none.
    pub(super) fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// The place of a field, as a server names it, or of the object.
    pub(super) fn place(&self, field: &str) -> Place {
        let field = field.trim_start_matches('.');
        if let Some(locator) = &self.locator {
            return locator.place(field);
        }
        self.place.clone().unwrap_or_else(|| Place {
            file: self.file.clone(),
            object: title(&self.object),
            path: field.to_owned(),
            line: 1,
            column: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Document>, Failure> {
        parse(&[ManifestText { file: "m.yaml".into(), text: text.into() }])
    }

    const CONNECTOR: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: demo}
spec:
  file: {root: out, format: {ndjson: {}}}
";

    #[test]
    fn objects_of_any_kind_are_read_with_their_places() {
        let text = format!(
            "apiVersion: example.com/v1\nkind: Shirt\nmetadata: {{name: s}}\n---\n{CONNECTOR}---\napiVersion: v1\n\
             kind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {{name: demo}}\n"
        );
        let documents = parsed(&text).expect("three objects");
        let names: Vec<(&str, &str)> = documents.iter().map(|it| (it.kind(), it.name())).collect();
        assert_eq!(names, [("Shirt", "s"), ("Connector", "out"), ("Namespace", "demo")]);
        let place = |index: usize, field: &str| {
            let place = documents[index].place(field);
            (place.line, place.object)
        };
        assert_eq!(place(0, ""), (2, "Shirt default/s".to_owned()));
        assert_eq!(place(1, ".spec.file.root"), (9, "Connector demo/out".to_owned()));
        assert_eq!(place(2, ""), (1, "Namespace default/demo".to_owned()));
    }

    #[test]
    fn a_mistake_of_form_ends_it_with_its_place() {
        let wrong =
            format!("{CONNECTOR}---\napiVersion: aggregator.dev/v1alpha1\nkind: Pipelin\nmetadata: {{name: a}}\n");
        for (text, line) in [(wrong.as_str(), 8), ("apiVersion: v1\nkind: [\n", 2), ("kind: Pipeline\n", 1)] {
            let failure = parsed(text).expect_err(text);
            assert_eq!(failure.exit_code, 2);
            let place = failure.diagnostics[0].place.as_ref().expect("a place");
            assert_eq!((place.file.as_str(), place.line), ("m.yaml", line), "{text}");
        }
    }
}
