//! Pages of a list: all of one version, however much changes between two.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine};

use super::super::schema::go;
use super::super::store::{Listed, Stored};
use super::super::{Refusal, RefusalReason};

/// How many lists are remembered that somebody has not read to their end, and how long.
const REMEMBERED: usize = 256;
const LIFE: Duration = Duration::from_secs(5 * 60);

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
pub struct Pages(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lists: VecDeque<Rest>,
    next: u64,
}

#[derive(Debug)]
struct Rest {
    number: u64,
    since: Instant,
    version: u64,
    items: Vec<Arc<Stored>>,
}

impl Pages {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first page of a list.
    #[must_use]
    pub fn first(&self, listed: Listed, limit: Option<usize>) -> Page {
        self.page(listed.version, listed.items, limit)
    }

    /// The page behind an earlier one.
    ///
    /// # Errors
    /// When that is too long ago, or the token is none of ours.
    pub fn next(&self, token: &str, limit: Option<usize>) -> Result<Page, Refusal> {
        let number = parse(token).ok_or_else(|| Refusal::bad_request(unread(token)))?;
        let kept = self.kept();
        let rest = kept.lists.iter().find(|rest| rest.number == number && rest.since.elapsed() < LIFE);
        let rest = rest.map(|rest| (rest.version, rest.items.clone()));
        drop(kept);
        let (version, items) = rest.ok_or_else(|| {
            Refusal::new(
                RefusalReason::Expired,
                "The provided continue parameter is too old to display a consistent list result. You must start a new list \
                 without the continue parameter.",
            )
        })?;
        Ok(self.page(version, items, limit))
    }

    fn page(&self, version: u64, mut items: Vec<Arc<Stored>>, limit: Option<usize>) -> Page {
        let rest = match limit {
            Some(limit) if limit < items.len() => items.split_off(limit),
            _ => return Page { version, items, ..Page::default() },
        };
        let remaining = rest.len();
        let mut kept = self.kept();
        let number = kept.next;
        kept.next += 1;
        kept.lists.retain(|rest| rest.since.elapsed() < LIFE);
        if kept.lists.len() >= REMEMBERED {
            kept.lists.pop_front();
        }
        kept.lists.push_back(Rest { number, since: Instant::now(), version, items: rest });
        Page { version, items, continue_token: format!("{number:x}"), remaining }
    }
}

fn parse(token: &str) -> Option<u64> {
    u64::from_str_radix(token, 16).ok()
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
    use crate::api::store::{Key, Resource};

    fn listed(count: usize) -> Listed {
        let resource = Resource { group: String::new(), plural: "pods".into() };
        let items = (0..count).map(|number| {
            let key = Key { resource: resource.clone(), namespace: String::new(), name: number.to_string() };
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
        let first = pages.first(listed(5), Some(2));
        assert_eq!((names(&first).as_str(), first.remaining, first.version), ("0 1", 3, 7));
        let second = pages.next(&first.continue_token, Some(2)).expect("a page");
        assert_eq!((names(&second).as_str(), second.remaining, second.version), ("2 3", 1, 7));
        // Whoever asks again gets the same.
        assert_eq!(names(&pages.next(&first.continue_token, Some(2)).expect("a page")), "2 3");
        let last = pages.next(&second.continue_token, None).expect("a page");
        assert_eq!((names(&last).as_str(), last.continue_token.as_str()), ("4", ""));
        assert_eq!(pages.first(listed(2), Some(2)).continue_token, "");
        let unread = pages.next("nonsense", None).expect_err("it is none").message;
        assert!(unread.ends_with("invalid character '\\u009e' looking for beginning of value"), "{unread}");
        let refused = pages.next("ff", None).expect_err("it is not there");
        assert_eq!(refused.reason, RefusalReason::Expired);
    }
}
