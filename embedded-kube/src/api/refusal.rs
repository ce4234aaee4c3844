//! Why a request is refused, in the words of the API server: `metav1.Status`
//! (<https://github.com/kubernetes/apimachinery/blob/master/pkg/api/errors/errors.go>).

use serde::Serialize;
use serde_json::{Value, json};

use super::Kind;
use super::schema::go;
use super::schema::mistake::invalid_text;
use super::schema::path::Path;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why, in a word; the status code follows from it.
    pub reason: RefusalReason,
    /// Why, for people.
    pub message: String,
    /// What it is about.
    pub details: Option<Box<Details>>,
}

/// Why, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RefusalReason {
    /// Nobody has said who asks, or nobody of that name is known.
    Unauthorized,
    /// Who asks may not.
    Forbidden,
    /// It is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// It has changed, or another manager has the field.
    Conflict,
    /// It is too long ago.
    Expired,
    /// The object has a mistake.
    Invalid,
    /// The request has a mistake.
    BadRequest,
    /// The resource has no such verb.
    MethodNotAllowed,
    /// The answer cannot be given in that form.
    NotAcceptable,
    /// The request came in a form that is not read.
    UnsupportedMediaType,
    /// The request is too large.
    RequestEntityTooLarge,
    /// It took too long.
    Timeout,
    /// There are too many requests.
    TooManyRequests,
    /// A mistake of the program.
    InternalError,
    /// A mistake of the program, as the API server sees it, that it has no word for: the answer gives no reason.
    Unknown,
}

/// What a refusal is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Its kind, or its resource in the plural, as the API server has it in each case.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Each mistake.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// In how many seconds the client may ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

/// A mistake in an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of mistake, as `FieldValueRequired`.
    pub reason: String,
    /// For people, as `Required value`.
    pub message: String,
    /// Where, as `spec.sources[0].name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl RefusalReason {
    /// The status code of the answer.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Expired => 410,
            Self::RequestEntityTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError | Self::Unknown => 500,
            Self::Timeout => 504,
        }
    }
}

impl Refusal {
    /// A refusal that is about nothing in particular.
    #[must_use]
    pub fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: None }
    }

    /// A refusal about an object of a kind.
    #[must_use]
    pub fn about(reason: RefusalReason, kind: &Kind, name: &str, message: impl Into<String>) -> Self {
        let details = Details {
            name: name.to_owned(),
            group: kind.group.clone(),
            kind: kind.plural.clone(),
            ..Details::default()
        };
        Self { reason, message: message.into(), details: Some(Box::new(details)) }
    }

    /// There is no such object.
    #[must_use]
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::about(RefusalReason::NotFound, kind, name, format!("{} \"{name}\" not found", kind.resource()))
    }

    /// That cannot be done with objects of a custom kind.
    #[must_use]
    pub fn not_supported(kind: &Kind, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{}\"", kind.resource());
        Self::about(RefusalReason::MethodNotAllowed, kind, "", message)
    }

    /// There is one already.
    #[must_use]
    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self::about(RefusalReason::AlreadyExists, kind, name, message)
    }

    /// It cannot be done to the object as it is.
    #[must_use]
    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self::about(RefusalReason::Conflict, kind, name, message)
    }

    /// Somebody else has changed it meanwhile.
    #[must_use]
    pub fn modified(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// It is not said which version is replaced, and it has to be.
    #[must_use]
    pub fn unversioned(kind: &Kind, name: &str) -> Self {
        let cause = Cause {
            reason: "FieldValueInvalid".into(),
            message: "Invalid value: 0: must be specified for an update".into(),
            field: "metadata.resourceVersion".into(),
        };
        // The real one knows no more than the resource here, and calls it the kind.
        let message = format!("{} \"{name}\" is invalid: {}: {}", kind.resource(), cause.field, cause.message);
        let mut refusal = Self::about(RefusalReason::Invalid, kind, name, message);
        if let Some(details) = &mut refusal.details {
            details.causes.push(cause);
        }
        refusal
    }

    /// The object has these mistakes.
    #[must_use]
    pub fn invalid(kind: &Kind, name: &str, causes: Vec<Cause>) -> Self {
        let details = Details {
            name: name.to_owned(),
            group: kind.group.clone(),
            kind: kind.kind.clone(),
            causes,
            ..Details::default()
        };
        Self::mistaken(&kind.qualified(), details)
    }

    /// The options of the request, which are of that kind, have these mistakes.
    #[must_use]
    pub fn wrong_options(kind: &str, causes: Vec<Cause>) -> Self {
        let group = "meta.k8s.io";
        let details = Details { group: group.to_owned(), kind: kind.to_owned(), causes, ..Details::default() };
        Self::mistaken(&format!("{kind}.{group}"), details)
    }

    /// What a patch, or what it has made of an object, is nothing that can be read.
    #[must_use]
    pub fn wrong_patch(value: &str, why: &str) -> Self {
        let causes = vec![invalid_text(&Path::of("patch"), value, why)];
        Self::mistaken("", Details { causes, ..Details::default() })
    }

    /// No such kind is known where it was read.
    #[must_use]
    pub fn unregistered(version: &str, kind: &str) -> Self {
        let (kind, version) = (go::quoted(kind), go::quoted(version));
        // The place is one in the program of the real one, which clients have seen for years.
        let place = "pkg/runtime/scheme.go:111";
        Self::bad_request(format!("no kind {kind} is registered for version {version} in scheme \"{place}\""))
    }

    fn mistaken(what: &str, details: Details) -> Self {
        let causes = details.causes.iter();
        let texts: Vec<String> = causes.map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let mistakes = match texts.as_slice() {
            [] => String::new(),
            [one] => format!(": {one}"),
            several => format!(": [{}]", several.join(", ")),
        };
        let message = format!("{what} \"{}\" is invalid{mistakes}", details.name);
        Self { reason: RefusalReason::Invalid, message, details: Some(Box::new(details)) }
    }

    /// The request has a mistake.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(RefusalReason::BadRequest, message)
    }

    /// As the API puts it.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.reason.code(),
        });
        if let Some(details) = &self.details {
            status["details"] = json!(details);
        }
        if let (RefusalReason::Unknown, Value::Object(status)) = (self.reason, &mut status) {
            status.remove("reason");
        }
        status
    }
}
