//! The API as a service: within this process, and on a port.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::super::access::User;
use super::super::{Refusal, RefusalReason};
use super::answer::Answer;
use super::body::LARGEST;
use super::{Api, Asked};

/// The API as a service for somebody who is known already, or whom each request has to tell of.
#[derive(Clone)]
pub struct Service {
    api: Api,
    certified: Option<User>,
}

/// The API for clients within this process, which may do everything.
#[must_use]
pub fn in_process(api: Api) -> Service {
    let user = User { name: "system:embedded".into(), groups: vec!["system:masters".into()], ..User::default() };
    Service { api, certified: Some(user) }
}

impl Service {
    /// The API for whoever a connection is from: whom its certificate is for, if it has shown one.
    #[must_use]
    pub fn for_connection(api: Api, certified: Option<User>) -> Self {
        Self { api, certified }
    }
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { api, certified } = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match Limited::new(body, LARGEST).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => {
                    let refusal = if error.is::<LengthLimitError>() {
                        let message = format!("Request entity too large: limit is {LARGEST}");
                        Refusal::new(RefusalReason::RequestEntityTooLarge, message)
                    } else {
                        Refusal::bad_request(format!("the request cannot be read: {error}"))
                    };
                    return Ok(Answer::refusal(&refusal).response(&head.method));
                }
            };
            let warned = Mutex::default();
            let asked = Asked { method: head.method, uri: head.uri, headers: head.headers, body, certified, warned };
            Ok(api.answer(asked).await)
        })
    }
}
