//! Identities of traces and spans that everybody can tell for himself, so that nobody has to hand them on.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// A span of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The trace of the run with that UID: its bits, which are as many. Of a text that is no UUID, a hash.
    #[must_use]
    pub fn of_run(uid: &str) -> Self {
        match Uuid::try_parse(uid) {
            Ok(uuid) if !uuid.is_nil() => Self(uuid.into_bytes()),
            _ => Self(hash(&["trace", uid])),
        }
    }

    /// A trace that there was not before.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7().into_bytes())
    }

    /// As it is sent.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0.into()
    }
}

impl SpanId {
    /// The fire that has made a run.
    #[must_use]
    pub fn of_fire(uid: &str) -> Self {
        Self(hash(&["fire", uid]))
    }

    /// A run.
    #[must_use]
    pub fn of_run(uid: &str) -> Self {
        Self(hash(&["run", uid]))
    }

    /// An attempt at a run, from 1.
    #[must_use]
    pub fn of_attempt(uid: &str, attempt: u32) -> Self {
        Self(hash(&["attempt", uid, &attempt.to_string()]))
    }

    /// A span that there was not before.
    #[must_use]
    pub fn fresh() -> Self {
        let bytes = Uuid::now_v7().into_bytes();
        let mut id = [0; 8];
        // The first half is the time.
        id.copy_from_slice(&bytes[8..]);
        Self(id)
    }

    /// As it is sent.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0.into()
    }
}

fn hash<const N: usize>(parts: &[&str]) -> [u8; N] {
    let digest = Sha256::digest(parts.join("\n"));
    let mut id = [0; N];
    id.copy_from_slice(&digest[..N]);
    id
}

fn hex(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_its_runs_uid_without_dashes() {
        let uid = "0b8f3a52-6c1d-4e7f-9a20-5d1c8e4b7f63";
        assert_eq!(TraceId::of_run(uid).to_string(), "0b8f3a526c1d4e7f9a205d1c8e4b7f63");
        let other = TraceId::of_run("no uuid");
        assert_eq!(other, TraceId::of_run("no uuid"));
        assert_ne!(other, TraceId::of_run("another"));
        // All zeroes is the one identity that is none.
        assert_ne!(TraceId::of_run("00000000-0000-0000-0000-000000000000").bytes(), vec![0; 16]);
    }

    #[test]
    fn spans_are_told_apart_by_what_they_are_of() {
        let ids = [
            SpanId::of_fire("u"),
            SpanId::of_run("u"),
            SpanId::of_attempt("u", 1),
            SpanId::of_attempt("u", 2),
            SpanId::of_attempt("v", 1),
            SpanId::fresh(),
            SpanId::fresh(),
        ];
        let distinct: std::collections::BTreeSet<SpanId> = ids.into_iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{ids:?}");
        // Another release must tell the same.
        assert_eq!(SpanId::of_attempt("u", 1).to_string(), "9c7c6317cd3ecb59");
    }
}
