//! One endpoint, read from the manifest: what its first request is, and how its answers read.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::declared::endpoint_schema;
use aggregator_crds::connector::{FileFormat, HttpEndpoint, HttpMethod, JsonFormat};
use arrow::datatypes::SchemaRef;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::document::Document;
use super::pagination::{Kind, PageRequest};
use super::placeholder;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::{declared_schema, infer_records};

/// How answers read.
#[derive(Debug)]
pub(super) enum Answers {
    /// Each is one JSON document, which is held in memory.
    Document(Document),
    /// Each is like a file, which is read as it comes.
    Content(FileFormat),
}

/// One endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The stream's name.
    pub name: String,
    /// Its requests' method.
    pub method: Method,
    /// Its requests' headers, without credentials.
    pub headers: HeaderMap,
    /// How its answers read.
    pub answers: Answers,
    /// How its pages follow each other.
    pub pages: Arc<Kind>,
    /// The most pages of one read.
    pub max_pages: u64,
    /// The declared columns.
    pub schema: Option<SchemaRef>,
    /// How many records are looked at when they are not declared.
    pub infer: u64,
    /// The columns that name a record.
    pub primary_key: Vec<String>,
    url: Url,
    query: BTreeMap<String, String>,
    body: Option<String>,
}

impl Endpoint {
    /// Reads what the manifest says. `base` is the Connector's address, `headers` those of all its requests.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it says something that cannot work.
    pub(super) fn parse(spec: &HttpEndpoint, base: &Url, headers: &BTreeMap<String, String>) -> Result<Self> {
        let wrong = |field: &str, detail: String| {
            ConnectorError::new(ErrorKind::Config, format!("read `{field}` of endpoint `{}`", spec.name), detail)
        };
        let format = spec
            .format
            .clone()
            .unwrap_or_else(|| FileFormat::Json(JsonFormat { records: spec.records.clone(), ..JsonFormat::default() }));
        let schema = endpoint_schema(spec);
        let pages = Kind::parse(spec.pagination.as_ref()).map_err(|error| wrong("pagination", error))?;
        let mut all = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accepted(&format)))]);
        for (name, value) in headers.iter().chain(&spec.headers) {
            let name = HeaderName::try_from(name).map_err(|error| wrong("headers", format!("`{name}`: {error}")))?;
            let value = HeaderValue::from_str(value).map_err(|error| wrong("headers", format!("`{name}`: {error}")))?;
            all.insert(name, value);
        }
        let method = match spec.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
        };
        if let Some(body) = &spec.body {
            if method == Method::GET {
                return Err(wrong("body", "a GET request has no body".into()).remedy("write `method: Post`"));
            }
            // With a value it has to be JSON; without one, the read says whether it needs a default.
            placeholder::fill_body(body, Some("0")).map_err(|error| wrong("body", error))?;
            if !all.contains_key(CONTENT_TYPE) {
                all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
        }
        for text in spec.query.values().chain(&spec.body) {
            if let Some(unknown) = placeholder::unknown(text) {
                return Err(wrong("query or body", format!("nothing is known of `{unknown}`"))
                    .remedy("only `${cursor}` and `${cursor:-VALUE}` can stand there"));
            }
        }
        Ok(Self {
            name: spec.name.clone(),
            method,
            headers: all,
            max_pages: spec.max_pages,
            infer: infer_records(schema),
            schema: schema.map(declared_schema).transpose()?.flatten(),
            answers: answers(format, &pages, &wrong)?,
            pages: Arc::new(pages),
            primary_key: spec.primary_key.clone(),
            url: join(base, &spec.path).map_err(|error| wrong("path", error))?,
            query: spec.query.clone(),
            body: spec.body.clone(),
        })
    }

    /// The request of the first page, before the pagination adds its own parameters. `cursor` is the text from which on
    /// records are wanted; a parameter that needs it and has no default is left out without one.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the body needs a cursor and there is none.
    pub(super) fn first(&self, cursor: Option<&str>) -> Result<PageRequest> {
        let mut url = self.url.clone();
        let filled: Vec<(&str, String)> = self
            .query
            .iter()
            .filter_map(|(name, text)| Some((name.as_str(), placeholder::fill(text, cursor)?)))
            .collect();
        if !filled.is_empty() {
            url.query_pairs_mut().extend_pairs(filled);
        }
        let body =
            self.body.as_ref().map(|body| placeholder::fill_body(body, cursor)).transpose().map_err(|error| {
                ConnectorError::new(ErrorKind::Config, format!("fill `body` of endpoint `{}`", self.name), error)
            })?;
        Ok(PageRequest { url, body })
    }

    /// Whether the server is told from where on records are wanted.
    pub(super) fn uses_cursor(&self) -> bool {
        self.query.values().chain(&self.body).any(|text| placeholder::mentions_cursor(text))
    }
}

/// How answers of the format read, if pages can follow each other so.
fn answers(format: FileFormat, pages: &Kind, wrong: &impl Fn(&str, String) -> ConnectorError) -> Result<Answers> {
    match (format, pages.points_into_json()) {
        (FileFormat::Json(json), _) => {
            Ok(Answers::Document(Document::parse(json).map_err(|error| wrong("records", error))?))
        }
        (format, Some(field)) => {
            let detail = format!("`{field}` is a place in a JSON answer, and the answers are {}", format.key());
            Err(wrong("pagination", detail).remedy("use `linkHeader`, `page` or `offset`, or ask the API for JSON"))
        }
        (format, None) => Ok(Answers::Content(format)),
    }
}

/// What is asked for, so that a server that has several formats gives this one; one that has another name for it may
/// still answer.
fn accepted(format: &FileFormat) -> &'static str {
    match format {
        FileFormat::Json(_) => "application/json",
        FileFormat::Csv(_) => "text/csv, */*;q=0.5",
        FileFormat::Ndjson(_) => "application/x-ndjson, application/jsonl;q=0.9, */*;q=0.5",
        FileFormat::Parquet(_) => "application/vnd.apache.parquet, */*;q=0.5",
    }
}

/// The Connector's address with a path appended to its own.
fn join(base: &Url, path: &str) -> Result<Url, String> {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    let whole = match path.trim_start_matches('/') {
        "" => base.path().to_owned(),
        path => format!("{}/{path}", base.path().trim_end_matches('/')),
    };
    if whole.split('/').any(|segment| segment == "..") {
        return Err("`..` would leave the Connector's address".into());
    }
    url.set_path(&whole);
    url.set_query(query.or(base.query()));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(manifest: serde_json::Value) -> Result<Endpoint> {
        let spec: HttpEndpoint = serde_json::from_value(manifest).unwrap();
        let headers = BTreeMap::from([("X-Of".to_owned(), "connector".to_owned())]);
        Endpoint::parse(&spec, &Url::parse("https://api.example/v2/").unwrap(), &headers)
    }

    #[test]
    fn the_path_stays_below_the_address() {
        for (path, expected) in [
            ("/things", "https://api.example/v2/things"),
            ("things/all?x=1", "https://api.example/v2/things/all?x=1"),
            ("", "https://api.example/v2/"),
            ("@other.example/x", "https://api.example/v2/@other.example/x"),
            ("//other.example/x", "https://api.example/v2/other.example/x"),
            ("a b#c", "https://api.example/v2/a%20b%23c"),
        ] {
            let read = endpoint(serde_json::json!({"name": "x", "path": path})).unwrap();
            assert_eq!(read.first(None).unwrap().url.as_str(), expected);
        }
        let error = endpoint(serde_json::json!({"name": "x", "path": "/../admin"})).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
    }

    #[test]
    fn the_cursor_is_put_into_the_query_or_left_out() {
        let read = endpoint(serde_json::json!({
            "name": "x", "path": "/x", "query": {"from": "${cursor:-2026-01-01}", "since": "${cursor}", "kind": "a b"}
        }))
        .unwrap();
        assert!(read.uses_cursor());
        assert_eq!(read.first(None).unwrap().url.query(), Some("from=2026-01-01&kind=a+b"));
        assert_eq!(
            read.first(Some("2026-05-01T00:00:00+01:00")).unwrap().url.query(),
            Some("from=2026-05-01T00%3A00%3A00%2B01%3A00&kind=a+b&since=2026-05-01T00%3A00%3A00%2B01%3A00")
        );
    }

    #[test]
    fn mistakes_in_the_manifest_are_named() {
        for (field, value, word) in [
            ("records", serde_json::json!("data"), "JSONPath"),
            ("query", serde_json::json!({"a": "${cursr}"}), "${cursr}"),
            ("body", serde_json::json!("{}"), "GET"),
            ("headers", serde_json::json!({"a b": "c"}), "a b"),
            ("headers", serde_json::json!({"a": "b\nc"}), "`a`"),
            ("pagination", serde_json::json!({"page": {"parameter": "p", "size": 3}}), "sizeParameter"),
            ("format", serde_json::json!({"json": {"records": "data"}}), "JSONPath"),
        ] {
            let error = endpoint(serde_json::json!({"name": "things", "path": "/x", field: value})).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Config, "{error}");
            assert!(error.to_string().contains(word) && error.to_string().contains("things"), "{error}");
        }
    }
}
