//! Who asks: by a client certificate, a token of a seeded user, or one of a ServiceAccount.

use jiff::Timestamp;

use crate::api::Refusal;

use super::token::verify;
use super::{Issuer, Objects, Tokens, User, unauthorized};

/// No token of anybody.
const NOBODY: &str = "invalid bearer token";

/// What people are known by.
#[derive(Clone, Copy)]
pub struct Authentication<'a> {
    /// Tokens of seeded users.
    pub tokens: &'a Tokens,
    /// Who gives out the tokens of ServiceAccounts.
    pub issuer: &'a Issuer,
    /// Where ServiceAccounts, Pods, Secrets and nodes are looked up.
    pub objects: &'a dyn Objects,
}

/// Who has a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// Who.
    pub user: User,
    /// To which of the audiences that ask the token is addressed.
    pub audiences: Vec<String>,
}

impl Authentication<'_> {
    /// Who asks: whom a verified certificate is for, if there is one, else whose token the header `Authorization` has.
    ///
    /// # Errors
    /// When nobody says, or nobody of that name is known.
    pub fn user(&self, certified: Option<User>, authorization: Option<&str>, now: Timestamp) -> Result<User, Refusal> {
        if let Some(user) = certified {
            return Ok(user.authenticated());
        }
        let token = authorization.and_then(bearer).ok_or_else(unauthorized)?;
        let known = self.token(token, self.issuer.audiences(), now).map_err(|_| unauthorized())?;
        Ok(known.user)
    }

    /// Who has a token, that is for one of these audiences.
    ///
    /// # Errors
    /// Why nobody has, in the words of the API server.
    pub fn token(&self, token: &str, audiences: &[String], now: Timestamp) -> Result<Authenticated, String> {
        // Seeded users are known to the API server only.
        let own: Vec<String> = self.issuer.audiences().iter().filter(|own| audiences.contains(own)).cloned().collect();
        if let Some(user) = self.tokens.user(token).filter(|_| !own.is_empty()) {
            return Ok(Authenticated { user: user.clone().authenticated(), audiences: own });
        }
        match verify(token, audiences, self.issuer, self.objects, now) {
            Some(Ok((user, audiences))) => Ok(Authenticated { user: user.authenticated(), audiences }),
            Some(Err(error)) => Err(format!("[{NOBODY}, {error}]")),
            None => Err(NOBODY.to_owned()),
        }
    }
}

/// The token of a header `Authorization: Bearer TOKEN`.
pub(super) fn bearer(header: &str) -> Option<&str> {
    let mut words = header.trim().splitn(3, ' ');
    let scheme = words.next()?;
    let token = words.next().filter(|token| !token.is_empty())?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;
    use serde_json::{Value, json};

    use super::super::review::{TokenAsked, token_request};
    use super::super::{Hash, Issuer};
    use super::*;

    const NAME: &str = "https://kubernetes.default.svc";

    /// A ServiceAccount, which may be on its way out.
    struct Account(Option<Timestamp>);

    impl Objects for Account {
        fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
            let deleted = self.0.map(|time| time.to_string());
            let metadata = json!({"uid": "1", "deletionTimestamp": deleted});
            ((resource, namespace, name) == ("serviceaccounts", "n", "a"))
                .then(|| Arc::new(json!({"metadata": metadata})))
        }
    }

    fn issuer() -> Issuer {
        Issuer::new(NAME, vec![NAME.to_owned()], &Issuer::generate().unwrap()).unwrap()
    }

    fn given(issuer: &Issuer, now: Timestamp) -> String {
        let request = json!({"spec": {"expirationSeconds": 600}});
        let asked = TokenAsked { namespace: "n", name: "a", request: &request, now, id: "id" };
        let answer = token_request(issuer, &Account(None), &asked).unwrap();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_token_holds_for_as_long_as_it_says() {
        let (issuer, tokens, account) = (issuer(), Tokens::default(), Account(None));
        let known = Authentication { tokens: &tokens, issuer: &issuer, objects: &account };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let header = format!("Bearer {}", given(&issuer, now));
        // Clocks may differ by a minute.
        for (seconds, holds) in [(0, true), (660, true), (661, false), (-60, true), (-61, false)] {
            let then = now + SignedDuration::from_secs(seconds);
            let user = known.user(None, Some(&header), then);
            assert_eq!(user.is_ok(), holds, "{seconds}");
            if let Ok(user) = user {
                assert_eq!(user.name, "system:serviceaccount:n:a");
                assert_eq!(user.uid, "1");
                let groups = ["system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated"];
                assert_eq!(user.groups, groups);
            }
        }
        let said = |seconds| {
            let token = bearer(&header).unwrap();
            known.token(token, &[NAME.to_owned()], now + SignedDuration::from_secs(seconds)).unwrap_err()
        };
        assert_eq!(said(661), "[invalid bearer token, service account token has expired]");
        assert_eq!(said(-61), "[invalid bearer token, service account token is not valid yet]");
    }

    #[test]
    fn an_account_that_is_deleted_is_known_for_a_minute() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let (issuer, tokens) = (issuer(), Tokens::default());
        let token = given(&issuer, now);
        for (seconds, holds) in [(59, true), (60, true), (61, false)] {
            let account = Account(Some(now - SignedDuration::from_secs(seconds)));
            let known = Authentication { tokens: &tokens, issuer: &issuer, objects: &account };
            assert_eq!(known.token(&token, &[NAME.to_owned()], now).is_ok(), holds, "{seconds}");
        }
    }

    #[test]
    fn people_are_known_by_certificates_before_tokens() {
        let (issuer, account) = (issuer(), Account(None));
        let mut tokens = Tokens::default();
        tokens.insert(Hash::of("secret"), User { name: "ann".to_owned(), ..User::default() });
        let known = Authentication { tokens: &tokens, issuer: &issuer, objects: &account };
        let now = Timestamp::UNIX_EPOCH;
        let bob = User::of_certificate("bob", &[], b"");
        for (certified, header, name) in [
            (None, None, None),
            (None, Some("Bearer secret"), Some("ann")),
            (None, Some("  bearer secret more "), Some("ann")),
            (None, Some("Basic secret"), None),
            (None, Some("Bearer"), None),
            (None, Some("Bearer  secret"), None),
            (None, Some("Bearer other"), None),
            (bob.clone(), Some("Bearer secret"), Some("bob")),
            (bob, None, Some("bob")),
        ] {
            let user = known.user(certified, header, now);
            assert_eq!(user.as_ref().ok().map(|user| user.name.as_str()), name, "{header:?}");
            match user {
                Ok(user) => assert!(user.is_in("system:authenticated")),
                Err(refusal) => assert_eq!((refusal.reason.code(), refusal.message.as_str()), (401, "Unauthorized")),
            }
        }
    }

    /// Whoever changes what a token says, or the algorithm it is signed by, is nobody.
    #[test]
    fn a_token_cannot_be_made_by_others() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;

        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let (issuer, tokens, account) = (issuer(), Tokens::default(), Account(None));
        let known = Authentication { tokens: &tokens, issuer: &issuer, objects: &account };
        let token = given(&issuer, now);
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("{token}") };
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(read(header)["alg"], "ES256");
        let mut other = read(claims);
        other["kubernetes.io"]["serviceaccount"]["name"] = "b".into();
        let none = part(json!({"alg": "none"}));
        let symmetric = part(json!({"alg": "HS256"}));
        for forged in [
            format!("{header}.{}.{signature}", part(other.clone())),
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{signature}"),
            format!("{symmetric}.{claims}.{signature}"),
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            format!("{header}.{claims}.{signature}.x"),
        ] {
            assert!(known.token(&forged, &[NAME.to_owned()], now).is_err(), "{forged}");
        }
        assert!(known.token(&token, &[NAME.to_owned()], now).is_ok());
    }
}
