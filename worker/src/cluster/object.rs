//! The Checkpoint object of a Pipeline, changed by compare-and-set: whoever changes it between our look and our write makes us
//! look again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aggregator_crds::checkpoint::{PositionState, StreamAttempt, StreamPosition};
use aggregator_crds::schedule::PipelineRef;
use aggregator_crds::{Checkpoint, CheckpointSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use super::patience::{patiently, too_large};
use super::{FIELD_MANAGER, RunName};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::record::Record;
use crate::connector::Position;

/// How often a write may meet another one.
const RACES: u32 = 50;
/// The longest pause after so many: those who write at the same time must not meet again and again.
const LONGEST: Duration = Duration::from_secs(1);

/// The Checkpoint object that has its Pipeline's name.
pub(super) struct Object {
    objects: Api<Checkpoint>,
    run: RunName,
    pipeline: String,
    owner: Option<OwnerReference>,
    /// What this process has begun, by the Pipeline's or stream's identity: what it goes on from when the object is taken away.
    begun: Mutex<BTreeMap<String, Record>>,
}

impl Object {
    pub(super) fn new(client: &Client, run: RunName, pipeline: &str, owner: Option<OwnerReference>) -> Self {
        let objects = Api::namespaced(client.clone(), &run.namespace);
        Self { objects, run, pipeline: pipeline.to_owned(), owner, begun: Mutex::default() }
    }

    fn unreachable(&self, source: impl std::error::Error + Send + Sync + 'static) -> CheckpointError {
        CheckpointError::Unreachable { name: self.pipeline.clone(), source: Box::new(source) }
    }

    fn begun(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn get(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let got = patiently("give the Checkpoint", || self.objects.get_opt(&self.pipeline)).await;
        got.map_err(|error| self.unreachable(error))
    }

    /// Looks at what is remembered, and remembers what that becomes.
    pub(super) async fn with<T>(
        &self,
        pipeline: &str,
        mut work: impl FnMut(&mut Record) -> Result<T, CheckpointError> + Send,
    ) -> Result<T, CheckpointError>
    where
        T: Send,
    {
        let stream = stream_of(pipeline);
        for race in 0..RACES {
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
            tokio::time::sleep(pause(race)).await;
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
            Err(error) if too_large(&error) => {
                let bytes = serde_json::to_vec(&*object).map_or(0, |text| text.len());
                Err(CheckpointError::TooLarge { name: self.pipeline.clone(), bytes, source: Box::new(error) })
            }
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
}

/// The pause after a write that met another one: of a random length, up to one that grows.
fn pause(race: u32) -> Duration {
    // RandomState is seeded by the system, and its keys differ from one instance to the next.
    let random = u32::try_from(RandomState::new().hash_one(race) >> 32).unwrap_or(u32::MAX);
    let longest = (Duration::from_millis(10) * (race + 1)).min(LONGEST);
    longest * random / u32::MAX
}

/// The stream in a Pipeline's identity, when it is one of many.
pub(super) fn stream_of(pipeline: &str) -> Option<&str> {
    pipeline.split_once(':').map(|(_, stream)| stream)
}

/// The stream that the object names for the positions of a Pipeline that is moved as a whole: one for each source.
const WHOLE: &str = "*";

pub(super) fn record(spec: &CheckpointSpec, stream: Option<&str>, pipeline: &str) -> Result<Record, CheckpointError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::record::Asked;
    use crate::checkpoint::{Positions, RunKind};

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
