//! Acting as somebody else.

mod check;
mod extra;
mod mode;
mod wanted;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::api::Refusal;

use super::{Attributes, Authority, User, forbidden};

pub use wanted::wanted;

use mode::{MODES, Mode};

/// So many users are remembered.
const REMEMBERED: usize = 10_000;

/// Lets people act as others. Remembers by which right somebody did so last: that is tried first, and if it fails, it is that
/// refusal which is told.
#[derive(Debug, Default)]
pub struct Impersonation {
    last: Mutex<HashMap<String, Mode>>,
}

impl Impersonation {
    /// As whom somebody acts who asks for something as somebody else.
    ///
    /// # Errors
    /// When they may not.
    pub fn act(&self, attributes: &Attributes, wanted: &User, authority: &Authority<'_>) -> Result<User, Refusal> {
        let name = &attributes.user.name;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        let others = MODES.into_iter().filter(|mode| Some(*mode) != last);
        let mut first = None;
        for mode in last.into_iter().chain(others) {
            if !mode.applies(attributes, wanted) {
                continue;
            }
            match mode.check(attributes, wanted, authority) {
                Ok(user) => {
                    self.remember(name, mode);
                    return Ok(user);
                }
                Err(refusal) => first = first.or(Some(refusal)),
            }
        }
        // Legacy applies to everybody, so there is one.
        Err(first.unwrap_or_else(|| forbidden(attributes, "")))
    }

    fn remember(&self, name: &str, mode: Mode) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED {
            last.clear();
        }
        last.insert(name.to_owned(), mode);
    }
}
