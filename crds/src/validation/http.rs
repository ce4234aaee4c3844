//! HTTP Connectors.

use std::collections::BTreeMap;
use std::time::Duration;

use super::path::Path;
use super::report::Report;
use crate::connector::{ApiKeyLocation, FileFormat, HttpAuth, HttpConnector, HttpEndpoint, HttpMethod, Pagination};

impl Report {
    pub(super) fn http(&mut self, path: &Path, http: &HttpConnector) {
        self.address(&path.field("url"), &http.url);
        if let Some(auth) = &http.auth {
            self.http_auth(&path.field("auth"), auth);
        }
        self.headers(&path.field("headers"), &http.headers);
        if let Some(limit) = &http.rate_limit {
            let path = path.field("rateLimit").field("requestsPerSecond");
            self.range(&path, limit.requests_per_second.into(), 1, 10_000);
        }
        if let Some(timeout) = &http.timeout {
            self.duration_from(&path.field("timeout"), timeout, Duration::from_millis(1));
        }
        self.range(&path.field("retries"), http.retries.into(), 0, 20);
        if let Some(authority) = &http.ca {
            self.authority(&path.field("ca"), authority);
        }
        let path = path.field("endpoints");
        if http.endpoints.is_empty() {
            self.add(&path, "the list is empty", "give at least one endpoint");
        }
        for (index, endpoint) in http.endpoints.iter().enumerate() {
            self.endpoint(&path.index(index), endpoint);
        }
        let names = http.endpoints.iter().map(|endpoint| endpoint.name.as_str());
        self.unique("endpoint", names.enumerate().map(|(index, name)| (path.index(index).field("name"), name)));
    }

    fn http_auth(&mut self, path: &Path, auth: &HttpAuth) {
        match auth {
            HttpAuth::Bearer(bearer) => self.secret(&path.field("bearer").field("token"), &bearer.token),
            HttpAuth::Basic(basic) => {
                let path = path.field("basic");
                self.filled(&path.field("username"), "the username", &basic.username);
                self.secret(&path.field("password"), &basic.password);
            }
            HttpAuth::ApiKey(key) => {
                let path = path.field("apiKey");
                match key.location {
                    ApiKeyLocation::Header => self.header_name(&path.field("name"), &key.name),
                    ApiKeyLocation::Query => self.filled(&path.field("name"), "the name", &key.name),
                }
                self.secret(&path.field("value"), &key.value);
            }
            HttpAuth::OAuth2ClientCredentials(credentials) => {
                let path = path.field("oauth2ClientCredentials");
                self.address(&path.field("tokenUrl"), &credentials.token_url);
                self.filled(&path.field("clientId"), "the client id", &credentials.client_id);
                self.secret(&path.field("clientSecret"), &credentials.client_secret);
                self.optional_names(&path.field("scopes"), "scope", &credentials.scopes);
            }
        }
    }

    fn headers(&mut self, path: &Path, headers: &BTreeMap<String, String>) {
        for (name, value) in headers {
            let path = path.key(name);
            self.header_name(&path, name);
            if ["authorization", "proxy-authorization", "cookie"].iter().any(|secret| name.eq_ignore_ascii_case(secret))
            {
                let help = "use `auth`, whose values come from the Connector's Secret";
                self.add(&path, format!("the header {name} holds a secret"), help);
            }
            if ::http::HeaderValue::from_str(value).is_err() {
                let help = "use visible characters, in one line";
                self.add(&path, "the value cannot stand in a header", help);
            }
        }
    }

    fn endpoint(&mut self, path: &Path, endpoint: &HttpEndpoint) {
        self.filled(&path.field("name"), "the name", &endpoint.name);
        if !endpoint.path.is_empty() && !endpoint.path.starts_with('/') {
            let help = format!("write `/{}`", endpoint.path);
            self.add(&path.field("path"), format!("`{}` does not begin with `/`", endpoint.path), help);
        }
        for (name, value) in &endpoint.query {
            self.cursor_placeholders(&path.field("query").key(name), value);
        }
        self.headers(&path.field("headers"), &endpoint.headers);
        if let Some(body) = &endpoint.body {
            let path = path.field("body");
            self.cursor_placeholders(&path, body);
            if endpoint.method != HttpMethod::Post {
                self.add(&path, "the method Get sends no body", "set `method: Post`, or leave `body` out");
            }
        }
        self.json_path(&path.field("records"), &endpoint.records);
        if let Some(format) = &endpoint.format {
            self.file_format(&path.field("format"), format);
            if endpoint.records != "$[*]" {
                let help = "leave `records` out, or use `format: {json: {records: …}}`";
                self.add(&path.field("records"), "`format` says how the answer reads", help);
            }
            if endpoint.schema.is_some() {
                let help = match format {
                    FileFormat::Parquet(_) => "leave `schema` out: Parquet names its columns and their types",
                    _ => "set the schema inside `format`, or leave `format` out",
                };
                self.add(&path.field("schema"), "`format` says how the answer reads", help);
            }
        }
        if let Some(pagination) = &endpoint.pagination {
            let path = path.field("pagination");
            if let Some(format) = endpoint.format.as_ref().filter(|format| !matches!(format, FileFormat::Json(_))) {
                self.page_without_json(&path, pagination, format);
            }
            self.pagination(&path, pagination);
        }
        self.range(&path.field("maxPages"), endpoint.max_pages, 1, u64::MAX);
        if let Some(schema) = &endpoint.schema {
            self.stream_schema(&path.field("schema"), schema);
        }
        self.optional_names(&path.field("primaryKey"), "column", &endpoint.primary_key);
    }

    /// Of an answer that is no JSON, only the headers and the number of records are known.
    fn page_without_json(&mut self, path: &Path, pagination: &Pagination, format: &FileFormat) {
        let (field, what) = match pagination {
            Pagination::NextLink(_) => ("nextLink", "the next page's address"),
            Pagination::Cursor(_) => ("cursor", "the token of the next page"),
            Pagination::LinkHeader(_) | Pagination::Page(_) | Pagination::Offset(_) => return,
        };
        let message = format!("{what} is looked up in a JSON answer, and `format` is {}", format.key());
        let help = "use `linkHeader`, `page` or `offset`, which work with every format, or ask the API for JSON";
        self.add(&path.field(field), message, help);
    }

    fn cursor_placeholders(&mut self, path: &Path, text: &str) {
        let known = |word: &str| word == "cursor" || word.starts_with("cursor:-");
        self.placeholders(path, text, known, "use `${cursor}`, or `${cursor:-VALUE}` with the value of the first run");
    }

    fn pagination(&mut self, path: &Path, pagination: &Pagination) {
        match pagination {
            Pagination::NextLink(link) => self.json_path(&path.field("nextLink"), link),
            Pagination::LinkHeader(_) => {}
            Pagination::Cursor(cursor) => {
                let path = path.field("cursor");
                self.json_path(&path.field("token"), &cursor.token);
                self.filled(&path.field("parameter"), "the parameter", &cursor.parameter);
            }
            Pagination::Page(page) => {
                let path = path.field("page");
                self.filled(&path.field("parameter"), "the parameter", &page.parameter);
                match (&page.size_parameter, page.size) {
                    (Some(_), None) => {
                        self.add(&path.field("size"), "the page's size is missing", "set `size` with `sizeParameter`");
                    }
                    (None, Some(_)) => self.add(
                        &path.field("sizeParameter"),
                        "nothing carries the page's size",
                        "set `sizeParameter` with `size`",
                    ),
                    (Some(parameter), Some(size)) => {
                        self.filled(&path.field("sizeParameter"), "the parameter", parameter);
                        self.range(&path.field("size"), size, 1, u64::MAX);
                    }
                    (None, None) => {}
                }
            }
            Pagination::Offset(offset) => {
                let path = path.field("offset");
                self.filled(&path.field("parameter"), "the parameter", &offset.parameter);
                self.filled(&path.field("sizeParameter"), "the parameter", &offset.size_parameter);
                self.range(&path.field("size"), offset.size, 1, u64::MAX);
            }
        }
    }
}
