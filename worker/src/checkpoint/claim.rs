//! Who of several processes acts for all of them, where they have no locks in common: it is written down, and others believe
//! it as long as its holder shows that it lives. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who divides a run that processes share, or completes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claim {
    /// Who has asked for the run.
    pub(crate) by: String,
    /// Which of their attempts it is, from 1.
    pub(crate) attempt: u32,
    /// The shard.
    pub(crate) shard: u32,
    /// Grows while its holder divides the run.
    #[serde(default)]
    pub(crate) beat: u64,
}

impl Claim {
    /// Whether it keeps another process from acting. One of an earlier attempt, or for somebody else, is void: those who
    /// started this attempt know that the processes of that one have ended. One's own is that of a process that one follows.
    fn binds(&self, own: &Self) -> bool {
        let newer = self.attempt > own.attempt;
        self.by == own.by && (newer || self.attempt == own.attempt && self.shard != own.shard)
    }
}

/// Whether a process may act for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It may, and writes this down.
    Granted(Option<Claim>),
    /// Another one does.
    Refused,
}

/// How long a claim may stay as it is before its holder is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);
/// After so long without a look, nothing is known of the time between: its holder may have been kept from showing anything by
/// what kept this process from looking.
const BLIND: Duration = Duration::from_secs(30);

/// What one process sees of the claims of others, by its own clock alone.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    own: Claim,
    seen: Option<Seen>,
}

/// A claim that has kept a process waiting.
#[derive(Clone, Debug)]
struct Seen {
    claim: Claim,
    /// Since when it stays as it is.
    since: Duration,
    /// The last look at it.
    looked: Duration,
}

impl Watch {
    pub(crate) fn new(own: Claim) -> Self {
        Self { own, seen: None }
    }

    /// Whether the process may act, with that claim written down; `now` is the time since any moment that stays the same.
    pub(crate) fn leave(&mut self, claim: Option<&Claim>, now: Duration) -> Leave {
        let Some(claim) = claim.filter(|claim| claim.binds(&self.own)) else {
            return Leave::Granted(Some(self.own.clone()));
        };
        let seen = self.seen.take().filter(|seen| seen.claim == *claim && now.saturating_sub(seen.looked) < BLIND);
        let since = seen.map_or(now, |seen| seen.since);
        self.seen = Some(Seen { claim: claim.clone(), since, looked: now });
        if now.saturating_sub(since) < SILENCE { Leave::Refused } else { Leave::Granted(Some(self.own.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(by: &str, attempt: u32, shard: u32) -> Claim {
        Claim { by: by.into(), attempt, shard, beat: 0 }
    }

    #[test]
    fn a_claim_binds_the_other_shards_of_its_own_attempt() {
        let own = claim("run", 2, 1);
        let granted = Leave::Granted(Some(own.clone()));
        let leave = |claim: Option<&Claim>| Watch::new(own.clone()).leave(claim, Duration::ZERO);
        assert_eq!(leave(None), granted);
        for (other, expected) in [
            (claim("run", 2, 0), Leave::Refused),
            (claim("run", 3, 1), Leave::Refused),
            (claim("run", 2, 1), granted.clone()),
            (claim("run", 1, 0), granted.clone()),
            (claim("another run", 2, 0), granted.clone()),
            (claim("another run", 9, 0), granted.clone()),
        ] {
            assert_eq!(leave(Some(&other)), expected, "{other:?}");
        }
    }

    #[test]
    fn a_holder_that_is_silent_is_taken_for_dead_and_one_that_beats_is_not() {
        let own = claim("run", 1, 1);
        let (mut watch, mut other) = (Watch::new(own.clone()), claim("run", 1, 0));
        let mut refused = |claim: &Claim, seconds: std::ops::Range<u64>| {
            seconds.for_each(|now| {
                assert_eq!(watch.leave(Some(claim), Duration::from_secs(now)), Leave::Refused, "{now}");
            });
            watch.clone()
        };
        // It was seen first at 1000 s, whatever its own clock said.
        refused(&other, 1000..1060);
        other.beat += 1;
        let mut silent = refused(&other, 1060..1120);
        assert_eq!(silent.leave(Some(&other), Duration::from_secs(1120)), Leave::Granted(Some(own)));
        // Another one was faster.
        assert_eq!(silent.leave(Some(&claim("run", 1, 2)), Duration::from_secs(1121)), Leave::Refused);
        // While nobody could look, nobody could show anything.
        let mut blind = refused(&other, 1150..1151);
        assert_eq!(blind.leave(Some(&other), Duration::from_secs(1209)), Leave::Refused);
    }
}
