//! Which page comes next: decided from the last one, without effects.

use std::collections::HashSet;
use std::sync::Arc;

use aggregator_compiler::plural::counted;
use aggregator_crds::connector::Pagination;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;
use serde_json_path::JsonPath;
use url::Url;

use super::auth::set_parameter;
use super::link;
use super::records::parse;
use crate::connector::ErrorKind;

/// What is asked for one page, before it is signed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PageRequest {
    /// Its address.
    pub url: Url,
    /// Its body.
    pub body: Option<String>,
}

/// One page, as it came.
pub(super) struct PageFacts<'a> {
    /// Its number in this read, from 1.
    pub number: u64,
    /// The address that answered.
    pub url: &'a Url,
    /// A hash of its content; only of kinds that [compare](Kind::compares) pages.
    pub fingerprint: u64,
}

/// A page that cannot be followed.
#[derive(Debug, PartialEq)]
pub(super) struct PageFault {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub remedy: &'static str,
}

/// How an endpoint's pages follow each other.
#[derive(Debug)]
pub(super) enum Kind {
    Single,
    NextLink(JsonPath),
    LinkHeader,
    Cursor { token: JsonPath, parameter: String },
    Page { parameter: String, start: u64, size: Option<(String, u64)> },
    Offset { parameter: String, size_parameter: String, size: u64 },
}

impl Kind {
    /// Reads what the manifest says.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(spec: Option<&Pagination>) -> Result<Self, String> {
        Ok(match spec {
            None => Self::Single,
            Some(Pagination::NextLink(path)) => Self::NextLink(parse(path)?),
            Some(Pagination::LinkHeader(_)) => Self::LinkHeader,
            Some(Pagination::Cursor(cursor)) => {
                Self::Cursor { token: parse(&cursor.token)?, parameter: cursor.parameter.clone() }
            }
            Some(Pagination::Page(page)) => Self::Page {
                parameter: page.parameter.clone(),
                start: page.start,
                size: match (&page.size_parameter, page.size) {
                    (Some(parameter), Some(size)) => Some((parameter.clone(), size)),
                    (None, None) => None,
                    _ => return Err("`sizeParameter` and `size` go together: give both or none".into()),
                },
            },
            Some(Pagination::Offset(offset)) if offset.size == 0 => return Err("`size` must be at least 1".into()),
            Some(Pagination::Offset(offset)) => Self::Offset {
                parameter: offset.parameter.clone(),
                size_parameter: offset.size_parameter.clone(),
                size: offset.size,
            },
        })
    }

    /// Whether each page is compared with the one before.
    pub(super) fn compares(&self) -> bool {
        matches!(self, Self::Page { .. } | Self::Offset { .. })
    }

    /// The field of the manifest that points into a JSON document, if this kind has one.
    pub(super) fn points_into_json(&self) -> Option<&'static str> {
        match self {
            Self::NextLink(_) => Some("nextLink"),
            Self::Cursor { .. } => Some("cursor"),
            Self::Single | Self::LinkHeader | Self::Page { .. } | Self::Offset { .. } => None,
        }
    }

    /// Whether a page other than the first may be answered so to say that there are no more.
    pub(super) fn ends_with(&self, status: StatusCode) -> bool {
        matches!(self, Self::Page { .. } | Self::Offset { .. })
            && matches!(status, StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE)
    }

    /// Whether the size of a list that servers announce in a header speaks of all pages together.
    pub(super) fn counts(&self) -> bool {
        matches!(self, Self::Page { .. } | Self::Offset { .. } | Self::LinkHeader)
    }
}

/// Follows the pages of one read.
#[derive(Debug)]
pub(super) struct Pager {
    kind: Arc<Kind>,
    first: PageRequest,
    /// Hashes of the links or tokens that were followed.
    seen: HashSet<u64>,
    /// The hash of the last body that had records.
    last: Option<u64>,
    /// A page that had fewer records than were asked for: its number and how many. It has to be the last one.
    short: Option<(u64, u64)>,
    /// Records so far.
    offset: u64,
}

impl Pager {
    /// Follows the pages of this kind that begin with this request.
    pub(super) fn new(kind: Arc<Kind>, first: PageRequest) -> Self {
        Self { kind, first, seen: HashSet::new(), last: None, short: None, offset: 0 }
    }

    /// The request of the first page.
    pub(super) fn begin(&self) -> PageRequest {
        match &*self.kind {
            Kind::Page { start, .. } => self.numbered(*start),
            Kind::Offset { .. } => self.at_offset(0),
            Kind::Single | Kind::NextLink(_) | Kind::LinkHeader | Kind::Cursor { .. } => self.first.clone(),
        }
    }

    /// Where page `number` says the next one is; None where it does not, and of kinds that count by themselves.
    ///
    /// # Errors
    /// When the page says something that cannot be.
    pub(super) fn pointer(
        &self,
        number: u64,
        headers: &HeaderMap,
        document: &Value,
    ) -> Result<Option<String>, PageFault> {
        let path = match &*self.kind {
            Kind::LinkHeader => {
                let lines = headers.get_all(LINK).into_iter().filter_map(|line| line.to_str().ok());
                return Ok(link::next(lines).map(str::to_owned));
            }
            Kind::NextLink(path) => path,
            Kind::Cursor { token, .. } => token,
            Kind::Single | Kind::Page { .. } | Kind::Offset { .. } => return Ok(None),
        };
        let nodes = path.query(document);
        Ok(match nodes.first() {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => {
                return Err(PageFault {
                    kind: ErrorKind::Data,
                    detail: format!("page {number} has neither text nor a number at `{path}`"),
                    remedy: "correct the JSONPath under `pagination`",
                });
            }
        })
    }

    /// The request of the page behind this one; None when this one was the last.
    ///
    /// # Errors
    /// When the page points to itself, to one that was read, or to another host, or is not what was asked for.
    pub(super) fn next(
        &mut self,
        page: &PageFacts<'_>,
        pointer: Option<String>,
        records: u64,
    ) -> Result<Option<PageRequest>, PageFault> {
        let kind = Arc::clone(&self.kind);
        match &*kind {
            Kind::Single => Ok(None),
            Kind::NextLink(_) | Kind::LinkHeader => {
                let Some(pointer) = pointer else { return Ok(None) };
                self.follow_link(page, &pointer).map(Some)
            }
            Kind::Cursor { parameter, .. } => {
                let Some(token) = pointer else { return Ok(None) };
                if !self.seen.insert(hash(&token)) {
                    return Err(points_back(page.number, "its cursor was given before"));
                }
                let mut request = self.first.clone();
                set_parameter(&mut request.url, parameter, &token);
                Ok(Some(request))
            }
            Kind::Page { start, .. } => {
                if records == 0 {
                    return Ok(None);
                }
                self.refuse_repetition(page)?;
                Ok(Some(self.numbered(start + page.number)))
            }
            Kind::Offset { size, .. } => self.advance(page, records, *size),
        }
    }

    fn follow_link(&mut self, page: &PageFacts<'_>, pointer: &str) -> Result<PageRequest, PageFault> {
        // The pointer is not shown: it may carry a token.
        let no_address = |why: &str| PageFault {
            kind: ErrorKind::Data,
            detail: format!("page {} points to what is not an address: {why}", page.number),
            remedy: "correct the JSONPath under `pagination`",
        };
        let mut url = page.url.join(pointer).map_err(|error| no_address(&error.to_string()))?;
        if url.origin() != self.first.url.origin() {
            return Err(PageFault {
                kind: ErrorKind::Refused,
                detail: format!(
                    "page {} points to {}, which is not the Connector's host {}",
                    page.number,
                    url.origin().ascii_serialization(),
                    self.first.url.origin().ascii_serialization()
                ),
                remedy: "if the pages really continue there, make that address the Connector's `url`",
            });
        }
        // Requests are signed as `auth` says, and not as a server wishes.
        let plain = url.set_username("").and_then(|()| url.set_password(None));
        plain.map_err(|()| no_address("it has no host"))?;
        if page.number == 1 {
            self.seen.insert(hash(self.first.url.as_str()));
        }
        self.seen.insert(hash(page.url.as_str()));
        if !self.seen.insert(hash(url.as_str())) {
            return Err(points_back(page.number, "its next link was followed before"));
        }
        Ok(PageRequest { url, body: self.first.body.clone() })
    }

    fn advance(&mut self, page: &PageFacts<'_>, records: u64, size: u64) -> Result<Option<PageRequest>, PageFault> {
        let number = page.number;
        if records == 0 {
            return Ok(None);
        }
        if let Some((short, count)) = self.short {
            return Err(PageFault {
                kind: ErrorKind::Data,
                detail: format!(
                    "page {short} had {count} of {size} records as if it were the last, but page {number} has {records} more"
                ),
                remedy: "the server caps its pages or leaves records out: set `size` to what it really gives",
            });
        }
        if records > size {
            return Err(PageFault {
                kind: ErrorKind::Data,
                detail: format!("page {number} has {}, though {size} were asked for", counted(records, "record")),
                remedy: "check `sizeParameter`: the server does not heed it, so that pages would overlap",
            });
        }
        self.refuse_repetition(page)?;
        if records < size {
            // The last page, if the server is honest: one more request proves that nothing is behind it.
            self.short = Some((number, records));
        }
        self.offset += records;
        Ok(Some(self.at_offset(self.offset)))
    }

    /// A server that does not know the parameter gives the first page for ever.
    fn refuse_repetition(&mut self, page: &PageFacts<'_>) -> Result<(), PageFault> {
        if self.last.replace(page.fingerprint) == Some(page.fingerprint) {
            return Err(PageFault {
                kind: ErrorKind::Data,
                detail: format!("page {} is the same as page {}", page.number, page.number - 1),
                remedy: "check the parameter's name under `pagination`: the server does not heed it",
            });
        }
        Ok(())
    }

    fn numbered(&self, number: u64) -> PageRequest {
        let mut request = self.first.clone();
        if let Kind::Page { parameter, size, .. } = &*self.kind {
            set_parameter(&mut request.url, parameter, &number.to_string());
            if let Some((parameter, size)) = size {
                set_parameter(&mut request.url, parameter, &size.to_string());
            }
        }
        request
    }

    fn at_offset(&self, offset: u64) -> PageRequest {
        let mut request = self.first.clone();
        if let Kind::Offset { parameter, size_parameter, size } = &*self.kind {
            set_parameter(&mut request.url, parameter, &offset.to_string());
            set_parameter(&mut request.url, size_parameter, &size.to_string());
        }
        request
    }
}

fn points_back(number: u64, why: &str) -> PageFault {
    PageFault {
        kind: ErrorKind::Data,
        detail: format!("page {number} points to itself or to a page before it: {why}"),
        remedy: "this is the server's mistake: following it would read the same records for ever",
    }
}

/// A hash that is the same for the same text in one process.
pub(super) fn hash(text: impl std::hash::Hash) -> u64 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Follows pages given as (document, records), and tells the query of every request.
    fn follow(pagination: Value, pages: &[(Value, u64)]) -> Result<Vec<String>, PageFault> {
        let spec: Pagination = serde_json::from_value(pagination).unwrap();
        let first = PageRequest { url: Url::parse("https://api.example/x?a=1").unwrap(), body: None };
        let mut pager = Pager::new(Arc::new(Kind::parse(Some(&spec)).unwrap()), first);
        let mut request = pager.begin();
        let mut asked = vec![request.url.as_str()["https://api.example".len()..].to_owned()];
        for (index, (document, records)) in pages.iter().enumerate() {
            let facts =
                PageFacts { number: index as u64 + 1, url: &request.url, fingerprint: hash(document.to_string()) };
            let pointer = pager.pointer(facts.number, &HeaderMap::new(), document)?;
            let Some(next) = pager.next(&facts, pointer, *records)? else { return Ok(asked) };
            asked.push(next.url.as_str()["https://api.example".len()..].to_owned());
            request = next;
        }
        asked.push("…".into());
        Ok(asked)
    }

    #[test]
    fn links_are_followed_until_there_is_none() {
        let asked = follow(
            json!({"nextLink": "$.next"}),
            &[
                (json!({"next": "?a=1&p=2"}), 1),
                (json!({"next": "https://api.example/y"}), 0),
                (json!({"next": null}), 1),
            ],
        );
        assert_eq!(asked.unwrap(), ["/x?a=1", "/x?a=1&p=2", "/y"]);
    }

    #[test]
    fn a_link_that_was_followed_or_leaves_the_host_is_refused() {
        let back = follow(json!({"nextLink": "$.next"}), &[(json!({"next": "/y"}), 1), (json!({"next": "/x?a=1"}), 1)]);
        assert!(back.unwrap_err().detail.starts_with("page 2 points to itself"));
        let itself = follow(json!({"nextLink": "$.next"}), &[(json!({"next": "/x?a=1"}), 1)]);
        assert!(itself.unwrap_err().detail.starts_with("page 1 points to itself"));
        for other in
            ["http://api.example/x", "https://api.example:8443/", "//169.254.169.254/latest", "file:///etc/passwd"]
        {
            let fault = follow(json!({"nextLink": "$.next"}), &[(json!({"next": other}), 1)]).unwrap_err();
            assert_eq!(fault.kind, ErrorKind::Refused, "{fault:?}");
        }
    }

    #[test]
    fn a_cursor_is_carried_until_it_is_empty_or_comes_again() {
        let kind = json!({"cursor": {"token": "$.c", "parameter": "after"}});
        let asked = follow(kind.clone(), &[(json!({"c": "x y"}), 1), (json!({"c": 7}), 1), (json!({"c": ""}), 1)]);
        assert_eq!(asked.unwrap(), ["/x?a=1", "/x?a=1&after=x+y", "/x?a=1&after=7"]);
        let fault = follow(kind.clone(), &[(json!({"c": "x"}), 1), (json!({"c": "y"}), 1), (json!({"c": "x"}), 1)]);
        assert!(fault.unwrap_err().detail.starts_with("page 3 points to itself"));
        let fault = follow(kind, &[(json!({"c": {"d": 1}}), 1)]).unwrap_err();
        assert!(fault.detail.contains("neither text nor a number at `$.c`"), "{fault:?}");
    }

    #[test]
    fn pages_are_counted_until_one_is_empty() {
        let kind = json!({"page": {"parameter": "p", "start": 0, "sizeParameter": "n", "size": 3}});
        let asked = follow(kind.clone(), &[(json!(1), 3), (json!(2), 1), (json!(3), 0)]);
        assert_eq!(asked.unwrap(), ["/x?a=1&p=0&n=3", "/x?a=1&p=1&n=3", "/x?a=1&p=2&n=3"]);
        let fault = follow(kind, &[(json!(1), 3), (json!(1), 3)]).unwrap_err();
        assert!(fault.detail.contains("page 2 is the same as page 1"), "{fault:?}");
    }

    #[test]
    fn an_offset_grows_and_a_short_page_must_be_the_last() {
        let kind = json!({"offset": {"parameter": "o", "sizeParameter": "n", "size": 3}});
        let asked = follow(kind.clone(), &[(json!(1), 3), (json!(2), 2), (json!(3), 0)]);
        assert_eq!(asked.unwrap(), ["/x?a=1&o=0&n=3", "/x?a=1&o=3&n=3", "/x?a=1&o=5&n=3"]);
        let fault = follow(kind.clone(), &[(json!(1), 3), (json!(2), 2), (json!(3), 1)]).unwrap_err();
        assert!(fault.detail.contains("page 2 had 2 of 3") && fault.detail.contains("page 3 has 1 more"), "{fault:?}");
        let fault = follow(kind, &[(json!(1), 10)]).unwrap_err();
        assert!(fault.detail.contains("page 1 has 10 records, though 3 were asked for"), "{fault:?}");
    }
}
