//! Checkpoints in a Checkpoint object, changed by compare-and-set: whoever changes it between our look and our write makes
//! us look again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aggregator_crds::checkpoint::{PositionState, StreamAttempt, StreamPosition};
use aggregator_crds::schedule::PipelineRef;
use aggregator_crds::{Checkpoint, CheckpointSpec};
use async_trait::async_trait;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use super::patience::patiently;
use super::{FIELD_MANAGER, Reporter, RunName};
use crate::checkpoint::record::{Asked, Record, Superseded};
use crate::checkpoint::{Begun, CheckpointError, CheckpointStore, Positions, RunKind, Unfinished};
use crate::connector::{Attempt, Position};

/// How often a write may meet another one.
const RACES: usize = 50;

/// Checkpoints in the Checkpoint object that has its Pipeline's name. Processes do not share a run here.
pub struct ClusterStore {
    objects: Api<Checkpoint>,
    run: RunName,
    reporter: Reporter,
    pipeline: String,
    owner: Option<OwnerReference>,
    /// What this process has begun, by the Pipeline's or stream's identity: what it goes on from when the object is taken away.
    begun: Mutex<BTreeMap<String, Record>>,
}

impl ClusterStore {
    /// The store of a Pipeline, for the run that is reported on; a Checkpoint that is made goes with its owner.
    #[must_use]
    pub fn new(client: &Client, reporter: Reporter, pipeline: &str, owner: Option<OwnerReference>) -> Self {
        let run = reporter.run().clone();
        let objects = Api::namespaced(client.clone(), &run.namespace);
        Self { objects, run, reporter, pipeline: pipeline.to_owned(), owner, begun: Mutex::default() }
    }

    fn unreachable(&self, source: impl std::error::Error + Send + Sync + 'static) -> CheckpointError {
        CheckpointError::Unreachable { name: self.pipeline.clone(), source: Box::new(source) }
    }

    fn begun(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn get(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let got = patiently("give the Checkpoint", || self.objects.get_opt(&self.pipeline)).await;
        got.map_err(|error| self.unreachable(error))
    }

    /// Looks at what is remembered, and remembers what that becomes.
    async fn with<T>(
        &self,
        pipeline: &str,
        mut work: impl FnMut(&mut Record) -> Result<T, CheckpointError> + Send,
    ) -> Result<T, CheckpointError>
    where
        T: Send,
    {
        let stream = stream_of(pipeline);
        for _ in 0..RACES {
            let there = self.get().await?;
            let before = match &there {
                Some(there) => record(&there.spec, stream, pipeline)?,
                None => self.begun().get(pipeline).cloned().unwrap_or_default(),
            };
            let mut after = before.clone();
            let value = work(&mut after)?;
            if after == before || self.put(there, stream, after.clone(), pipeline).await? {
                self.begun().insert(pipeline.to_owned(), after);
                return Ok(value);
            }
        }
        Err(self.unreachable(std::io::Error::other("it changes all the time")))
    }

    /// Writes what is remembered; false when somebody else was faster.
    async fn put(
        &self,
        there: Option<Checkpoint>,
        stream: Option<&str>,
        record: Record,
        pipeline: &str,
    ) -> Result<bool, CheckpointError> {
        let corrupt = |source| CheckpointError::Corrupt { pipeline: pipeline.to_owned(), source };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let exists = there.is_some();
        let mut object = there.unwrap_or_else(|| self.empty());
        write(&mut object.spec, stream, record).map_err(corrupt)?;
        object.spec.run = Some(self.run.name.clone());
        object.spec.time = Some(jiff::Timestamp::now());
        let object = Arc::new(object);
        let put = || {
            let (objects, object, params) = (self.objects.clone(), Arc::clone(&object), params.clone());
            async move {
                if exists {
                    objects.replace(&self.pipeline, &params, &object).await
                } else {
                    objects.create(&params, &object).await
                }
            }
        };
        match patiently("take the Checkpoint", put).await {
            Ok(_) => Ok(true),
            // Also when our own write has arrived and its answer was lost: then nothing is left to change.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(error) => Err(self.unreachable(error)),
        }
    }

    fn empty(&self) -> Checkpoint {
        Checkpoint {
            metadata: ObjectMeta {
                name: Some(self.pipeline.clone()),
                namespace: Some(self.run.namespace.clone()),
                owner_references: self.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: CheckpointSpec {
                pipeline_ref: PipelineRef { name: self.pipeline.clone() },
                epoch: 0,
                run: None,
                time: None,
                positions: Vec::new(),
                attempts: Vec::new(),
            },
        }
    }

    fn newest<T>(changed: Result<T, Superseded>, pipeline: &str, attempt: &Attempt) -> Result<T, CheckpointError> {
        changed.map_err(|_| CheckpointError::Superseded { pipeline: pipeline.to_owned(), epoch: attempt.epoch })
    }
}

/// The stream in a Pipeline's identity, when it is one of many.
fn stream_of(pipeline: &str) -> Option<&str> {
    pipeline.split_once(':').map(|(_, stream)| stream)
}

/// The stream that the object names for the positions of a Pipeline that is moved as a whole: one for each source.
const WHOLE: &str = "*";

fn record(spec: &CheckpointSpec, stream: Option<&str>, pipeline: &str) -> Result<Record, CheckpointError> {
    let state = spec.attempts.iter().find(|attempt| attempt.stream.as_deref() == stream).map(|attempt| &attempt.state);
    let mut record: Record = match state {
        Some(state) => serde_json::from_value(state.0.clone())
            .map_err(|source| CheckpointError::Corrupt { pipeline: pipeline.to_owned(), source })?,
        None => Record::default(),
    };
    // The positions stand by themselves: people edit them.
    let own = spec.positions.iter().filter(|position| position.stream == stream.unwrap_or(WHOLE));
    record.positions = own.map(|own| (own.source.clone(), position(own))).collect();
    Ok(record)
}

fn position(own: &StreamPosition) -> Position {
    Position { kind: own.kind.clone(), version: own.version, state: own.state.0.clone() }
}

fn write(spec: &mut CheckpointSpec, stream: Option<&str>, mut record: Record) -> Result<(), serde_json::Error> {
    let positions = std::mem::take(&mut record.positions);
    let positions = positions.iter().map(|(source, position)| StreamPosition {
        source: source.clone(),
        stream: stream.unwrap_or(WHOLE).to_owned(),
        partition: None,
        kind: position.kind.clone(),
        version: position.version,
        state: PositionState(position.state.clone()),
    });
    let positions: Vec<StreamPosition> = positions.collect();
    spec.positions.retain(|position| position.stream != stream.unwrap_or(WHOLE));
    spec.positions.extend(positions);
    spec.epoch = spec.epoch.max(record.last.as_ref().map_or(0, |last| last.attempt.epoch));
    let state = PositionState(serde_json::to_value(&record)?);
    let attempt = StreamAttempt { stream: stream.map(str::to_owned), state };
    match spec.attempts.iter_mut().find(|attempt| attempt.stream.as_deref() == stream) {
        Some(there) => *there = attempt,
        None => spec.attempts.push(attempt),
    }
    Ok(())
}

#[async_trait]
impl CheckpointStore for ClusterStore {
    async fn positions(&self, pipeline: &str) -> Result<Positions, CheckpointError> {
        let there = self.get().await?;
        let record = there.map_or(Ok(Record::default()), |there| record(&there.spec, stream_of(pipeline), pipeline))?;
        Ok(record.positions)
    }

    async fn begin(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Begun, CheckpointError> {
        let asked = Asked { kind, plan: plan.to_owned(), above, by: Some(self.run.uid.clone()) };
        self.with(pipeline, |record| Ok(record.begin(&asked))).await
    }

    async fn commits(&self) -> Result<(), CheckpointError> {
        let counted_on = self.reporter.commits().await;
        let counted_on = counted_on
            .map_err(|source| CheckpointError::Unreachable { name: self.run.name.clone(), source: Box::new(source) })?;
        if counted_on { Ok(()) } else { Err(CheckpointError::GivenUp { run: self.run.name.clone() }) }
    }

    async fn succeed(&self, pipeline: &str, attempt: &Attempt, positions: &Positions) -> Result<(), CheckpointError> {
        let succeeded = self.with(pipeline, |record| Ok(record.succeed(attempt, positions))).await?;
        Self::newest(succeeded, pipeline, attempt)
    }

    async fn end(&self, pipeline: &str, attempt: &Attempt, how: Unfinished) -> Result<(), CheckpointError> {
        self.with(pipeline, |record| {
            record.end(attempt, how);
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_of_many_has_positions_and_attempts_of_its_own() {
        let mut spec = CheckpointSpec {
            pipeline_ref: PipelineRef { name: "p".into() },
            epoch: 0,
            run: None,
            time: None,
            positions: Vec::new(),
            attempts: Vec::new(),
        };
        let at = |value: u64| {
            let position = Position { kind: "cursor".into(), version: 1, state: serde_json::json!({ "value": value }) };
            Positions::from([("all".to_owned(), position)])
        };
        let asked = Asked { kind: RunKind::Incremental, plan: "plan".into(), above: 0, by: None };
        for (value, stream) in [(1, None), (2, Some("public.a")), (3, Some("public.b")), (4, Some("public.a"))] {
            let mut record = record(&spec, stream, "demo/p").expect("a record");
            let begun = record.begin(&asked);
            record.succeed(&begun.attempt, &at(value)).expect("the newest");
            write(&mut spec, stream, record.clone()).expect("JSON");
            assert_eq!(super::record(&spec, stream, "demo/p").expect("a record"), record);
        }
        let found = |stream| record(&spec, stream, "demo/p").expect("a record").positions;
        assert_eq!(found(None), at(1));
        assert_eq!(found(Some("public.a")), at(4));
        assert_eq!(found(Some("public.b")), at(3));
        assert_eq!((spec.positions.len(), spec.attempts.len(), spec.epoch), (3, 3, 2));
    }
}
