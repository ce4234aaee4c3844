//! Counts what is asked of the Kubernetes API: a layer around the client's transport.

use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Bytes, HttpBody};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response, Uri};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::{BoxError, Layer, Service};

use crate::metrics::Metrics;

/// A client whose calls are counted.
///
/// # Errors
/// When the configuration names what cannot be: a proxy, certificates.
pub fn client(config: Config, metrics: &Metrics) -> Result<Client, kube::Error> {
    Ok(ClientBuilder::try_from(config)?.with_layer(&Counting(metrics.clone())).build())
}

/// A client whose calls are counted, of an API that needs no connection: it is a service of this process.
#[must_use]
pub fn client_of<S, B>(service: S, metrics: &Metrics) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    ClientBuilder::new(service, "default").with_layer(&Counting(metrics.clone())).build()
}

/// Counts what goes through it.
#[derive(Clone)]
struct Counting(Metrics);

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.0.clone() }
    }
}

/// What is around what does the work.
struct Counted<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut call = Call::new(request.method(), request.uri(), self.metrics.clone());
        let answering = self.inner.call(request);
        async move {
            let answer = answering.await;
            if let Ok(answer) = &answer {
                call.answered(answer.status().as_u16());
            }
            answer
        }
        .boxed()
    }
}

/// A call that goes on. It is counted when it is over, also when nobody waited for its answer.
struct Call {
    verb: &'static str,
    resource: String,
    begun: Instant,
    status: &'static str,
    metrics: Metrics,
}

impl Call {
    fn new(method: &Method, uri: &Uri, metrics: Metrics) -> Self {
        let (verb, resource) = what(method, uri.path(), uri.query().unwrap_or_default());
        Self { verb, resource, begun: Instant::now(), status: "none", metrics }
    }

    fn answered(&mut self, status: u16) {
        self.status = match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.metrics.called(self.verb, &self.resource, self.status, self.begun.elapsed());
    }
}

/// The verb and the resource of a call, as Kubernetes' rights have them. Both are of few words: what has a name is left out,
/// and of the rest the operator asks for its own kinds alone.
fn what(method: &Method, path: &str, query: &str) -> (&'static str, String) {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    let skip = match parts.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return (verb(method, false, query), "other".into()),
    };
    let mut rest: Vec<&str> = parts.skip(skip).collect();
    if rest.len() > 2 && rest[0] == "namespaces" {
        rest.drain(..2);
    }
    let resource = match rest[..] {
        [resource, _, subresource, ..] => format!("{resource}/{subresource}"),
        [resource, ..] => resource.to_owned(),
        [] => "other".to_owned(),
    };
    (verb(method, rest.len() > 1, query), resource)
}

fn verb(method: &Method, named: bool, query: &str) -> &'static str {
    let watches = || query.split('&').any(|part| matches!(part, "watch=true" | "watch=1"));
    match (method.as_str(), named) {
        ("GET", true) => "get",
        ("GET", false) if watches() => "watch",
        ("GET", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_verb_and_resource() {
        let ours = "/apis/aggregator.dev/v1alpha1";
        for (method, path, query, verb, resource) in [
            (Method::GET, format!("{ours}/pipelineruns"), "limit=500", "list", "pipelineruns"),
            (Method::GET, format!("{ours}/namespaces/n/pipelineruns"), "&watch=true&x=1", "watch", "pipelineruns"),
            (Method::PATCH, format!("{ours}/namespaces/n/pipelineruns/r/status"), "", "patch", "pipelineruns/status"),
            (Method::POST, "/apis/batch/v1/namespaces/n/jobs".into(), "", "create", "jobs"),
            (Method::GET, "/api/v1/namespaces/n/configmaps/c".into(), "", "get", "configmaps"),
            (Method::DELETE, "/api/v1/namespaces/n/configmaps/c".into(), "", "delete", "configmaps"),
            (Method::GET, "/api/v1/namespaces/n".into(), "", "get", "namespaces"),
            (Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/n/leases/l".into(), "", "update", "leases"),
            (Method::GET, "/version".into(), "", "list", "other"),
            (Method::GET, "/api".into(), "", "list", "other"),
        ] {
            assert_eq!(what(&method, &path, query), (verb, resource.to_owned()), "{method} {path}?{query}");
        }
    }

    #[tokio::test]
    async fn calls_of_an_api_in_this_process_are_counted() {
        let metrics = Metrics::new().expect("names");
        let service = tower::service_fn(|request: Request<Body>| async move {
            let answer = serde_json::json!({"asked": request.uri().path()}).to_string();
            Ok::<_, std::convert::Infallible>(Response::new(axum::body::Body::from(answer)))
        });
        let client = client_of(service, &metrics);
        let request = Request::get("/api/v1/namespaces/n/pods/p").body(Vec::new()).expect("a request");
        let answer: serde_json::Value = client.request(request).await.expect("an answer");
        assert_eq!(answer["asked"], "/api/v1/namespaces/n/pods/p");
        let text = metrics.text().expect("text");
        let line = "aggregator_operator_api_calls_total{resource=\"pods\",status=\"2xx\",verb=\"get\"} 1";
        assert!(text.contains(line), "{text}");
    }

    #[tokio::test]
    async fn calls_are_counted_however_they_end() {
        let metrics = Metrics::new().expect("names");
        let layer = Counting(metrics.clone());
        let answers = |status: u16| {
            layer.layer(tower::service_fn(move |_: Request<Body>| async move {
                match status {
                    0 => Err("nobody is there"),
                    1 => std::future::pending().await,
                    status => Ok(Response::builder().status(status).body(()).unwrap_or_default()),
                }
            }))
        };
        let request = || {
            let uri = "http://api/api/v1/namespaces/n/configmaps";
            Request::post(uri).body(Body::empty()).expect("a request")
        };
        assert_eq!(answers(201).call(request()).await.map(|answer| answer.status().as_u16()), Ok(201));
        assert!(answers(409).call(request()).await.is_ok());
        assert!(answers(0).call(request()).await.is_err());
        // Its caller has no more patience.
        assert!(answers(1).call(request()).now_or_never().is_none());
        let text = metrics.text().expect("text");
        for (status, calls) in [("2xx", 1), ("4xx", 1), ("none", 2)] {
            let line = format!(
                "aggregator_operator_api_calls_total{{resource=\"configmaps\",status=\"{status}\",verb=\"create\"}} {calls}"
            );
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        let seconds = "aggregator_operator_api_call_seconds_count{resource=\"configmaps\",verb=\"create\"} 4";
        assert!(text.contains(seconds), "{text}");
    }
}
