//! Writes a stream as files: a folder of part files, or one file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aggregator_crds::connector::FileFormat;
use aggregator_crds::pipeline::WriteMode;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::commit::{Changes, Commits, Move};
use super::listing::list;
use super::saved::{SavedParts, remove_unsaved};
use super::store::Folder;
use crate::connector::{
    Attempt, CommitRecord, ConnectorError, ErrorKind, PlannedChange, Position, Reject, Result, SavedSplit, Sink,
    SinkRequest, Staged,
};
use crate::connectors::files::{Part, Parts, ROLL_BYTES, Target, Written, blocking, prefix_of_run, prefix_of_split};
use crate::points;

/// How far an attempt has come.
enum Phase {
    Opened,
    Fenced {
        attempt: Attempt,
        parts: Box<Parts>,
    },
    /// Pieces are being joined, or this has failed.
    Joining {
        attempt: Attempt,
    },
    Staged {
        attempt: Attempt,
        parts: Vec<Part>,
        rows: u64,
    },
    /// A commit was tried: what it staged belongs to its journal.
    Done,
}

/// A stream of files, ready to be written.
pub(super) struct FileSink {
    root: PathBuf,
    written: Written,
    request: SinkRequest,
    commits: Commits,
    phase: Phase,
    /// The files of saved splits, in the order of these.
    kept: Vec<Part>,
    /// Whether the files are pieces of the one that is asked for.
    joins: bool,
    /// Whether other processes write for the same attempt.
    shared: bool,
    roll_bytes: u64,
}

impl FileSink {
    /// Checks what the Pipeline asks for. Changes nothing.
    pub(super) fn new(folder: &Folder, declared: Option<&FileFormat>, request: SinkRequest) -> Result<Self> {
        let Folder { root, buffers } = folder.clone();
        let written = Written::new(declared, &request, buffers)?;
        let roll_bytes = if matches!(written.target, Target::File(_)) { u64::MAX } else { ROLL_BYTES };
        let commits = Commits::new(&root, &request.pipeline, &request.node);
        let (phase, kept) = (Phase::Opened, Vec::new());
        Ok(Self { root, written, request, commits, phase, kept, joins: false, shared: false, roll_bytes })
    }

    fn overwrites(&self) -> bool {
        self.request.write.mode == WriteMode::Overwrite
    }

    fn existing(&self) -> Result<Vec<String>> {
        existing(&self.root, &self.written)
    }

    fn out_of_order(&self, call: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Bug,
            format!("write stream `{}`", self.request.stream),
            format!("{call} was called out of order"),
        )
    }

    /// Begins to write for an attempt that owns the sink.
    fn write_as(&mut self, attempt: &Attempt) -> Result<()> {
        let staging = PathBuf::from(self.commits.staging(attempt));
        let parts = self.written.parts(&self.root, staging, &self.request, self.roll_bytes)?;
        self.phase = Phase::Fenced { attempt: attempt.clone(), parts: Box::new(parts) };
        Ok(())
    }

    /// What is written from here on is of splits: files of their own, and of one that is asked for, pieces.
    fn write_pieces(&mut self) -> Result<()> {
        let Phase::Fenced { parts, .. } = &mut self.phase else { return Err(self.out_of_order("write pieces")) };
        if matches!(self.written.target, Target::File(_)) {
            parts.in_pieces();
            self.joins = true;
        }
        Ok(())
    }

    /// Ends the attempt's phase that holds staged files: what a commit needs.
    fn take_staged(&mut self) -> Result<(Attempt, Vec<Part>, u64)> {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Staged { attempt, parts, rows } => Ok((attempt, parts, rows)),
            other => {
                self.phase = other;
                Err(self.out_of_order("commit"))
            }
        }
    }
}

fn interrupted() -> ConnectorError {
    ConnectorError::new(ErrorKind::Interrupted, "join the pieces of a file", "the run was asked to stop")
}

/// The data files that the target has now: those of the format, however compressed.
fn existing(root: &Path, written: &Written) -> Result<Vec<String>> {
    match &written.target {
        Target::File(file) => Ok(root.join(file).exists().then(|| file.clone()).into_iter().collect()),
        Target::Folder(folder) if root.join(folder).is_dir() => {
            let files = list(root, &format!("{folder}/"))?.files.into_iter();
            Ok(files.map(|file| file.path).filter(|path| written.is_data(path)).collect())
        }
        Target::Folder(_) => Ok(Vec::new()),
    }
}

/// Refuses a target that a link leads out of the root.
fn check_inside(root: &Path, target: &Target) -> Result<()> {
    let (Target::Folder(name) | Target::File(name)) = target;
    let parent = match target {
        Target::Folder(_) => root.join(name),
        Target::File(_) => root.join(name).parent().map_or_else(|| root.to_owned(), Path::to_owned),
    };
    let (Ok(root), Some(Ok(existing))) =
        (root.canonicalize(), parent.ancestors().find(|folder| folder.exists()).map(Path::canonicalize))
    else {
        return Ok(());
    };
    // Without the root, an ancestor of it is the first that exists: nothing can be linked below.
    if existing.starts_with(&root) {
        return Ok(());
    }
    Err(ConnectorError::new(
        ErrorKind::Config,
        format!("write stream `{name}`"),
        format!("a link leads to {}, out of the Connector's root", existing.display()),
    )
    .remedy("remove the link, or give that folder a Connector of its own"))
}

/// What a commit of these parts does. Part files get names that are free.
fn changes(root: &Path, written: &Written, parts: &[Part], prefix: &str, overwrite: bool) -> Result<Changes> {
    let before = existing(root, written)?;
    let ending = written.ending();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut moves = Vec::with_capacity(parts.len());
    for part in parts {
        let to = match &written.target {
            Target::File(file) => file.clone(),
            Target::Folder(folder) => {
                let place = if part.folder.is_empty() { folder.clone() } else { format!("{folder}/{}", part.folder) };
                let mut number = 0;
                loop {
                    let name = format!("{place}/{prefix}-{number:05}.{ending}");
                    number += 1;
                    if !taken.contains(&name) && !root.join(&name).exists() {
                        break name;
                    }
                }
            }
        };
        taken.insert(to.clone());
        moves.push(Move { from: part.staged.to_string_lossy().into_owned(), to });
    }
    let deletes =
        if overwrite { before.into_iter().filter(|path| !taken.contains(path)).collect() } else { Vec::new() };
    Ok(Changes { moves, deletes })
}

#[async_trait]
impl Sink for FileSink {
    async fn plan(&mut self) -> Result<Vec<PlannedChange>> {
        let existing = if self.root.is_dir() { self.existing()? } else { Vec::new() };
        let what = self.written.summary(&self.request);
        let mut changes = Vec::new();
        let mut add = |action: String| changes.push(PlannedChange { action, statement: None });
        match &self.written.target {
            Target::File(file) if existing.is_empty() => add(format!("create file {file} ({what})")),
            Target::File(file) => add(format!("replace file {file} ({what})")),
            Target::Folder(folder) => {
                let state = if self.root.join(folder).is_dir() { "add files to" } else { "create" };
                add(format!("{state} folder {folder}/ ({what})"));
                if self.overwrites() {
                    for file in existing {
                        add(format!("delete file {file}"));
                    }
                }
            }
        }
        Ok(changes)
    }

    async fn last_commit(&mut self) -> Result<Option<CommitRecord>> {
        let commits = self.commits.clone();
        blocking(move || commits.last(&mut points::step)).await
    }

    async fn fence(&mut self, attempt: &Attempt) -> Result<()> {
        if let (Target::File(file), false) = (&self.written.target, self.overwrites())
            && self.root.join(file).exists()
        {
            return Err(ConnectorError::new(
                ErrorKind::Config,
                format!("append to {file}"),
                "the file is there, and a file cannot be appended to in one act",
            )
            .remedy("write to a folder, as `out/`, or use the mode Overwrite"));
        }
        check_inside(&self.root, &self.written.target)?;
        let (commits, owner) = (self.commits.clone(), attempt.clone());
        blocking(move || commits.fence(&owner, &mut points::step)).await?;
        self.write_as(attempt)
    }

    fn keeps_splits(&self) -> bool {
        true
    }

    async fn saved(&mut self) -> Result<Vec<SavedSplit>> {
        let Phase::Fenced { attempt, .. } = &self.phase else { return Err(self.out_of_order("saved")) };
        let (commits, run) = (self.commits.clone(), attempt.run.clone());
        let saved = blocking(move || commits.saved_splits(&run)).await?;
        Ok(saved.into_iter().map(|saved| saved.split).collect())
    }

    async fn keep(&mut self, numbers: &BTreeSet<u64>, more: bool) -> Result<()> {
        let Phase::Fenced { attempt, .. } = &mut self.phase else { return Err(self.out_of_order("keep")) };
        let (commits, attempt, numbers) = (self.commits.clone(), attempt.clone(), numbers.clone());
        let mut kept = blocking(move || {
            commits.keep_splits(&attempt, &numbers)?;
            commits.saved_splits(&attempt.run)
        })
        .await?;
        kept.sort_by_key(|saved| saved.split.number);
        self.kept = kept.into_iter().flat_map(|saved| saved.parts).collect();
        if more { self.write_pieces() } else { Ok(()) }
    }

    fn shares(&self) -> bool {
        true
    }

    async fn join(&mut self, attempt: &Attempt) -> Result<Vec<SavedSplit>> {
        check_inside(&self.root, &self.written.target)?;
        let (commits, owner) = (self.commits.clone(), attempt.clone());
        blocking(move || commits.owned(&owner).map(drop)).await?;
        self.write_as(attempt)?;
        self.write_pieces()?;
        self.shared = true;
        self.saved().await
    }

    async fn begin(&mut self, number: u64) -> Result<()> {
        let shared = self.shared;
        let Phase::Fenced { parts, .. } = &mut self.phase else { return Err(self.out_of_order("begin")) };
        parts.begin(prefix_of_split(number, shared));
        Ok(())
    }

    async fn save(&mut self, split: &SavedSplit) -> Result<()> {
        let Phase::Fenced { attempt, mut parts } = std::mem::replace(&mut self.phase, Phase::Opened) else {
            return Err(self.out_of_order("save"));
        };
        let (commits, split) = (self.commits.clone(), split.clone());
        let (attempt, parts, saved) = blocking(move || {
            let saved = SavedParts { split, parts: parts.finish(false)? };
            commits.save_split(&attempt, &saved, &mut points::step)?;
            Ok((attempt, parts, saved))
        })
        .await?;
        self.kept.extend(saved.parts);
        self.phase = Phase::Fenced { attempt, parts };
        Ok(())
    }

    async fn write(&mut self, batch: arrow::array::RecordBatch) -> Result<Vec<Reject>> {
        let Phase::Fenced { attempt, mut parts } = std::mem::replace(&mut self.phase, Phase::Opened) else {
            return Err(self.out_of_order("write"));
        };
        let (written, parts) = blocking(move || Ok((parts.write(&batch), parts))).await?;
        self.phase = Phase::Fenced { attempt, parts };
        written.map(|()| Vec::new())
    }

    async fn stage(&mut self) -> Result<Staged> {
        let Phase::Fenced { attempt, mut parts } = std::mem::replace(&mut self.phase, Phase::Opened) else {
            return Err(self.out_of_order("stage"));
        };
        if self.joins {
            self.phase = Phase::Joining { attempt: attempt.clone() };
        }
        let always = matches!(self.written.target, Target::File(_))
            || (self.overwrites() && self.request.write.partition_by.is_empty());
        let (mut staged, joins) = (std::mem::take(&mut self.kept), self.joins);
        let (commits, owner) = (self.commits.clone(), attempt.clone());
        // Who waits no longer for the file drops the guard, and the thread that joins it stops.
        let stopped = CancellationToken::new();
        let _guard = stopped.clone().drop_guard();
        let parts = blocking(move || {
            staged.extend(parts.finish(always && staged.is_empty() && !joins)?);
            if !joins {
                return Ok(staged);
            }
            if staged.is_empty() {
                return parts.finish(true);
            }
            let proceed = || if stopped.is_cancelled() { Err(interrupted()) } else { Ok(()) };
            let joined = parts.join(&staged, &proceed).map_err(|error| {
                // An attempt that was overtaken has lost its pieces: that is what to tell.
                commits.owned(&owner).err().filter(|fenced| fenced.kind == ErrorKind::Fenced).unwrap_or(error)
            })?;
            Ok(vec![joined])
        })
        .await?;
        let rows = parts.iter().map(|part| part.rows).sum();
        let bytes = parts.iter().map(|part| part.bytes).sum();
        self.phase = Phase::Staged { attempt, parts, rows };
        Ok(Staged { written: rows, bytes, ..Staged::default() })
    }

    async fn commit(&mut self, positions: &BTreeMap<String, Position>) -> Result<()> {
        let (attempt, parts, rows) = self.take_staged()?;
        let (root, written) = (self.root.clone(), self.written.clone());
        let (commits, positions) = (self.commits.clone(), positions.clone());
        let prefix = prefix_of_run(&attempt.run, &self.request.node);
        let overwrite = self.overwrites();
        blocking(move || {
            let changes = || changes(&root, &written, &parts, &prefix, overwrite);
            commits.commit(&attempt, &positions, rows, changes, &mut points::step)
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        let attempt = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Fenced { attempt, .. } | Phase::Joining { attempt } | Phase::Staged { attempt, .. } => attempt,
            Phase::Opened | Phase::Done => return Ok(()),
        };
        // What others of a shared attempt are writing looks just like this one's: the next attempt clears it away.
        if self.shared {
            return Ok(());
        }
        // Saved splits are for the next attempt.
        let (root, staging) = (self.root.clone(), self.root.join(self.commits.staging(&attempt)));
        blocking(move || remove_unsaved(&root, &staging)).await
    }
}
