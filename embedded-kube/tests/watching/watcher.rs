//! Who watches: lists, is told, goes away, and comes again.

use aggregator_tests::random::Random;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use tokio::sync::watch;

use crate::history::{Change, History, State, Word, fold, state_of};
use crate::selection::Selection;
use crate::session::Session;

/// How long a watch is open at most, in seconds.
const SECONDS: u32 = 1;
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What somebody has seen who watched.
pub(crate) struct Watcher {
    pub(crate) selection: Selection,
    /// What lists and events have made up, and the version of it.
    pub(crate) state: State,
    pub(crate) until: u64,
    pub(crate) sessions: Vec<Session>,
    pub(crate) counts: Counts,
    api: Api<ConfigMap>,
    random: Random,
}

/// How often it met what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Lists of more than one page.
    pub(crate) paged: usize,
    /// Lists that came as events.
    pub(crate) streamed: usize,
    /// Watches that it went away from while there was more.
    pub(crate) left: usize,
    /// Watches that the API has ended.
    pub(crate) ended: usize,
    /// Watches that were refused, as what they asked for was too long ago.
    pub(crate) expired: usize,
}

/// What a watch has told.
#[derive(Default)]
struct Told {
    there: Option<(u64, Vec<ConfigMap>)>,
    changes: Vec<Change>,
    until: u64,
    left: bool,
}

impl Watcher {
    pub(crate) fn new(client: &Client, selection: Selection, random: Random) -> Self {
        let (api, counts) = (selection.api(client), Counts::default());
        Self { selection, state: State::new(), until: 0, sessions: Vec::new(), counts, api, random }
    }

    /// Watches until it was told everything up to the version that is `end`, once there is one.
    pub(crate) async fn follow(mut self, end: watch::Receiver<Option<u64>>) -> Self {
        self.begin().await;
        self.look_back().await;
        loop {
            let last = *end.borrow();
            if last.is_some_and(|last| self.until >= last) {
                return self;
            }
            match self.random.below(10) {
                _ if last.is_some() => self.go_on(usize::MAX).await,
                0 => self.begin().await,
                1 => self.look_back().await,
                _ => {
                    let most = 1 + self.random.below(30);
                    self.go_on(most).await;
                }
            }
        }
    }

    /// Begins anew: with a list, or with one that comes as events.
    async fn begin(&mut self) {
        let most = 1 + self.random.below(30);
        if self.random.percent(50) {
            let (version, there) = self.list().await;
            self.state = state_of(&there);
            self.until = version;
            let told = self.watch(version, false, most).await.expect("the version of a list is not too old");
            self.take(Session { after: version, there: Some(there), changes: told.changes, until: told.until });
        } else {
            let told = self.watch(0, true, most).await.expect("no version was asked for");
            let (version, there) = told.there.expect("what is there was told, and its end");
            self.state = state_of(&there);
            self.counts.streamed += 1;
            self.take(Session { after: version, there: Some(there), changes: told.changes, until: told.until });
        }
    }

    /// Goes on where it was; anew, if that is too long ago.
    async fn go_on(&mut self, most: usize) {
        let after = self.until;
        match self.watch(after, false, most).await {
            Some(told) => self.take(Session { after, there: None, changes: told.changes, until: told.until }),
            None => self.begin().await,
        }
    }

    /// Asks once more for what happened after some version.
    async fn look_back(&mut self) {
        let until = self.until as usize;
        // Some of it was before this process began.
        let after = if self.random.percent(40) { 1 } else { 1 + self.random.below(until.max(1)) as u64 };
        let most = 1 + self.random.below(30);
        if let Some(told) = self.watch(after, false, most).await {
            self.sessions.push(Session { after, there: None, changes: told.changes, until: told.until });
        }
    }

    fn take(&mut self, session: Session) {
        fold(&mut self.state, &session.changes);
        self.until = session.until;
        self.sessions.push(session);
    }

    /// The objects of one version, in pages or at once.
    async fn list(&mut self) -> (u64, Vec<ConfigMap>) {
        let whole = self.selection.list();
        let mut params = if self.random.percent(50) { whole } else { whole.limit(1 + self.random.below(4) as u32) };
        let (mut version, mut items, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = self.api.list(&params).await.expect("a page");
            let own = page.metadata.resource_version.expect("the version of a list");
            assert_eq!(version.get_or_insert_with(|| own.clone()), &own, "pages are of one version");
            items.extend(page.items);
            pages += 1;
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                None => break,
                Some(token) => params = params.continue_token(&token),
            }
            tokio::task::yield_now().await;
        }
        self.counts.paged += usize::from(pages > 1);
        (version.and_then(|version| version.parse().ok()).expect("a number"), items)
    }

    /// Watches until so many changes have been told, or the API ends it; nothing when it is too long ago.
    async fn watch(&mut self, after: u64, starts: bool, most: usize) -> Option<Told> {
        let params = self.selection.watch().timeout(SECONDS);
        let params = match (starts, most) {
            (true, _) => params.initial_events(),
            // Without bookmarks it would not be known when all was told.
            (false, usize::MAX) => params,
            (false, _) if self.random.percent(70) => params,
            (false, _) => params.disable_bookmarks(),
        };
        let told = read(&self.api, &params, after, most).await;
        match &told {
            None => self.counts.expired += 1,
            Some(told) if told.left => self.counts.left += 1,
            Some(_) => self.counts.ended += 1,
        }
        told
    }
}

async fn read(api: &Api<ConfigMap>, params: &WatchParams, after: u64, most: usize) -> Option<Told> {
    let mut events = api.watch(params, &after.to_string()).await.expect("a watch").boxed();
    let mut told = Told { until: after, ..Told::default() };
    let mut there = params.send_initial_events.then(Vec::new);
    while let Some(event) = events.try_next().await.expect("an event") {
        let change = match event {
            WatchEvent::Added(object) => {
                if let Some(there) = &mut there {
                    there.push(object);
                    continue;
                }
                Change::new(Word::Added, object)
            }
            WatchEvent::Modified(object) => Change::new(Word::Modified, object),
            WatchEvent::Deleted(object) => Change::new(Word::Deleted, object),
            WatchEvent::Bookmark(bookmark) => {
                let version = bookmark.metadata.resource_version.parse().expect("a version, which is a number");
                assert!(version >= told.until, "a bookmark goes back from {} to {version}", told.until);
                told.until = version;
                let ends = bookmark.metadata.annotations.contains_key(INITIAL_EVENTS_END);
                assert_eq!(ends, there.is_some(), "what was there ends once");
                if let Some(there) = there.take() {
                    told.there = Some((version, there));
                }
                continue;
            }
            WatchEvent::Error(status) => {
                assert_eq!((status.code, status.reason.as_str()), (410, "Expired"), "{status:?}");
                return None;
            }
        };
        assert!(there.is_none(), "{} stands among what was there", change.words());
        assert!(change.version > told.until, "{} comes after {}", change.words(), told.until);
        told.until = change.version;
        told.changes.push(change);
        if told.changes.len() >= most {
            told.left = true;
            break;
        }
    }
    assert!(there.is_none(), "what was there has no end");
    Some(told)
}

/// Somebody who is told everything from now on and never goes away.
pub(crate) struct Witness {
    api: Api<ConfigMap>,
    begun: u64,
    first: State,
}

impl Witness {
    pub(crate) async fn begin(client: &Client) -> Self {
        let api: Api<ConfigMap> = Api::all(client.clone());
        let list = api.list(&ListParams::default()).await.expect("a list");
        let begun = list.metadata.resource_version.and_then(|version| version.parse().ok()).expect("a version");
        Self { api, begun, first: state_of(&list.items) }
    }

    /// Watches until an object of that name has come.
    pub(crate) async fn follow(self, last: &str) -> History {
        let params = WatchParams::default();
        let mut events = self.api.watch(&params, &self.begun.to_string()).await.expect("a watch").boxed();
        let mut changes = Vec::new();
        loop {
            let change = match events.try_next().await.expect("an event").expect("no end of the watch") {
                WatchEvent::Added(object) => Change::new(Word::Added, object),
                WatchEvent::Modified(object) => Change::new(Word::Modified, object),
                WatchEvent::Deleted(object) => Change::new(Word::Deleted, object),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(status) => unreachable!("the witness is quick enough: {status:?}"),
            };
            let ends = change.object.metadata.name.as_deref() == Some(last);
            changes.push(change);
            if ends {
                return History::new(self.begun, self.first, changes);
            }
        }
    }
}
