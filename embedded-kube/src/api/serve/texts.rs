//! The texts of objects that watches have just been told of: when many watch the same, it is written once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::super::store::Stored;

/// How many are remembered: those of the last moments.
const REMEMBERED: usize = 64;

/// The texts of the last objects that were told.
#[derive(Default)]
pub(super) struct Texts(Mutex<VecDeque<Text>>);

/// An object in one version of its kind's API, as JSON.
struct Text {
    of: Arc<Stored>,
    api_version: String,
    text: Bytes,
}

impl Texts {
    /// The text of an object, which `write` gives if nobody else has been told of it.
    pub(super) fn of(&self, stored: &Arc<Stored>, api_version: &str, write: impl FnOnce() -> String) -> Bytes {
        let known = |texts: &VecDeque<Text>| {
            let mut newest = texts.iter().rev();
            let found = newest.find(|text| Arc::ptr_eq(&text.of, stored) && text.api_version == api_version)?;
            Some(found.text.clone())
        };
        if let Some(text) = known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return text;
        }
        let text = Bytes::from(write());
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.len() == REMEMBERED {
            texts.pop_front();
        }
        texts.push_back(Text { of: Arc::clone(stored), api_version: api_version.to_owned(), text: text.clone() });
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::store::{Key, Resource};

    #[test]
    fn an_object_is_written_once_for_each_version_of_its_kind() {
        let stored = |value: u64| {
            let resource = Resource { group: String::new(), plural: "pods".into() };
            let key = Key { resource, namespace: "demo".into(), name: "a".into() };
            Arc::new(Stored { key, version: 7, object: json!({ "value": value }) })
        };
        let (texts, first, second) = (Texts::default(), stored(1), stored(2));
        let never = || panic!("it was written before");
        assert_eq!(texts.of(&first, "v1", || "one".into()), "one");
        assert_eq!(texts.of(&first, "v1", never), "one");
        assert_eq!(texts.of(&first, "v2", || "other".into()), "other");
        assert_eq!(texts.of(&second, "v1", || "two".into()), "two", "the same version, but not the same object");
        for value in 0..REMEMBERED as u64 {
            texts.of(&stored(value), "v1", || "more".into());
        }
        assert_eq!(texts.of(&first, "v1", || "again".into()), "again", "it was forgotten");
    }
}
