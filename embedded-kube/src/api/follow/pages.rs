//! Pages of a list: all of one version, however much changes between two.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine};
use uuid::Uuid;

use super::super::schema::go;
use super::super::store::{Listed, Resource, Stored};
use super::super::{Refusal, RefusalReason};

/// How many lists are remembered that somebody has not read to their end, and how long.
const REMEMBERED: usize = 256;
const LIFE: Duration = Duration::from_secs(5 * 60);
/// How many hexadecimal digits a token has.
const DIGITS: usize = 32;

/// What a list was asked for. Who may see it was decided by this, so whoever asks for the rest of a list asks for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// The resource.
    pub resource: Resource,
    /// The namespace; None: all of them.
    pub namespace: Option<String>,
    /// The selector of labels, as it was written; may be empty.
    pub label_selector: String,
    /// The selector of fields, as it was written; may be empty.
    pub field_selector: String,
}

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The version of the list.
    pub version: u64,
    /// Its objects.
    pub items: Vec<Arc<Stored>>,
    /// What the next request says to have the next page; empty when there is none.
    pub continue_token: String,
    /// How many objects are left.
    pub remaining: usize,
}

/// Lists that were not read to their end.
#[derive(Debug, Default)]
pub struct Pages(Mutex<VecDeque<Rest>>);

#[derive(Debug)]
struct Rest {
    /// Made up at random: it cannot be guessed, and means nothing to another process.
    token: String,
    query: ListQuery,
    since: Instant,
    version: u64,
    items: Vec<Arc<Stored>>,
}

impl Pages {
    fn kept(&self) -> MutexGuard<'_, VecDeque<Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first page of a list.
    #[must_use]
    pub fn first(&self, query: ListQuery, listed: Listed, limit: Option<usize>) -> Page {
        self.page(query, listed.version, listed.items, limit)
    }

    /// The page behind an earlier one of the same list.
    ///
    /// # Errors
    /// When that is too long ago, or the token is none of ours, or one of another list: which of these is not told, so that
    /// nobody learns of others' lists.
    pub fn next(&self, query: ListQuery, token: &str, limit: Option<usize>) -> Result<Page, Refusal> {
        if !is_token(token) {
            return Err(Refusal::bad_request(unread(token)));
        }
        let kept = self.kept();
        let mut fresh = kept.iter().filter(|rest| rest.since.elapsed() < LIFE);
        let rest = fresh.find(|rest| rest.token == token && rest.query == query);
        let rest = rest.map(|rest| (rest.version, rest.items.clone()));
        drop(kept);
        let (version, items) = rest.ok_or_else(|| {
            Refusal::new(
                RefusalReason::Expired,
                "The provided continue parameter is too old to display a consistent list result. You must start a new list \
                 without the continue parameter.",
            )
        })?;
        Ok(self.page(query, version, items, limit))
    }

    fn page(&self, query: ListQuery, version: u64, mut items: Vec<Arc<Stored>>, limit: Option<usize>) -> Page {
        let rest = match limit {
            Some(limit) if limit < items.len() => items.split_off(limit),
            _ => return Page { version, items, ..Page::default() },
        };
        let remaining = rest.len();
        let token = Uuid::new_v4().simple().to_string();
        let mut kept = self.kept();
        kept.retain(|rest| rest.since.elapsed() < LIFE);
        if kept.len() >= REMEMBERED {
            kept.pop_front();
        }
        kept.push_back(Rest { token: token.clone(), query, since: Instant::now(), version, items: rest });
        Page { version, items, continue_token: token, remaining }
    }
}

/// Whether it looks like one of ours.
fn is_token(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Why a token is none, in the words of the API server, whose own are JSON in base64.
fn unread(token: &str) -> String {
    let why = match URL_SAFE_NO_PAD.decode(token) {
        Err(DecodeError::InvalidByte(at, _)) => format!("illegal base64 data at input byte {at}"),
        Err(_) => format!("illegal base64 data at input byte {}", token.len()),
        Ok(bytes) => match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => "unexpected end of JSON input".to_owned(),
            Some(b'{') => "server does not recognize this encoded version".to_owned(),
            Some(byte) => {
                let letter = go::quoted(&char::from(*byte).to_string());
                format!("invalid character '{}' looking for beginning of value", letter.trim_matches('"'))
            }
        },
    };
    format!("invalid continue token: continue key is not valid: {why}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::store::Key;

    fn query() -> ListQuery {
        let resource = Resource { group: String::new(), plural: "pods".into() };
        ListQuery {
            resource,
            namespace: Some("demo".into()),
            label_selector: "color=red".into(),
            field_selector: "metadata.name!=x".into(),
        }
    }

    fn listed(count: usize) -> Listed {
        let resource = query().resource;
        let items = (0..count).map(|number| {
            let key = Key { resource: resource.clone(), namespace: "demo".into(), name: number.to_string() };
            Arc::new(Stored { key, version: 1, object: json!({}) })
        });
        Listed { version: 7, items: items.collect() }
    }

    fn names(page: &Page) -> String {
        page.items.iter().map(|stored| stored.key.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn pages_are_of_one_list() {
        let pages = Pages::default();
        let first = pages.first(query(), listed(5), Some(2));
        assert_eq!((names(&first).as_str(), first.remaining, first.version), ("0 1", 3, 7));
        let second = pages.next(query(), &first.continue_token, Some(2)).expect("a page");
        assert_eq!((names(&second).as_str(), second.remaining, second.version), ("2 3", 1, 7));
        // Whoever asks again gets the same.
        assert_eq!(names(&pages.next(query(), &first.continue_token, Some(2)).expect("a page")), "2 3");
        let last = pages.next(query(), &second.continue_token, None).expect("a page");
        assert_eq!((names(&last).as_str(), last.continue_token.as_str()), ("4", ""));
        assert_eq!(pages.first(query(), listed(2), Some(2)).continue_token, "");
        let unread = pages.next(query(), "nonsense", None).expect_err("it is none").message;
        assert!(unread.ends_with("invalid character '\\u009e' looking for beginning of value"), "{unread}");
    }

    #[test]
    fn a_token_gives_the_list_it_was_given_for_and_no_other() {
        let pages = Pages::default();
        let token = pages.first(query(), listed(5), Some(2)).continue_token;
        let resource = |group: &str, plural: &str| Resource { group: group.into(), plural: plural.into() };
        for other in [
            ListQuery { resource: resource("", "secrets"), ..query() },
            ListQuery { resource: resource("example.com", "pods"), ..query() },
            ListQuery { namespace: Some("other".into()), ..query() },
            ListQuery { namespace: None, ..query() },
            ListQuery { label_selector: String::new(), ..query() },
            ListQuery { field_selector: "metadata.name=a".into(), ..query() },
        ] {
            let refused = pages.next(other.clone(), &token, None).expect_err("it is of another list");
            assert_eq!(refused.reason, RefusalReason::Expired, "{other:?}");
            assert!(refused.message.contains("You must start a new list"), "{}", refused.message);
        }
        assert_eq!(names(&pages.next(query(), &token, None).expect("a page")), "2 3 4", "it still gives its own");
    }

    #[test]
    fn a_token_is_not_guessed_and_means_nothing_to_another_process() {
        let (pages, other) = (Pages::default(), Pages::default());
        let [first, second] = [&pages, &other].map(|pages| pages.first(query(), listed(5), Some(2)).continue_token);
        assert!(is_token(&first) && is_token(&second) && first != second, "{first} {second}");
        let earlier = other.next(query(), &first, None).expect_err("it is of another process");
        assert_eq!(earlier.reason, RefusalReason::Expired);
        for guessed in ["0", "1", "ff", "00000000000000000000000000000000"] {
            let refused = pages.next(query(), guessed, None).expect_err("it was given to nobody");
            let reason = if is_token(guessed) { RefusalReason::Expired } else { RefusalReason::BadRequest };
            assert_eq!(refused.reason, reason, "{guessed}");
        }
    }

    #[test]
    fn of_many_lists_the_oldest_is_forgotten() {
        let pages = Pages::default();
        let token = |_| pages.first(query(), listed(2), Some(1)).continue_token;
        let tokens: Vec<String> = (0..=REMEMBERED).map(token).collect();
        let forgotten = pages.next(query(), &tokens[0], None).expect_err("there was one too many");
        assert_eq!(forgotten.reason, RefusalReason::Expired);
        for token in [&tokens[1], &tokens[REMEMBERED]] {
            assert_eq!(names(&pages.next(query(), token, None).expect("a page")), "1");
        }
    }
}
