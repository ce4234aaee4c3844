//! Reading objects: one, or all pages of a list.

use http::HeaderValue;
use http::header::ACCEPT;
use kube::api::{GetParams, ListParams};
use serde_json::{Map, Value};

use super::connection::Connection;
use super::kind::Kind;
use super::trouble::Trouble;

/// The most objects of one answer.
const PAGE: u32 = 500;

/// In which form objects come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Objects,
    /// As the server shows them to people.
    Table,
}

impl Form {
    /// What is said of it in a request.
    pub(super) fn accept(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Objects => "application/json",
            Self::Table => "application/json;as=Table;v=v1;g=meta.k8s.io",
        })
    }
}

/// One object.
pub(super) async fn one(
    connection: &Connection,
    kind: &Kind,
    namespace: Option<&str>,
    name: &str,
    form: Form,
) -> Result<Value, Trouble> {
    let mut request = connection.made(kind.requests(namespace).get(name, &GetParams::default()))?;
    request.headers_mut().insert(ACCEPT, form.accept());
    connection.ask(request).await
}

/// All objects of a kind, or those that are selected, page by page.
pub(super) async fn pages(
    connection: &Connection,
    kind: &Kind,
    namespace: Option<&str>,
    which: &ListParams,
    form: Form,
) -> Result<Vec<Value>, Trouble> {
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let params = ListParams { limit: Some(PAGE), continue_token: token, ..which.clone() };
        let mut request = connection.made(kind.requests(namespace).list(&params))?;
        request.headers_mut().insert(ACCEPT, form.accept());
        let page: Value = connection.ask(request).await?;
        token = page.pointer("/metadata/continue").and_then(Value::as_str).map(str::to_owned);
        token = token.filter(|token| !token.is_empty());
        pages.push(page);
        if token.is_none() {
            return Ok(pages);
        }
    }
}

/// The same as objects, each of which says what it is.
pub(super) async fn objects(
    connection: &Connection,
    kind: &Kind,
    namespace: Option<&str>,
    which: &ListParams,
) -> Result<Vec<Value>, Trouble> {
    let pages = pages(connection, kind, namespace, which, Form::Objects).await?;
    let items = pages.into_iter().flat_map(|mut page| match page["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    });
    Ok(items.map(|item| titled(kind, item)).collect())
}

/// Lists of Kubernetes' own kinds say once for all objects what they are.
fn titled(kind: &Kind, object: Value) -> Value {
    let Value::Object(fields) = object else { return object };
    let mut titled = Map::new();
    titled.insert("apiVersion".into(), kind.resource.api_version.as_str().into());
    titled.insert("kind".into(), kind.resource.kind.as_str().into());
    titled.extend(fields);
    titled.into()
}
