//! The objects that have changed, or are touched by a change, and that nobody has looked at since.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::action::Kind;
use crate::routes::Key;

/// Objects that wait, and since when. What only comes back after a while (a retry, the next fire) does not wait meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting(Arc<Mutex<HashMap<Key, Instant>>>);

impl Waiting {
    /// It waits from now on, if it does not already.
    pub(crate) fn asks(&self, key: &Key) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who waits is asked for again and again: no new key for those.
        if !all.contains_key(key) {
            all.insert(key.clone(), Instant::now());
        }
    }

    /// It waits no more; says how long it has, if it did.
    pub(crate) fn ends(&self, key: &Key) -> Option<Duration> {
        let since = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        since.map(|since| since.elapsed())
    }

    /// How many of each kind wait.
    pub(crate) fn depth(&self) -> BTreeMap<Kind, i64> {
        let mut depth = BTreeMap::new();
        for key in self.0.lock().unwrap_or_else(PoisonError::into_inner).keys() {
            *depth.entry(key.kind).or_default() += 1;
        }
        depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_waits_once_however_often_it_is_asked_for() {
        let waiting = Waiting::default();
        let key = |kind, name: &str| Key { kind, namespace: "n".into(), name: name.into() };
        let (one, two) = (key(Kind::Pipeline, "one"), key(Kind::PipelineRun, "two"));
        waiting.asks(&one);
        waiting.asks(&one);
        waiting.asks(&two);
        assert_eq!(waiting.depth(), BTreeMap::from([(Kind::Pipeline, 1), (Kind::PipelineRun, 1)]));
        assert!(waiting.ends(&one).is_some());
        assert_eq!(waiting.ends(&one), None);
        assert_eq!(waiting.depth(), BTreeMap::from([(Kind::PipelineRun, 1)]));
    }
}
