//! The key by which ServiceAccounts' tokens are signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::{Claims, crypto};

/// What comes before the point of a P-256 key in its `SubjectPublicKeyInfo`.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Who gives out the tokens of a cluster, and for whom they are: its API server.
const CLUSTER: &str = "https://kubernetes.default.svc";

/// Who gives out ServiceAccounts' tokens.
pub struct Issuer {
    name: String,
    audiences: Vec<String>,
    signing: EncodingKey,
    verifying: DecodingKey,
    key_id: String,
}

/// A key cannot be made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The system gives no random numbers.
    #[error("no key can be made: the system gives no random numbers")]
    Random,
    /// The bytes are no key for ES256.
    #[error(
        "this is no P-256 key in PKCS#8; delete its file, and a new one is made with which no earlier token is valid"
    )]
    Key,
}

impl Issuer {
    /// A new key, as PKCS#8: to be kept where nobody else can read it.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Vec<u8>, KeyError> {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(key.map_err(|_| KeyError::Random)?.as_ref().to_vec())
    }

    /// An issuer of a name, as `https://kubernetes.default.svc`, whose tokens are for these audiences when nobody says
    /// otherwise; the API server's own are among them.
    ///
    /// # Errors
    /// When the key is none.
    pub fn new(name: impl Into<String>, audiences: Vec<String>, key: &[u8]) -> Result<Self, KeyError> {
        crypto::install();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &SystemRandom::new());
        let pair = pair.map_err(|_| KeyError::Key)?;
        let point = pair.public_key().as_ref();
        let hash = digest::digest(&digest::SHA256, &[&SPKI, point].concat());
        Ok(Self {
            name: name.into(),
            audiences,
            signing: EncodingKey::from_ec_der(key),
            verifying: DecodingKey::from_ec_der(point),
            key_id: URL_SAFE_NO_PAD.encode(hash),
        })
    }

    /// The issuer of a cluster, by the name that every cluster gives it, for its API server.
    ///
    /// # Errors
    /// When the key is none.
    pub fn of_cluster(key: &[u8]) -> Result<Self, KeyError> {
        Self::new(CLUSTER, vec![CLUSTER.to_owned()], key)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For whom a token is that does not say so: the API server.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The token that says this.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.signing)
    }

    /// What a token says, if it was signed by this key, or why it says nothing; whether it says it now, and to whom, is not
    /// looked at. Nothing when it is none of this issuer's.
    pub(crate) fn read(&self, token: &str) -> Option<Result<Claims, String>> {
        let unverified: Claims = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
        if unverified.iss != self.name {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.kid.is_some_and(|id| id != self.key_id) {
            return Some(Err("invalid signature, no keys found".to_owned()));
        }
        let mut validation = Validation::new(Algorithm::ES256);
        // These depend on the time and the audience, which the caller knows.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &validation);
        Some(
            claims
                .map(|token| token.claims)
                .map_err(|_| "go-jose/go-jose: error in cryptographic primitive".to_owned()),
        )
    }
}
