//! Every way that a few processes may go which share a run and keep what they know of each other in one record: whichever
//! takes the next step, dies or fails before it, or is taken for dead and is not. However it goes, the run commits once, and
//! the attempts come to an end.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::claim::{Claim, Leave, Watch};
use super::record::{Asked, Phase, Record};
use super::{Idle, Joined, Positions, RunKind, Shard, Sharing, Unfinished};
use crate::connector::Attempt;

/// Where a process is.
#[derive(Clone, Debug)]
enum At {
    Joining,
    /// It divides the run; it has fenced the sinks, or not yet.
    Dividing(Attempt, bool),
    Working(Attempt),
    Completing(Attempt, Completion),
    Ended,
}

/// What a process that completes the run does next.
#[derive(Clone, Copy, Debug)]
enum Completion {
    Fence,
    /// Unless the sink had the run when it was fenced.
    Commit {
        had: bool,
    },
    Tell,
}

/// What processes and sinks have come to.
#[derive(Clone, Debug)]
struct World {
    record: Record,
    /// The epoch that the sink was fenced with.
    fenced: u64,
    /// The run of each commit.
    commits: Vec<String>,
    /// The attempt of whoever asked, and its processes.
    attempt: u32,
    processes: Vec<At>,
    /// Whether one of them did not end well.
    failed: bool,
    /// What may still go wrong.
    troubles: u32,
}

/// What the walk has met.
#[derive(Debug, Default)]
struct Met {
    states: usize,
    ends: usize,
    attempts: u32,
    idle: BTreeSet<String>,
    superseded: usize,
    fenced: usize,
}

impl World {
    fn of(&self) -> u32 {
        u32::try_from(self.processes.len()).expect("a few")
    }

    fn claim(&self, shard: u32) -> Claim {
        Claim { by: "run".into(), attempt: self.attempt, shard, beat: 0 }
    }

    /// The process takes its next step; false when it waits. What it waits for may be long silent.
    fn step(&mut self, index: usize, sharing: &Sharing, silent: bool, met: &mut Met) -> bool {
        let shard = Shard { index: u32::try_from(index).expect("a few"), of: self.of() };
        self.processes[index] = match self.processes[index].clone() {
            At::Joining => {
                let asked =
                    Asked { kind: RunKind::Full, plan: "plan".into(), above: self.fenced, by: Some("run".into()) };
                let own = self.claim(shard.index);
                let leave = |claim: Option<&Claim>| {
                    let leave = Watch::new(own.clone()).leave(claim, Duration::ZERO);
                    Ok::<_, ()>(if silent { Leave::Granted(Some(own)) } else { leave })
                };
                match self.record.join(&asked, shard, leave).expect("no errors") {
                    None => return false,
                    Some(Joined::Divide(begun)) => At::Dividing(begun.attempt, false),
                    Some(Joined::Work(begun, _)) => At::Working(begun.attempt),
                    Some(Joined::Finish(begun)) => At::Completing(begun.attempt, Completion::Fence),
                    Some(Joined::Idle(_, why)) => {
                        met.idle.insert(format!("{why:?}"));
                        assert!(why != Idle::Succeeded || self.commits.len() == 1, "{self:?}");
                        At::Ended
                    }
                }
            }
            At::Dividing(attempt, false) => self.fence(attempt, |attempt| At::Dividing(attempt, true), met),
            At::Dividing(attempt, true) => {
                // Another one may have taken this one for dead: then that one has divided the run.
                if self.record.divided(&attempt, sharing).is_err() {
                    met.superseded += 1;
                }
                At::Joining
            }
            At::Working(attempt) => match self.record.saved(&attempt, shard) {
                Ok(()) => At::Joining,
                Err(_) => self.fails(),
            },
            At::Completing(attempt, Completion::Fence) => {
                let had = self.commits.contains(&attempt.run);
                self.fence(attempt, |attempt| At::Completing(attempt, Completion::Commit { had }), met)
            }
            At::Completing(attempt, Completion::Commit { had }) => {
                if self.fenced == attempt.epoch {
                    self.commits.extend(Some(attempt.run.clone()).filter(|_| !had));
                    At::Completing(attempt, Completion::Tell)
                } else {
                    met.fenced += 1;
                    self.fails()
                }
            }
            At::Completing(attempt, Completion::Tell) => match self.record.succeed(&attempt, &Positions::new()) {
                Ok(()) => At::Ended,
                Err(_) => self.fails(),
            },
            At::Ended => unreachable!("it takes no step"),
        };
        true
    }

    fn fence(&mut self, attempt: Attempt, goes_on: impl FnOnce(Attempt) -> At, met: &mut Met) -> At {
        if attempt.epoch < self.fenced {
            met.fenced += 1;
            self.record.end(&attempt, Unfinished::Failed);
            return self.fails();
        }
        self.fenced = attempt.epoch;
        goes_on(attempt)
    }

    fn fails(&mut self) -> At {
        self.failed = true;
        At::Ended
    }

    /// The process goes away, with or without a word; another one may follow it in the same attempt.
    fn dies(&mut self, index: usize, tells: bool, followed: bool) {
        let follower = if followed { At::Joining } else { At::Ended };
        let at = std::mem::replace(&mut self.processes[index], follower);
        if let At::Dividing(attempt, _) | At::Working(attempt) | At::Completing(attempt, ..) = at
            && tells
        {
            self.record.end(&attempt, Unfinished::Failed);
        }
        self.failed |= !followed;
    }

    /// All worlds that may come next.
    fn next(&self, sharing: &Sharing, met: &mut Met) -> Vec<Self> {
        let mut worlds = Vec::new();
        let dividing = self.processes.iter().any(|at| matches!(at, At::Dividing(..)));
        for index in 0..self.processes.len() {
            if matches!(self.processes[index], At::Ended) {
                continue;
            }
            let mut world = self.clone();
            if world.step(index, sharing, false, met) {
                worlds.push(world);
            } else if !dividing || self.troubles > 0 {
                // It has waited for long: for a process that is gone, or for one that is slow.
                let mut world = Self { troubles: self.troubles - u32::from(dividing), ..self.clone() };
                assert!(world.step(index, sharing, true, met), "{world:?}");
                worlds.push(world);
            }
            for (tells, followed) in [(false, false), (true, false), (false, true), (true, true)] {
                if self.troubles > 0 {
                    let mut world = Self { troubles: self.troubles - 1, ..self.clone() };
                    world.dies(index, tells, followed);
                    worlds.push(world);
                }
            }
        }
        worlds
    }

    /// The same for worlds that go on alike, whatever the run is called.
    fn key(&self) -> String {
        let run = self.record.last.as_ref().map_or("-", |last| last.attempt.run.as_str());
        format!("{self:?}").replace(run, "run")
    }
}

fn walk(of: usize, troubles: u32, sharing: &Sharing) -> Met {
    let mut met = Met::default();
    let first = World {
        record: Record::default(),
        fenced: 0,
        commits: Vec::new(),
        attempt: 1,
        processes: vec![At::Joining; of],
        failed: false,
        troubles,
    };
    let mut known = HashSet::from([first.key()]);
    let mut ahead = vec![first];
    while let Some(world) = ahead.pop() {
        met.states += 1;
        met.attempts = met.attempts.max(world.attempt);
        let over = world.processes.iter().all(|at| matches!(at, At::Ended));
        let next = match over {
            true if world.failed => {
                let processes = vec![At::Joining; of];
                vec![World { attempt: world.attempt + 1, processes, failed: false, ..world }]
            }
            true => {
                let phase = world.record.last.as_ref().map(|last| last.phase);
                assert_eq!((phase, world.commits.len()), (Some(Phase::Succeeded), 1), "{world:?}");
                met.ends += 1;
                Vec::new()
            }
            false => {
                let next = world.next(sharing, &mut met);
                assert!(!next.is_empty(), "everybody waits for somebody: {world:?}");
                next
            }
        };
        ahead.extend(next.into_iter().filter(|world| known.insert(world.key())));
    }
    met
}

#[test]
fn however_processes_share_a_run_it_commits_once_and_ends() {
    let splits = Sharing::Splits(serde_json::json!(["a"]));
    for (of, troubles) in [(1, 3), (2, 3), (3, 2), (4, 1)] {
        for sharing in [&splits, &Sharing::Whole] {
            let met = walk(of, troubles, sharing);
            // The walk has been where it was meant to be.
            assert!(met.ends > 0 && met.attempts > troubles, "{of} processes, {sharing:?}: {met:?}");
            if of > 1 {
                assert!(met.superseded > 0 && met.fenced > 0, "{of} processes, {sharing:?}: {met:?}");
                assert!(["Finishing", "Succeeded"].iter().all(|why| met.idle.contains(*why)), "{met:?}");
                assert_eq!(met.idle.contains("Waiting"), *sharing != Sharing::Whole, "{met:?}");
            }
        }
    }
}
