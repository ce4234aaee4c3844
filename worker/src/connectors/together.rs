//! What the sources that are open together share.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What the sources of one Connector share that are open at the same time: it goes with the last of them.
#[derive(Debug)]
pub(super) struct Together<T>(Mutex<Weak<T>>);

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Together<T> {
    /// What so many sources share, if there are several; else one of its own.
    pub(super) fn of(&self, sources: usize, new: impl FnOnce() -> T) -> Arc<T> {
        if sources <= 1 {
            return Arc::new(new());
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.upgrade().unwrap_or_else(|| {
            let shared = Arc::new(new());
            *open = Arc::downgrade(&shared);
            shared
        })
    }
}
