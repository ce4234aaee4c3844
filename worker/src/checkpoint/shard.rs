//! Several processes that share a run: which of them does what next. Pure.
//!
//! ```text
//! nothing yet ─► Divide ─► Work: each saves its splits ─► all have: Finish, by one ─► the run has succeeded
//!                   └► cannot be divided ────────────────────┘
//! ```
//! A process that dies is started again and finds by the same rules what is left for it. Every shard takes part in every
//! run once: so one that comes late is not taken for the first of the next run.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Begun;
use super::claim::Claim;

/// Which of several processes that share a run one is. Written as `0/4`, the first of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl Shard {
    /// The most processes that share a run.
    pub const MOST: u32 = 1000;

    /// Whether this one takes what is at that place of a list.
    #[must_use]
    pub fn takes(self, place: u64) -> bool {
        place % u64::from(self.of.max(1)) == u64::from(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((index, of)) if index < of && of <= Self::MOST => Ok(Self { index, of }),
            Some((index, of)) if (1..=Self::MOST).contains(&of) => {
                let last = of - 1;
                Err(format!(
                    "of {of} processes the first is 0/{of}, and the last one {last}/{of}: there is no {index}/{of}"
                ))
            }
            _ => Err(format!(
                "write it as I/N: 0/4 is the first of four processes, 3/4 the last one; N is at most {}",
                Self::MOST
            )),
        }
    }
}

/// What a process that shares a run does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Joined {
    /// It divides the run, while all others wait, and tells [`super::CheckpointStore::divided`].
    Divide(Begun),
    /// It moves what is its own of [`Sharing::Splits`], and tells [`super::CheckpointStore::saved`].
    Work(Begun, serde_json::Value),
    /// It completes the run, as an attempt of its own.
    Finish(Begun),
    /// Nothing. The run's identity, and why.
    Idle(String, Idle),
}

/// Why there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// This shard has saved what is its own; others have not yet.
    Waiting,
    /// Another process completes the run just now.
    Finishing,
    /// The run has succeeded already.
    Succeeded,
}

/// How a run is shared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Sharing {
    /// Not at all: one process does everything.
    Whole,
    /// By splits; what these are, only the run understands.
    Splits(serde_json::Value),
}

/// What is remembered of a shared run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SharedRun {
    /// The run.
    pub(super) run: String,
    /// The attempt that its processes share.
    pub(super) epoch: u64,
    /// How many processes share it.
    pub(super) of: u32,
    /// None while one of them divides it.
    pub(super) sharing: Option<Sharing>,
    /// Which shards have taken part.
    pub(super) saved: BTreeSet<u32>,
    /// Who divides it, or completes it, where that is not told by a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) claim: Option<Claim>,
}

/// How the Pipeline's last run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastRun {
    /// It did not end well, and an attempt of the same kind and plan goes on with it.
    GoesOn,
    /// It was of the same kind and plan, and has succeeded.
    Succeeded,
    /// It was asked for by the same object, and has succeeded.
    Done,
    /// It is of no use to this one.
    Other,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Divide,
    Work(&'a serde_json::Value),
    Finish,
    Idle(Idle),
}

/// What a shard does next; `epoch` is the last attempt's.
pub(super) fn next(last: LastRun, epoch: u64, shared: Option<&SharedRun>, shard: Shard) -> Step<'_> {
    match last {
        LastRun::Done => return Step::Idle(Idle::Succeeded),
        LastRun::Other => return Step::Divide,
        LastRun::GoesOn | LastRun::Succeeded => {}
    }
    let Some(SharedRun { epoch: own, sharing: Some(sharing), saved, .. }) =
        shared.filter(|shared| shared.of == shard.of)
    else {
        return Step::Divide;
    };
    let took_part = saved.contains(&shard.index);
    if last == LastRun::Succeeded {
        return if took_part { Step::Divide } else { Step::Idle(Idle::Succeeded) };
    }
    match sharing {
        Sharing::Whole => Step::Finish,
        Sharing::Splits(_) if (0..shard.of).all(|index| saved.contains(&index)) => Step::Finish,
        // An attempt that did not share the run has taken the sinks over.
        Sharing::Splits(_) if *own != epoch => Step::Divide,
        Sharing::Splits(_) if took_part => Step::Idle(Idle::Waiting),
        Sharing::Splits(splits) => Step::Work(splits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(saved: &[u32], sharing: Option<Sharing>) -> SharedRun {
        SharedRun { run: "run".into(), epoch: 7, of: 3, sharing, saved: saved.iter().copied().collect(), claim: None }
    }

    fn splits() -> Option<Sharing> {
        Some(Sharing::Splits(serde_json::json!(["a"])))
    }

    fn step(last: LastRun, epoch: u64, shared: &SharedRun, index: u32) -> Step<'_> {
        next(last, epoch, Some(shared), Shard { index, of: 3 })
    }

    #[test]
    fn a_shard_is_written_as_one_of_many() {
        assert_eq!("0/4".parse(), Ok(Shard { index: 0, of: 4 }));
        assert_eq!("999/1000".parse::<Shard>().map(|shard| shard.to_string()), Ok("999/1000".into()));
        for wrong in ["", "1", "4/4", "0/0", "-1/2", "0/1001", "a/b", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        let taken: Vec<u64> = (0..7).filter(|place| Shard { index: 1, of: 3 }.takes(*place)).collect();
        assert_eq!(taken, [1, 4]);
    }

    #[test]
    fn the_first_divides_and_each_works_until_the_last_one_finishes() {
        assert_eq!(next(LastRun::Other, 0, None, Shard { index: 2, of: 3 }), Step::Divide);
        assert_eq!(step(LastRun::GoesOn, 7, &shared(&[], None), 1), Step::Divide, "who divided has died");
        assert_eq!(step(LastRun::GoesOn, 7, &shared(&[0], splits()), 1), Step::Work(&serde_json::json!(["a"])));
        assert_eq!(step(LastRun::GoesOn, 7, &shared(&[0, 1], splits()), 1), Step::Idle(Idle::Waiting));
        assert_eq!(step(LastRun::GoesOn, 7, &shared(&[0, 1, 2], splits()), 1), Step::Finish);
        assert_eq!(step(LastRun::GoesOn, 8, &shared(&[0, 1, 2], splits()), 0), Step::Finish, "who finished has died");
    }

    #[test]
    fn every_shard_takes_part_in_every_run_once() {
        let all = shared(&[0, 1, 2], splits());
        assert_eq!(step(LastRun::Succeeded, 8, &all, 0), Step::Divide);
        let whole = shared(&[1], Some(Sharing::Whole));
        assert_eq!(step(LastRun::GoesOn, 7, &whole, 2), Step::Finish);
        assert_eq!(step(LastRun::Succeeded, 8, &whole, 2), Step::Idle(Idle::Succeeded));
        assert_eq!(step(LastRun::Succeeded, 8, &whole, 1), Step::Divide);
    }

    #[test]
    fn a_run_of_an_object_that_has_succeeded_is_over_for_every_shard() {
        for shared in [None, Some(shared(&[1], splits())), Some(shared(&[], None))] {
            for index in 0..3 {
                let step = next(LastRun::Done, 8, shared.as_ref(), Shard { index, of: 3 });
                assert_eq!(step, Step::Idle(Idle::Succeeded), "{shared:?}");
            }
        }
    }

    #[test]
    fn what_other_attempts_have_changed_is_divided_anew() {
        let half = shared(&[0], splits());
        assert_eq!(step(LastRun::Other, 7, &half, 0), Step::Divide, "another plan");
        assert_eq!(step(LastRun::GoesOn, 8, &half, 1), Step::Divide, "an attempt in one process");
        assert_eq!(next(LastRun::GoesOn, 7, Some(&half), Shard { index: 1, of: 2 }), Step::Divide, "another number");
    }
}
