//! Tokens of users who are there from the beginning. They are kept as hashes: what is read from the disk is no token.

use std::fmt;
use std::str::FromStr;

use ring::digest;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::api::access::User;

/// A token's hash, by which it is known and from which it cannot be told. No salt: tokens are random, and as long as the hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(NoHash);
        }
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NoHash)?;
        }
        Ok(Self(hash))
    }
}

/// A text is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token's hash has 64 hexadecimal digits")]
pub struct NoHash;

/// Users who are there from the beginning, by their tokens.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    users: Vec<(Hash, User)>,
}

impl Tokens {
    /// Lets somebody in by a token.
    pub fn insert(&mut self, hash: Hash, user: User) {
        self.users.retain(|(known, _)| *known != hash);
        self.users.push((hash, user));
    }

    /// Whose token it is. It takes as long for every token, whichever it is like.
    #[must_use]
    pub fn user(&self, token: &str) -> Option<&User> {
        let hash = Hash::of(token);
        let mut found = 0;
        let mut any = Choice::from(0);
        for (at, (known, _)) in (0_u64..).zip(&self.users) {
            let same = known.0.ct_eq(&hash.0);
            found = u64::conditional_select(&found, &at, same);
            any |= same;
        }
        if !bool::from(any) {
            return None;
        }
        self.users.get(usize::try_from(found).ok()?).map(|(_, user)| user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_tokens() {
        let mut tokens = Tokens::default();
        for name in ["ann", "bob", "cid"] {
            tokens.insert(Hash::of(&format!("token-{name}")), User { name: name.to_owned(), ..User::default() });
        }
        for name in ["ann", "bob", "cid"] {
            assert_eq!(tokens.user(&format!("token-{name}")).unwrap().name, name);
        }
        for token in ["", "token", "token-an", "token-ann ", "Token-ann"] {
            assert_eq!(tokens.user(token), None, "{token}");
        }
    }

    #[test]
    fn a_hash_is_written_and_read() {
        let hash = Hash::of("abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse(), Ok(hash));
        for text in ["", "zz", &text[1..], &text.replace('b', "ä")] {
            assert_eq!(text.parse::<Hash>(), Err(NoHash), "{text}");
        }
        assert!(!format!("{:?}", Hash::of("secret")).contains("secret"));
    }
}
