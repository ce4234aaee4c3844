//! As whom a request wants to act.

use axum::http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::super::User;
use super::super::name::quoted;
use crate::api::Refusal;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// As whom a request wants to act, by its headers; nothing when it does not.
///
/// # Errors
/// When it does not say as which user.
pub fn wanted(headers: &HeaderMap) -> Result<Option<User>, Refusal> {
    let first = |name: &str| headers.get(name).map(|value| text(value.as_bytes())).unwrap_or_default();
    let mut user = User { name: first(USER), uid: first(UID), ..User::default() };
    user.groups = headers.get_all(GROUP).iter().map(|group| text(group.as_bytes())).collect();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            // A key that is not encoded as it should be is taken as it is.
            let decoded = percent_decode_str(key).decode_utf8();
            let key = decoded.map_or_else(|_| key.to_owned(), std::borrow::Cow::into_owned);
            user.extra.entry(key).or_default().push(text(value.as_bytes()));
        }
    }
    match (user.name.is_empty(), only_named(&user)) {
        (false, _) => Ok(Some(user)),
        (true, true) => Ok(None),
        (true, false) => {
            Err(Refusal::bad_request(format!("requested {} without impersonating a user name", as_go(&user))))
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn only_named(user: &User) -> bool {
    user.uid.is_empty() && user.groups.is_empty() && user.extra.is_empty()
}

/// The user as Go shows its structs.
fn as_go(user: &User) -> String {
    let strings = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        format!("[]string{{{}}}", texts.join(", "))
    };
    let groups = if user.groups.is_empty() { "[]string(nil)".to_owned() } else { strings(&user.groups) };
    let extra: Vec<String> =
        user.extra.iter().map(|(key, values)| format!("{}:{}", quoted(key), strings(values))).collect();
    let extra = if extra.is_empty() {
        "map[string][]string(nil)".to_owned()
    } else {
        format!("map[string][]string{{{}}}", extra.join(", "))
    };
    let (name, uid) = (quoted(&user.name), quoted(&user.uid));
    format!("&user.DefaultInfo{{Name:{name}, UID:{uid}, Groups:{groups}, Extra:{extra}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn headers_say_as_whom() {
        assert_eq!(wanted(&headers(&[("accept", "*/*")])).unwrap(), None);
        let user = wanted(&headers(&[
            ("impersonate-user", "ann"),
            ("impersonate-uid", "7"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-extra-acme.io%2fsession", "x"),
            ("impersonate-extra-acme.io%2fsession", "y"),
        ]));
        let user = user.unwrap().unwrap();
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("ann", "7"));
        assert_eq!(user.groups, ["a", "b"]);
        assert_eq!(user.extra["acme.io/session"], ["x", "y"]);
    }

    #[test]
    fn nobody_is_in_a_group_without_being_somebody() {
        let refusal = wanted(&headers(&[("impersonate-group", "a"), ("impersonate-extra-k", "v")])).unwrap_err();
        let text = r#"requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"a"}, Extra:map[string][]string{"k":[]string{"v"}}} without impersonating a user name"#;
        assert_eq!(refusal.message, text);
        let refusal = wanted(&headers(&[("impersonate-uid", "7")])).unwrap_err();
        let text = r#"requested &user.DefaultInfo{Name:"", UID:"7", Groups:[]string(nil), Extra:map[string][]string(nil)} without impersonating a user name"#;
        assert_eq!(refusal.message, text);
    }
}
