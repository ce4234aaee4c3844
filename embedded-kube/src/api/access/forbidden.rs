//! The words in which somebody is refused.

use crate::api::{Details, Refusal, RefusalReason};

use super::name::quoted;
use super::{Attributes, Target};

/// Nobody has said who asks, or nobody of that name is known.
#[must_use]
pub fn unauthorized() -> Refusal {
    Refusal::new(RefusalReason::Unauthorized, "Unauthorized")
}

/// Who asks may not, and why, which may be empty.
#[must_use]
pub fn forbidden(attributes: &Attributes, why: &str) -> Refusal {
    let user = quoted(&attributes.user.name);
    let verb = &attributes.verb;
    let text = match &attributes.target {
        Target::Path(path) => format!("User {user} cannot {verb} path {}", quoted(path)),
        Target::Resource(resource) => {
            let what = quoted(&resource.path());
            let group = quoted(&resource.group);
            let place = match resource.namespace.as_str() {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace {}", quoted(namespace)),
            };
            format!("User {user} cannot {verb} resource {what} in API group {group} {place}")
        }
    };
    // A browser that takes the answer for a page must find no tags in it.
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let text = if why.is_empty() { text } else { format!("{text}: {why}") };
    match &attributes.target {
        Target::Path(_) => of("", "", "", &text),
        Target::Resource(resource) => of(&resource.group, &resource.resource, &resource.name, &text),
    }
}

/// An object, or all of a resource, is forbidden.
pub(super) fn of(group: &str, resource: &str, name: &str, why: &str) -> Refusal {
    let qualified = match group {
        "" => resource.to_owned(),
        _ => format!("{resource}.{group}"),
    };
    let message = match (resource, name) {
        ("", _) => format!("forbidden: {why}"),
        (_, "") => format!("{qualified} is forbidden: {why}"),
        _ => format!("{qualified} {} is forbidden: {why}", quoted(name)),
    };
    let details =
        Details { name: name.to_owned(), group: group.to_owned(), kind: resource.to_owned(), ..Details::default() };
    Refusal { reason: RefusalReason::Forbidden, message, details: Some(Box::new(details)) }
}

#[cfg(test)]
mod tests {
    use super::super::{Resource, User};
    use super::*;

    fn message(verb: &str, target: Target, why: &str) -> String {
        let user = User { name: "u".to_owned(), ..User::default() };
        forbidden(&Attributes { user, verb: verb.to_owned(), target }, why).message
    }

    #[test]
    fn refusals_are_in_the_words_of_the_api_server() {
        let pods = Resource { resource: "pods".to_owned(), namespace: "n".to_owned(), ..Resource::default() };
        let named = Resource { name: "x".to_owned(), subresource: "log".to_owned(), ..pods.clone() };
        let jobs = Resource { resource: "jobs".to_owned(), group: "batch".to_owned(), ..Resource::default() };
        for (verb, target, why, text) in [
            (
                "list",
                Target::Resource(pods),
                "",
                r#"pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "n""#,
            ),
            (
                "get",
                Target::Resource(named),
                "why",
                r#"pods "x" is forbidden: User "u" cannot get resource "pods/log" in API group "" in the namespace "n": why"#,
            ),
            (
                "list",
                Target::Resource(jobs),
                "",
                r#"jobs.batch is forbidden: User "u" cannot list resource "jobs" in API group "batch" at the cluster scope"#,
            ),
            ("get", Target::Path("/a<b".to_owned()), "", r#"forbidden: User "u" cannot get path "/a&lt;b""#),
        ] {
            assert_eq!(message(verb, target, why), text);
        }
    }
}
