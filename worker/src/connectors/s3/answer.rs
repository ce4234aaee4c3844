//! Whole answers. The client asks again when no answer comes, and goes on with an object that breaks off; any other answer that
//! breaks behind its headers counts for it, as that to LIST, COPY or DELETE, or an error. Here these are taken to their end
//! before the client sees them: one that was cut off is as one that was lost, and what was asked is asked again as often.

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
        let of_object = asks_for_object(&request);
        let answer = self.0.execute(request).await?;
        if of_object && answer.status().is_success() {
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

/// Whether the answer is the content of an object.
fn asks_for_object(request: &HttpRequest) -> bool {
    let lists = request.uri().query().is_some_and(|query| query.contains("list-type="));
    request.method().as_str() == "GET" && !lists
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
