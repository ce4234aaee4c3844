//! Reading files: text to documents, documents to objects.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::located::{Located, Locator};
use super::position::{self, Document, SyntaxError};
use super::salvage::{Mend, salvage};
use super::secret::{ConfigMapManifest, SecretManifest};
use super::structure::Structure;
use super::{ManifestText, Manifests};
use crate::diagnostic::{Diagnostic, Place};
use crate::suggest;

/// Kinds that are ours.
const KINDS: [&str; 6] = ["Connector", "Pipeline", "Transformation", "Schedule", "PipelineRun", "Checkpoint"];

/// Takes files in, one after the other.
#[derive(Default)]
pub(super) struct Reader {
    manifests: Manifests,
    diagnostics: Vec<Diagnostic>,
    /// Kind, namespace, name and place of every object met.
    known: Vec<(String, String, String, Place)>,
}

impl Reader {
    pub(super) fn finish(self) -> (Manifests, Vec<Diagnostic>) {
        (self.manifests, self.diagnostics)
    }

    pub(super) fn file(&mut self, file: &ManifestText) {
        let name: Arc<str> = file.file.as_str().into();
        let (documents, error) = position::documents(&file.text);
        let empty = documents.iter().all(|document| document.empty);
        // What is something else altogether, as delimited text, is not mended where it stops to be YAML.
        if empty && (error.is_none() || !file.text.contains("apiVersion")) {
            let place =
                Place { file: file.file.clone(), object: "file".into(), path: String::new(), line: 1, column: 1 };
            self.diagnostics.push(
                Diagnostic::error("NoObject", "this file holds no object")
                    .help(format!(
                        "objects begin with `apiVersion: {}` and `kind: Pipeline`",
                        aggregator_crds::API_VERSION
                    ))
                    .at(place),
            );
            return;
        }
        for document in documents {
            self.document(&name, document);
        }
        if let Some(error) = error {
            self.diagnostics.push(syntax(&file.file, error));
        }
    }

    fn document(&mut self, file: &Arc<str>, document: Document) {
        if document.empty {
            return;
        }
        let value = values(&document);
        let positions = Arc::new(document.positions);
        let object = value.as_ref().map_or_else(|_| "YAML".to_owned(), title);
        let locator = Locator { file: Arc::clone(file), object, prefix: String::new(), positions };
        if document.unparted {
            self.diagnostics.push(
                Diagnostic::error("MissingSeparator", "another object begins here, and `---` is missing above it")
                    .help("write `---` on a line of its own above this one: each object is a document of its own")
                    .at(locator.key("apiVersion")),
            );
        }
        for (path, place) in &document.duplicates {
            self.diagnostics.push(duplicate(path, *place, &locator));
        }
        match value {
            Ok(value) => {
                let secret = value.get("kind").and_then(Value::as_str) == Some("Secret");
                let before = self.diagnostics.len();
                self.object(value, locator.clone());
                let told: Vec<Place> =
                    self.diagnostics[before..].iter().filter_map(|found| found.place.clone()).collect();
                for (path, word) in document.bare_booleans.iter().filter(|_| !secret) {
                    let place = locator.place(path);
                    if !told.contains(&place) {
                        self.bare_boolean(word, place);
                    }
                }
                for path in document.bare_keys.iter().filter(|_| !secret) {
                    let place = locator.key(path);
                    self.diagnostics.push(
                        Diagnostic::warning("BareBoolean", "kubectl takes this bare key for true or false")
                            .help("put the key in quotes, as \"on\":")
                            .at(place),
                    );
                }
            }
            Err(_) => self.diagnostics.push(without_values(&locator)),
        }
    }

    fn bare_boolean(&mut self, word: &str, place: Place) {
        self.diagnostics.push(
            Diagnostic::warning("BareBoolean", format!("YAML takes the bare word `{word}` for true or false"))
                .help(format!("write `\"{word}\"` for the text, or `true`/`false` for the truth value"))
                .at(place),
        );
    }

    /// Takes in one object, or the items of a `v1` List.
    fn object(&mut self, value: Value, locator: Locator) {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if !value.is_object() || version.is_empty() || kind.is_empty() {
            let missing = if version.is_empty() { "apiVersion" } else { "kind" };
            self.diagnostics.push(
                Diagnostic::error("NotAnObject", format!("this document has no `{missing}`"))
                    .help(format!("begin it with `apiVersion: {}` and `kind: Pipeline`", aggregator_crds::API_VERSION))
                    .at(locator.place("")),
            );
            return;
        }
        let meta = |field: &str| value.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
        let name = meta("name").unwrap_or_default().to_owned();
        let namespace = meta("namespace").unwrap_or("default").to_owned();
        if !name.is_empty() {
            self.note(&kind, &namespace, &name, locator.place("metadata.name"));
        }
        let located = At { namespace, name, locator, damaged: Vec::new() };
        match (version.as_str(), kind.as_str()) {
            (aggregator_crds::API_VERSION, "Connector") => {
                let object = self.typed(value, located);
                self.manifests.connectors.extend(object);
            }
            (aggregator_crds::API_VERSION, "Pipeline") => {
                let object = self.typed(value, located);
                self.manifests.pipelines.extend(object);
            }
            (aggregator_crds::API_VERSION, "Transformation") => {
                let object = self.typed(value, located);
                self.manifests.transformations.extend(object);
            }
            (aggregator_crds::API_VERSION, "Schedule") => {
                let object = self.typed(value, located);
                self.manifests.schedules.extend(object);
            }
            (aggregator_crds::API_VERSION, "PipelineRun") => {
                let object = self.typed(value, located);
                self.manifests.runs.extend(object);
            }
            (aggregator_crds::API_VERSION, "Checkpoint") => {
                let object = self.typed(value, located);
                self.manifests.checkpoints.extend(object);
            }
            ("v1", kind @ ("Secret" | "ConfigMap")) if located.name.is_empty() => {
                self.malformed(kind, "metadata", "it has no name, so nobody can use it", &located.locator);
            }
            ("v1", "Secret") => match SecretManifest::read(&value) {
                Ok(secret) => self.manifests.secrets.push(located.hold(secret)),
                Err(wrong) => self.malformed("Secret", &wrong.path, wrong.message, &located.locator),
            },
            ("v1", "ConfigMap") => match ConfigMapManifest::read(&value) {
                Ok(map) => self.manifests.config_maps.push(located.hold(map)),
                Err(wrong) => self.malformed("ConfigMap", &wrong.path, wrong.message, &located.locator),
            },
            ("v1", "List") => {
                let Value::Object(mut list) = value else { return };
                let items = list.remove("items");
                for (index, item) in items.as_ref().and_then(Value::as_array).into_iter().flatten().enumerate() {
                    let locator = located.locator.item(title(item), index);
                    self.object(item.clone(), locator);
                }
            }
            ("v1", "Namespace") => {}
            _ => self.unknown_kind(&version, &kind, &located.locator),
        }
    }

    fn malformed(&mut self, kind: &str, path: &str, message: &str, locator: &Locator) {
        self.diagnostics.push(Diagnostic::error("WrongShape", format!("{kind}: {message}")).at(locator.key(path)));
    }

    fn unknown_kind(&mut self, version: &str, kind: &str, locator: &Locator) {
        let ours = version.starts_with(aggregator_crds::GROUP);
        let diagnostic = if ours && KINDS.contains(&kind) {
            Diagnostic::error("UnknownKind", format!("the version `{version}` of {kind} is not known"))
                .help(format!("write `apiVersion: {}`", aggregator_crds::API_VERSION))
                .at(locator.place("apiVersion"))
        } else if ours {
            Diagnostic::error("UnknownKind", format!("`{kind}` is not a kind of {}", aggregator_crds::GROUP))
                .help(suggest::advice(kind, "kinds", KINDS))
                .at(locator.place("kind"))
        } else if let Some(near) = KINDS.into_iter().find(|known| *known == kind) {
            Diagnostic::error("UnknownKind", format!("{near} is not a kind of `{version}`"))
                .help(format!("write `apiVersion: {}`", aggregator_crds::API_VERSION))
                .at(locator.place("apiVersion"))
        } else {
            Diagnostic::warning("UnknownKind", format!("{version} {kind} is not read here and is passed over"))
                .at(locator.place("kind"))
        };
        self.diagnostics.push(diagnostic);
    }

    fn note(&mut self, kind: &str, namespace: &str, name: &str, place: Place) {
        let known = self.known.iter().find(|(k, ns, n, _)| k == kind && ns == namespace && n == name);
        if let Some((.., first)) = known {
            self.diagnostics.push(
                Diagnostic::error("DuplicateObject", format!("{kind} {namespace}/{name} is defined twice"))
                    .help(format!("the first is at {}:{}; rename or remove one", first.file, first.line))
                    .at(place),
            );
            return;
        }
        self.known.push((kind.to_owned(), namespace.to_owned(), name.to_owned(), place));
    }

    /// An object of one of our types. What is not of its shape is told and mended, so that the rest can be looked at;
    /// one of which nothing is left is None, and known to be broken.
    fn typed<T: DeserializeOwned>(&mut self, mut value: Value, mut at: At) -> Option<Located<T>> {
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let found = Structure::of(&kind).map(|shape| shape.check(&value, &at.locator)).unwrap_or_default();
        let mends: Vec<Mend> = found.iter().map(|finding| finding.mend.clone()).collect();
        let sound = found.is_empty();
        self.diagnostics.extend(found.into_iter().filter_map(|finding| finding.diagnostic));
        at.damaged = salvage(&mut value, &mends);
        // What stands outside of `spec` names the object: without it there is nothing to go on with.
        let lost = at.damaged.iter().any(|path| !path.starts_with("spec"));
        let parsed: Result<T, _> = serde_path_to_error::deserialize(value);
        match parsed {
            Ok(object) if !lost => return Some(at.hold(object)),
            // The shape's own sentences say it better, when there are any.
            Err(error) if sound => {
                let path = match error.path().to_string() {
                    path if path == "." => String::new(),
                    path => path,
                };
                let diagnostic = Diagnostic::error("WrongShape", error.inner().to_string());
                self.diagnostics.push(diagnostic.at(at.locator.place(&path)));
            }
            Ok(_) | Err(_) => {}
        }
        self.manifests.broken.insert((kind, at.namespace, at.name));
        None
    }
}

/// A key that stands twice.
pub(super) fn duplicate(path: &str, place: (u32, u32), locator: &Locator) -> Diagnostic {
    Diagnostic::error("DuplicateKey", "this key stands twice in one mapping")
        .help("remove one of them, or merge their values")
        .at(locator.at(path, place))
}

/// Text that is not YAML.
pub(super) fn syntax(file: &str, error: SyntaxError) -> Diagnostic {
    let SyntaxError { message, line, column } = error;
    let place = Place { file: file.to_owned(), object: "YAML".into(), path: String::new(), line, column };
    Diagnostic::error("YamlSyntax", format!("this is not YAML: {message}"))
        .help("look at the indentation, quotes and brackets here and on the line above")
        .at(place)
}

/// The values of a document; of a key that stands twice, the last one.
pub(super) fn values(document: &Document) -> Result<Value, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(&document.text, options)
}

/// A document that is YAML and yet has no values. The error's message may quote it, and it may be a Secret.
pub(super) fn without_values(locator: &Locator) -> Diagnostic {
    Diagnostic::error("YamlSyntax", "this document cannot be read as YAML values")
        .help("look for unknown tags, aliases without an anchor and values that are too deep")
        .at(locator.place(""))
}

/// Where an object belongs and stands.
struct At {
    namespace: String,
    name: String,
    locator: Locator,
    damaged: Vec<String>,
}

impl At {
    fn hold<T>(self, object: T) -> Located<T> {
        let file = self.locator.file.to_string();
        let (namespace, name, damaged) = (self.namespace, self.name, self.damaged);
        Located { object, file, namespace, name, damaged, locator: self.locator }
    }
}

/// What an object is called in a place: `Pipeline demo/delays`.
fn title(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("document");
    match (text("/metadata/namespace").unwrap_or("default"), text("/metadata/name")) {
        (namespace, Some(name)) => format!("{kind} {namespace}/{name}"),
        (_, None) => kind.to_owned(),
    }
}
