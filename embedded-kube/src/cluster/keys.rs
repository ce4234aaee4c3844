//! By what users and ServiceAccounts are known: made once, and kept in the folder.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

use super::ClusterError;
use crate::api::access::{Hash, Issuer, KeyError, Tokens, User};
use crate::api::home::{Home, HomeError};

/// The key by which tokens of ServiceAccounts are signed.
const ACCOUNTS: &str = "serviceaccounts.key";
/// The folder of the users' tokens.
const TOKENS: &str = "tokens";

/// By what users and ServiceAccounts are known.
pub(super) struct Keys {
    pub(super) issuer: Issuer,
    pub(super) tokens: Tokens,
    /// Each user's name and token.
    pub(super) users: Vec<(String, String)>,
}

impl Keys {
    pub(super) fn open(home: &Home, users: &[User]) -> Result<Self, ClusterError> {
        let path = home.file(ACCOUNTS);
        let failed = |source| ClusterError::Key { path: path.clone(), source };
        let made = || Issuer::generate().map(|key| STANDARD.encode(key)).map_err(|_| HomeError::Random);
        let key = home.once(ACCOUNTS, made)?;
        let key = STANDARD.decode(key.trim()).map_err(|_| failed(KeyError::Key))?;
        let issuer = Issuer::of_cluster(&key).map_err(failed)?;
        let folder = home.folder(TOKENS)?;
        let mut tokens = Tokens::default();
        let mut named = Vec::new();
        for user in users {
            let token = token(&folder, &user.name)?;
            tokens.insert(Hash::of(&token), user.clone());
            named.push((user.name.clone(), token));
        }
        Ok(Self { issuer, tokens, users: named })
    }
}

/// The token of a user.
fn token(folder: &Home, user: &str) -> Result<String, ClusterError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if user.is_empty() || user.starts_with('.') || !user.bytes().all(plain) {
        return Err(ClusterError::User(user.to_owned()));
    }
    let random = || {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| HomeError::Random)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    };
    Ok(folder.once(user, random)?.trim().to_owned())
}
