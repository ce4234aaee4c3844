//! Whole answers. The client asks again when no answer comes, and goes on with an object that breaks off; any other answer that
//! breaks behind its headers counts for it, as that to LIST, COPY or DELETE of several objects, or an error. Here these are
//! taken to their end before the client sees them: one that was cut off is as one that was lost, and what was asked is asked
//! again as often. What the client does not read is not waited for.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// Makes what sends the requests of a client.
#[derive(Debug)]
pub(super) struct WholeAnswers;

impl HttpConnector for WholeAnswers {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Sender(ReqwestConnector::default().connect(options)?)))
    }
}

/// Sends requests.
#[derive(Debug)]
struct Sender(HttpClient);

#[async_trait]
impl HttpService for Sender {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let tells = tells(&request);
        let answer = self.0.execute(request).await?;
        if !is_read(tells, answer.status().as_u16()) {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        match body.bytes().await {
            Ok(body) => Ok(HttpResponse::from_parts(head, body.into())),
            // Too late is as before the headers.
            Err(error) if error.kind() == HttpErrorKind::Timeout => Err(error),
            // As the client calls an answer of which nothing has come.
            Err(error) => Err(HttpError::new(HttpErrorKind::Request, CutOff(error))),
        }
    }
}

/// Whether the body of a good answer is read, as one: it lists objects, or tells what became of a copy, of an upload, or of
/// objects that were to be deleted.
fn tells(request: &HttpRequest) -> bool {
    match request.method().as_str() {
        "GET" => request.uri().query().is_some_and(|query| query.contains("list-type=")),
        "PUT" => request.headers().contains_key("x-amz-copy-source"),
        "POST" => true,
        _ => false,
    }
}

/// Whether the body of an answer with that status is read: a good one if it tells something, and why something is refused. What
/// is asked of a busy store is asked again, whatever it says.
fn is_read(tells: bool, status: u16) -> bool {
    match status {
        200..=299 => tells,
        408 | 429 => false,
        400..=499 => true,
        _ => false,
    }
}

/// An answer that broke off.
#[derive(Debug)]
struct CutOff(HttpError);

impl fmt::Display for CutOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the answer was cut off")
    }
}

impl Error for CutOff {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use object_store::client::HttpRequestBody;

    use super::*;

    #[test]
    fn only_what_is_read_is_waited_for() {
        let copied = Some("lake/a.csv");
        for (method, query, source, good) in [
            ("GET", "", None, false),
            ("GET", "?list-type=2&prefix=out%2F", None, true),
            ("HEAD", "", None, false),
            ("PUT", "", None, false),
            ("PUT", "?partNumber=1&uploadId=x", None, false),
            ("PUT", "", copied, true),
            ("POST", "?uploads", None, true),
            ("POST", "?delete", None, true),
            ("DELETE", "?uploadId=x", None, false),
        ] {
            let mut request = Request::builder().method(method).uri(format!("http://store/lake/b.csv{query}"));
            if let Some(source) = source {
                request = request.header("x-amz-copy-source", source);
            }
            let request = request.body(HttpRequestBody::empty()).unwrap();
            let tells = tells(&request);
            let read = [200, 206, 304, 403, 404, 408, 409, 412, 429, 500, 503].map(|status| is_read(tells, status));
            let expected = [good, good, false, true, true, false, true, true, false, false, false];
            assert_eq!(read, expected, "{method} {query} {source:?}");
        }
    }
}
