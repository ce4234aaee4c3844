//! Proves who sends a request.

use aggregator_crds::connector::{ApiKeyLocation, HttpAuth};
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

use super::oauth::TokenSource;
use super::redact::Redactor;
use super::sender::{Outgoing, Sender};
use crate::connector::{ConnectorError, ErrorKind, Result, Secrets};

/// How requests are signed, with all that is needed for it.
pub(super) enum Auth {
    /// They are not.
    None,
    /// By a header that never changes.
    Header(HeaderName, HeaderValue),
    /// By a query parameter.
    Query(String, String),
    /// By a token that is fetched.
    Token(Box<TokenSource>),
}

impl Auth {
    /// Resolves the secrets that the manifest names, and tells them to the redactor.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] when one is missing or cannot stand in a header; [`ErrorKind::Config`] when a name
    /// cannot.
    pub(super) fn resolve(
        spec: Option<&HttpAuth>,
        secrets: &Secrets,
        client: &Client,
        redactor: &Redactor,
    ) -> Result<Self> {
        let secret = |key: &str| {
            let value = secrets.text(key)?;
            redactor.learn(&value);
            Ok::<_, ConnectorError>(value)
        };
        Ok(match spec {
            None => Self::None,
            Some(HttpAuth::Bearer(bearer)) => {
                let token = secret(&bearer.token.secret_key)?;
                Self::Header(AUTHORIZATION, bearer_value(&token).ok_or_else(|| unfit(&bearer.token.secret_key))?)
            }
            Some(HttpAuth::Basic(basic)) => {
                let password = secret(&basic.password.secret_key)?;
                let value =
                    basic_value(client, &basic.username, &password).ok_or_else(|| unfit(&basic.password.secret_key))?;
                learn_header(redactor, &value);
                Self::Header(AUTHORIZATION, value)
            }
            Some(HttpAuth::ApiKey(key)) => {
                let value = secret(&key.value.secret_key)?;
                match key.location {
                    ApiKeyLocation::Query => Self::Query(key.name.clone(), value),
                    ApiKeyLocation::Header => {
                        let name = HeaderName::try_from(&key.name).map_err(|error| {
                            let operation = format!("read `auth.apiKey.name: {}`", key.name);
                            ConnectorError::new(ErrorKind::Config, operation, error.to_string())
                                .remedy("write the name of a header, as `X-API-Key`")
                        })?;
                        let mut value = HeaderValue::from_str(&value).map_err(|_| unfit(&key.value.secret_key))?;
                        value.set_sensitive(true);
                        Self::Header(name, value)
                    }
                }
            }
            Some(HttpAuth::OAuth2ClientCredentials(client_credentials)) => {
                let value = secret(&client_credentials.client_secret.secret_key)?;
                let source = TokenSource::new(client_credentials, &value, client)?;
                learn_header(redactor, source.client());
                Self::Token(Box::new(source))
            }
        })
    }

    /// Signs a request. The token it used, if it is one that can be fetched again.
    pub(super) async fn sign(&self, sender: &Sender, outgoing: &mut Outgoing) -> Result<Option<String>> {
        match self {
            Self::None => Ok(None),
            Self::Header(name, value) => {
                outgoing.headers.insert(name.clone(), value.clone());
                Ok(None)
            }
            Self::Query(name, value) => {
                set_parameter(&mut outgoing.url, name, value);
                Ok(None)
            }
            Self::Token(source) => {
                // A token is fetched by the sender too: boxed, so that the future's size is known.
                let token = Box::pin(source.token(sender)).await?;
                let value = bearer_value(&token).ok_or_else(|| {
                    sender.error(ErrorKind::Data, &source.operation(), "the token cannot stand in a header")
                })?;
                outgoing.headers.insert(AUTHORIZATION, value);
                Ok(Some(token))
            }
        }
    }

    /// Drops a token that the server refused, unless another one is there already.
    pub(super) async fn forget(&self, token: &str) {
        if let Self::Token(source) = self {
            source.forget(token).await;
        }
    }
}

/// Sets a query parameter in place of any of that name.
pub(super) fn set_parameter(url: &mut Url, name: &str, value: &str) {
    let others: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(other, _)| other != name).collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
}

/// `Basic …`; None when the values cannot stand in a header.
pub(super) fn basic_value(client: &Client, username: &str, password: &str) -> Option<HeaderValue> {
    // reqwest encodes it, for a request that is never sent.
    let request = client.get("http://localhost/").basic_auth(username, Some(password)).build().ok()?;
    request.headers().get(AUTHORIZATION).cloned()
}

fn bearer_value(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A server may repeat the header's encoded words in an error.
fn learn_header(redactor: &Redactor, value: &HeaderValue) {
    if let Ok(text) = value.to_str() {
        redactor.learn(text.rsplit(' ').next().unwrap_or(text));
    }
}

fn unfit(key: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Credentials,
        format!("use key `{key}` of the Secret"),
        "its value has characters that no header may hold",
    )
    .remedy("store the value alone, without line breaks or invisible characters")
}
