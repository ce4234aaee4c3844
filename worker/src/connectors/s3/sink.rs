//! Writes a stream as part objects of a folder, or as one object.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aggregator_crds::connector::FileFormat;
use aggregator_crds::pipeline::WriteMode;
use async_trait::async_trait;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::bucket::Bucket;
use super::commit::{Changes, Commits};
use super::saved::SavedParts;
use super::upload::{StagedPart, Uploads};
use crate::connector::{
    Attempt, CommitRecord, ConnectorError, ErrorKind, PlannedChange, Position, Reject, Result, SavedSplit, Sink,
    SinkRequest, Staged,
};
use crate::connectors::files::{
    Part, Parts, ROLL_BYTES, Target, Written, blocking, hidden, prefix_of_run, prefix_of_split,
};
use crate::points;

/// What to do when the files of this machine have no room.
const ELSEWHERE: &str = "make room there, or name another folder in the environment variable TMPDIR";

/// What an attempt writes with.
struct Writing {
    attempt: Attempt,
    /// Writes files on this machine; away while it works on a thread of its own.
    parts: Option<Box<Parts>>,
    uploads: Uploads,
    /// The folder of these files.
    local: TempDir,
}

/// How far an attempt has come.
enum Phase {
    Opened,
    Fenced(Box<Writing>),
    Staged {
        attempt: Attempt,
        parts: Vec<StagedPart>,
        rows: u64,
    },
    /// A commit was tried: what it staged belongs to its journal.
    Done,
}

/// A stream of objects, ready to be written.
pub(super) struct S3Sink {
    bucket: Bucket,
    written: Written,
    request: SinkRequest,
    commits: Commits,
    phase: Phase,
    /// The manifests that earlier attempts have saved, by the number of their split.
    saved: BTreeMap<u64, (String, SavedParts)>,
    /// The objects of saved splits.
    kept: Vec<StagedPart>,
    /// Whether the objects are pieces of the one that is asked for.
    joins: bool,
    /// Whether other processes write for the same attempt.
    shared: bool,
}

impl S3Sink {
    /// Checks what the Pipeline asks for. Changes nothing.
    pub(super) fn new(bucket: Bucket, declared: Option<&FileFormat>, request: SinkRequest) -> Result<Self> {
        let written = Written::new(declared, &request, bucket.buffers())?;
        let commits = Commits::new(&bucket, &request.pipeline, &request.node);
        let (saved, kept, phase) = (BTreeMap::new(), Vec::new(), Phase::Opened);
        Ok(Self { bucket, written, request, commits, phase, saved, kept, joins: false, shared: false })
    }

    /// Whether one object is asked for.
    fn is_one(&self) -> bool {
        matches!(self.written.target, Target::File(_))
    }

    fn overwrites(&self) -> bool {
        self.request.write.mode == WriteMode::Overwrite
    }

    /// The data objects that the target has now: those of the format, however compressed.
    async fn existing(&mut self) -> Result<Vec<String>> {
        let folder = match &self.written.target {
            Target::Folder(folder) => folder,
            Target::File(file) => {
                return Ok(self.bucket.head(file).await?.map(|found| found.path).into_iter().collect());
            }
        };
        let found = self.bucket.list(folder).await?.into_iter().map(|object| object.path);
        Ok(found.filter(|path| self.written.is_data(path) && !path.split('/').any(hidden)).collect())
    }

    fn out_of_order(&self, call: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Bug,
            format!("write stream `{}`", self.request.stream),
            format!("{call} was called out of order"),
        )
    }

    fn writing(&mut self, call: &str) -> Result<&mut Writing> {
        if !matches!(self.phase, Phase::Fenced(_)) {
            return Err(self.out_of_order(call));
        }
        match &mut self.phase {
            Phase::Fenced(writing) => Ok(writing),
            Phase::Opened | Phase::Staged { .. } | Phase::Done => {
                Err(ConnectorError::new(ErrorKind::Bug, "write a stream", "it is not fenced"))
            }
        }
    }

    /// Begins to write for an attempt that owns the sink.
    async fn write_as(&mut self, attempt: &Attempt) -> Result<()> {
        let local = blocking(|| {
            tempfile::Builder::new().prefix("aggregator-").tempdir().map_err(|error| {
                let detail = format!("there is no room for files in {}: {error}", std::env::temp_dir().display());
                ConnectorError::new(ErrorKind::Refused, "write part files", detail).remedy(ELSEWHERE)
            })
        })
        .await?;
        let roll_bytes = if self.is_one() { u64::MAX } else { ROLL_BYTES };
        let parts = self.written.parts(local.path(), PathBuf::new(), &self.request, roll_bytes)?;
        let uploads = Uploads::new(self.bucket.clone(), local.path().to_owned(), self.commits.staging(attempt));
        let parts = Some(Box::new(parts));
        self.phase = Phase::Fenced(Box::new(Writing { attempt: attempt.clone(), parts, uploads, local }));
        Ok(())
    }

    /// What is written from here on is of splits: objects of their own, and of one that is asked for, pieces.
    fn write_pieces(&mut self) -> Result<()> {
        self.joins = self.is_one();
        if self.joins
            && let Some(parts) = &mut self.writing("write pieces")?.parts
        {
            parts.in_pieces();
        }
        Ok(())
    }

    /// What a commit of these parts does. Names in a folder hold the attempt, so they are free.
    async fn changes(&mut self, attempt: &Attempt, parts: Vec<StagedPart>) -> Result<Changes> {
        let folder = match &self.written.target {
            Target::Folder(folder) => folder.clone(),
            Target::File(file) => {
                let parts = parts.into_iter().map(|part| (part, file.clone())).collect();
                return Ok(Changes { parts, fixed: true, deletes: Vec::new() });
            }
        };
        let deletes = if self.overwrites() { self.existing().await? } else { Vec::new() };
        let prefix = format!("{}-{}", prefix_of_run(&attempt.run, &self.request.node), attempt.epoch);
        let ending = self.written.ending();
        let name = |(number, part): (usize, StagedPart)| {
            let partition = if part.folder.is_empty() { String::new() } else { format!("{}/", part.folder) };
            let to = format!("{folder}/{partition}{prefix}-{number:05}.{ending}");
            (part, to)
        };
        Ok(Changes { parts: parts.into_iter().enumerate().map(name).collect(), fixed: false, deletes })
    }
}

impl Writing {
    /// Lets the part files be worked on by a thread that may block, then sends those that have ended.
    async fn with_parts<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Parts) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let missing = || ConnectorError::new(ErrorKind::Bug, "write part files", "an earlier write has failed");
        let mut parts = self.parts.take().ok_or_else(missing)?;
        let (worked, ended, parts) = blocking(move || {
            let worked = work(&mut parts);
            let ended = parts.take_done();
            Ok((worked, ended, parts))
        })
        .await?;
        self.parts = Some(parts);
        let worked = worked.map_err(|error| match error.kind {
            ErrorKind::Refused => error.remedy(ELSEWHERE),
            _ => error,
        })?;
        self.uploads.send(ended).await?;
        Ok(worked)
    }

    /// Ends all part files; gives those that were written since the last time, as they are in the store. Without any, and
    /// if `always`, one without rows is made.
    async fn finish(&mut self, always: bool) -> Result<Vec<StagedPart>> {
        let ended = self.with_parts(move |parts| parts.finish(always)).await?;
        self.uploads.send(ended).await?;
        self.uploads.finish().await
    }

    /// Joins pieces that are in the store into one object there: they are fetched, joined here, and sent.
    async fn join(&mut self, bucket: &Bucket, pieces: &[StagedPart]) -> Result<Vec<StagedPart>> {
        let mut fetched = Vec::with_capacity(pieces.len());
        for (number, piece) in pieces.iter().enumerate() {
            let staged = PathBuf::from(format!("piece-{number:06}"));
            bucket.fetch(&piece.staged, &piece.etag, &self.local.path().join(&staged)).await?;
            fetched.push(Part { folder: String::new(), staged, rows: piece.rows, bytes: piece.bytes });
        }
        // Who waits no longer for the object drops the guard, and the thread that joins it stops.
        let stopped = CancellationToken::new();
        let _guard = stopped.clone().drop_guard();
        let joined = self
            .with_parts(move |parts| {
                parts.join(&fetched, &|| {
                    let told = || {
                        ConnectorError::new(
                            ErrorKind::Interrupted,
                            "join the pieces of an object",
                            "the run was asked to stop",
                        )
                    };
                    if stopped.is_cancelled() { Err(told()) } else { Ok(()) }
                })
            })
            .await?;
        self.uploads.send(vec![joined]).await?;
        self.uploads.finish().await
    }

    fn begin(&mut self, prefix: String) {
        if let Some(parts) = &mut self.parts {
            parts.begin(prefix);
        }
    }
}

#[async_trait]
impl Sink for S3Sink {
    async fn plan(&mut self) -> Result<Vec<PlannedChange>> {
        let existing = self.existing().await?;
        let (state, place) = match (&self.written.target, existing.is_empty()) {
            (Target::Folder(folder), true) => ("write objects to", format!("{folder}/")),
            (Target::Folder(folder), false) => ("add objects to", format!("{folder}/")),
            (Target::File(file), true) => ("create object", file.clone()),
            (Target::File(file), false) => ("replace object", file.clone()),
        };
        let mut actions =
            vec![format!("{state} {} ({})", self.bucket.address(&place), self.written.summary(&self.request))];
        if self.overwrites() && !self.is_one() {
            actions.extend(existing.into_iter().map(|path| format!("delete object {path}")));
        }
        Ok(actions.into_iter().map(|action| PlannedChange { action, statement: None }).collect())
    }

    async fn last_commit(&mut self) -> Result<Option<CommitRecord>> {
        self.commits.last(&mut points::step).await
    }

    async fn fence(&mut self, attempt: &Attempt) -> Result<()> {
        if let (Target::File(file), false) = (&self.written.target, self.overwrites())
            && self.bucket.head(file).await?.is_some()
        {
            return Err(ConnectorError::new(
                ErrorKind::Config,
                format!("append to {}", self.bucket.address(file)),
                "the object is there, and an object cannot be appended to",
            )
            .remedy("write to a folder, as `out/`, or use the mode Overwrite"));
        }
        self.commits.fence(attempt, &mut points::step).await?;
        self.write_as(attempt).await
    }

    fn keeps_splits(&self) -> bool {
        true
    }

    async fn saved(&mut self) -> Result<Vec<SavedSplit>> {
        let attempt = self.writing("saved")?.attempt.clone();
        let saved = self.commits.saved_splits(&attempt, self.shared).await?;
        self.saved = saved.into_iter().map(|(path, saved)| (saved.split.number, (path, saved))).collect();
        Ok(self.saved.values().map(|(_, saved)| saved.split.clone()).collect())
    }

    async fn keep(&mut self, numbers: &BTreeSet<u64>, more: bool) -> Result<()> {
        let attempt = self.writing("keep")?.attempt.clone();
        let mut manifests = BTreeSet::new();
        for (number, (path, saved)) in std::mem::take(&mut self.saved) {
            if numbers.contains(&number) {
                manifests.insert(path);
                self.kept.extend(saved.parts);
            }
        }
        self.commits.keep_splits(&attempt, &manifests).await?;
        if more { self.write_pieces() } else { Ok(()) }
    }

    fn shares(&self) -> bool {
        true
    }

    async fn join(&mut self, attempt: &Attempt) -> Result<Vec<SavedSplit>> {
        self.commits.check_owner(attempt).await?;
        self.write_as(attempt).await?;
        self.write_pieces()?;
        self.shared = true;
        self.saved().await
    }

    async fn begin(&mut self, number: u64) -> Result<()> {
        let shared = self.shared;
        self.writing("begin")?.begin(prefix_of_split(number, shared));
        Ok(())
    }

    async fn save(&mut self, split: &SavedSplit) -> Result<()> {
        let writing = self.writing("save")?;
        let parts = writing.finish(false).await?;
        let attempt = writing.attempt.clone();
        let saved = SavedParts { split: split.clone(), parts };
        self.commits.save_split(&attempt, &saved).await?;
        self.kept.extend(saved.parts);
        Ok(())
    }

    async fn write(&mut self, batch: arrow::array::RecordBatch) -> Result<Vec<Reject>> {
        self.writing("write")?.with_parts(move |parts| parts.write(&batch)).await?;
        Ok(Vec::new())
    }

    async fn stage(&mut self) -> Result<Staged> {
        let always = self.is_one() || (self.overwrites() && self.request.write.partition_by.is_empty());
        let (mut parts, joins, bucket) = (std::mem::take(&mut self.kept), self.joins, self.bucket.clone());
        let writing = self.writing("stage")?;
        parts.extend(writing.finish(always && parts.is_empty() && !joins).await?);
        if joins {
            parts = match parts.as_slice() {
                [] => writing.finish(true).await?,
                pieces => writing.join(&bucket, pieces).await?,
            };
        }
        let attempt = writing.attempt.clone();
        let rows = parts.iter().map(|part| part.rows).sum();
        let bytes = parts.iter().map(|part| part.bytes).sum();
        self.phase = Phase::Staged { attempt, parts, rows };
        Ok(Staged { written: rows, bytes, ..Staged::default() })
    }

    async fn commit(&mut self, positions: &BTreeMap<String, Position>) -> Result<()> {
        let (attempt, parts, rows) = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Staged { attempt, parts, rows } => (attempt, parts, rows),
            other => {
                self.phase = other;
                return Err(self.out_of_order("commit"));
            }
        };
        let changes = self.changes(&attempt, parts).await?;
        self.commits.commit(&attempt, positions, rows, &changes, &mut points::step).await
    }

    async fn abort(&mut self) -> Result<()> {
        let attempt = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Fenced(writing) => writing.attempt.clone(),
            Phase::Staged { attempt, .. } => attempt,
            Phase::Opened | Phase::Done => return Ok(()),
        };
        // What others of a shared attempt are writing looks just like this one's: the commit clears it away.
        if self.shared {
            return Ok(());
        }
        // Saved splits are for the next attempt.
        self.commits.remove_unsaved(&attempt).await
    }
}
