//! A door for fuzzing: the pages of a server that may say anything, without a network.

use std::sync::Arc;

use aggregator_crds::connector::HttpEndpoint;
use reqwest::header::{HeaderMap, HeaderValue, LINK};
use serde_json::Value;
use url::Url;

use super::endpoint::Endpoint;
use super::pagination::{PageFacts, PageRequest, Pager, hash};
use super::records::RecordsPath;

/// What a server says to one request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The lines of its `Link` header; what no header can hold is left out.
    pub links: Vec<Vec<u8>>,
    /// Its body.
    pub body: Vec<u8>,
}

/// One request, and how many records its answer had.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The address.
    pub url: Url,
    /// The body.
    pub body: Option<String>,
    /// The records of the answer.
    pub records: u64,
}

/// Follows an endpoint's pages until they end, something is wrong with one, or so many were asked for; gives what was asked
/// and what was wrong.
///
/// # Errors
/// When the endpoint itself is declared wrongly.
pub fn follow(
    spec: &HttpEndpoint,
    base: &Url,
    most: usize,
    answer: impl Fn(usize) -> Answer,
) -> Result<(Vec<Asked>, Option<String>), String> {
    let endpoint = Endpoint::parse(spec, base, &Default::default()).map_err(|error| error.to_string())?;
    let path = RecordsPath::parse(&spec.records)?;
    let first = endpoint.first(None).map_err(|error| error.to_string())?;
    let mut pager = Pager::new(Arc::clone(&endpoint.pages), first);
    let (mut asked, mut next) = (Vec::new(), Some(pager.begin()));
    while let Some(request) = next.take().filter(|_| asked.len() < most) {
        let answer = answer(asked.len());
        let number = asked.len() as u64 + 1;
        match page(&mut pager, &path, number, &request, &answer) {
            Ok((records, following)) => {
                asked.push(Asked { url: request.url, body: request.body, records });
                next = following;
            }
            Err(fault) => {
                asked.push(Asked { url: request.url, body: request.body, records: 0 });
                return Ok((asked, Some(fault)));
            }
        }
    }
    Ok((asked, None))
}

/// The records of a page, and the request behind it.
fn page(
    pager: &mut Pager,
    path: &RecordsPath,
    number: u64,
    request: &PageRequest,
    answer: &Answer,
) -> Result<(u64, Option<PageRequest>), String> {
    let document: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    let lines = answer.links.iter().filter_map(|line| HeaderValue::from_bytes(line).ok());
    let headers: HeaderMap = lines.map(|line| (LINK, line)).collect();
    let pointer = pager.pointer(number, &headers, &document).map_err(|fault| fault.detail)?;
    let records = path.take(document)?.len() as u64;
    let facts = PageFacts { number, url: &request.url, fingerprint: hash(&answer.body) };
    let next = pager.next(&facts, pointer, records).map_err(|fault| fault.detail)?;
    Ok((records, next))
}
