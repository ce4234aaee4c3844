//! The form of an answer, by what the client accepts.

use super::super::{Refusal, RefusalReason};
use super::accept::{Clause, clauses};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/api`.
    Core,
    /// `/apis`.
    Groups,
    /// `/apis/GROUP`.
    Group,
    /// `/api/VERSION` or `/apis/GROUP/VERSION`, or `/version`.
    Resources,
    /// An object.
    Object,
    /// A list of objects.
    List,
    /// A watch of objects.
    Watch,
}

/// The form of an answer; each of them is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// Rows of cells.
    Table(MetaVersion),
    /// `PartialObjectMetadata`: of an object, its metadata.
    Metadata(MetaVersion),
    /// `PartialObjectMetadataList`: of a list, the metadata of its objects.
    MetadataList(MetaVersion),
    /// `APIGroupDiscoveryList`: everything that is served, in one document.
    Aggregated,
}

/// The version of `meta.k8s.io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaVersion {
    /// `v1`.
    V1,
    /// `v1beta1`, which looks the same.
    V1Beta1,
}

impl MetaVersion {
    /// As objects have it.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// The form in which the endpoint answers a client that sends this `Accept` header; without one, as it is. `custom` tells
/// whether a CustomResourceDefinition stands behind the endpoint.
///
/// # Errors
/// The client accepts no form that is served: JSON is the only one.
pub fn negotiate(accept: Option<&str>, endpoint: Endpoint, custom: bool) -> Result<Form, Refusal> {
    let header = accept.unwrap_or_default();
    if header.is_empty() {
        return Ok(Form::Plain);
    }
    let direct = custom || matches!(endpoint, Endpoint::Groups | Endpoint::Group);
    if !direct && !routed(header) {
        return Err(unrouted(endpoint));
    }
    let acceptable = clauses(header);
    let mut acceptable = acceptable.iter().filter(|clause| clause.covers("application", "json"));
    if matches!(endpoint, Endpoint::Core | Endpoint::Groups) && acceptable.clone().any(aggregates) {
        return Ok(Form::Aggregated);
    }
    acceptable.find_map(|clause| form(clause, endpoint)).ok_or_else(refusal)
}

/// What the API server has, in whose words clients are refused. Here, only the first of each is served.
const FORMS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Whether the API server's router lets the request through: it knows `*/*`, but neither `*` nor `application/*`.
fn routed(header: &str) -> bool {
    let known = |form: &str| form == "*/*" || FORMS.split(", ").any(|own| own == form);
    header.split(',').any(|form| known(form.split(';').next().unwrap_or_default().trim_matches(' ')))
}

fn unrouted(endpoint: Endpoint) -> Refusal {
    let streams = match endpoint {
        Endpoint::List | Endpoint::Watch => {
            ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
        }
        _ => "",
    };
    Refusal {
        reason: RefusalReason::NotAcceptable,
        message: format!("406: Not Acceptable\n\nAvailable representations: {FORMS}{streams}"),
        details: Some(Box::default()),
    }
}

fn refusal() -> Refusal {
    let message = format!("only the following media types are accepted: {FORMS}");
    Refusal::new(RefusalReason::NotAcceptable, message)
}

fn conversion<'a>(clause: &'a Clause<'_>) -> (Option<&'a str>, Option<&'a str>, Option<&'a str>) {
    (clause.parameter("as"), clause.parameter("g"), clause.parameter("v"))
}

fn aggregates(clause: &Clause<'_>) -> bool {
    conversion(clause) == (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2"))
}

/// The form that a clause asks for; nothing if it is none that the endpoint has, and the next clause is to be looked at.
fn form(clause: &Clause<'_>, endpoint: Endpoint) -> Option<Form> {
    if clause.parameter("stream").is_some_and(|stream| stream != "watch") {
        return None;
    }
    let objects = matches!(endpoint, Endpoint::Object | Endpoint::List | Endpoint::Watch);
    if clause.parameter("sv").is_some_and(|version| !objects || version != "v1") {
        return None;
    }
    let (kind, version) = match conversion(clause) {
        (None, None, None) => return Some(Form::Plain),
        (Some(kind), Some("meta.k8s.io"), Some("v1")) if objects => (kind, MetaVersion::V1),
        (Some(kind), Some("meta.k8s.io"), Some("v1beta1")) if objects => (kind, MetaVersion::V1Beta1),
        _ => return None,
    };
    match kind {
        "Table" => Some(Form::Table(version)),
        "PartialObjectMetadata" => Some(Form::Metadata(version)),
        "PartialObjectMetadataList" => Some(Form::MetadataList(version)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECTL: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;\
                           g=meta.k8s.io,application/json";
    const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;\
                             g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

    #[test]
    fn the_first_form_that_the_endpoint_has_is_taken() {
        use Endpoint::{Core, Groups, List, Object, Resources, Watch};
        let partial = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                       application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
        for (header, endpoint, form) in [
            ("", Object, Form::Plain),
            ("*/*", Object, Form::Plain),
            ("application/vnd.kubernetes.protobuf,application/json", Object, Form::Plain),
            ("application/vnd.kubernetes.protobuf, */*", Object, Form::Plain),
            (KUBECTL, List, Form::Table(MetaVersion::V1)),
            (KUBECTL, Watch, Form::Table(MetaVersion::V1)),
            (KUBECTL, Resources, Form::Plain),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", List, Form::Table(MetaVersion::V1Beta1)),
            (partial, List, Form::MetadataList(MetaVersion::V1)),
            ("application/json;as=Nonsense;v=v1;g=meta.k8s.io,application/json", Object, Form::Plain),
            ("application/json;stream=watch", Watch, Form::Plain),
            (DISCOVERY, Core, Form::Aggregated),
            (DISCOVERY, Groups, Form::Aggregated),
            (DISCOVERY, Resources, Form::Plain),
            ("text/html, application/json;q=0.1", Core, Form::Plain),
        ] {
            assert_eq!(negotiate(Some(header), endpoint, false), Ok(form), "{header}");
        }
        assert_eq!(negotiate(Some("application/*"), Object, true), Ok(Form::Plain));
        assert_eq!(negotiate(None, Core, false), Ok(Form::Plain));
    }

    #[test]
    fn a_client_that_accepts_no_form_is_refused() {
        let words = "only the following media types are accepted: application/json";
        let router = "406: Not Acceptable\n\nAvailable representations: application/json";
        for (header, endpoint, custom, begin) in [
            ("text/html", Endpoint::Object, true, words),
            ("text/html", Endpoint::Object, false, router),
            ("application/*", Endpoint::List, false, router),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", Endpoint::Resources, false, words),
            ("application/json;as=Table;v=v2;g=meta.k8s.io", Endpoint::List, false, words),
            ("application/json;stream=other", Endpoint::Watch, false, words),
            ("application", Endpoint::Groups, false, words),
            ("application", Endpoint::Group, false, words),
        ] {
            let refusal = negotiate(Some(header), endpoint, custom).unwrap_err();
            assert_eq!(refusal.reason, RefusalReason::NotAcceptable, "{header}");
            assert!(refusal.message.starts_with(begin), "{header}: {refusal}");
        }
    }
}
