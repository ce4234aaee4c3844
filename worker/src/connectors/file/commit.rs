//! Commits a set of files at once: a record of the last commit, with a journal of the renames that a commit is made of.
//!
//! Writing the journal is the commit. Whoever meets a journal finishes it: each of its steps may be done twice.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::connector::{Attempt, CommitRecord, ConnectorError, ErrorKind, Position, Result};
use crate::connectors::files::{escaped, is_below, sync_folder};
use crate::format::write_error;

/// Where files are written before they are committed.
pub(super) const STAGING: &str = ".aggregator-staging";
/// Where commits are recorded.
const RECORDS: &str = "_aggregator";

/// How long a commit may take that others wait for: it renames files, and makes that durable.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often those look.
const LOOK: Duration = Duration::from_millis(10);

/// A rename, of paths below the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) from: String,
    pub(super) to: String,
}

/// What a commit does to the files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Changes {
    /// Staged files, and where they go. First.
    pub(super) moves: Vec<Move>,
    /// Files that are replaced. After all moves.
    pub(super) deletes: Vec<String>,
}

impl Changes {
    /// A path that leads out of the root, if there is one: no commit of ours has any.
    fn outside(&self) -> Option<&str> {
        let moved = self.moves.iter().flat_map(|it| [&it.from, &it.to]);
        moved.chain(&self.deletes).map(String::as_str).find(|path| !is_below(path))
    }
}

/// A commit that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Journal {
    #[serde(flatten)]
    changes: Changes,
    /// The record when it is done.
    next: CommitRecord,
}

/// The content of the record's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    #[serde(flatten)]
    record: CommitRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    journal: Option<Journal>,
}

/// Called before every step that changes something on disk, with the step's name: tests stop there.
pub(super) type Step<'s> = &'s mut dyn FnMut(&str) -> Result<()>;

/// The commits of one Pipeline's node below a root. Blocking.
#[derive(Clone, Debug)]
pub(super) struct Commits {
    root: PathBuf,
    id: String,
    /// How long others may hold the lock.
    patience: Duration,
}

impl Commits {
    /// The commits of `node` of `pipeline`.
    pub(super) fn new(root: &Path, pipeline: &str, node: &str) -> Self {
        let id = format!("{}.{}", escaped(pipeline), escaped(node));
        Self { root: root.to_owned(), id, patience: PATIENCE }
    }

    /// Where an attempt writes, below the root.
    pub(super) fn staging(&self, attempt: &Attempt) -> String {
        format!("{STAGING}/{}/{}-{}", self.id, escaped(&attempt.run), attempt.epoch)
    }

    /// The folder that all paths start from.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder in which every attempt has a staging folder.
    pub(super) fn stagings(&self) -> PathBuf {
        self.root.join(STAGING).join(&self.id)
    }

    /// The escaped run and the epoch in the name of a staging folder.
    pub(super) fn attempt_of(name: &str) -> Option<(&str, u64)> {
        let (run, epoch) = name.rsplit_once('-')?;
        Some((run, epoch.parse().ok()?))
    }

    /// Holds off other processes until the file is dropped, if the attempt still owns the sink.
    pub(super) fn owned(&self, attempt: &Attempt) -> Result<File> {
        let lock = self.lock()?;
        let owner = self.load()?.map_or(0, |state| state.record.epoch);
        if owner == attempt.epoch { Ok(lock) } else { Err(self.fenced(attempt, owner)) }
    }

    fn folder(&self) -> PathBuf {
        self.root.join(RECORDS)
    }

    fn file(&self) -> PathBuf {
        self.folder().join(format!("{}.json", self.id))
    }

    /// Holds off other processes until the file is dropped.
    fn lock(&self) -> Result<File> {
        let folder = self.folder();
        let path = folder.join(format!("{}.lock", self.id));
        let lock = fs::create_dir_all(&folder)
            .and_then(|()| File::options().create(true).truncate(false).write(true).open(&path))
            .map_err(|error| write_error(&path, error))?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::Error(error)) => return Err(write_error(&path, error)),
                Err(TryLockError::WouldBlock) if started.elapsed() >= self.patience => break,
                // Nothing tells when a lock is free, and one that is waited for cannot be given up.
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            }
        }
        let seconds = self.patience.as_secs();
        let detail = format!("another process has held {} for more than {seconds} seconds", path.display());
        Err(ConnectorError::new(ErrorKind::Transient, "wait for a commit", detail)
            .remedy("it commits, or was stopped in the middle of it: look for it, and wake or end it"))
    }

    fn load(&self) -> Result<Option<State>> {
        let path = self.file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(crate::format::input_error(&path.display().to_string(), error)),
        };
        let broken = |why: &str| {
            let detail = format!("the record is broken: {why}");
            ConnectorError::new(ErrorKind::Data, format!("read {}", path.display()), detail)
                .remedy("restore the file from a backup; without it nobody knows what was committed")
        };
        let state: State =
            serde_json::from_slice(&text).map_err(|error| broken(&error.to_string()).caused_by(error))?;
        // Others may write below the root; what they write moves and removes nothing beside it.
        match state.journal.as_ref().and_then(|journal| journal.changes.outside()) {
            Some(path) => Err(broken(&format!("its path `{path}` leads out of the Connector's root"))),
            None => Ok(Some(state)),
        }
    }

    fn save(&self, state: &State, step: Step<'_>) -> Result<()> {
        let path = self.file();
        let new = path.with_extension("json.new");
        let failed = |error: io::Error| write_error(&path, error);
        let text = serde_json::to_vec_pretty(state)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, "write a commit record", error.to_string()))?;
        step("write record")?;
        let mut file = File::create(&new).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        step("rename record")?;
        fs::rename(&new, &path).and_then(|()| sync_folder(&self.folder())).map_err(failed)
    }

    /// What was committed last. Finishes a commit that was interrupted.
    pub(super) fn last(&self, step: Step<'_>) -> Result<Option<CommitRecord>> {
        if !self.file().exists() {
            return Ok(None);
        }
        let _lock = self.lock()?;
        Ok(self.recovered(step)?.map(|state| state.record))
    }

    fn recovered(&self, step: Step<'_>) -> Result<Option<State>> {
        let Some(state) = self.load()? else { return Ok(None) };
        let Some(journal) = &state.journal else { return Ok(Some(state)) };
        self.finish(journal, step).map(Some)
    }

    /// Takes the sink over, and removes what older attempts staged.
    pub(super) fn fence(&self, attempt: &Attempt, step: Step<'_>) -> Result<()> {
        let _lock = self.lock()?;
        let state = self.recovered(step)?;
        let mut record = match state {
            Some(state) if state.record.epoch >= attempt.epoch => return Err(self.fenced(attempt, state.record.epoch)),
            Some(state) => state.record,
            None => CommitRecord { epoch: 0, run: None, positions: BTreeMap::new(), rows: 0 },
        };
        record.epoch = attempt.epoch;
        self.save(&State { record, journal: None }, step)?;
        self.remove_older(attempt)
    }

    /// What older attempts of this run have staged is looked through later: they may have saved splits.
    fn remove_older(&self, attempt: &Attempt) -> Result<()> {
        let folder = self.stagings();
        let failed = |error: io::Error| write_error(&folder, error);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let own = escaped(&attempt.run);
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let of = name.to_str().and_then(Self::attempt_of);
            if of.is_some_and(|(run, epoch)| run != own && epoch < attempt.epoch) {
                fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Makes the changes and stores the positions, all or nothing, if the attempt still owns the sink. `changes` is
    /// asked under the lock.
    pub(super) fn commit(
        &self,
        attempt: &Attempt,
        positions: &BTreeMap<String, Position>,
        rows: u64,
        changes: impl FnOnce() -> Result<Changes>,
        step: Step<'_>,
    ) -> Result<()> {
        let _lock = self.lock()?;
        let state = self.recovered(step)?;
        let owner = state.as_ref().map_or(0, |state| state.record.epoch);
        let Some(State { record, .. }) = state.filter(|_| owner == attempt.epoch) else {
            return Err(self.fenced(attempt, owner));
        };
        let next =
            CommitRecord { epoch: attempt.epoch, run: Some(attempt.run.clone()), positions: positions.clone(), rows };
        let changes = changes()?;
        // Where parts are and go is told by manifests of splits, which others may have written.
        if let Some(path) = changes.outside() {
            let detail = format!("a saved split is broken: its path `{path}` leads out of the Connector's root");
            return Err(ConnectorError::new(ErrorKind::Data, "commit files", detail)
                .remedy(format!("remove the folder {}: the run reads its rows again", self.stagings().display())));
        }
        // What is gone must be found out before anything is decided: afterwards there is no way back.
        if let Some(gone) = changes.moves.iter().find(|it| !self.root.join(&it.from).is_file()) {
            return Err(lost(&self.root.join(&gone.from), &self.root.join(&gone.to)).remedy(
                "somebody removed it: leave that folder alone, and run in mode Full: it reads everything again",
            ));
        }
        let journal = Journal { changes, next };
        // From the rename of this record on, the commit stands: whoever comes next finishes it.
        if let Err(error) = self.save(&State { record, journal: Some(journal.clone()) }, step) {
            let is_there = self.load().is_ok_and(|state| state.is_some_and(|it| it.journal.as_ref() == Some(&journal)));
            return Err(if is_there { error.stands() } else { error });
        }
        self.finish(&journal, step).map_err(ConnectorError::stands)?;
        if let Err(error) = self.remove_run(&attempt.run) {
            tracing::warn!(%error, "could not remove a staging folder that is done with");
        }
        Ok(())
    }

    fn finish(&self, journal: &Journal, step: Step<'_>) -> Result<State> {
        let mut folders = std::collections::BTreeSet::new();
        for Move { from, to } in &journal.changes.moves {
            let (from, to) = (self.root.join(from), self.root.join(to));
            let failed = |error: io::Error| write_error(&to, error);
            step("move")?;
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(failed)?;
                folders
                    .extend(folder.ancestors().take_while(|folder| folder.starts_with(&self.root)).map(Path::to_owned));
            }
            match fs::rename(&from, &to) {
                // It was moved before an interruption.
                Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(lost(&from, &to).remedy(format!(
                        "somebody removed it after the commit was decided: restore it from a backup; without one, remove {}, \
                         which forgets the commit, look what is in the target, and run in mode Full",
                        self.file().display()
                    )));
                }
                other => other.map_err(failed)?,
            }
        }
        for folder in &folders {
            sync_folder(folder).map_err(|error| write_error(folder, error))?;
        }
        for path in &journal.changes.deletes {
            let path = self.root.join(path);
            step("delete")?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(write_error(&path, error)),
                _ => {}
            }
        }
        let parents: std::collections::BTreeSet<PathBuf> = journal
            .changes
            .deletes
            .iter()
            .filter_map(|path| self.root.join(path).parent().map(Path::to_owned))
            .filter(|folder| folder.is_dir())
            .collect();
        for folder in &parents {
            sync_folder(folder).map_err(|error| write_error(folder, error))?;
        }
        let state = State { record: journal.next.clone(), journal: None };
        self.save(&state, step)?;
        Ok(state)
    }

    fn fenced(&self, attempt: &Attempt, owner: u64) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Fenced,
            format!("write as attempt {} of run `{}`", attempt.epoch, attempt.run),
            format!("attempt {owner} owns {} now", self.file().display()),
        )
        .remedy("nothing to do: the newer attempt does the work")
    }
}

fn lost(from: &Path, to: &Path) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Data,
        format!("finish the commit of {}", to.display()),
        format!("the staged file {} is gone", from.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        /// Two old files in `out/`, two staged ones, attempt 1 owning the sink.
        fn new() -> (Self, Commits, Attempt) {
            let folder = Self(tempfile::tempdir().unwrap());
            let commits = Commits::new(folder.0.path(), "demo/delays", "lake");
            let attempt = Attempt { run: "run-1".into(), epoch: 1 };
            folder.write("out/old-1", "old 1");
            folder.write("out/old-2", "old 2");
            commits.fence(&attempt, &mut |_| Ok(())).unwrap();
            folder.write(&format!("{}/0", commits.staging(&attempt)), "new 0");
            folder.write(&format!("{}/1", commits.staging(&attempt)), "new 1");
            (folder, commits, attempt)
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn visible(&self) -> BTreeMap<String, String> {
            fs::read_dir(self.0.path().join("out"))
                .unwrap()
                .map(|entry| entry.unwrap())
                .filter(|entry| entry.file_type().unwrap().is_file())
                .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
                .chain(fs::read_dir(self.0.path().join("out/p=1")).into_iter().flatten().map(|entry| {
                    let entry = entry.unwrap();
                    (format!("p=1/{}", entry.file_name().to_str().unwrap()), fs::read_to_string(entry.path()).unwrap())
                }))
                .collect()
        }
    }

    fn replacement(commits: &Commits, attempt: &Attempt) -> Changes {
        let staging = commits.staging(attempt);
        Changes {
            moves: vec![
                Move { from: format!("{staging}/0"), to: "out/new-0".into() },
                Move { from: format!("{staging}/1"), to: "out/p=1/new-1".into() },
            ],
            deletes: vec!["out/old-1".into(), "out/old-2".into()],
        }
    }

    fn content(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn stop() -> ConnectorError {
        ConnectorError::new(ErrorKind::Bug, "test", "killed here")
    }

    fn positions() -> BTreeMap<String, Position> {
        BTreeMap::from([("s".into(), Position { kind: "k".into(), version: 1, state: serde_json::json!(7) })])
    }

    /// Runs a commit that is killed before its n-th step. Says whether the kill was hit.
    fn commit_until(commits: &Commits, attempt: &Attempt, steps: usize) -> bool {
        let mut count = 0;
        let changes = replacement(commits, attempt);
        let outcome = commits.commit(attempt, &positions(), 2, || Ok(changes), &mut |_| {
            count += 1;
            if count > steps { Err(stop()) } else { Ok(()) }
        });
        // The first two steps write the record down that decides.
        assert!(outcome.as_ref().err().is_none_or(|error| error.decided == (steps > 1)), "{steps}: {outcome:?}");
        outcome.is_err()
    }

    #[test]
    fn killed_anywhere_a_commit_is_nothing_or_all_after_recovery() {
        let old = content(&[("old-1", "old 1"), ("old-2", "old 2")]);
        let new = content(&[("new-0", "new 0"), ("p=1/new-1", "new 1")]);
        let (mut nothing, mut all) = (0, 0);
        for steps in 0.. {
            let (folder, commits, attempt) = Folder::new();
            let killed = commit_until(&commits, &attempt, steps);
            let record = commits.last(&mut |_| Ok(())).unwrap().unwrap();
            match record.run {
                None => {
                    assert_eq!(folder.visible(), old, "killed after {steps} steps");
                    nothing += 1;
                }
                Some(run) => {
                    assert_eq!((run.as_str(), record.rows, &record.positions), ("run-1", 2, &positions()));
                    assert_eq!(folder.visible(), new, "killed after {steps} steps");
                    all += 1;
                }
            }
            if !killed {
                break;
            }
        }
        assert_eq!((nothing, all), (2, 7), "every step was a kill point, on both sides of the decision");
    }

    #[test]
    fn killed_in_recovery_too_it_is_finished_in_the_end() {
        let new = content(&[("new-0", "new 0"), ("p=1/new-1", "new 1")]);
        for first in 2..8 {
            for second in 0..8 {
                let (folder, commits, attempt) = Folder::new();
                assert!(commit_until(&commits, &attempt, first));
                let mut count = 0;
                let recovery = commits.last(&mut |_| {
                    count += 1;
                    if count > second { Err(stop()) } else { Ok(()) }
                });
                assert!(recovery.is_err() || count <= second);
                // The next attempt finishes it when it takes over.
                let next = Attempt { run: "run-2".into(), epoch: 2 };
                commits.fence(&next, &mut |_| Ok(())).unwrap();
                assert_eq!(folder.visible(), new, "killed after {first}, then {second} steps");
                let record = commits.last(&mut |_| Ok(())).unwrap().unwrap();
                assert_eq!((record.epoch, record.run.as_deref()), (2, Some("run-1")));
            }
        }
    }

    #[test]
    fn an_older_attempt_cannot_commit_and_loses_what_it_staged() {
        let (folder, commits, old) = Folder::new();
        let new = Attempt { run: "run-1".into(), epoch: 2 };
        commits.fence(&new, &mut |_| Ok(())).unwrap();
        commits.keep_splits(&new, &std::collections::BTreeSet::new()).unwrap();
        assert!(!folder.0.path().join(commits.staging(&old)).exists());
        let error = commits.commit(&old, &positions(), 2, || panic!("not asked"), &mut |_| Ok(())).expect_err("fenced");
        assert_eq!(error.kind, ErrorKind::Fenced);
        for epoch in [1, 2] {
            let again = commits.fence(&Attempt { run: "run-1".into(), epoch }, &mut |_| Ok(())).expect_err("fenced");
            assert_eq!(again.kind, ErrorKind::Fenced);
        }
        assert_eq!(folder.visible(), content(&[("old-1", "old 1"), ("old-2", "old 2")]));
        assert_eq!(commits.last(&mut |_| Ok(())).unwrap().unwrap().run, None);
    }

    #[test]
    fn a_staged_file_that_is_gone_stops_a_commit_before_it_is_decided_and_afterwards_there_is_a_way_out() {
        let (folder, commits, attempt) = Folder::new();
        let gone = folder.0.path().join(commits.staging(&attempt)).join("0");
        let kept = folder.0.path().join("kept");
        fs::rename(&gone, &kept).unwrap();
        let changes = || Ok(replacement(&commits, &attempt));
        let error = commits.commit(&attempt, &positions(), 2, changes, &mut |_| Ok(())).expect_err("gone");
        assert!(error.detail.ends_with("is gone"), "{error}");
        assert_eq!(folder.visible(), content(&[("old-1", "old 1"), ("old-2", "old 2")]));
        // Decided, and then it goes.
        fs::rename(&kept, &gone).unwrap();
        let step = &mut |name: &str| if name == "move" { Err(stop()) } else { Ok(()) };
        assert_eq!(commits.commit(&attempt, &positions(), 2, changes, step).expect_err("killed").detail, "killed here");
        fs::remove_file(&gone).unwrap();
        let next = Attempt { run: "run-1".into(), epoch: 2 };
        let error = commits.fence(&next, &mut |_| Ok(())).expect_err("gone");
        let remedy = error.remedy.unwrap();
        let record = commits.file();
        assert!(remedy.contains(&format!("remove {},", record.display())), "{remedy}");
        fs::remove_file(record).unwrap();
        commits.fence(&next, &mut |_| Ok(())).unwrap();
    }

    #[test]
    fn a_journal_that_leads_out_of_the_root_is_refused_and_nothing_is_done() {
        let beside = tempfile::tempdir().unwrap();
        let absolute = beside.path().join("new").into_os_string().into_string().unwrap();
        for (moved, deleted, path) in [
            (("out/old-1", "../new"), "out/old-2", "../new"),
            (("out/old-1", absolute.as_str()), "out/old-2", absolute.as_str()),
            (("../kept", "out/new"), "out/old-2", "../kept"),
            (("out/old-1", "out/new"), "out/../../kept", "out/../../kept"),
            (("out/old-1", ""), "out/old-2", ""),
        ] {
            let (folder, commits, attempt) = Folder::new();
            let record = commits.load().unwrap().unwrap().record;
            let changes = Changes {
                moves: vec![Move { from: moved.0.into(), to: moved.1.into() }],
                deletes: vec![deleted.into()],
            };
            let journal = Some(Journal { changes, next: record.clone() });
            commits.save(&State { record, journal }, &mut |_| Ok(())).unwrap();
            let told = format!("the record is broken: its path `{path}` leads out of the Connector's root");
            let next = Attempt { run: "run-2".into(), epoch: 2 };
            for error in [
                commits.last(&mut |_| Ok(())).expect_err(path),
                commits.fence(&next, &mut |_| Ok(())).expect_err(path),
                commits.commit(&attempt, &positions(), 0, || panic!("not asked"), &mut |_| Ok(())).expect_err(path),
            ] {
                assert_eq!((error.kind, error.detail.as_str()), (ErrorKind::Data, told.as_str()));
            }
            assert_eq!(folder.visible(), content(&[("old-1", "old 1"), ("old-2", "old 2")]));
        }
        assert_eq!(fs::read_dir(beside.path()).unwrap().count(), 0);
        // A commit that would write such a journal is not decided.
        let (folder, commits, attempt) = Folder::new();
        let from = format!("{}/0", commits.staging(&attempt));
        let changes = Changes { moves: vec![Move { from, to: "out/../../new".into() }], deletes: Vec::new() };
        let error = commits.commit(&attempt, &positions(), 1, || Ok(changes), &mut |_| Ok(())).expect_err("outside");
        let told = "a saved split is broken: its path `out/../../new` leads out of the Connector's root";
        assert_eq!((error.kind, error.detail.as_str()), (ErrorKind::Data, told));
        assert_eq!(commits.last(&mut |_| Ok(())).unwrap().unwrap().run, None);
        assert_eq!(folder.visible(), content(&[("old-1", "old 1"), ("old-2", "old 2")]));
    }

    #[test]
    fn a_process_that_holds_the_lock_for_ever_is_told() {
        let (_folder, commits, attempt) = Folder::new();
        let other = Commits { patience: Duration::from_millis(20), ..commits.clone() };
        let held = commits.owned(&attempt).unwrap();
        let error = other.last(&mut |_| Ok(())).expect_err("held");
        assert_eq!(error.kind, ErrorKind::Transient);
        assert!(error.detail.contains(".lock for more than"), "{error}");
        drop(held);
        assert!(other.last(&mut |_| Ok(())).unwrap().is_some());
    }

    #[test]
    fn many_attempts_at_once_have_one_owner_each_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let commits = Commits::new(folder.path(), "demo/p", "n");
        let won: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| commits.fence(&Attempt { run: "r".into(), epoch: 5 }, &mut |_| Ok(())).is_ok()))
                .collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn names_cannot_leave_the_folder_of_records() {
        let folder = tempfile::tempdir().unwrap();
        let commits = Commits::new(folder.path(), "../../etc/x", "..");
        assert_eq!(commits.file().parent().unwrap(), folder.path().join(RECORDS));
        let attempt = Attempt { run: "../..".into(), epoch: 1 };
        assert_eq!(commits.staging(&attempt).split('/').count(), 3);
    }

    #[test]
    fn nothing_is_created_by_asking() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Commits::new(folder.path(), "demo/p", "n").last(&mut |_| Ok(())).unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
