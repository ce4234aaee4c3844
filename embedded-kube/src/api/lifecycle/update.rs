//! An object that is replaced.

use serde_json::Value;

use super::super::store::Key;
use super::super::{Kind, Refusal};
use super::create::is_counted;
use super::metadata::{copy, is_going, is_held, number, of, text};

/// Which part of an object a request writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the status, where that is a part of its own.
    Main,
    /// The status alone.
    Status,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Updated {
    /// It is as it was: nothing is written.
    Same,
    /// It becomes this.
    Changed(Value),
    /// Its last finalizer is gone, and so is the object, which was this.
    Gone(Value),
}

/// What an object becomes when a request wants it to be `new`, before that is looked over; its managed fields are settled.
///
/// # Errors
/// When another object or another version of it was meant.
pub fn update(kind: &Kind, old: &Value, mut new: Value, part: Part) -> Result<Value, Refusal> {
    let name = text(old, "name");
    let own = text(&new, "namespace");
    if !own.is_empty() && own != text(old, "namespace") {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    named(&new, name)?;
    let version = text(&new, "resourceVersion");
    if !version.is_empty() && version != text(old, "resourceVersion") {
        return Err(Refusal::modified(kind, name));
    }
    if part == Part::Status && kind.custom {
        // Of the metadata, only who wrote what.
        let managed = new["metadata"].get("managedFields").cloned();
        let status = new.get("status").cloned();
        new = old.clone();
        set(&mut new, "status", status);
        match managed {
            Some(managed) => of(&mut new).insert("managedFields".into(), managed),
            None => of(&mut new).remove("managedFields"),
        };
    } else if part == Part::Status {
        let status = new.get("status").cloned();
        set(&mut new, "spec", old.get("spec").cloned());
        set(&mut new, "status", status);
    } else if kind.status {
        set(&mut new, "status", old.get("status").cloned());
    }
    for field in ["name", "namespace", "creationTimestamp", "generation", "resourceVersion", "selfLink"] {
        copy(old, &mut new, field);
    }
    // Another one is a mistake, which is told with the others.
    if text(&new, "uid").is_empty() {
        copy(old, &mut new, "uid");
    }
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        copy(old, &mut new, field);
    }
    if is_counted(kind) && is_another_version(kind, old, &new) {
        let generation = number(old, "generation").unwrap_or(0) + 1;
        of(&mut new).insert("generation".into(), generation.into());
    }
    Ok(new)
}

/// Whether an object has the name that the path of the request has.
///
/// # Errors
/// When it has another one.
pub fn named(object: &Value, name: &str) -> Result<(), Refusal> {
    match text(object, "name") {
        "" => Ok(()),
        own if own == name => Ok(()),
        own => {
            let message = format!("the name of the object ({own}) does not match the name on the URL ({name})");
            Err(Refusal::bad_request(message))
        }
    }
}

/// Whether who replaces an object means the one that is there.
///
/// # Errors
/// When they mean one of that name that was there before.
pub fn meant(kind: &Kind, key: &Key, old: &Value, new: &Value) -> Result<(), Refusal> {
    let (is, meant) = (text(old, "uid"), text(new, "uid"));
    if meant.is_empty() || meant == is {
        return Ok(());
    }
    // The real one says it in the words of what keeps its objects, and where it does.
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
         precondition: {meant}, UID in object meta: {is}",
        place(kind, key)
    );
    Err(Refusal::conflict(kind, &key.name, &why))
}

/// Where the real one keeps an object.
fn place(kind: &Kind, Key { namespace, name, .. }: &Key) -> String {
    let resource = match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "nodes") => "minions".to_owned(),
        (group, plural) if kind.custom || group == "apiextensions.k8s.io" => format!("{group}/{plural}"),
        (_, plural) => plural.to_owned(),
    };
    let parts = ["registry", resource.as_str(), namespace.as_str(), name.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect()
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let Value::Object(fields) = object else { return };
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
}

/// Whether what people ask for is another one: all but metadata and status of custom kinds, the spec of others.
fn is_another_version(kind: &Kind, old: &Value, new: &Value) -> bool {
    if !kind.custom {
        return old.get("spec") != new.get("spec");
    }
    let asked = |object: &Value| {
        let mut asked = object.clone();
        if let Value::Object(fields) = &mut asked {
            fields.remove("metadata");
            if kind.status {
                fields.remove("status");
            }
        }
        asked
    };
    asked(old) != asked(new)
}

impl Updated {
    /// What comes of an object that was looked over.
    #[must_use]
    pub fn of(old: &Value, new: Value) -> Self {
        let over = is_going(old) && number(old, "deletionGracePeriodSeconds").unwrap_or(0) == 0;
        if over && !is_held(&new) {
            return Self::Gone(new);
        }
        if *old == new { Self::Same } else { Self::Changed(new) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::super::store::Resource;
    use super::*;

    fn kind() -> Kind {
        Kind {
            group: "example.com".into(),
            version: "v1".into(),
            kind: "Widget".into(),
            plural: "widgets".into(),
            singular: "widget".into(),
            short_names: Vec::new(),
            categories: Vec::new(),
            namespaced: true,
            status: true,
            custom: true,
            schema: Arc::default(),
            columns: Vec::new(),
        }
    }

    fn old() -> Value {
        json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 3,
                         "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"size": 1}, "status": {"ready": true},
        })
    }

    fn updated(change: impl Fn(&mut Value), part: Part) -> Value {
        let mut new = old();
        change(&mut new);
        update(&kind(), &old(), new, part).expect("it is taken")
    }

    #[test]
    fn each_part_leaves_the_other_and_a_new_spec_is_another_generation() {
        let main = updated(
            |new| {
                new["spec"]["size"] = 2.into();
                new["status"]["ready"] = false.into();
                new["metadata"]["uid"] = Value::Null;
            },
            Part::Main,
        );
        assert_eq!((&main["spec"]["size"], &main["status"]["ready"]), (&json!(2), &json!(true)));
        assert_eq!((&main["metadata"]["generation"], &main["metadata"]["uid"]), (&json!(4), &json!("u")));
        let status = updated(
            |new| {
                new["spec"]["size"] = 2.into();
                new["status"]["ready"] = false.into();
                new["metadata"]["labels"] = json!({"a": "b"});
            },
            Part::Status,
        );
        assert_eq!((&status["spec"]["size"], &status["status"]["ready"]), (&json!(1), &json!(false)));
        assert_eq!((&status["metadata"]["generation"], status["metadata"].get("labels")), (&json!(3), None));
        let labels = updated(|new| new["metadata"]["labels"] = json!({"a": "b"}), Part::Main);
        assert_eq!(labels["metadata"]["generation"], 3);
        assert_eq!(Updated::of(&old(), updated(|_| {}, Part::Main)), Updated::Same);
    }

    #[test]
    fn another_object_or_version_is_refused() {
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut new = old();
            change(&mut new);
            update(&kind(), &old(), new, Part::Main).expect_err("it is refused").message
        };
        let modified = refused(&|new| new["metadata"]["resourceVersion"] = "6".into());
        assert!(modified.contains("the object has been modified"), "{modified}");
        let mut other = old();
        other["metadata"]["uid"] = "other".into();
        let resource = Resource { group: "example.com".into(), plural: "widgets".into() };
        let key = Key { resource, namespace: "n".into(), name: "a".into() };
        assert!(meant(&kind(), &key, &old(), &old()).is_ok());
        let other = meant(&kind(), &key, &old(), &other).expect_err("it is refused").message;
        assert_eq!(
            other,
            "Operation cannot be fulfilled on widgets.example.com \"a\": StorageError: invalid object, Code: 4, Key: \
             /registry/example.com/widgets/n/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
             precondition: other, UID in object meta: u"
        );
        let name = refused(&|new| new["metadata"]["name"] = "b".into());
        assert_eq!(name, "the name of the object (b) does not match the name on the URL (a)");
    }

    #[test]
    fn the_last_finalizer_lets_it_go() {
        let mut old = old();
        old["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z".into();
        old["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        old["metadata"]["finalizers"] = json!(["x"]);
        let mut new = old.clone();
        new["metadata"]["finalizers"] = json!([]);
        let without = update(&kind(), &old, new, Part::Main).expect("it is taken");
        assert!(matches!(Updated::of(&old, without), Updated::Gone(_)));
    }

    #[test]
    fn a_namespace_goes_when_it_is_said_to_be_empty() {
        let with = |finalizers: Value| {
            json!({"apiVersion": "v1", "kind": "Namespace", "spec": {"finalizers": finalizers},
                   "metadata": {"name": "a", "deletionTimestamp": "2026-01-02T00:00:00Z"}})
        };
        let old = with(json!(["kubernetes"]));
        let mut told = old.clone();
        told["status"]["phase"] = "Terminating".into();
        assert!(matches!(Updated::of(&old, told), Updated::Changed(_)));
        assert!(matches!(Updated::of(&old, with(json!([]))), Updated::Gone(_)));
    }
}
