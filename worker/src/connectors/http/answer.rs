//! How a server answered, and what becomes of the body.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use url::Url;

use super::body::{self, Body, Coding};
use super::failure::Failure;
use super::redact::Redactor;

/// What an answer says before its body.
#[derive(Debug)]
pub(super) struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The address that answered, after redirects.
    pub url: Url,
    /// The time from sending the request to here.
    pub elapsed: Duration,
}

/// A whole answer, of any status that is not worth another try.
pub(super) struct Answer {
    /// What it says before its body.
    pub head: Head,
    /// Its decompressed body.
    pub body: Vec<u8>,
    /// How the body was compressed for the transfer.
    pub coding: Coding,
    /// The body's bytes as they were transferred.
    pub transferred: u64,
}

/// What becomes of the body of an answer that is a success. Another answer is taken in whole.
pub(super) trait Intake: Sync {
    /// What becomes of it.
    type Taken: Send;
    /// All of the request has to end within the Connector's timeout. Otherwise it may take as long as the server does not
    /// fall silent: how fast the body is taken depends on what is made of it.
    const WHOLE: bool;

    /// Takes the body; `silence` is how long the server may give nothing while it is waited for. What fails here and may go
    /// better is asked for again.
    fn take(
        &self,
        head: Head,
        response: Response,
        silence: Duration,
    ) -> impl Future<Output = Result<Self::Taken, Failure>> + Send;
}

/// Takes the body into memory.
pub(super) struct Whole;

impl Intake for Whole {
    type Taken = Answer;
    const WHOLE: bool = true;

    async fn take(&self, head: Head, response: Response, _: Duration) -> Result<Answer, Failure> {
        Ok(Answer::new(head, body::read(response).await?))
    }
}

/// Leaves the body where it is.
pub(super) struct Glance;

impl Intake for Glance {
    type Taken = Head;
    const WHOLE: bool = true;

    async fn take(&self, head: Head, _: Response, _: Duration) -> Result<Head, Failure> {
        Ok(head)
    }
}

/// How a server answered.
pub(super) enum Reply<T> {
    /// With a success.
    Taken(T),
    /// With another status, which another try would not change.
    Refused(Box<Answer>),
}

impl Answer {
    /// Of a head and its body.
    pub(super) fn new(head: Head, body: Body) -> Self {
        Self { head, body: body.content, coding: body.coding, transferred: body.transferred }
    }

    /// The first words of the body, as [`said`].
    pub(super) fn said(&self, redactor: &Redactor) -> String {
        said(&self.body, redactor)
    }
}

/// The first words of a body without secrets, to be put behind a message; empty when there are none.
pub(super) fn said(body: &[u8], redactor: &Redactor) -> String {
    const LOOKED_AT: usize = 64 * 1024;
    const SHOWN: usize = 200;
    // Cleaned before it is cut, so that no part of a secret is left over at the end.
    let text = redactor.clean(&String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]));
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|character| !character.is_control()).take(SHOWN).collect();
    if line.is_empty() { String::new() } else { format!(": {line}") }
}
