//! The pages of one read, one after the other: each is asked for when the one before has been read to its end.

use std::sync::Arc;

use aggregator_compiler::plural::counted;
use aggregator_crds::connector::FileFormat;
use serde_json::Value;

use super::answer::{Head, Intake, Reply, Whole};
use super::api::Api;
use super::arrival::Wanted;
use super::content::{Content, Fault, LookIntake, ReadIntake, Reading};
use super::document::Document;
use super::endpoint::{Answers, Endpoint};
use super::pagination::{PageFacts, PageFault, PageRequest, Pager, hash};
use super::sender::Outgoing;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::{Block, RecordDecoder, SchemaProbe};

/// Headers in which servers announce how many records a list has.
const TOTALS: [&str; 2] = ["x-total-count", "x-total"];
/// What is noted of answers that end when the connection does.
const ENDLESS: &str = "an answer had no length: if it was cut off, nobody could tell";

/// The pages of one read.
pub(super) struct Pages {
    api: Arc<Api>,
    endpoint: Arc<Endpoint>,
    pager: Pager,
    next: Option<PageRequest>,
    open: Option<Page>,
    number: u64,
    /// Records met so far.
    pub records: u64,
    /// Bytes transferred so far.
    pub bytes: u64,
    /// What a person should know of the pages.
    pub notes: Vec<String>,
    /// How many records the server announced last.
    total: Option<u64>,
}

/// A page that is asked for.
struct Asked {
    /// What is done, for messages.
    operation: String,
    /// The address, without secrets.
    address: String,
    outgoing: Outgoing,
}

/// A page that is being read.
enum Page {
    /// Its records have been counted, and the page behind it is known.
    Records { decoder: RecordDecoder, records: Vec<Value>, given: usize },
    /// It is still coming in.
    Content { operation: String, content: Box<Content> },
}

impl Pages {
    /// The pages of an endpoint, from a cursor's text on.
    pub(super) fn new(api: Arc<Api>, endpoint: Arc<Endpoint>, cursor: Option<&str>) -> Result<Self> {
        let pager = Pager::new(Arc::clone(&endpoint.pages), endpoint.first(cursor)?);
        let next = Some(pager.begin());
        let notes = Vec::new();
        Ok(Self { api, endpoint, pager, next, open: None, number: 0, records: 0, bytes: 0, notes, total: None })
    }

    /// How many pages were read.
    pub(super) fn count(&self) -> u64 {
        self.number
    }

    /// The next rows; None behind the last page.
    pub(super) async fn next_block(&mut self, reading: &Reading) -> Result<Option<Block>> {
        loop {
            match self.block(reading).await? {
                Some(block) => return Ok(Some(block)),
                // The old page is freed before the next one is asked for.
                None => self.close()?,
            }
            if !self.turn(reading).await? {
                return Ok(None);
            }
        }
    }

    /// The next rows of the page that is open.
    async fn block(&mut self, reading: &Reading) -> Result<Option<Block>> {
        match &mut self.open {
            None => Ok(None),
            Some(Page::Records { decoder, records, given }) => {
                let end = records.len().min(*given + reading.batch_rows);
                if *given == end {
                    return Ok(None);
                }
                let (batch, rejects) = decoder.decode(*given as u64 + 1, &records[*given..end])?;
                let read = (end - *given) as u64;
                *given = end;
                Ok(Some(Block { batch, rejects, read }))
            }
            Some(Page::Content { operation, content }) => content.next_block().await.map_err(|fault| match fault {
                Fault::Broken(failure) => self.api.broken(operation, failure, content.records),
                Fault::Refused(error) => self.api.cleaned(error),
            }),
        }
    }

    /// Opens the next page; false behind the last one.
    async fn turn(&mut self, reading: &Reading) -> Result<bool> {
        let endpoint = Arc::clone(&self.endpoint);
        match &endpoint.answers {
            Answers::Document(document) => {
                let Some((address, records)) = self.document(document).await? else { return Ok(false) };
                let decoder = RecordDecoder::new(Arc::clone(&reading.schema), address, reading.rejects);
                self.open = Some(Page::Records { decoder, records, given: 0 });
            }
            Answers::Content(format) => {
                let Some(asked) = self.begin()? else { return Ok(false) };
                let wanted = self.wanted(&asked, format.clone());
                let intake = ReadIntake { wanted: &wanted, reading };
                let Some(content) = self.send(&asked, &intake).await? else { return Ok(false) };
                self.open = Some(Page::Content { operation: asked.operation, content: Box::new(content) });
            }
        }
        Ok(true)
    }

    /// The next page's records, of an endpoint that answers with documents; None behind the last page.
    pub(super) async fn next_records(&mut self, document: &Document) -> Result<Option<Vec<Value>>> {
        Ok(self.document(document).await?.map(|(_, records)| records))
    }

    /// Looks at the columns of the next page, in up to `most` records; false behind the last page.
    ///
    /// No page comes behind one that has not been looked at to its end: how many records it has is not known then.
    pub(super) async fn look(&mut self, probe: &mut SchemaProbe, most: u64) -> Result<bool> {
        let endpoint = Arc::clone(&self.endpoint);
        let Answers::Content(format) = &endpoint.answers else { return Ok(false) };
        let Some(asked) = self.begin()? else { return Ok(false) };
        let wanted = self.wanted(&asked, format.clone());
        let intake = LookIntake { wanted: &wanted, probe, most };
        let Some(looked) = self.send(&asked, &intake).await? else { return Ok(false) };
        let before = probe.records;
        *probe = looked.probe.map_err(|error| self.api.cleaned(error))?;
        let records = probe.records - before;
        if records < most {
            self.follow(&asked.operation, &looked.head, looked.fingerprint, &Value::Null, records)?;
        }
        Ok(true)
    }

    fn wanted(&self, asked: &Asked, format: FileFormat) -> Wanted {
        Wanted {
            operation: asked.operation.clone(),
            location: asked.address.clone(),
            number: self.number,
            format,
            compared: self.endpoint.pages.compares(),
            redactor: Arc::clone(self.api.redactor()),
        }
    }

    /// The request of the next page; None behind the last one.
    fn begin(&mut self) -> Result<Option<Asked>> {
        let Some(request) = self.next.take() else { return Ok(None) };
        let address = self.api.address(&request.url);
        if self.number >= self.endpoint.max_pages {
            let operation = format!("read `{}` from {address}", self.endpoint.name);
            let detail = format!("there are more than {}", counted(self.endpoint.max_pages, "page"));
            return Err(self
                .api
                .error(ErrorKind::Limit, &operation, &detail)
                .remedy("raise `maxPages`, ask for larger pages, or correct `pagination` if the API never ends"));
        }
        self.number += 1;
        let operation = format!("read page {} of `{}` from {address}", self.number, self.endpoint.name);
        let outgoing = Outgoing {
            method: self.endpoint.method.clone(),
            url: request.url,
            headers: self.endpoint.headers.clone(),
            body: request.body,
        };
        Ok(Some(Asked { operation, address, outgoing }))
    }

    /// Asks for the page; None when the answer says that there is none.
    async fn send<I: Intake>(&mut self, asked: &Asked, intake: &I) -> Result<Option<I::Taken>> {
        let answer = match self.api.send(&asked.operation, &asked.outgoing, intake).await? {
            Reply::Taken(taken) => return Ok(Some(taken)),
            Reply::Refused(answer) => answer,
        };
        if self.number == 1 || !self.endpoint.pages.ends_with(answer.head.status) {
            return Err(self.api.refusal(&asked.operation, &answer));
        }
        self.bytes += answer.transferred;
        self.number -= 1;
        self.check_total(&asked.operation)?;
        Ok(None)
    }

    /// The next page's address and records; None behind the last one.
    async fn document(&mut self, document: &Document) -> Result<Option<(String, Vec<Value>)>> {
        let Some(asked) = self.begin()? else { return Ok(None) };
        let Some(mut answer) = self.send(&asked, &Whole).await? else { return Ok(None) };
        self.bytes += answer.transferred;
        let (api, operation) = (Arc::clone(&self.api), &asked.operation);
        let root = document.read(&api, operation, self.number, &mut answer)?;
        let fingerprint = hash(&answer.body);
        // What the page says of the next one is read before the records are taken: the document is large, so they are
        // moved out of it, not copied.
        let pointer = self.pointer(operation, &answer.head, root.as_ref().unwrap_or(&Value::Null))?;
        let records = match root {
            Some(root) => document.take(&api, operation, self.number, root)?,
            None => Vec::new(),
        };
        self.advance(operation, &answer.head, fingerprint, pointer, records.len() as u64)?;
        Ok(Some((asked.address, records)))
    }

    /// Ends the page that is open, if one is.
    fn close(&mut self) -> Result<()> {
        let Some(Page::Content { operation, content }) = self.open.take() else { return Ok(()) };
        self.bytes += content.transferred();
        self.notes.extend(content.notes.iter().map(|note| self.api.redactor().clean(note)));
        if content.endless && !self.notes.iter().any(|note| note == ENDLESS) {
            self.notes.push(ENDLESS.to_owned());
        }
        self.follow(&operation, &content.head, content.fingerprint(), &Value::Null, content.records)
    }

    /// Decides what to ask behind a page that had so many records.
    fn follow(&mut self, operation: &str, head: &Head, fingerprint: u64, root: &Value, records: u64) -> Result<()> {
        let pointer = self.pointer(operation, head, root)?;
        self.advance(operation, head, fingerprint, pointer, records)
    }

    /// Where the page says the next one is.
    fn pointer(&self, operation: &str, head: &Head, root: &Value) -> Result<Option<String>> {
        let pointer = self.pager.pointer(self.number, &head.headers, root);
        pointer.map_err(|fault| self.fault(operation, fault))
    }

    fn advance(
        &mut self,
        operation: &str,
        head: &Head,
        fingerprint: u64,
        pointer: Option<String>,
        records: u64,
    ) -> Result<()> {
        self.total =
            TOTALS.iter().find_map(|name| head.headers.get(*name)?.to_str().ok()?.trim().parse().ok()).or(self.total);
        self.records += records;
        let facts = PageFacts { number: self.number, url: &head.url, fingerprint };
        let next = self.pager.next(&facts, pointer, records);
        self.next = next.map_err(|fault| self.fault(operation, fault))?;
        if self.next.is_none() {
            self.check_total(operation)?;
        }
        Ok(())
    }

    /// A server that announces more records than its pages hold has lost some on the way.
    fn check_total(&self, operation: &str) -> Result<()> {
        match self.total {
            Some(total) if self.endpoint.pages.counts() && self.records < total => {
                let detail = format!(
                    "page {} is the last one, but the server announced {} and its pages held {}",
                    self.number,
                    counted(total, "record"),
                    self.records
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
