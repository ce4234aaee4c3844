//! What is remembered of one Pipeline, or of one of its many streams, and how each step of a run changes it. Pure: where it
//! is kept, and who may change it, is the store's affair.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::claim::{Claim, Leave};
use super::shard::{LastRun, SharedRun, Step, next};
use super::{Begun, Idle, Joined, Positions, RunKind, Shard, Sharing, Unfinished};
use crate::connector::Attempt;

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The last attempt of the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<LastAttempt>,
    /// Where the last run that succeeded had ended.
    #[serde(default, skip_serializing_if = "Positions::is_empty")]
    pub(crate) positions: Positions,
    /// The attempt that stored those positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) committed: Option<Attempt>,
    /// How the last run is shared, if processes share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shared: Option<SharedRun>,
}

/// The last attempt of the last run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastAttempt {
    /// Which it is.
    #[serde(flatten)]
    pub(crate) attempt: Attempt,
    /// What kind of run it is of.
    pub(crate) kind: RunKind,
    /// A text that changes when what the run would do changes.
    pub(crate) plan: String,
    /// How far it is.
    pub(crate) phase: Phase,
    /// A digest of the positions that it began with: it does not take back what somebody has changed meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) began: Option<String>,
    /// Who asked for it, where each run is asked for by an object of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Running,
    Succeeded,
    Failed,
    Interrupted,
}

/// What an attempt is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) kind: RunKind,
    pub(crate) plan: String,
    /// The greatest epoch that a sink has seen.
    pub(crate) above: u64,
    /// Who asks, where each run is asked for by an object of its own: a run of theirs that has succeeded is not made again.
    pub(crate) by: Option<String>,
}

/// The attempt is not the newest one any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Superseded;

impl Record {
    /// Begins an attempt: of the last run if that goes on and is what is asked for, else of a new one.
    pub(crate) fn begin(&mut self, asked: &Asked) -> Begun {
        let goes_on = matches!(self.stands(asked), LastRun::GoesOn | LastRun::Done);
        let before = self.last.take();
        let epoch = before.as_ref().map_or(0, |last| last.attempt.epoch).max(asked.above) + 1;
        let run = before.filter(|_| goes_on).map(|last| last.attempt.run);
        let run = run.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let attempt = Attempt { run, epoch };
        self.last = Some(LastAttempt {
            attempt: attempt.clone(),
            kind: asked.kind,
            plan: asked.plan.clone(),
            phase: Phase::Running,
            began: Some(digest(&self.positions)),
            by: asked.by.clone(),
        });
        self.begun(attempt, goes_on)
    }

    fn begun(&self, attempt: Attempt, resumed: bool) -> Begun {
        Begun { attempt, resumed, positions: self.positions.clone(), committed: self.committed.clone() }
    }

    /// How the last run stands, seen from what is asked for.
    fn stands(&self, asked: &Asked) -> LastRun {
        match &self.last {
            Some(last) if last.kind == asked.kind && last.plan == asked.plan => match (last.phase, &asked.by) {
                (Phase::Succeeded, None) => LastRun::Succeeded,
                // Its process died before it could say so.
                (Phase::Succeeded, by) if *by == last.by => LastRun::Done,
                (Phase::Succeeded, Some(_)) => LastRun::Other,
                (Phase::Running | Phase::Failed | Phase::Interrupted, _) => LastRun::GoesOn,
            },
            Some(_) | None => LastRun::Other,
        }
    }

    /// Takes the next step of a shard; None while another process takes it for all. Whether this one may is told by
    /// `for_all`, which sees who has written down that it does.
    ///
    /// # Errors
    /// Those of `for_all`.
    pub(crate) fn join<E>(
        &mut self,
        asked: &Asked,
        shard: Shard,
        for_all: impl FnOnce(Option<&Claim>) -> Result<Leave, E>,
    ) -> Result<Option<Joined>, E> {
        let stands = self.stands(asked);
        let (run, epoch) =
            self.last.as_ref().map_or_else(Default::default, |last| (last.attempt.run.clone(), last.attempt.epoch));
        // Who goes on with the run of another object divides what is there now, apart from what that has saved.
        let same = asked.by.is_none() || self.last.as_ref().is_some_and(|last| last.by == asked.by);
        let shared = self.shared.as_ref().filter(|shared| same && shared.run == run);
        let joined = match next(stands, epoch, shared, shard) {
            Step::Divide => {
                // Who divides tells it, or dies and lets the others do it.
                let Leave::Granted(claim) = for_all(shared.and_then(|shared| shared.claim.as_ref()))? else {
                    return Ok(None);
                };
                let begun = self.begin(asked);
                let Attempt { run, epoch } = begun.attempt.clone();
                let of = shard.of;
                self.shared = Some(SharedRun { run, epoch, of, sharing: None, saved: BTreeSet::new(), claim });
                Joined::Divide(begun)
            }
            Step::Work(splits) => {
                let splits = splits.clone();
                if let Some(last) = &mut self.last {
                    last.phase = Phase::Running;
                }
                Joined::Work(self.begun(Attempt { run, epoch }, true), splits)
            }
            Step::Finish => {
                let leave = for_all(shared.and_then(|shared| shared.claim.as_ref()))?;
                self.take_part(asked, shard);
                match leave {
                    Leave::Granted(claim) => {
                        if let Some(shared) = &mut self.shared {
                            shared.claim = claim;
                        }
                        Joined::Finish(self.begin(asked))
                    }
                    Leave::Refused => Joined::Idle(run, Idle::Finishing),
                }
            }
            Step::Idle(why) => {
                self.take_part(asked, shard);
                Joined::Idle(run, why)
            }
        };
        Ok(Some(joined))
    }

    /// Runs of which nobody can say who asked for them are told apart by who took part in the last one.
    fn take_part(&mut self, asked: &Asked, shard: Shard) {
        if let Some(shared) = self.shared.as_mut().filter(|_| asked.by.is_none()) {
            shared.saved.insert(shard.index);
        }
    }

    /// The run that is shared, if it is shared as this attempt.
    fn shared_as(&mut self, attempt: &Attempt) -> Result<&mut SharedRun, Superseded> {
        let shared = self.shared.as_mut();
        shared.filter(|shared| shared.run == attempt.run && shared.epoch == attempt.epoch).ok_or(Superseded)
    }

    /// Whoever divides the run as this attempt is alive.
    pub(crate) fn beat(&mut self, attempt: &Attempt) -> Result<(), Superseded> {
        let claim = self.shared_as(attempt)?.claim.as_mut().ok_or(Superseded)?;
        claim.beat += 1;
        Ok(())
    }

    /// The attempt is shared so.
    pub(crate) fn divided(&mut self, attempt: &Attempt, sharing: &Sharing) -> Result<(), Superseded> {
        let shared = self.shared_as(attempt)?;
        shared.sharing = Some(sharing.clone());
        shared.claim = None;
        Ok(())
    }

    /// The sinks have all that is this shard's own of the attempt.
    pub(crate) fn saved(&mut self, attempt: &Attempt, shard: Shard) -> Result<(), Superseded> {
        self.shared_as(attempt)?.saved.insert(shard.index);
        Ok(())
    }

    /// The run has committed up to these positions. Positions that somebody has changed while it went on stay: the next run
    /// begins there.
    pub(crate) fn succeed(&mut self, attempt: &Attempt, positions: &Positions) -> Result<(), Superseded> {
        let last = self.last.as_mut().filter(|last| last.attempt == *attempt).ok_or(Superseded)?;
        last.phase = Phase::Succeeded;
        let changed = last.began.as_ref().is_some_and(|began| *began != digest(&self.positions));
        if !changed {
            self.positions = positions.clone();
        }
        self.committed = Some(attempt.clone());
        if last.by.is_some() {
            // Who asked is enough to tell what has succeeded; a division may be large.
            self.shared = None;
        }
        Ok(())
    }

    /// The attempt ended without success. One that was overtaken, or has succeeded, says nothing any more.
    pub(crate) fn end(&mut self, attempt: &Attempt, how: Unfinished) {
        let last = self.last.as_mut().filter(|last| last.attempt == *attempt && last.phase == Phase::Running);
        if let Some(last) = last {
            last.phase = match how {
                Unfinished::Failed => Phase::Failed,
                Unfinished::Interrupted => Phase::Interrupted,
            };
            // Others may act for all at once.
            if let Some(shared) = &mut self.shared {
                shared.claim = None;
            }
        }
    }
}

/// The same for the same positions, and for no others.
fn digest(positions: &Positions) -> String {
    let text = serde_json::to_string(positions).unwrap_or_default();
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Position;

    fn asked(kind: RunKind, plan: &str, above: u64) -> Asked {
        Asked { kind, plan: plan.into(), above, by: None }
    }

    fn positions(value: u64) -> Positions {
        let position = Position { kind: "cursor".into(), version: 1, state: serde_json::json!({ "value": value }) };
        Positions::from([("flights".to_owned(), position)])
    }

    #[test]
    fn a_run_goes_on_until_it_has_succeeded_or_something_else_is_asked_for() {
        let mut record = Record::default();
        let incremental = asked(RunKind::Incremental, "plan", 0);
        let first = record.begin(&incremental);
        assert_eq!((first.attempt.epoch, first.resumed), (1, false));
        record.end(&first.attempt, Unfinished::Failed);
        let second = record.begin(&incremental);
        assert_eq!((&second.attempt.run, second.attempt.epoch, second.resumed), (&first.attempt.run, 2, true));
        for other in [asked(RunKind::Full, "plan", 0), asked(RunKind::Incremental, "edited", 0)] {
            let begun = record.clone().begin(&other);
            assert_ne!(begun.attempt.run, first.attempt.run, "{other:?}");
            assert_eq!((begun.attempt.epoch, begun.resumed), (3, false), "{other:?}");
        }
        assert_eq!(record.succeed(&second.attempt, &positions(7)), Ok(()));
        let third = record.begin(&asked(RunKind::Incremental, "plan", 40));
        assert_ne!(third.attempt.run, first.attempt.run);
        assert_eq!((third.attempt.epoch, third.resumed, third.positions), (41, false, positions(7)));
        assert_eq!(third.committed, Some(second.attempt));
    }

    #[test]
    fn a_run_of_an_object_that_has_succeeded_is_not_made_again_for_it() {
        let mut record = Record::default();
        let by = |uid: &str| Asked { by: Some(uid.to_owned()), ..asked(RunKind::Full, "plan", 0) };
        let first = record.begin(&by("one"));
        assert_eq!(record.succeed(&first.attempt, &positions(7)), Ok(()));
        let again = record.clone().begin(&by("one"));
        assert_eq!((&again.attempt.run, again.attempt.epoch, again.resumed), (&first.attempt.run, 2, true));
        for asked in [by("other"), asked(RunKind::Full, "plan", 0)] {
            let next = record.clone().begin(&asked);
            assert_ne!(next.attempt.run, first.attempt.run, "{asked:?}");
        }
    }

    #[test]
    fn an_attempt_that_was_overtaken_changes_nothing() {
        let mut record = Record::default();
        let incremental = asked(RunKind::Incremental, "plan", 0);
        let old = record.begin(&incremental).attempt;
        let new = record.begin(&incremental).attempt;
        let before = record.clone();
        assert_eq!(record.succeed(&old, &positions(1)), Err(Superseded));
        record.end(&old, Unfinished::Interrupted);
        assert_eq!(record.divided(&old, &Sharing::Whole), Err(Superseded));
        assert_eq!(record.saved(&old, Shard { index: 0, of: 2 }), Err(Superseded));
        assert_eq!(record, before);
        assert_eq!(record.succeed(&new, &positions(2)), Ok(()));
        // It has succeeded: that it was then asked to stop changes nothing.
        let before = record.clone();
        record.end(&new, Unfinished::Interrupted);
        assert_eq!(record, before);
    }

    #[test]
    fn positions_that_were_changed_while_a_run_went_on_stay() {
        let mut record = Record { positions: positions(7), ..Record::default() };
        let incremental = asked(RunKind::Incremental, "plan", 0);
        let begun = record.begin(&incremental);
        record.positions = positions(3);
        assert_eq!(record.succeed(&begun.attempt, &positions(9)), Ok(()));
        assert_eq!((&record.positions, record.committed.as_ref()), (&positions(3), Some(&begun.attempt)));
        // The next run begins there, and moves them as always.
        let next = record.begin(&incremental);
        assert_eq!(next.positions, positions(3));
        assert_eq!(record.succeed(&next.attempt, &positions(9)), Ok(()));
        assert_eq!(record.positions, positions(9));
    }

    #[test]
    fn a_run_that_goes_on_for_another_object_is_divided_anew() {
        let mut record = Record::default();
        let mut join = |by: &str, index: u32| {
            let asked = Asked { by: Some(by.to_owned()), ..asked(RunKind::Full, "plan", 0) };
            let joined = record.join(&asked, Shard { index, of: 2 }, |_| Ok::<_, ()>(Leave::Granted(None)));
            let joined = joined.expect("no errors").expect("nobody else acts");
            if let Joined::Divide(begun) = &joined {
                let splits = Sharing::Splits(serde_json::json!(["a"]));
                assert_eq!(record.divided(&begun.attempt, &splits), Ok(()));
            }
            joined
        };
        let Joined::Divide(first) = join("one", 0) else { unreachable!("nothing is divided") };
        assert!(matches!(join("one", 0), Joined::Work(..)));
        let Joined::Divide(second) = join("other", 1) else { unreachable!("it is another one's") };
        assert_eq!((&second.attempt.run, second.attempt.epoch, second.resumed), (&first.attempt.run, 2, true));
        assert!(matches!(join("other", 0), Joined::Work(..)));
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let mut record = Record::default();
        let joined = record
            .join(&asked(RunKind::Full, "plan", 3), Shard { index: 1, of: 2 }, |_| Ok::<_, ()>(Leave::Granted(None)));
        let Ok(Some(Joined::Divide(begun))) = joined else { unreachable!("nobody else divides") };
        assert_eq!(record.divided(&begun.attempt, &Sharing::Splits(serde_json::json!(["a"]))), Ok(()));
        let text = serde_json::to_string(&record).expect("JSON");
        assert_eq!(serde_json::from_str::<Record>(&text).expect("a record"), record);
    }
}
