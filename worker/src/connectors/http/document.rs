//! Answers that are one JSON document: its text, and the records in it.

use std::io::{Cursor, Read};

use aggregator_crds::connector::JsonFormat;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::answer::Answer;
use super::api::Api;
use super::arrival::name;
use super::body::{MAX_BODY, too_large};
use super::failure::BROKEN_OFF;
use super::records::RecordsPath;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::{self, input_error};

/// How the document reads.
#[derive(Debug)]
pub(super) struct Document {
    format: JsonFormat,
    records: RecordsPath,
}

impl Document {
    /// Reads what the manifest says; `format.records` is where the records are.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(format: JsonFormat) -> Result<Self, String> {
        Ok(Self { records: RecordsPath::parse(&format.records)?, format })
    }

    /// The document of an answer, whose text the answer holds from then on; None where its status says that it has none.
    ///
    /// # Errors
    /// When it is not JSON.
    pub(super) fn read(&self, api: &Api, operation: &str, number: u64, answer: &mut Answer) -> Result<Option<Value>> {
        if answer.head.status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        self.decode(api, operation, answer)?;
        if answer.body.trim_ascii().is_empty() {
            let detail = format!("page {number} is empty: status {}, and no content", answer.head.status);
            return Err(api.error(ErrorKind::Data, operation, &detail).remedy(
                "check `path`, `query` and `method`; an API that has no records answers with `[]`, or with status 204",
            ));
        }
        let most = api.buffers().tree();
        if format::is_larger_as_tree(&answer.body, most) {
            let detail = format!("the values of page {number} take more than {} MiB", most >> 20);
            return Err(api.error(ErrorKind::Limit, operation, &detail).remedy(
                "ask for smaller pages, or give the run more with --memory (on a cluster: \
                 execution.resources.limits.memory)",
            ));
        }
        format::parse_json(&answer.body).map(Some).map_err(|error| {
            if let Some(detail) = format::too_deep(&format!("page {number}"), &error) {
                return api.error(ErrorKind::Limit, operation, &detail).remedy(
                    "ask the API for less in one answer, as by `fields` or `expand`, or read another endpoint",
                );
            }
            let media = answer.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let (what, remedy) = if error.is_eof() {
                ("JSON that was cut off", BROKEN_OFF)
            } else {
                let remedy =
                    "check `path` and `headers`: the API may answer with a page for people, or in another format";
                ("no JSON", remedy)
            };
            let detail = format!(
                "page {number} is {what} (content type {}): {error}{}",
                media.unwrap_or("not given"),
                answer.said(api.redactor())
            );
            api.error(ErrorKind::Data, operation, &detail).remedy(remedy)
        })
    }

    /// Takes the file's own compression and encoding off.
    fn decode(&self, api: &Api, operation: &str, answer: &mut Answer) -> Result<()> {
        let location = api.address(&answer.head.url);
        let name = name(answer.head.url.path(), answer.coding, &answer.body).to_owned();
        let raw = Box::new(Cursor::new(std::mem::take(&mut answer.body)));
        let text = format::text(raw, &name, self.format.compression, &self.format.encoding, &location)?;
        let read = text.take(MAX_BODY as u64 + 1).read_to_end(&mut answer.body);
        read.map_err(|error| api.cleaned(input_error(&location, error)))?;
        if answer.body.len() > MAX_BODY {
            return Err(api.failed(operation, too_large()));
        }
        Ok(())
    }

    /// The records, moved out of the document.
    ///
    /// # Errors
    /// When they are not where the manifest says.
    pub(super) fn take(&self, api: &Api, operation: &str, number: u64, document: Value) -> Result<Vec<Value>> {
        self.records.take(document).map_err(|detail| -> ConnectorError {
            api.error(ErrorKind::Data, operation, &format!("page {number}: {detail}"))
                .remedy("correct `records` if the API has changed or answers errors with status 200")
        })
    }
}
