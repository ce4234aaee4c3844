//! Paths and verbs (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris>).

use http::Method;
use percent_encoding::percent_decode_str;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A page that tells what there is, or how the server is.
    Document(Document),
    /// Objects.
    Resource(ResourcePath),
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// `/livez`, `/readyz`, `/healthz`.
    Health,
    /// `/version`.
    Version,
    /// `/api`: the versions of the core.
    Core,
    /// `/apis`: all groups.
    Groups,
    /// `/apis/GROUP`: its versions.
    Group(String),
    /// `/api/v1`, `/apis/GROUP/VERSION`: its resources; the group is empty for the core.
    Resources {
        /// The group.
        group: String,
        /// The version.
        version: String,
    },
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`: where the schemas of each version are.
    OpenApiIndex,
    /// `/openapi/v3/apis/GROUP/VERSION`: its schemas.
    OpenApi {
        /// The group; empty for the core.
        group: String,
        /// The version.
        version: String,
    },
}

/// Objects, one object, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePath {
    /// The group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The namespace, if it names one.
    pub namespace: Option<String>,
    /// The resource, as `pods`.
    pub plural: String,
    /// The object, if it names one.
    pub name: Option<String>,
    /// The part of the object, as `status`.
    pub subresource: Option<String>,
}

/// What is to be done, as rights have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// One object is given.
    Get,
    /// Several are.
    List,
    /// What happens to them is told.
    Watch,
    /// One is made.
    Create,
    /// One is replaced.
    Update,
    /// One is changed.
    Patch,
    /// One goes.
    Delete,
    /// Several go.
    DeleteCollection,
}

impl Verb {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// The verb of a request for objects; None when the method has none.
    #[must_use]
    pub fn of(method: &Method, one: bool, watches: bool) -> Option<Self> {
        Some(match *method {
            Method::GET | Method::HEAD if watches => Self::Watch,
            Method::GET | Method::HEAD if one => Self::Get,
            Method::GET | Method::HEAD => Self::List,
            Method::POST => Self::Create,
            Method::PUT => Self::Update,
            Method::PATCH => Self::Patch,
            Method::DELETE if one => Self::Delete,
            Method::DELETE => Self::DeleteCollection,
            _ => return None,
        })
    }
}

impl Target {
    /// What a path names; None when it is nothing that is served.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let path = percent_decode_str(path).decode_utf8_lossy();
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        let document = |document| Some(Self::Document(document));
        match words.as_slice() {
            ["livez" | "readyz" | "healthz", ..] => document(Document::Health),
            ["version"] => document(Document::Version),
            ["openapi", "v2"] => document(Document::OpenApiV2),
            ["openapi", "v3"] => document(Document::OpenApiIndex),
            ["openapi", "v3", "api", version] => {
                document(Document::OpenApi { group: String::new(), version: (*version).to_owned() })
            }
            ["openapi", "v3", "apis", group, version] => {
                document(Document::OpenApi { group: (*group).to_owned(), version: (*version).to_owned() })
            }
            ["api"] => document(Document::Core),
            ["apis"] => document(Document::Groups),
            ["apis", group] => document(Document::Group((*group).to_owned())),
            ["api", version] => document(Document::Resources { group: String::new(), version: (*version).to_owned() }),
            ["apis", group, version] => {
                document(Document::Resources { group: (*group).to_owned(), version: (*version).to_owned() })
            }
            ["api", version, rest @ ..] => ResourcePath::of("", version, rest).map(Self::Resource),
            ["apis", group, version, rest @ ..] => ResourcePath::of(group, version, rest).map(Self::Resource),
            _ => None,
        }
    }
}

impl ResourcePath {
    fn of(group: &str, version: &str, words: &[&str]) -> Option<Self> {
        if words.iter().any(|word| word.is_empty()) {
            return None;
        }
        let path = Self { group: group.to_owned(), version: version.to_owned(), ..Self::default() };
        let some = |word: &str| Some(word.to_owned());
        Some(match words {
            // A namespace itself, and its parts.
            ["namespaces"] => Self { plural: "namespaces".into(), ..path },
            ["namespaces", name] => Self { plural: "namespaces".into(), name: some(name), ..path },
            ["namespaces", name, part @ ("status" | "finalize")] => {
                Self { plural: "namespaces".into(), name: some(name), subresource: some(part), ..path }
            }
            ["namespaces", namespace, plural, rest @ ..] => {
                let path = Self { namespace: some(namespace), plural: (*plural).to_owned(), ..path };
                return path.with(rest);
            }
            [plural, rest @ ..] => return Self { plural: (*plural).to_owned(), ..path }.with(rest),
            [] => return None,
        })
    }

    /// With the object and its part.
    fn with(mut self, words: &[&str]) -> Option<Self> {
        let mut words = words.iter();
        self.name = words.next().map(|name| (*name).to_owned());
        self.subresource = words.next().map(|part| (*part).to_owned());
        words.next().is_none().then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> String {
        match Target::of(path) {
            Some(Target::Resource(it)) => {
                let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".into());
                let (namespace, name, part) = (word(&it.namespace), word(&it.name), word(&it.subresource));
                format!("{} {} {namespace} {} {name} {part}", it.group, it.version, it.plural)
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn paths_name_objects_and_their_parts() {
        assert_eq!(resource("/api/v1/pods"), " v1 - pods - -");
        assert_eq!(resource("/api/v1/namespaces/demo/pods/a/log"), " v1 demo pods a log");
        assert_eq!(resource("/api/v1/namespaces/demo"), " v1 - namespaces demo -");
        assert_eq!(resource("/api/v1/namespaces/demo/finalize"), " v1 - namespaces demo finalize");
        assert_eq!(resource("/api/v1/namespaces/demo/status"), " v1 - namespaces demo status");
        assert_eq!(resource("/apis/batch/v1/namespaces/demo/jobs/"), "batch v1 demo jobs - -");
        assert_eq!(resource("/apis/example.com/v1/widgets/a/status"), "example.com v1 - widgets a status");
        assert_eq!(resource("/api/v1/namespaces/demo/pods/%61%20b"), " v1 demo pods a b -");
        assert_eq!(resource("/api/v1/namespaces/demo/pods/a/log/more"), "None");
        assert_eq!(resource("/api/v1/namespaces//pods"), "None");
        assert_eq!(resource("/metrics"), "None");
        assert_eq!(Target::of("/apis/batch"), Some(Target::Document(Document::Group("batch".into()))));
        assert_eq!(Target::of("/readyz/etcd"), Some(Target::Document(Document::Health)));
    }
}
