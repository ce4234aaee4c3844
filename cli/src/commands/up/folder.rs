//! The manifests of a folder: whether they have changed, what they say, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::manifest::{ManifestText, Manifests};
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::commands::objects::order::rank;
use crate::failure::Failure;
use crate::manifests;

/// The manifests of a folder at some moment. One that is written again has another time or another length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

/// An object, and where it begins.
#[derive(Debug, PartialEq)]
pub(super) struct Manifest {
    pub(super) object: Value,
    /// The file and the line.
    pub(super) place: String,
}

/// What the manifests say.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The objects of the files in which nothing is wrong: those that others are in come first, then by file.
    pub(super) objects: Vec<Manifest>,
    /// What is wrong in the others.
    pub(super) mistakes: Vec<String>,
}

/// Looks which manifests there are.
pub(super) fn look(folder: &Path) -> Result<Look, Failure> {
    let files = manifests::walk(folder, manifests::is_manifest)?;
    let seen = files.into_iter().filter_map(|path| {
        // One that has just gone is not there.
        let data = std::fs::metadata(&path).ok()?;
        Some((path, (data.modified().ok(), data.len())))
    });
    Ok(Look(seen.collect()))
}

/// Reads them.
pub(super) fn read(look: &Look) -> Content {
    let (mut texts, mut mistakes) = (Vec::new(), Vec::new());
    for path in look.0.keys() {
        match manifests::read_file(path) {
            // Data and values may lie beside manifests.
            Ok(text) if text.text.contains("apiVersion") => texts.push(text),
            Ok(_) => {}
            Err(failure) => mistakes.push(failure.text()),
        }
    }
    let content = understood(&texts);
    mistakes.extend(content.mistakes);
    Content { mistakes, ..content }
}

/// The objects of texts. Of a text with a mistake, none.
fn understood(texts: &[ManifestText]) -> Content {
    let (_, diagnostics) = Manifests::parse(texts);
    // A file whose objects were all taken out is no mistake here.
    let wrong = diagnostics.iter().filter(|diagnostic| diagnostic.is_error() && diagnostic.code != "NoObject");
    let wrong: Vec<&Diagnostic> = wrong.collect();
    let broken: BTreeSet<&str> =
        wrong.iter().filter_map(|diagnostic| diagnostic.place.as_ref()).map(|place| place.file.as_str()).collect();
    let mut content =
        Content { objects: Vec::new(), mistakes: wrong.iter().map(|diagnostic| diagnostic.to_string()).collect() };
    for text in texts.iter().filter(|text| !broken.contains(text.file.as_str())) {
        match documents(text) {
            Ok(objects) => content.objects.extend(objects),
            Err(mistake) => content.mistakes.push(mistake),
        }
    }
    content.objects.sort_by_key(|manifest| place(&manifest.object));
    content
}

/// Each is made after what it needs.
fn place(object: &Value) -> usize {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    rank(group, text("kind"))
}

fn documents(text: &ManifestText) -> Result<Vec<Manifest>, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let read: Result<Vec<Spanned<Value>>, _> = serde_saphyr::from_multiple_with_options(&text.text, options);
    let read = read.map_err(|error| {
        // What the error says may quote the text, which may be a Secret.
        let line = error.location().map_or(1, |location| location.line());
        format!("{}:{line}: error[YamlSyntax]: this cannot be read as YAML values", text.file)
    })?;
    let mut manifests = Vec::new();
    for document in read {
        let place = format!("{}:{}", text.file, document.referenced.line());
        let is_list = document.value["kind"] == "List" && document.value["apiVersion"] == "v1";
        match document.value {
            Value::Object(mut list) if is_list => {
                if let Some(Value::Array(items)) = list.remove("items") {
                    manifests.extend(items.into_iter().map(|object| Manifest { object, place: place.clone() }));
                }
            }
            object => manifests.push(Manifest { object, place }),
        }
    }
    Ok(manifests)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(texts: &[(&str, &str)]) -> Content {
        let text = |(file, text): &(&str, &str)| ManifestText { file: (*file).to_owned(), text: (*text).to_owned() };
        understood(&texts.iter().map(text).collect::<Vec<_>>())
    }

    fn of_kind(kind: &str, name: &str) -> String {
        format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n")
    }

    fn names(content: &Content) -> Vec<(&str, &str)> {
        let objects = content.objects.iter();
        objects.filter_map(|it| Some((it.object["metadata"]["name"].as_str()?, it.place.as_str()))).collect()
    }

    #[test]
    fn objects_have_places_and_namespaces_come_first() {
        let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [map("three")]});
        let content = of(&[
            ("a.yaml", &format!("# two\n{}---\n{}", of_kind("ConfigMap", "one"), of_kind("Namespace", "two"))),
            ("b.json", &list.to_string()),
            ("c.yaml", "# apiVersion: v1\n"),
        ]);
        assert_eq!(content.mistakes, [""; 0]);
        assert_eq!(names(&content), [("two", "a.yaml:6"), ("one", "a.yaml:2"), ("three", "b.json:1")]);
        assert_eq!(content.objects[1].object, map("one"));
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_keeps_the_objects_of_its_file_back() {
        let wrong = of_kind("Connector", "c").replace("v1", aggregator_crds::API_VERSION);
        let both = format!("{}---\n{wrong}spec:\n  fil: {{root: x}}\n", of_kind("ConfigMap", "a"));
        let content = of(&[("a.yaml", &both), ("b.yaml", &of_kind("ConfigMap", "b"))]);
        assert_eq!(names(&content), [("b", "b.yaml:1")]);
        let told = |line: u8| content.mistakes.iter().any(|mistake| mistake.starts_with(&format!("a.yaml:{line}:")));
        assert!(told(8) || told(9), "{:?}", content.mistakes);
    }

    #[test]
    fn an_object_that_two_files_have_is_a_mistake() {
        let map = of_kind("ConfigMap", "c");
        let content = of(&[("a.yaml", &map), ("b.yaml", &map)]);
        assert_eq!(names(&content), [("c", "a.yaml:1")]);
        assert!(content.mistakes[0].starts_with("b.yaml:3:"), "{:?}", content.mistakes);
    }

    #[test]
    fn no_mistake_quotes_a_secret() {
        let secret = format!("{}stringData: {{password: [canary]}}\n", of_kind("Secret", "s"));
        let content = of(&[("s.yaml", &secret)]);
        assert!(content.objects.is_empty(), "{content:?}");
        let told = content.mistakes.concat();
        assert!(!told.is_empty() && !told.contains("canary"), "{told}");
    }

    #[test]
    fn a_look_tells_what_was_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        file("a.yaml", "one");
        file("notes.txt", "one");
        std::fs::create_dir(folder.path().join(".git")).expect("a folder");
        file(".git/a.yaml", "one");
        let first = look(folder.path()).expect("a folder");
        file("notes.txt", "two or more");
        file(".git/a.yaml", "two or more");
        assert_eq!(look(folder.path()).expect("a folder"), first);
        file("a.yaml", "two or more");
        assert_ne!(look(folder.path()).expect("a folder"), first);
    }
}
