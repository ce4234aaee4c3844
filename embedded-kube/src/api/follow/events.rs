//! What happens to the objects that somebody has selected, as a watch tells it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::store::{Event, EventKind, Expired, Listed, Stored, Watch};
use super::super::{Refusal, RefusalReason};

/// How often the version is told while nothing happens.
const BOOKMARK: Duration = Duration::from_secs(60);
/// In the bookmark that ends what was there from the start.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// One line of a watch.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The object is there, or new among those selected.
    Added(Arc<Stored>),
    /// It has changed.
    Modified(Arc<Stored>),
    /// It is gone, or no longer among those selected.
    Deleted(Arc<Stored>),
    /// Nothing else has happened up to this version; whether what was there from the start ends here.
    Bookmark(u64, bool),
    /// The watch has to be begun anew.
    Error(Refusal),
}

/// Which objects.
pub type Selects = Box<dyn Fn(&Stored) -> bool + Send + Sync>;

/// Follows the objects of a resource.
pub struct Follow {
    watch: Watch,
    namespace: Option<String>,
    selects: Selects,
    bookmarks: bool,
    until: Instant,
    /// How often the version is told, and when next.
    pub(super) every: Duration,
    pub(super) next_bookmark: Instant,
    waiting: VecDeque<Told>,
    over: bool,
}

impl Follow {
    /// Tells what the watch tells, for so long; first, of what is there.
    #[must_use]
    pub fn new(
        (watch, there): (Watch, Option<Listed>),
        namespace: Option<String>,
        selects: Selects,
        (bookmarks, ends_start): (bool, bool),
        time: Duration,
    ) -> Self {
        let mut waiting = VecDeque::new();
        if let Some(Listed { version, items }) = there {
            waiting.extend(items.into_iter().filter(|stored| selects(stored)).map(Told::Added));
            if ends_start {
                waiting.push_back(Told::Bookmark(version, true));
            }
        }
        let now = Instant::now();
        let (until, next_bookmark) = (now + time, now + BOOKMARK);
        Self { watch, namespace, selects, bookmarks, until, every: BOOKMARK, next_bookmark, waiting, over: false }
    }

    /// The next line; None when the time is over.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                return Some(told);
            }
            if self.over {
                return None;
            }
            let wake = if self.bookmarks { self.until.min(self.next_bookmark) } else { self.until };
            match tokio::time::timeout_at(wake, self.watch.next()).await {
                Ok(Ok(Some(events))) => {
                    let told: Vec<Told> = events.into_iter().filter_map(|event| self.told(event)).collect();
                    self.waiting.extend(told);
                }
                Ok(Ok(None)) => self.over = true,
                Ok(Err(expired)) => {
                    self.over = true;
                    return Some(Told::Error(gone(expired)));
                }
                Err(_) => {
                    let now = Instant::now();
                    self.over = now >= self.until;
                    self.next_bookmark = now + self.every;
                    if self.bookmarks {
                        return Some(Told::Bookmark(self.watch.seen(), false));
                    }
                }
            }
        }
    }

    /// What an event is to whoever has selected: an object may come among those selected, or leave them.
    fn told(&self, Event { kind, stored, before }: Event) -> Option<Told> {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != stored.key.namespace) {
            return None;
        }
        let was = before.as_ref().is_some_and(|before| (self.selects)(before));
        let is = kind != EventKind::Deleted && (self.selects)(&stored);
        match (was, is) {
            (false, true) => Some(Told::Added(stored)),
            (true, true) => Some(Told::Modified(stored)),
            (true, false) => Some(Told::Deleted(as_it_was(&stored, before, kind))),
            (false, false) => None,
        }
    }
}

/// An object that has left those selected is told of as it was when it was one of them, with the version of its leaving.
fn as_it_was(stored: &Arc<Stored>, before: Option<Arc<Stored>>, kind: EventKind) -> Arc<Stored> {
    match before {
        Some(before) if kind != EventKind::Deleted => {
            let mut object = before.object.clone();
            object["metadata"]["resourceVersion"] = stored.version.to_string().into();
            Arc::new(Stored { key: before.key.clone(), version: stored.version, object })
        }
        _ => Arc::clone(stored),
    }
}

/// What was asked for is too long ago.
#[must_use]
pub(crate) fn gone(expired: Expired) -> Refusal {
    Refusal::new(RefusalReason::Expired, expired.to_string())
}

impl Told {
    /// What happened to an object, in the API's word, and the object; None when it is of none.
    #[must_use]
    pub fn object(&self) -> Option<(&'static str, &Arc<Stored>)> {
        match self {
            Self::Added(stored) => Some(("ADDED", stored)),
            Self::Modified(stored) => Some(("MODIFIED", stored)),
            Self::Deleted(stored) => Some(("DELETED", stored)),
            Self::Bookmark(..) | Self::Error(_) => None,
        }
    }

    /// As the API writes it, with an object in the form that was asked for.
    #[must_use]
    pub fn line(&self, api_version: &str, kind: &str, form: &dyn Fn(&Stored) -> Value) -> Value {
        match self {
            Self::Added(stored) => json!({"type": "ADDED", "object": form(stored)}),
            Self::Modified(stored) => json!({"type": "MODIFIED", "object": form(stored)}),
            Self::Deleted(stored) => json!({"type": "DELETED", "object": form(stored)}),
            Self::Bookmark(version, ends_start) => {
                let mut metadata = json!({"resourceVersion": version.to_string()});
                if *ends_start {
                    metadata["annotations"] = json!({ INITIAL_EVENTS_END: "true" });
                }
                let object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
                json!({"type": "BOOKMARK", "object": object})
            }
            Self::Error(refusal) => json!({"type": "ERROR", "object": refusal.status()}),
        }
    }
}
