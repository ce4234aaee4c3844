//! Why the server did not do what was asked.

use aggregator_crds::Reason;
use kube::core::Status;

use crate::failure::Failure;

/// Why the server did not do what was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It cannot be reached, or does not answer.
    Away { url: String, why: String },
    /// It refuses.
    Refused(Box<Status>),
    /// Its answer, or what it was to be asked, makes no sense.
    Odd { url: String, why: String },
}

impl Trouble {
    /// What an error of the client means.
    pub(super) fn of(url: &str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status),
            error @ (kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_)) => {
                Self::Away { url: url.to_owned(), why: Self::root(&error) }
            }
            error => Self::Odd { url: url.to_owned(), why: Self::root(&error) },
        }
    }

    /// What is at the bottom of an error: the layers above it name themselves and nothing else.
    pub(super) fn root(error: &dyn std::error::Error) -> String {
        let mut deepest = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        deepest.to_string()
    }

    /// Whether it may pass by itself.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Away { .. } => true,
            Self::Refused(status) => matches!(status.code, 410 | 429 | 500..),
            Self::Odd { .. } => false,
        }
    }

    /// Whether the object is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused(status) if status.is_not_found() && !lacks_kind(status))
    }

    /// The refusal, if it is one.
    pub(super) fn refusal(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Away { .. } | Self::Odd { .. } => None,
        }
    }
}

/// Whether it is the kind that is not there.
fn lacks_kind(status: &Status) -> bool {
    status.is_not_found() && status.details.as_ref().is_none_or(|details| details.name.is_empty())
}

/// The word for a refusal.
fn reason(status: &Status) -> Reason {
    match status.code {
        401 => Reason::CredentialsRefused,
        404 => Reason::NotFound,
        400 | 422 => Reason::Invalid,
        429 | 500.. => Reason::Transient,
        _ => Reason::Refused,
    }
}

/// What helps against a refusal.
fn remedy(status: &Status) -> Option<&'static str> {
    Some(match status.code {
        401 => {
            "the token or certificate of the context is not, or no longer, of this server: take the kubeconfig that \
             `aggregator up` names, or log in anew"
        }
        403 => "have the right granted, or name a user that has it with --context",
        404 if lacks_kind(status) => {
            "the server lacks the kind: apply its CustomResourceDefinition first; `aggregator up` has ours"
        }
        404 => return None,
        400 | 422 => "mend what the message names",
        409 => "look at the object as it is now, and try again",
        429 | 500.. => "try again; if it stays, look at the server's log",
        _ => return None,
    })
}

/// The exit code of a command that ended for this reason, as `aggregator run` has it.
pub(super) fn exit_code(reason: Reason) -> u8 {
    match reason {
        Reason::Invalid | Reason::ConfigInvalid | Reason::PipelineIsDraft | Reason::Usage => 2,
        Reason::Unreachable | Reason::CredentialsRefused => 3,
        Reason::QualityRuleBroken | Reason::RejectBudgetExceeded => 4,
        Reason::Interrupted | Reason::Cancelled => 130,
        _ => 1,
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let (reason, message, remedy) = match trouble {
            Trouble::Away { url, why } => (
                Reason::Unreachable,
                format!("{url} cannot be reached: {why}"),
                Some(
                    "see that the server runs, and that KUBECONFIG, --kubeconfig or --context means it; `aggregator up` \
                     starts one on this machine",
                ),
            ),
            Trouble::Refused(status) => (reason(&status), words(&status), remedy(&status)),
            Trouble::Odd { url, why } => (
                Reason::InternalError,
                format!("{url} and this program do not understand each other: {why}"),
                Some("see that it is a Kubernetes API; if it is, report this"),
            ),
        };
        Self {
            reason: reason.as_str(),
            message,
            remedy: remedy.map(str::to_owned),
            place: None,
            diagnostics: Vec::new(),
            exit_code: exit_code(reason),
        }
    }
}

/// What the server says of its refusal.
fn words(status: &Status) -> String {
    match (status.message.trim(), status.reason.as_str()) {
        ("", "") => format!("the server refuses with the code {}", status.code),
        ("", reason) => format!("the server refuses: {reason}"),
        (message, _) => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::response::StatusDetails;

    use super::*;

    fn refused(code: u16, name: &str) -> Trouble {
        let details = (!name.is_empty()).then(|| StatusDetails {
            name: name.to_owned(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        });
        let reason = if code == 404 { "NotFound".to_owned() } else { String::new() };
        Trouble::Refused(Box::new(Status { code, message: "no".into(), reason, details, ..Status::default() }))
    }

    #[test]
    fn a_refusal_ends_with_the_exit_code_of_its_reason() {
        for (code, reason, exit_code) in [
            (400, "Invalid", 2),
            (401, "CredentialsRefused", 3),
            (403, "Refused", 1),
            (404, "NotFound", 1),
            (409, "Refused", 1),
            (422, "Invalid", 2),
            (503, "Transient", 1),
        ] {
            let failure = Failure::from(refused(code, "orders"));
            assert_eq!((failure.reason, failure.exit_code), (reason, exit_code), "{code}");
        }
        let away = Failure::from(Trouble::Away { url: "https://here".into(), why: "nobody is there".into() });
        assert_eq!((away.reason, away.exit_code), ("Unreachable", 3));
        assert_eq!(away.message, "https://here cannot be reached: nobody is there");
    }

    #[test]
    fn an_object_that_is_missing_is_told_from_a_kind_that_is() {
        assert!(refused(404, "orders").is_missing());
        assert!(!refused(404, "").is_missing());
        assert!(Failure::from(refused(404, "")).remedy.is_some_and(|remedy| remedy.contains("lacks the kind")));
        assert!(!refused(403, "orders").is_missing());
    }

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        for (code, passes) in [(401, false), (403, false), (404, false), (410, true), (429, true), (503, true)] {
            assert_eq!(refused(code, "orders").passes(), passes, "{code}");
        }
    }
}
