//! Which page comes next: decided from the last one, without effects.

use std::collections::HashSet;
use std::sync::Arc;

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
    /// The answer's headers.
    pub headers: &'a HeaderMap,
    /// The answer.
    pub document: &'a Value,
    /// A hash of its body.
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
            Kind::Offset { .. } => self.from_offset(0),
            Kind::Single | Kind::NextLink(_) | Kind::LinkHeader | Kind::Cursor { .. } => self.first.clone(),
        }
    }

    /// Where a page says the next one is: to be asked before its records are taken out of it. Of kinds that count,
    /// nothing.
    ///
    /// # Errors
    /// When the page says something that cannot be.
    pub(super) fn pointer(&self, page: &PageFacts<'_>) -> Result<Option<String>, PageFault> {
        let path = match &*self.kind {
            Kind::LinkHeader => {
                let lines = page.headers.get_all(LINK).into_iter().filter_map(|line| line.to_str().ok());
                return Ok(link::next(lines).map(str::to_owned));
            }
            Kind::NextLink(path) => path,
            Kind::Cursor { token, .. } => token,
            Kind::Single | Kind::Page { .. } | Kind::Offset { .. } => return Ok(None),
        };
        let nodes = path.query(page.document);
        Ok(match nodes.first() {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => {
                return Err(PageFault {
                    kind: ErrorKind::Data,
                    detail: format!("page {} has neither text nor a number at `{path}`", page.number),
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
        let url = page.url.join(pointer).map_err(|error| PageFault {
            kind: ErrorKind::Data,
            detail: format!("page {} points to `{pointer}`, which is not an address: {error}", page.number),
            remedy: "correct the JSONPath under `pagination`",
        })?;
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
                detail: format!("page {number} has {records} records, though {size} were asked for"),
                remedy: "check `sizeParameter`: the server does not heed it, so that pages would overlap",
            });
        }
        self.refuse_repetition(page)?;
        if records < size {
            // The last page, if the server is honest: one more request proves that nothing is behind it.
            self.short = Some((number, records));
        }
        self.offset += records;
        Ok(Some(self.from_offset(self.offset)))
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

    fn from_offset(&self, offset: u64) -> PageRequest {
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
