//! What a store's answers and a broken road mean: whose fault it is, and what to do.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

use crate::connector::{ConnectorError, ErrorKind};

/// The error behind a failed request.
///
/// Only the store's code and message are told. The rest of such an answer may repeat the request with its headers, and so
/// a session's token; therefore the error underneath is not kept either.
pub(super) fn of(operation: &str, error: &object_store::Error) -> ConnectorError {
    let text = error.to_string();
    let code = between(&text, "<Code>", "</Code>");
    let told = |kind: ErrorKind, detail: String| ConnectorError::new(kind, operation, detail);
    if let Some(status) = status(&text) {
        let (kind, remedy) = meaning(status, code);
        let message = between(&text, "<Message>", "</Message>").map(unescaped);
        let mut detail = format!("the store answered {status}");
        if let Some(code) = code {
            detail.push(' ');
            detail.push_str(code);
        }
        if let Some(message) = message {
            detail.push_str(": ");
            detail.push_str(&message);
        }
        return told(kind, detail).remedy(remedy);
    }
    if let Some(code) = code {
        // An error that came under the status 200, as some do while the store is busy.
        return told(ErrorKind::Transient, format!("the store answered {code}")).remedy("try again later");
    }
    if let Some((kind, said)) = below(error) {
        return match kind {
            _ if said.contains("certificate") || said.contains("UnknownIssuer") => {
                told(ErrorKind::Unreachable, format!("the store's certificate is not trusted: {said}"))
                    .remedy("if the store is the right one, name the authority that signed its certificate in `ca`")
            }
            HttpErrorKind::Connect => told(ErrorKind::Unreachable, format!("no connection: {said}"))
                .remedy("check `endpoint` and `region`, and that this machine may reach the store"),
            HttpErrorKind::Timeout => told(ErrorKind::Unreachable, "no whole answer came in time".into())
                .remedy("give requests more time with `timeout`, or look why the store is slow"),
            _ => told(ErrorKind::Transient, format!("the connection broke: {said}"))
                .remedy("run again; if it breaks again, look at what stands between: a proxy may end connections"),
        };
    }
    if text.contains("redirect") {
        return told(ErrorKind::Config, "the store sends the request elsewhere".into())
            .remedy("correct `region`: the bucket is in another one");
    }
    match error {
        object_store::Error::InvalidPath { source } => told(ErrorKind::Data, format!("a key is no path: {source}"))
            .remedy("keys with empty steps, `.` or `..` are not read: rename that object, or narrow `prefix`"),
        _ => told(ErrorKind::Refused, text),
    }
}

/// Whether a conditional request was refused because the condition does not hold.
pub(super) fn is_condition(error: &object_store::Error) -> bool {
    use object_store::Error::{AlreadyExists, NotModified, Precondition};
    matches!(error, AlreadyExists { .. } | NotModified { .. } | Precondition { .. })
}

/// Whether something else was under way at the place of a write that had no condition.
pub(super) fn is_conflict(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::AlreadyExists { .. })
}

/// Whether there is no such object.
pub(super) fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && !error.to_string().contains("<Code>NoSuchBucket</Code>")
}

fn meaning(status: u16, code: Option<&str>) -> (ErrorKind, &'static str) {
    match (status, code.unwrap_or_default()) {
        (_, "RequestTimeTooSkewed") => {
            (ErrorKind::Credentials, "set this machine's clock: signatures hold for minutes")
        }
        (400, "ExpiredToken" | "InvalidToken") => {
            (ErrorKind::Credentials, "the session has ended: put new keys and a new token into the Secret")
        }
        (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") | (301 | 307 | 308, _) => {
            (ErrorKind::Config, "correct `region`: the bucket is in another one")
        }
        (400, "") => {
            // The answer to HEAD has no body that could say why.
            let remedy = "the store does not say why: check keys, token and region with `aggregator connectors check`";
            (ErrorKind::Credentials, remedy)
        }
        (400, "RequestTimeout") | (408 | 409 | 412 | 425 | 429 | 500 | 502..=599, _) => {
            (ErrorKind::Transient, "try again later; the store is busy, or somebody writes the same object")
        }
        (401 | 403, _) => {
            let remedy =
                "check the keys in the Secret, and that they may list, read and (for a sink) write and delete there";
            (ErrorKind::Credentials, remedy)
        }
        (404, "NoSuchUpload") => {
            let remedy = "run again: it is sent anew; a lifecycle rule that aborts uploads must leave a run its time";
            (ErrorKind::Transient, remedy)
        }
        (404, "NoSuchBucket") => (ErrorKind::NotFound, "correct `bucket`, or create the bucket"),
        (404, _) => (ErrorKind::NotFound, "correct `bucket` and `prefix`, or look who removed the object"),
        (501, _) => {
            (ErrorKind::Refused, "the store lacks what is needed: conditional writes (If-Match, If-None-Match)")
        }
        _ => (ErrorKind::Refused, "look up the store's answer; the address may not be that of an S3-compatible store"),
    }
}

/// The status of the answer that an error speaks of.
fn status(text: &str) -> Option<u16> {
    let rest = text.split_once("status code: ")?.1;
    rest.get(..3)?.parse().ok()
}

fn between<'t>(text: &'t str, before: &str, behind: &str) -> Option<&'t str> {
    let rest = text.split_once(before)?.1;
    rest.split_once(behind).map(|(found, _)| found)
}

fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What went wrong below HTTP, and in which words.
fn below(error: &(dyn Error + 'static)) -> Option<(HttpErrorKind, String)> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            let mut said = Vec::new();
            let mut next = http.source();
            while let Some(error) = next {
                let text = error.to_string();
                if !said.contains(&text) {
                    said.push(text);
                }
                next = error.source();
            }
            return Some((http.kind(), said.join(": ")));
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: &str, body: &str) -> ConnectorError {
        let text =
            format!("Error performing GET http://s/b in 3ms - Server returned non-2xx status code: {status}: {body}");
        of("read a", &object_store::Error::Generic { store: "S3", source: text.into() })
    }

    #[test]
    fn answers_are_classed_and_only_code_and_message_are_told() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>They don&apos;t match.</Message>\
                    <CanonicalRequest>x-amz-security-token:TOKEN</CanonicalRequest></Error>";
        let refused = answered("403 Forbidden", body);
        assert_eq!(refused.kind, ErrorKind::Credentials);
        assert_eq!(refused.detail, "the store answered 403 SignatureDoesNotMatch: They don't match.");
        assert!(!format!("{refused:?}").contains("TOKEN"));
        for (status, code, kind) in [
            ("404 Not Found", "NoSuchBucket", ErrorKind::NotFound),
            ("404 Not Found", "NoSuchUpload", ErrorKind::Transient),
            ("503 Service Unavailable", "SlowDown", ErrorKind::Transient),
            ("500 Internal Server Error", "InternalError", ErrorKind::Transient),
            ("400 Bad Request", "AuthorizationHeaderMalformed", ErrorKind::Config),
            ("400 Bad Request", "ExpiredToken", ErrorKind::Credentials),
            ("501 Not Implemented", "NotImplemented", ErrorKind::Refused),
            ("301 Moved Permanently", "PermanentRedirect", ErrorKind::Config),
        ] {
            assert_eq!(answered(status, &format!("<Code>{code}</Code>")).kind, kind, "{status} {code}");
        }
    }
}
