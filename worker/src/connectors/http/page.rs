//! Fetches the pages of one read, one after the other, and takes their records out.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::Value;

use super::api::Api;
use super::endpoint::Endpoint;
use super::pagination::{PageFacts, PageFault, PageRequest, Pager, hash};
use super::sender::{Answer, Outgoing};
use crate::connector::{ConnectorError, ErrorKind, Result};

/// Headers in which servers announce how many records a list has.
const TOTALS: [&str; 2] = ["x-total-count", "x-total"];

/// One page's records.
pub(super) struct Page {
    /// The address that was asked, without secrets.
    pub address: String,
    /// The records, in the server's order.
    pub records: Vec<Value>,
}

/// The pages of one read.
pub(super) struct Pages {
    api: Arc<Api>,
    endpoint: Arc<Endpoint>,
    pager: Pager,
    next: Option<PageRequest>,
    number: u64,
    /// Records met so far.
    pub records: u64,
    /// Bytes transferred so far.
    pub bytes: u64,
    /// How many records the server announced last.
    total: Option<u64>,
}

impl Pages {
    /// The pages of an endpoint, from a cursor's text on.
    pub(super) fn new(api: Arc<Api>, endpoint: Arc<Endpoint>, cursor: Option<&str>) -> Result<Self> {
        let pager = Pager::new(Arc::clone(&endpoint.pages), endpoint.first(cursor)?);
        let next = Some(pager.begin());
        Ok(Self { api, endpoint, pager, next, number: 0, records: 0, bytes: 0, total: None })
    }

    /// How many pages were read.
    pub(super) fn count(&self) -> u64 {
        self.number
    }

    /// The next page; None behind the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Page>> {
        let Some(request) = self.next.take() else { return Ok(None) };
        if self.number >= self.endpoint.max_pages {
            let operation = format!("read `{}` from {}", self.endpoint.name, self.api.address(&request.url));
            let detail = format!("there are more than {} pages", self.endpoint.max_pages);
            return Err(self
                .api
                .error(ErrorKind::Limit, &operation, &detail)
                .remedy("raise `maxPages`, ask for larger pages, or correct `pagination` if the API never ends"));
        }
        self.number += 1;
        let operation =
            format!("read page {} of `{}` from {}", self.number, self.endpoint.name, self.api.address(&request.url));
        let outgoing = Outgoing {
            method: self.endpoint.method.clone(),
            url: request.url.clone(),
            headers: self.endpoint.headers.clone(),
            body: request.body.clone(),
        };
        let answer = self.api.send(&operation, &outgoing).await?;
        self.bytes += answer.transferred;
        if self.number > 1 && self.endpoint.pages.ends_with(answer.status) {
            self.number -= 1;
            self.check_total(&operation)?;
            return Ok(None);
        }
        self.api.accept(&operation, &answer)?;
        let records = self.follow(&operation, &answer)?;
        if self.next.is_none() {
            self.check_total(&operation)?;
        }
        Ok(Some(Page { address: self.api.address(&request.url), records }))
    }

    /// Takes the records out of an answer and decides what to ask next.
    fn follow(&mut self, operation: &str, answer: &Answer) -> Result<Vec<Value>> {
        let document = match answer.status {
            StatusCode::NO_CONTENT => None,
            _ => Some(self.parse(operation, answer)?),
        };
        self.total =
            TOTALS.iter().find_map(|name| answer.headers.get(*name)?.to_str().ok()?.trim().parse().ok()).or(self.total);
        let facts = PageFacts {
            number: self.number,
            url: &answer.url,
            headers: &answer.headers,
            fingerprint: hash(&answer.body),
        };
        // Asked before the records are taken: the document is large, so they are moved out of it, not copied.
        let pointer = self.pager.pointer(&facts, document.as_ref().unwrap_or(&Value::Null));
        let pointer = pointer.map_err(|fault| self.fault(operation, fault))?;
        let records = match document {
            Some(document) => self.endpoint.records.take(document).map_err(|detail| {
                let detail = format!("page {}: {detail}", self.number);
                let remedy = "correct `records` if the API has changed or answers errors with status 200";
                self.api.error(ErrorKind::Data, operation, &detail).remedy(remedy)
            })?,
            None => Vec::new(),
        };
        let count = records.len() as u64;
        self.records += count;
        let next = self.pager.next(&facts, pointer, count);
        self.next = next.map_err(|fault| self.fault(operation, fault))?;
        Ok(records)
    }

    fn parse(&self, operation: &str, answer: &Answer) -> Result<Value> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let media = answer.headers.get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let what = if error.is_eof() && !answer.body.is_empty() { "JSON that was cut off" } else { "no JSON" };
            let detail = format!(
                "page {} is {what} (content type {}): {error}{}",
                self.number,
                media.unwrap_or("not given"),
                answer.said()
            );
            self.api
                .error(ErrorKind::Data, operation, &detail)
                .remedy("check `path` and `headers`: the API may answer with a page for people, or in another format")
        })
    }

    /// A server that announces more records than its pages hold has lost some on the way.
    fn check_total(&self, operation: &str) -> Result<()> {
        match self.total {
            Some(total) if self.endpoint.pages.counts() && self.records < total => {
                let detail = format!(
                    "page {} is the last one, but the server announced {total} records and its pages held {}",
                    self.number, self.records
                );
                Err(self
                    .api
                    .error(ErrorKind::Data, operation, &detail)
                    .remedy("run again if the list changed meanwhile; otherwise correct `pagination`"))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, operation: &str, fault: PageFault) -> ConnectorError {
        self.api.error(fault.kind, operation, &fault.detail).remedy(fault.remedy)
    }
}
