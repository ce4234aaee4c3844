//! What may go wrong with a write, and with a watch.

use axum::body::Body;
use http::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::json;

/// What may go wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The operator is killed before the request leaves it.
    CrashBefore,
    /// The operator is killed when the write is done, and before it knows.
    CrashAfter,
    /// The write is done, and the connection breaks before the answer.
    ReplyLost,
    /// The connection breaks before the write is done.
    Dropped,
    /// The write arrives twice, and the second answer is given.
    Duplicated,
    /// The connection breaks, and the write arrives after the one that repeats it.
    Delayed,
    /// Refused: 409.
    Conflict,
    /// Refused: 404.
    Missing,
    /// Refused: 422.
    Refused,
    /// Refused: 429, with the time after which to try again.
    Throttled,
    /// Refused: 500.
    Broken,
    /// The API server says that it took too long: 504.
    TimedOut,
    /// A creation arrives twice, and when the operator asks what is there, that is refused: 500.
    Unread,
    /// Nothing arrives, and nothing answers, until the operator gives it up.
    HangsBefore,
    /// The write is done, and nothing answers, until the operator gives it up.
    HangsAfter,
}

impl Fault {
    /// What may go wrong with any write, in no time.
    pub(crate) const ALL: [Self; 12] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::ReplyLost,
        Self::Dropped,
        Self::Duplicated,
        Self::Delayed,
        Self::Conflict,
        Self::Missing,
        Self::Refused,
        Self::Throttled,
        Self::Broken,
        Self::TimedOut,
    ];
    /// What takes as long as the operator has patience.
    pub(crate) const HANGS: [Self; 2] = [Self::HangsBefore, Self::HangsAfter];

    /// What the report calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CrashBefore => "killed before the write",
            Self::CrashAfter => "killed after the write",
            Self::ReplyLost => "answer lost",
            Self::Dropped => "request lost",
            Self::Duplicated => "request doubled",
            Self::Delayed => "request late",
            Self::Conflict => "409 Conflict",
            Self::Missing => "404 Not Found",
            Self::Refused => "422 Invalid",
            Self::Throttled => "429 Too Many Requests",
            Self::Broken => "500 Internal Error",
            Self::TimedOut => "504 Timeout",
            Self::Unread => "created twice, 500 for the GET",
            Self::HangsBefore => "hangs before the write",
            Self::HangsAfter => "hangs after the write",
        }
    }

    /// The answer with which the API server refuses the write; None where it does not.
    pub(crate) fn refusal(self) -> Option<Response<Body>> {
        let (code, reason) = match self {
            Self::Conflict => (409, "Conflict"),
            Self::Missing => (404, "NotFound"),
            Self::Refused => (422, "Invalid"),
            Self::Throttled => (429, "TooManyRequests"),
            Self::Broken => (500, "InternalError"),
            Self::TimedOut => (504, "Timeout"),
            Self::CrashBefore
            | Self::CrashAfter
            | Self::ReplyLost
            | Self::Dropped
            | Self::Duplicated
            | Self::Delayed
            | Self::Unread
            | Self::HangsBefore
            | Self::HangsAfter => return None,
        };
        Some(refused(code, reason))
    }
}

/// What may go wrong with a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WatchFault {
    /// The stream ends, again and again.
    Ends,
    /// The stream ends, and its version is too old to go on from: HTTP 410, until there was another list.
    Gone,
    /// The stream itself says that its version is too old.
    GoneInside,
    /// Nothing arrives any more, and the connection does not end.
    HalfOpen,
    /// What was told is told again, from the beginning.
    Replay,
    /// Of several changes of an object, only the last is told.
    Skip,
    /// What happened to one kind is told later than what happened to others.
    Reorder,
    /// Nothing but bookmarks, of what is known already; then the stream ends.
    Bookmarks,
    /// Every event arrives in small pieces.
    Trickle,
}

impl WatchFault {
    pub(crate) const ALL: [Self; 9] = [
        Self::Ends,
        Self::Gone,
        Self::GoneInside,
        Self::HalfOpen,
        Self::Replay,
        Self::Skip,
        Self::Reorder,
        Self::Bookmarks,
        Self::Trickle,
    ];

    /// What the report calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ends => "the stream ends",
            Self::Gone => "410 as an answer",
            Self::GoneInside => "410 in the stream",
            Self::HalfOpen => "half open",
            Self::Replay => "old events again",
            Self::Skip => "events left out",
            Self::Reorder => "kinds out of order",
            Self::Bookmarks => "bookmarks only",
            Self::Trickle => "in small pieces",
        }
    }

    /// How many connections of each watch it happens to, before all is well again.
    pub(crate) fn connections(self) -> u32 {
        match self {
            Self::Ends => 3,
            // It goes on to the end.
            Self::Skip | Self::Reorder | Self::Trickle => u32::MAX,
            Self::Gone | Self::GoneInside | Self::HalfOpen | Self::Replay | Self::Bookmarks => 1,
        }
    }
}

/// An answer as the API server refuses with it.
pub(crate) fn refused(code: u16, reason: &str) -> Response<Body> {
    let answer = Response::builder().status(code).header(CONTENT_TYPE, "application/json");
    // kube's own repetitions are below this: what is answered here is what is left when they have been used up.
    let answer = if code == 429 { answer.header(RETRY_AFTER, "1") } else { answer };
    answer.body(Body::from(status(code, reason))).expect("an answer")
}

/// What the API server says of a refusal.
pub(crate) fn status(code: u16, reason: &str) -> String {
    let message = format!("a fault of the test: {reason}");
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
    .to_string()
}
