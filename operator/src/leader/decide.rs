//! Whose turn it is: a pure decision.

use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;

use super::LASTS;

/// What was seen of somebody's hold, and since when it has not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    holder: Option<String>,
    renewed: Option<Timestamp>,
    since: Instant,
}

impl Seen {
    /// What is seen now: the time stays when nothing has changed.
    pub(super) fn update(before: Option<Self>, spec: Option<&LeaseSpec>, now: Instant) -> Option<Self> {
        let spec = spec?;
        let (holder, renewed) = (spec.holder_identity.clone(), spec.renew_time.as_ref().map(|time| time.0));
        match before {
            Some(before) if before.holder == holder && before.renewed == renewed => Some(before),
            _ => Some(Self { holder, renewed, since: now }),
        }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nobody's: it is taken.
    Take,
    /// Ours: it is renewed.
    Renew,
    /// Another one's.
    Wait,
}

pub(super) fn decide(spec: Option<&LeaseSpec>, holder: &str, seen: Option<&Seen>, now: Instant) -> Decision {
    let Some(held) = spec.and_then(|spec| spec.holder_identity.as_deref()).filter(|held| !held.is_empty()) else {
        return Decision::Take;
    };
    if held == holder {
        return Decision::Renew;
    }
    match seen {
        Some(seen) if now.duration_since(seen.since) > LASTS => Decision::Take,
        _ => Decision::Wait,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    fn spec(holder: &str, renewed: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.into()),
            renew_time: Some(MicroTime(renewed.parse().expect("a time"))),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn another_ones_hold_ends_by_our_own_clock_alone() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        // Its clock is an hour behind ours, or ahead: that is nothing to us.
        for time in ["2020-01-01T00:00:00Z", "2050-01-01T00:00:00Z"] {
            let held = spec("other", time);
            let seen = Seen::update(None, Some(&held), start);
            assert_eq!(decide(Some(&held), "me", seen.as_ref(), after(15)), Decision::Wait);
            assert_eq!(decide(Some(&held), "me", seen.as_ref(), after(16)), Decision::Take);
            // It was renewed in between.
            let renewed = spec("other", "2035-01-01T00:00:00Z");
            let seen = Seen::update(seen, Some(&renewed), after(14));
            assert_eq!(decide(Some(&renewed), "me", seen.as_ref(), after(16)), Decision::Wait);
            assert_eq!(decide(Some(&renewed), "me", seen.as_ref(), after(30)), Decision::Take);
        }
    }

    #[test]
    fn what_nobody_holds_is_taken_and_ones_own_is_renewed() {
        let now = Instant::now();
        assert_eq!(decide(None, "me", None, now), Decision::Take);
        assert_eq!(decide(Some(&LeaseSpec::default()), "me", None, now), Decision::Take);
        assert_eq!(decide(Some(&spec("", "2026-01-01T00:00:00Z")), "me", None, now), Decision::Take);
        assert_eq!(decide(Some(&spec("me", "2026-01-01T00:00:00Z")), "me", None, now), Decision::Renew);
    }
}
