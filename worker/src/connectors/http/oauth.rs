//! Tokens by OAuth 2.0 client credentials: fetched when needed, kept until they end.

use std::time::Duration;

use aggregator_crds::connector::OAuth2ClientCredentials;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::auth::basic_value;
use super::redact::masked;
use super::sender::{Outgoing, Sender};
use crate::connector::{ConnectorError, ErrorKind, Result};

/// The longest time before its end that a token is no longer used.
const MARGIN: Duration = Duration::from_secs(30);

/// Fetches tokens and keeps the last one.
pub(super) struct TokenSource {
    url: Url,
    client: HeaderValue,
    form: String,
    kept: Mutex<Option<Token>>,
}

struct Token {
    value: String,
    /// When it is no longer used; None when the server does not say.
    end: Option<Instant>,
}

/// The answer of RFC 6749 §5.1.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<u64>,
}

impl TokenSource {
    /// One that has fetched nothing yet. The client proves itself by HTTP Basic (RFC 6749 §2.3.1).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the address is none.
    pub(super) fn new(spec: &OAuth2ClientCredentials, secret: &str, client: &Client) -> Result<Self> {
        let operation = "read `auth.oauth2ClientCredentials`";
        let url = Url::parse(&spec.token_url).map_err(|error| {
            ConnectorError::new(ErrorKind::Config, operation, format!("`tokenUrl` is not an address: {error}"))
        })?;
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let header = basic_value(client, &encode(&spec.client_id), &encode(secret)).ok_or_else(|| {
            ConnectorError::new(ErrorKind::Config, operation, "`clientId` has characters that no header may hold")
        })?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !spec.scopes.is_empty() {
            form.append_pair("scope", &spec.scopes.join(" "));
        }
        Ok(Self { url, client: header, form: form.finish(), kept: Mutex::new(None) })
    }

    /// The header that proves the client, for the redactor.
    pub(super) fn client(&self) -> &HeaderValue {
        &self.client
    }

    /// What fetching a token is called in messages.
    pub(super) fn operation(&self) -> String {
        format!("fetch a token from {}", masked(&self.url, |_| false))
    }

    /// The kept token, or a new one when there is none or it has ended.
    pub(super) async fn token(&self, sender: &Sender) -> Result<String> {
        // Held while fetching, so that streams that run at once fetch one token and not many.
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.as_ref()
            && token.end.is_none_or(|end| Instant::now() < end)
        {
            return Ok(token.value.clone());
        }
        let token = self.fetch(sender).await?;
        Ok(kept.insert(token).value.clone())
    }

    /// Drops the token, if it is still the kept one.
    pub(super) async fn forget(&self, token: &str) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.value == token) {
            *kept = None;
        }
    }

    async fn fetch(&self, sender: &Sender) -> Result<Token> {
        let outgoing = Outgoing {
            method: Method::POST,
            url: self.url.clone(),
            headers: HeaderMap::from_iter([
                (AUTHORIZATION, self.client.clone()),
                (ACCEPT, HeaderValue::from_static("application/json")),
                (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            ]),
            body: Some(self.form.clone()),
        };
        let operation = self.operation();
        let asked = Instant::now();
        let answer = sender.ask(&operation, &outgoing, None).await?;
        if !answer.head.status.is_success() {
            let kind = match answer.head.status {
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ErrorKind::Config,
                status if status.is_redirection() => ErrorKind::Config,
                _ => ErrorKind::Credentials,
            };
            let detail = format!("the server answered {}{}", answer.head.status, answer.said(&sender.redactor));
            return Err(sender
                .error(kind, &operation, &detail)
                .remedy("check `tokenUrl`, `clientId`, the secret and `scopes`"));
        }
        // The body holds the token: of a wrong one, nothing is shown but what is missing.
        let token: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|error| {
            let detail = format!(
                "the answer is not the JSON object of RFC 6749 §5.1 (line {}, column {})",
                error.line(),
                error.column()
            );
            sender.error(ErrorKind::Data, &operation, &detail).remedy("check `tokenUrl`")
        })?;
        sender.redactor.learn(&token.access_token);
        if let Some(kind) = token.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            let detail = format!("the token is of type `{kind}`, only `Bearer` can be sent");
            return Err(sender.error(ErrorKind::Config, &operation, &detail));
        }
        let end = token.expires_in.map(|seconds| {
            let lifetime = Duration::from_secs(seconds);
            asked + lifetime.saturating_sub(MARGIN.min(lifetime / 10))
        });
        Ok(Token { value: token.access_token, end })
    }
}
