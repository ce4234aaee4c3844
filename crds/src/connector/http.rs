//! Fields of an `http` Connector.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FileFormat, StreamSchema};
use crate::secret::{CertificateAuthority, SecretKeyRef};

/// An HTTP API. A stream is the name of one of its endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpConnector {
    /// The address that every endpoint's path is appended to.
    #[schemars(regex(pattern = r"^https?://"))]
    pub url: String,
    /// How requests prove who sends them: exactly one of `bearer`, `basic`, `apiKey`, `oauth2ClientCredentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HttpAuth>,
    /// Headers of every request. Nothing secret belongs here: use `auth`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How often requests may be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// How long one request may take, as `30s`; where the answer is read as it comes (`csv`, `ndjson`, `parquet`), how
    /// long the server may be silent. Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How often a request is tried again after 429, 5xx or a broken connection. Default: 5.
    #[serde(default = "default_retries")]
    #[schemars(range(max = 20))]
    pub retries: u32,
    /// The authority that signed the server's certificate. Default: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
    /// What can be read: each endpoint is a stream.
    #[schemars(length(min = 1, max = 200))]
    pub endpoints: Vec<HttpEndpoint>,
}

fn default_retries() -> u32 {
    5
}

/// How requests prove who sends them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HttpAuth {
    /// `Authorization: Bearer …`.
    Bearer(BearerAuth),
    /// `Authorization: Basic …`.
    Basic(BasicAuth),
    /// A key in a header or a query parameter.
    ApiKey(ApiKeyAuth),
    /// A token fetched with OAuth 2.0 client credentials (RFC 6749 §4.4), and fetched again when it ends.
    #[serde(rename = "oauth2ClientCredentials")]
    OAuth2ClientCredentials(OAuth2ClientCredentials),
}

/// `Authorization: Bearer …`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BearerAuth {
    /// The token.
    pub token: SecretKeyRef,
}

/// `Authorization: Basic …`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: SecretKeyRef,
}

/// A key in a header or a query parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyAuth {
    /// The name of the header or parameter.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Where the key stands. Default: Header.
    #[serde(default, rename = "in")]
    pub location: ApiKeyLocation,
    /// The key.
    pub value: SecretKeyRef,
}

/// Where an API key stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiKeyLocation {
    /// In a header.
    #[default]
    Header,
    /// In a query parameter.
    Query,
}

/// OAuth 2.0 client credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2ClientCredentials {
    /// Where tokens are fetched.
    #[schemars(regex(pattern = r"^https?://"))]
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretKeyRef,
    /// The scopes to ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// How often requests may be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// The most requests a second.
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: u32,
}

/// One thing that can be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpEndpoint {
    /// The stream's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The path below the Connector's address.
    pub path: String,
    /// The request's method. Default: Get.
    #[serde(default)]
    pub method: HttpMethod,
    /// Query parameters. `${cursor}` stands for the position of the last run, `${cursor:-VALUE}` for VALUE on the first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Headers of this endpoint's requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body of a `Post` request, as JSON text; `${cursor}` as in `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Where the records are in a JSON answer, as a JSONPath (RFC 9535). Default: `$[*]`.
    #[serde(default = "default_records")]
    pub records: String,
    /// How an answer reads, in place of `records` and `schema`: as a file does. Default: JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// How the next page is asked for: exactly one of `nextLink`, `linkHeader`, `cursor`, `page`, `offset`. Default: there is one page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
    /// The most pages of one read; more is an error, for an API that never ends. Default: 100000.
    #[serde(default = "default_max_pages")]
    #[schemars(range(min = 1))]
    pub max_pages: u64,
    /// The columns and their types, without a `format`. Default: inferred from 1000 records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<StreamSchema>,
    /// The columns that name a record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
}

fn default_records() -> String {
    "$[*]".into()
}

fn default_max_pages() -> u64 {
    100_000
}

/// A request's method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpMethod {
    /// GET.
    #[default]
    Get,
    /// POST.
    Post,
}

/// How the next page is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Pagination {
    /// A JSONPath to the next page's address; the last page has none. The address must be on the Connector's own host. Only
    /// for answers in JSON.
    NextLink(String),
    /// The header `Link: <…>; rel="next"` (RFC 8288).
    LinkHeader(LinkHeaderPagination),
    /// A token in each answer that the next request carries. Only for answers in JSON.
    Cursor(CursorPagination),
    /// A page number that counts up until a page has no records.
    Page(PagePagination),
    /// An offset that grows by the page's size until a page has fewer records.
    Offset(OffsetPagination),
}

/// The header `Link: <…>; rel="next"`. It has no fields: `linkHeader: {}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkHeaderPagination {}

/// A token in each answer that the next request carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CursorPagination {
    /// A JSONPath to the token; the last page has none.
    pub token: String,
    /// The query parameter that carries it.
    pub parameter: String,
}

/// A page number that counts up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PagePagination {
    /// The query parameter that carries the number.
    pub parameter: String,
    /// The first page's number. Default: 1.
    #[serde(default = "one")]
    pub start: u64,
    /// The query parameter that carries the page's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_parameter: Option<String>,
    /// The page's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

fn one() -> u64 {
    1
}

/// An offset that grows by the page's size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OffsetPagination {
    /// The query parameter that carries the offset.
    pub parameter: String,
    /// The query parameter that carries the page's size.
    pub size_parameter: String,
    /// The page's size.
    #[schemars(range(min = 1))]
    pub size: u64,
}
