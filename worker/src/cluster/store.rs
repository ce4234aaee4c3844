//! Checkpoints in a Checkpoint object. Processes that share a run have no locks in common there: who acts for all of them is
//! written into the object, too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use tokio_util::task::AbortOnDropHandle;

use super::object::{Object, record, stream_of};
use super::{Reporter, RunName};
use crate::checkpoint::claim::{Claim, Watch};
use crate::checkpoint::record::{Asked, Record, Superseded};
use crate::checkpoint::{
    Begun, CheckpointError, CheckpointStore, Joined, Positions, RunKind, Shard, Sharing, Unfinished,
};
use crate::connector::Attempt;

/// How often a process that divides a run shows that it lives.
const BEAT: Duration = Duration::from_secs(10);
/// How often a process looks whether another one has divided the run; where they are many, all of them together look as often
/// as a hundred would.
const LOOK: Duration = Duration::from_secs(1);

/// Checkpoints in the Checkpoint object that has its Pipeline's name.
pub struct ClusterStore {
    object: Arc<Object>,
    run: RunName,
    reporter: Reporter,
    shard: Option<Shard>,
    /// What shows that this process lives, by the identity of what it divides.
    beating: Mutex<BTreeMap<String, AbortOnDropHandle<()>>>,
}

impl ClusterStore {
    /// The store of a Pipeline, for the run that is reported on, or for one of the processes that share it; a Checkpoint that
    /// is made goes with its owner.
    #[must_use]
    pub fn new(client: &Client, reporter: Reporter, pipeline: &str, owner: Option<OwnerReference>) -> Self {
        let (run, shard) = (reporter.run().clone(), reporter.shard());
        let object = Arc::new(Object::new(client, run.clone(), pipeline, owner));
        Self { object, run, reporter, shard, beating: Mutex::default() }
    }

    fn asked(&self, kind: RunKind, plan: &str, above: u64) -> Asked {
        Asked { kind, plan: plan.to_owned(), above, by: Some(self.run.uid.clone()) }
    }

    /// Shows from now on that this process divides the run, until it has, or has given up.
    fn begin_to_beat(&self, pipeline: &str, attempt: &Attempt) {
        let (object, name, attempt) = (Arc::clone(&self.object), pipeline.to_owned(), attempt.clone());
        let beating = async move {
            loop {
                tokio::time::sleep(BEAT).await;
                match object.with(&name, |record| Ok(record.beat(&attempt))).await {
                    Ok(Ok(())) => {}
                    // It was taken for dead, and is about to find out.
                    Ok(Err(Superseded)) => return,
                    Err(error) => tracing::warn!(%error, "could not show that this shard divides the run"),
                }
            }
        };
        let handle = AbortOnDropHandle::new(tokio::spawn(beating));
        self.beating.lock().unwrap_or_else(PoisonError::into_inner).insert(pipeline.to_owned(), handle);
    }

    fn stop_beating(&self, pipeline: &str) {
        self.beating.lock().unwrap_or_else(PoisonError::into_inner).remove(pipeline);
    }

    /// Changes what is remembered of an attempt, unless that was overtaken.
    async fn change(
        &self,
        pipeline: &str,
        attempt: &Attempt,
        change: impl Fn(&mut Record) -> Result<(), Superseded> + Send,
    ) -> Result<(), CheckpointError> {
        let changed = self.object.with(pipeline, move |record| Ok(change(record))).await?;
        changed.map_err(|_| CheckpointError::Superseded { pipeline: pipeline.to_owned(), epoch: attempt.epoch })
    }
}

#[async_trait]
impl CheckpointStore for ClusterStore {
    async fn positions(&self, pipeline: &str) -> Result<Positions, CheckpointError> {
        let there = self.object.get().await?;
        let record = there.map_or(Ok(Record::default()), |there| record(&there.spec, stream_of(pipeline), pipeline))?;
        Ok(record.positions)
    }

    async fn begin(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Begun, CheckpointError> {
        let asked = self.asked(kind, plan, above);
        self.object.with(pipeline, |record| Ok(record.begin(&asked))).await
    }

    fn shard(&self) -> Option<Shard> {
        self.shard
    }

    async fn join(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Joined, CheckpointError> {
        let shard = self.shard.unwrap_or(Shard { index: 0, of: 1 });
        let asked = self.asked(kind, plan, above);
        let own = Claim { by: self.run.uid.clone(), attempt: self.run.attempt, shard: shard.index, beat: 0 };
        let (mut watch, started) = (Watch::new(own), Instant::now());
        loop {
            let step =
                |record: &mut Record| record.join(&asked, shard, |claim| Ok(watch.leave(claim, started.elapsed())));
            match self.object.with(pipeline, step).await? {
                None => tokio::time::sleep(LOOK.max(Duration::from_millis(10) * shard.of)).await,
                Some(joined) => {
                    if let Joined::Divide(begun) = &joined {
                        self.begin_to_beat(pipeline, &begun.attempt);
                    }
                    return Ok(joined);
                }
            }
        }
    }

    async fn divided(&self, pipeline: &str, attempt: &Attempt, sharing: &Sharing) -> Result<(), CheckpointError> {
        self.stop_beating(pipeline);
        self.change(pipeline, attempt, |record| record.divided(attempt, sharing)).await
    }

    async fn saved(&self, pipeline: &str, attempt: &Attempt) -> Result<(), CheckpointError> {
        let shard = self.shard.unwrap_or(Shard { index: 0, of: 1 });
        self.change(pipeline, attempt, |record| record.saved(attempt, shard)).await
    }

    async fn commits(&self, pipeline: &str) -> Result<(), CheckpointError> {
        let counted_on = self.reporter.commits(pipeline).await;
        let counted_on = counted_on
            .map_err(|source| CheckpointError::Unreachable { name: self.run.name.clone(), source: Box::new(source) })?;
        if counted_on { Ok(()) } else { Err(CheckpointError::GivenUp { run: self.run.name.clone() }) }
    }

    fn refused(&self, pipeline: &str) {
        self.reporter.settled(pipeline);
    }

    async fn succeed(&self, pipeline: &str, attempt: &Attempt, positions: &Positions) -> Result<(), CheckpointError> {
        let noted = self.change(pipeline, attempt, |record| record.succeed(attempt, positions)).await;
        // One that was overtaken has committed all the same, and says so itself.
        if matches!(noted, Ok(()) | Err(CheckpointError::Superseded { .. })) {
            self.reporter.settled(pipeline);
        }
        noted
    }

    async fn end(&self, pipeline: &str, attempt: &Attempt, how: Unfinished) -> Result<(), CheckpointError> {
        self.stop_beating(pipeline);
        self.object
            .with(pipeline, |record| {
                record.end(attempt, how);
                Ok(())
            })
            .await
    }
}
