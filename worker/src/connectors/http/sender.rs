//! Sends one request until it is answered: paced, signed, retried.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use tokio::time::{Instant, sleep};
use url::Url;

use super::auth::Auth;
use super::body;
use super::failure::Failure;
use super::pace::Pace;
use super::redact::Redactor;
use super::retry;
use crate::connector::{ConnectorError, ErrorKind, Result};

/// A request, before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// Its method.
    pub method: Method,
    /// Its address.
    pub url: Url,
    /// Its headers, without credentials.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Option<String>,
}

/// A whole answer, of any status that is not worth another try.
pub(super) struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The address that answered, after redirects.
    pub url: Url,
    /// Its decompressed body.
    pub body: Vec<u8>,
    /// The body's bytes as they were transferred.
    pub transferred: u64,
    /// The time from sending the request to the body's end.
    pub elapsed: Duration,
}

/// Sends requests for one Connector.
pub(super) struct Sender {
    /// The client.
    pub client: Client,
    /// When requests may be sent.
    pub pace: Pace,
    /// How often a request is tried again.
    pub retries: u32,
    /// Keeps secrets out of messages.
    pub redactor: Arc<Redactor>,
}

/// How one try ended.
enum Try {
    Answered(Box<Answer>),
    /// The answer says that another try may go better, perhaps after a given time.
    Later(Box<Answer>, Option<Duration>),
}

impl Sender {
    /// An error whose texts hold no secret.
    pub(super) fn error(&self, kind: ErrorKind, operation: &str, detail: &str) -> ConnectorError {
        ConnectorError::new(kind, self.redactor.clean(operation), self.redactor.clean(detail))
    }

    /// Sends the request until it is answered with a status that another try would not change.
    ///
    /// A token that the server refuses (401) is fetched again, once.
    ///
    /// # Errors
    /// When no try got an answer, or every one an answer like 429 or 503: the last one's error, with the number of tries.
    pub(super) async fn send(&self, operation: &str, outgoing: &Outgoing, auth: Option<&Auth>) -> Result<Answer> {
        self.send_with_retries(operation, outgoing, auth, self.retries).await
    }

    /// As [`Self::send`], with another number of retries.
    pub(super) async fn send_with_retries(
        &self,
        operation: &str,
        outgoing: &Outgoing,
        auth: Option<&Auth>,
        retries: u32,
    ) -> Result<Answer> {
        let mut tries = 0;
        let mut renewed = false;
        loop {
            self.pace.turn().await;
            let mut signed = outgoing.clone();
            let token = match auth {
                Some(auth) => auth.sign(self, &mut signed).await?,
                None => None,
            };
            let tried = self.attempt(&signed).await;
            tries += 1;
            let last = tries > retries;
            let wait = match tried {
                Ok(Try::Answered(answer)) => {
                    if let (StatusCode::UNAUTHORIZED, false, Some(token), Some(auth)) =
                        (answer.status, renewed, token, auth)
                    {
                        auth.forget(&token).await;
                        renewed = true;
                        tries -= 1;
                        continue;
                    }
                    return Ok(*answer);
                }
                Ok(Try::Later(answer, asked)) if last => {
                    return Err(self.gave_up(operation, &answer, asked, tries));
                }
                Ok(Try::Later(answer, Some(asked))) if asked > retry::MAX_WAIT => {
                    return Err(self.gave_up(operation, &answer, Some(asked), tries));
                }
                Ok(Try::Later(answer, asked)) => {
                    if let Some(asked) = asked {
                        self.pace.hold(asked);
                    }
                    tracing::debug!(status = answer.status.as_u16(), ?asked, tries, "{operation}: trying again");
                    asked.unwrap_or_else(|| retry::backoff(tries, retry::jitter()))
                }
                Err(failure) if last || !failure.again => return Err(self.failed(operation, failure, tries)),
                Err(failure) => {
                    tracing::debug!(detail = failure.detail, tries, "{operation}: trying again");
                    retry::backoff(tries, retry::jitter())
                }
            };
            sleep(wait).await;
        }
    }

    async fn attempt(&self, outgoing: &Outgoing) -> Result<Try, Failure> {
        let begin = Instant::now();
        self.redactor.learn_address(&outgoing.url);
        let mut request = self
            .client
            .request(outgoing.method.clone(), outgoing.url.clone())
            .headers(outgoing.headers.clone())
            .header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(body) = &outgoing.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(Failure::from_client)?;
        self.redactor.learn_address(response.url());
        let (status, headers, url) = (response.status(), response.headers().clone(), response.url().clone());
        let body = match body::read(response).await {
            Ok(body) => body,
            // What an answer like 503 says matters less than that it is one.
            Err(_) if retry::retryable(status) => body::Body { content: Vec::new(), transferred: 0 },
            Err(failure) => return Err(failure),
        };
        let asked = retry::retry_after(&headers, SystemTime::now());
        let answer = Box::new(Answer {
            status,
            headers,
            url,
            body: body.content,
            transferred: body.transferred,
            elapsed: begin.elapsed(),
        });
        Ok(if retry::retryable(status) { Try::Later(answer, asked) } else { Try::Answered(answer) })
    }

    fn failed(&self, operation: &str, failure: Failure, tries: u32) -> ConnectorError {
        let mut error = self.error(failure.kind, operation, &format!("{}{}", failure.detail, after(tries)));
        error.remedy = failure.remedy.map(str::to_owned);
        match failure.source {
            Some(source) => error.caused_by(source),
            None => error,
        }
    }

    fn gave_up(&self, operation: &str, answer: &Answer, asked: Option<Duration>, tries: u32) -> ConnectorError {
        let asked = match asked {
            Some(asked) => format!(", and asks to come back in {} s", asked.as_secs()),
            None => String::new(),
        };
        let detail =
            format!("the server answered {}{asked}{}{}", answer.status, after(tries), answer.said(&self.redactor));
        let remedy = if answer.status == StatusCode::TOO_MANY_REQUESTS {
            "set `rateLimit` to what the API allows, or raise `retries`"
        } else {
            "run again when the server is well, or raise `retries`"
        };
        self.error(ErrorKind::Transient, operation, &detail).remedy(remedy)
    }
}

impl Answer {
    /// The first words of the body without secrets, to be put behind a message; empty when there are none.
    pub(super) fn said(&self, redactor: &Redactor) -> String {
        const LOOKED_AT: usize = 64 * 1024;
        const SHOWN: usize = 200;
        // Cleaned before it is cut, so that no part of a secret is left over at the end.
        let text = redactor.clean(&String::from_utf8_lossy(&self.body[..self.body.len().min(LOOKED_AT)]));
        let words: Vec<&str> = text.split_whitespace().collect();
        let line: String = words.join(" ").chars().filter(|character| !character.is_control()).take(SHOWN).collect();
        if line.is_empty() { String::new() } else { format!(": {line}") }
    }
}

fn after(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
}
