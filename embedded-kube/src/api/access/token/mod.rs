//! Bearer tokens: those of seeded users, and those of ServiceAccounts.

mod account;
mod claims;
mod crypto;
mod key;
mod seeded;

use std::sync::Arc;

use serde_json::Value;

pub use key::{Issuer, KeyError};
pub use seeded::{Hash, Tokens};

pub(super) use account::verify;
pub(super) use claims::{Claims, Kubernetes, Reference};

/// Where objects are looked up.
pub trait Objects {
    /// The object of a resource of the core group, as `pods`, with this namespace, which may be empty, and name.
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>>;
}
