//! Commits a set of objects at once, in a store that cannot rename: by one record that is changed by compare-and-set.
//!
//! ```text
//! parts are staged ─► record: Copying (the commit is decided) ─► each part is copied to its final name
//!                  ─► record: Deleting (readers of the record see it) ─► what was replaced and staged is deleted
//!                  ─► record: done
//! ```
//!
//! Whoever meets an unfinished commit finishes it: each of its steps may be done twice, also by two at once. Final names
//! hold the attempt, so no two commits ever mean the same object; or it is one object of a fixed name, which each copy
//! replaces whole. Nobody can commit before it is finished, and staged parts are removed before that, so a finisher that
//! was asleep finds nothing to copy any more.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};

use super::bucket::Bucket;
use super::record::{Committed, Journal, Move, RECORDS, RecordAt, State, Swap};
use super::upload::StagedPart;
use crate::connector::{Attempt, CommitRecord, ConnectorError, ErrorKind, Position, Result};
use crate::connectors::files::escaped;

/// How often a compare-and-set is tried again after another one came first.
const RACES: usize = 20;
/// How many objects are copied at once.
const COPIES_AT_ONCE: usize = 8;

/// Called before every step that changes something in the store, with the step's name: tests stop there.
pub(super) type Step<'s> = &'s mut (dyn FnMut(&str) -> Result<()> + Send);

/// What a commit does to the objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// The staged parts, with their final names.
    pub(super) parts: Vec<(StagedPart, String)>,
    /// Whether these names are fixed ones, and not such that no other commit means.
    pub(super) fixed: bool,
    /// What is replaced.
    pub(super) deletes: Vec<String>,
}

/// The commits of one Pipeline's node below a prefix.
#[derive(Clone, Debug)]
pub(super) struct Commits {
    pub(super) bucket: Bucket,
    pub(super) id: String,
    pub(super) record: RecordAt,
    copies_at_once: usize,
}

impl Commits {
    /// The commits of `node` of `pipeline`.
    pub(super) fn new(bucket: &Bucket, pipeline: &str, node: &str) -> Self {
        let id = format!("{}.{}", escaped(pipeline), escaped(node));
        let record = RecordAt { bucket: bucket.clone(), path: format!("{RECORDS}/{id}.json") };
        Self { bucket: bucket.clone(), id, record, copies_at_once: COPIES_AT_ONCE }
    }

    /// Where an attempt stages, below the prefix.
    pub(super) fn staging(&self, attempt: &Attempt) -> String {
        format!("{}/{}-{}", self.stagings(), escaped(&attempt.run), attempt.epoch)
    }

    /// The folder in which every attempt has a staging folder.
    pub(super) fn stagings(&self) -> String {
        format!("{RECORDS}/staging/{}", self.id)
    }

    /// The escaped run and the epoch of the attempt that has staged an object.
    pub(super) fn attempt_of<'p>(&self, path: &'p str) -> Option<(&'p str, u64)> {
        let below = path.strip_prefix(&self.stagings())?.strip_prefix('/')?;
        let (run, epoch) = below.split('/').next()?.rsplit_once('-')?;
        Some((run, epoch.parse().ok()?))
    }

    /// Fails unless the attempt owns the sink now.
    pub(super) async fn check_owner(&self, attempt: &Attempt) -> Result<()> {
        let owner = self.record.load().await?.map_or(0, |(state, _)| state.record.epoch);
        if owner == attempt.epoch { Ok(()) } else { Err(self.fenced(attempt, owner)) }
    }

    /// What was committed last. Finishes a commit that was interrupted.
    pub(super) async fn last(&self, step: Step<'_>) -> Result<Option<CommitRecord>> {
        Ok(self.recovered(step).await?.map(|(state, _)| state.record))
    }

    async fn recovered(&self, step: Step<'_>) -> Result<Option<(State, String)>> {
        for _ in 0..RACES {
            let Some((state, etag)) = self.record.load().await? else { return Ok(None) };
            if state.journal.is_none() {
                return Ok(Some((state, etag)));
            }
            if let Some(finished) = self.finish(state, etag, step).await? {
                return Ok(Some(finished));
            }
        }
        Err(self.crowded())
    }

    /// Takes the sink over, and removes what attempts of earlier runs have staged.
    pub(super) async fn fence(&self, attempt: &Attempt, step: Step<'_>) -> Result<()> {
        for _ in 0..RACES {
            let (mut state, etag) = match self.recovered(step).await? {
                Some((state, _)) if state.record.epoch >= attempt.epoch => {
                    return Err(self.fenced(attempt, state.record.epoch));
                }
                Some((state, etag)) => (state, Some(etag)),
                None => {
                    let record = CommitRecord { epoch: 0, run: None, positions: BTreeMap::new(), rows: 0 };
                    (State { record, token: String::new(), files: Vec::new(), journal: None }, None)
                }
            };
            state.record.epoch = attempt.epoch;
            step("fence")?;
            if let Swap::Done(_) = self.record.swap(&mut state, etag.as_deref()).await? {
                self.record.check_conditions(&state).await?;
                return self.remove_older(attempt).await;
            }
        }
        Err(self.crowded())
    }

    /// What earlier attempts of this run have staged stays: they may have saved splits.
    async fn remove_older(&self, attempt: &Attempt) -> Result<()> {
        let own = escaped(&attempt.run);
        self.remove_staged(|run, epoch| run != own && epoch < attempt.epoch).await
    }

    /// Removes what all attempts of a run have staged.
    async fn remove_run(&self, attempt: &Attempt) -> Result<()> {
        let own = escaped(&attempt.run);
        self.remove_staged(|run, epoch| run == own && epoch <= attempt.epoch).await
    }

    async fn remove_staged(&self, of: impl Fn(&str, u64) -> bool) -> Result<()> {
        let staged = self.bucket.list(&self.stagings()).await?.into_iter().map(|object| object.path);
        let old: Vec<String> =
            staged.filter(|path| self.attempt_of(path).is_some_and(|(run, epoch)| of(run, epoch))).collect();
        self.bucket.delete(&old).await
    }

    /// Makes the changes and stores the positions, all or nothing, if the attempt still owns the sink.
    pub(super) async fn commit(
        &self,
        attempt: &Attempt,
        positions: &BTreeMap<String, Position>,
        rows: u64,
        changes: &Changes,
        step: Step<'_>,
    ) -> Result<()> {
        if let Err(error) = self.check_staged(changes).await {
            // An attempt that was overtaken has lost its parts: that is what to tell.
            self.check_owner(attempt).await?;
            return Err(error);
        }
        for _ in 0..RACES {
            let current = self.recovered(step).await?;
            let owner = current.as_ref().map_or(0, |(state, _)| state.record.epoch);
            let Some((mut state, etag)) = current.filter(|_| owner == attempt.epoch) else {
                return Err(self.fenced(attempt, owner));
            };
            let moves = changes.parts.iter().map(|(part, to)| Move {
                from: part.staged.clone(),
                to: to.clone(),
                size: part.bytes,
                rows: part.rows,
                replaces: changes.fixed,
            });
            state.journal = Some(Journal::Copying {
                moves: moves.collect(),
                deletes: changes.deletes.clone(),
                next: CommitRecord {
                    epoch: attempt.epoch,
                    run: Some(attempt.run.clone()),
                    positions: positions.clone(),
                    rows,
                },
            });
            step("decide")?;
            let Swap::Done(etag) = self.record.swap(&mut state, Some(&etag)).await.map_err(in_doubt)? else { continue };
            // From here on the commit stands: whoever comes next finishes it.
            if self.finish(state, etag, step).await.map_err(ConnectorError::stands)?.is_none() {
                tracing::debug!(record = self.record.path, "somebody else finished the commit");
            }
            if let Err(error) = self.remove_run(attempt).await {
                tracing::warn!(%error, "could not remove staged objects that are done with");
            }
            return Ok(());
        }
        Err(self.crowded())
    }

    /// Every part must be there as it was sent, before anything is decided.
    async fn check_staged(&self, changes: &Changes) -> Result<()> {
        let found: BTreeMap<String, (u64, Option<String>)> = self
            .bucket
            .list(&self.stagings())
            .await?
            .into_iter()
            .map(|object| (object.path, (object.size, object.etag)))
            .collect();
        for (part, _) in &changes.parts {
            let there = found.get(&part.staged);
            if there.is_none_or(|(size, etag)| (*size, etag.as_ref()) != (part.bytes, Some(&part.etag))) {
                return Err(lost(&self.bucket, &part.staged));
            }
        }
        Ok(())
    }

    /// Does what is left of a commit. None if somebody else has changed the record meanwhile.
    async fn finish(&self, mut state: State, mut etag: String, step: Step<'_>) -> Result<Option<(State, String)>> {
        let (deletes, staged) = match state.journal.take() {
            None => return Ok(Some((state, etag))),
            Some(Journal::Deleting { deletes, staged }) => (deletes, staged),
            Some(Journal::Copying { moves, deletes, next }) => {
                let Some(files) = self.copy_all(&moves, &etag, step).await? else { return Ok(None) };
                let staged: Vec<String> = moves.into_iter().map(|part| part.from).collect();
                let journal = Journal::Deleting { deletes: deletes.clone(), staged: staged.clone() };
                state = State { record: next, files, journal: Some(journal), ..state };
                step("show")?;
                let Swap::Done(now) = self.record.swap(&mut state, Some(&etag)).await? else { return Ok(None) };
                etag = now;
                (deletes, staged)
            }
        };
        step("delete replaced")?;
        self.bucket.delete(&deletes).await?;
        step("delete staged")?;
        self.bucket.delete(&staged).await?;
        state.journal = None;
        step("end")?;
        match self.record.swap(&mut state, Some(&etag)).await? {
            Swap::Done(etag) => Ok(Some((state, etag))),
            Swap::Lost => Ok(None),
        }
    }

    /// Copies parts to their final names. None if somebody else has finished the commit meanwhile.
    async fn copy_all(&self, moves: &[Move], etag: &str, step: Step<'_>) -> Result<Option<Vec<Committed>>> {
        let mut files = Vec::with_capacity(moves.len());
        for some in moves.chunks(self.copies_at_once) {
            step("copy")?;
            let copies: Vec<BoxFuture<'_, _>> = some.iter().map(|part| self.copy(part).boxed()).collect();
            for (copied, part) in try_join_all(copies).await?.into_iter().zip(some) {
                match copied {
                    Some(file) => files.push(file),
                    // Neither staged nor in its place.
                    None if self.is_still(etag).await? => return Err(lost(&self.bucket, &part.from)),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(files))
    }

    /// Copies a part to its final name. None if there is nothing to copy and nothing was.
    async fn copy(&self, part: &Move) -> Result<Option<Committed>> {
        let copied = self.bucket.copy(&part.from, &part.to).await?;
        // What has a fixed name may be from an earlier commit.
        if part.replaces && !copied {
            return Ok(None);
        }
        let found = self.bucket.head(&part.to).await?.filter(|object| object.size == part.size);
        match found {
            Some(object) => {
                let etag = object.etag.ok_or_else(|| self.bucket.no_etag(&part.to))?;
                Ok(Some(Committed { path: object.path, size: part.size, rows: part.rows, etag }))
            }
            None if copied => Err(ConnectorError::new(
                ErrorKind::Transient,
                format!("finish the commit of {}", self.bucket.address(&part.to)),
                "the store says that it has copied the object, and has another one there",
            )
            .remedy("run again: the commit is finished then")),
            None => Ok(None),
        }
    }

    async fn is_still(&self, etag: &str) -> Result<bool> {
        Ok(self.record.load().await?.is_some_and(|(_, now)| now == etag))
    }

    fn fenced(&self, attempt: &Attempt, owner: u64) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Fenced,
            format!("write as attempt {} of run `{}`", attempt.epoch, attempt.run),
            format!("attempt {owner} owns {} now", self.bucket.address(&self.record.path)),
        )
        .remedy("nothing to do: the newer attempt does the work")
    }

    fn crowded(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Transient,
            format!("write {}", self.bucket.address(&self.record.path)),
            "others changed it all the while",
        )
        .remedy("look which attempts write there; one at a time makes sense")
    }
}

/// What is said when the store did not answer to the write that decides.
fn in_doubt(error: ConnectorError) -> ConnectorError {
    if error.kind.retryable() {
        return error.decided("whether it was committed is unknown here; the next attempt reads it from the record");
    }
    error
}

fn lost(bucket: &Bucket, path: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Data,
        format!("commit {}", bucket.address(path)),
        "a staged object is gone, or is another one",
    )
    .remedy("somebody or a lifecycle rule removed it: exempt `_aggregator/`, then reset the checkpoint and run in mode Full")
}

/// The paths of objects.
pub(super) fn paths(objects: impl IntoIterator<Item = super::bucket::Object>) -> BTreeSet<String> {
    objects.into_iter().map(|object| object.path).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::super::objects::Objects;
    use super::*;

    /// Two old objects in `out/`, two staged parts, attempt 1 owning the sink.
    struct World {
        bucket: Bucket,
        commits: Commits,
        attempt: Attempt,
        changes: Changes,
    }

    impl World {
        async fn new() -> Self {
            let bucket = Bucket::new(Arc::new(InMemory::new()), "lake", "raw");
            let commits = Commits { copies_at_once: 1, ..Commits::new(&bucket, "demo/delays", "lake") };
            let attempt = Attempt { run: "run-1".into(), epoch: 1 };
            bucket.put("out/old-1", "old 1".into()).await.unwrap();
            bucket.put("out/old-2", "old 2".into()).await.unwrap();
            commits.fence(&attempt, &mut |_| Ok(())).await.unwrap();
            let mut parts = Vec::new();
            for (number, to) in ["out/new-0", "out/p=1/new-1"].into_iter().enumerate() {
                let staged = format!("{}/{number}", commits.staging(&attempt));
                bucket.put(&staged, format!("new {number}").into()).await.unwrap();
                let etag = bucket.head(&staged).await.unwrap().unwrap().etag.unwrap();
                parts.push((StagedPart { folder: String::new(), staged, rows: 1, bytes: 5, etag }, to.to_owned()));
            }
            let changes = Changes { parts, fixed: false, deletes: vec!["out/old-1".into(), "out/old-2".into()] };
            Self { bucket, commits, attempt, changes }
        }

        /// As [`World::new`], with one part that replaces the first old object.
        async fn fixed() -> Self {
            let mut world = Self::new().await;
            world.changes.parts.truncate(1);
            world.changes.parts[0].1 = "out/old-1".into();
            world.changes = Changes { fixed: true, deletes: vec![], ..world.changes };
            world
        }

        async fn content(&self, path: &str) -> String {
            let (content, _) = self.bucket.get(path).await.unwrap().unwrap();
            String::from_utf8(content.to_vec()).unwrap()
        }

        /// Runs a commit that is killed before its n-th step. Says whether the kill was hit.
        async fn commit_until(&self, steps: usize) -> bool {
            let mut left = steps;
            let outcome = self
                .commits
                .commit(&self.attempt, &positions(), 2, &self.changes, &mut |_| stop_after(&mut left))
                .await;
            // The first step is the decision.
            assert!(outcome.as_ref().err().is_none_or(|error| error.decided == (steps > 0)), "{steps}: {outcome:?}");
            outcome.is_err()
        }

        /// What a reader sees who knows of no commits.
        async fn listed(&self) -> Vec<String> {
            paths(self.bucket.list("out").await.unwrap()).into_iter().collect()
        }

        /// What our own reader sees.
        async fn seen(&self) -> Vec<String> {
            paths(Objects::new(self.bucket.clone()).view("out").await.unwrap()).into_iter().collect()
        }

        async fn staged(&self) -> Vec<String> {
            paths(self.bucket.list(&self.commits.stagings()).await.unwrap()).into_iter().collect()
        }
    }

    const OLD: [&str; 2] = ["out/old-1", "out/old-2"];
    const NEW: [&str; 2] = ["out/new-0", "out/p=1/new-1"];

    fn stop_after(left: &mut usize) -> Result<()> {
        *left = left.checked_sub(1).ok_or_else(|| ConnectorError::new(ErrorKind::Bug, "test", "killed here"))?;
        Ok(())
    }

    fn positions() -> BTreeMap<String, Position> {
        BTreeMap::from([("s".into(), Position { kind: "k".into(), version: 1, state: serde_json::json!(7) })])
    }

    #[tokio::test]
    async fn killed_anywhere_a_commit_is_nothing_or_all_after_recovery_and_readers_see_no_half() {
        let (mut nothing, mut all, mut torn) = (0, 0, 0);
        for steps in 0.. {
            let world = World::new().await;
            let killed = world.commit_until(steps).await;
            let seen = world.seen().await;
            assert!(seen == OLD || seen == NEW, "killed after {steps} steps: {seen:?}");
            torn += u32::from(
                ![OLD.as_slice(), &NEW]
                    .contains(&world.listed().await.iter().map(String::as_str).collect::<Vec<_>>().as_slice()),
            );
            let record = world.commits.last(&mut |_| Ok(())).await.unwrap().unwrap();
            match record.run {
                None => {
                    assert_eq!(
                        (seen, world.listed().await),
                        (OLD.map(str::to_owned).to_vec(), OLD.map(str::to_owned).to_vec())
                    );
                    nothing += 1;
                }
                Some(run) => {
                    assert_eq!((run.as_str(), record.rows, &record.positions), ("run-1", 2, &positions()));
                    assert_eq!(
                        (world.seen().await, world.listed().await),
                        (NEW.map(str::to_owned).to_vec(), NEW.map(str::to_owned).to_vec())
                    );
                    assert_eq!(world.staged().await, Vec::<String>::new());
                    let content = world.bucket.get("out/p=1/new-1").await.unwrap().unwrap().0;
                    assert_eq!(content, "new 1");
                    all += 1;
                }
            }
            if !killed {
                break;
            }
        }
        assert_eq!((nothing, all, torn), (1, 7, 3), "every step was a kill point, on both sides of the decision");
    }

    #[tokio::test]
    async fn killed_in_recovery_too_it_is_finished_in_the_end() {
        for first in 1..7 {
            for second in 0..7 {
                let world = World::new().await;
                assert!(world.commit_until(first).await);
                let mut left = second;
                let recovery = world.commits.last(&mut |_| stop_after(&mut left)).await;
                assert!(recovery.is_err() || first + second >= 7, "{first}, {second}");
                // The next attempt finishes it when it takes over.
                let next = Attempt { run: "run-2".into(), epoch: 2 };
                world.commits.fence(&next, &mut |_| Ok(())).await.unwrap();
                assert_eq!(world.listed().await, NEW, "killed after {first}, then {second} steps");
                assert_eq!(world.seen().await, NEW);
                let record = world.commits.last(&mut |_| Ok(())).await.unwrap().unwrap();
                assert_eq!((record.epoch, record.run.as_deref()), (2, Some("run-1")));
            }
        }
    }

    #[tokio::test]
    async fn one_who_sleeps_in_a_commit_does_no_harm_when_another_has_finished_it_and_replaced_it() {
        for steps in 1..7 {
            let world = World::new().await;
            let mut count = 0;
            // At this step, another attempt comes: it finishes the commit, takes over, and replaces everything.
            let (other, runtime) = (world.commits.clone(), tokio::runtime::Handle::current());
            let outcome = world
                .commits
                .commit(&world.attempt, &positions(), 2, &world.changes, &mut |_| {
                    count += 1;
                    if count == steps + 1 {
                        let other = other.clone();
                        let runtime = runtime.clone();
                        std::thread::spawn(move || runtime.block_on(replace(&other))).join().unwrap();
                    }
                    Ok(())
                })
                .await;
            outcome.unwrap();
            assert_eq!(world.listed().await, ["out/newest"], "asleep at step {steps}");
            assert_eq!(world.seen().await, ["out/newest"]);
            let record = world.commits.last(&mut |_| Ok(())).await.unwrap().unwrap();
            assert_eq!((record.epoch, record.run.as_deref(), record.rows), (2, Some("run-2"), 9));
        }
    }

    #[tokio::test]
    async fn an_object_of_a_fixed_name_is_the_old_or_the_new_one_wherever_its_commit_dies() {
        let (mut old, mut new) = (0, 0);
        for steps in 0.. {
            let world = World::fixed().await;
            let killed = world.commit_until(steps).await;
            assert_eq!(world.seen().await, OLD, "killed after {steps} steps: readers see it all the while");
            match world.content("out/old-1").await.as_str() {
                "old 1" => old += 1,
                "new 0" => new += 1,
                other => panic!("{other}"),
            }
            let record = world.commits.last(&mut |_| Ok(())).await.unwrap().unwrap();
            let expected = if record.run.is_some() { "new 0" } else { "old 1" };
            assert_eq!(world.content("out/old-1").await, expected, "killed after {steps} steps");
            assert_eq!((world.listed().await, record.run.is_some()), (OLD.map(str::to_owned).to_vec(), steps > 0));
            if !killed {
                break;
            }
        }
        assert_eq!((old, new), (2, 5));
    }

    #[tokio::test]
    async fn one_who_sleeps_while_its_object_is_replaced_does_not_put_its_own_back() {
        for steps in 1..6 {
            let world = World::fixed().await;
            let mut count = 0;
            let (other, runtime) = (world.commits.clone(), tokio::runtime::Handle::current());
            let outcome = world
                .commits
                .commit(&world.attempt, &positions(), 1, &world.changes, &mut |_| {
                    count += 1;
                    if count == steps + 1 {
                        let other = other.clone();
                        let runtime = runtime.clone();
                        std::thread::spawn(move || runtime.block_on(replace_fixed(&other))).join().unwrap();
                    }
                    Ok(())
                })
                .await;
            outcome.unwrap();
            assert!(count > steps, "asleep at step {steps}");
            // As long as the one before it, so that its size tells nothing.
            assert_eq!(world.content("out/old-1").await, "nine!", "asleep at step {steps}");
            let record = world.commits.last(&mut |_| Ok(())).await.unwrap().unwrap();
            assert_eq!((record.epoch, record.rows), (2, 9));
        }
    }

    #[tokio::test]
    async fn a_part_that_is_lost_in_the_middle_of_its_commit_is_not_taken_for_what_it_replaces() {
        let world = World::fixed().await;
        assert!(world.commit_until(1).await, "decided, and not copied");
        world.bucket.delete(&[world.changes.parts[0].0.staged.clone()]).await.unwrap();
        let error = world.commits.last(&mut |_| Ok(())).await.expect_err("the part is lost");
        assert_eq!(error.kind, ErrorKind::Data, "{error}");
        assert_eq!(world.content("out/old-1").await, "old 1");
    }

    async fn replace_fixed(commits: &Commits) {
        let next = Attempt { run: "run-2".into(), epoch: 2 };
        commits.fence(&next, &mut |_| Ok(())).await.unwrap();
        let staged = format!("{}/0", commits.staging(&next));
        commits.bucket.put(&staged, "nine!".into()).await.unwrap();
        let etag = commits.bucket.head(&staged).await.unwrap().unwrap().etag.unwrap();
        let part = StagedPart { folder: String::new(), staged, rows: 9, bytes: 5, etag };
        let changes = Changes { parts: vec![(part, "out/old-1".into())], fixed: true, deletes: vec![] };
        commits.commit(&next, &positions(), 9, &changes, &mut |_| Ok(())).await.unwrap();
    }

    async fn replace(commits: &Commits) {
        let next = Attempt { run: "run-2".into(), epoch: 2 };
        commits.fence(&next, &mut |_| Ok(())).await.unwrap();
        let staged = format!("{}/0", commits.staging(&next));
        commits.bucket.put(&staged, "newest".into()).await.unwrap();
        let etag = commits.bucket.head(&staged).await.unwrap().unwrap().etag.unwrap();
        let part = StagedPart { folder: String::new(), staged, rows: 9, bytes: 6, etag };
        let deletes = paths(commits.bucket.list("out").await.unwrap()).into_iter().collect();
        let changes = Changes { parts: vec![(part, "out/newest".into())], fixed: false, deletes };
        commits.commit(&next, &positions(), 9, &changes, &mut |_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn an_older_attempt_cannot_commit() {
        let world = World::new().await;
        let new = Attempt { run: "run-1".into(), epoch: 2 };
        world.commits.fence(&new, &mut |_| Ok(())).await.unwrap();
        let refused = world.commits.commit(&world.attempt, &positions(), 2, &world.changes, &mut |_| Ok(())).await;
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Fenced);
        for epoch in [1, 2] {
            let again = Attempt { run: "run-1".into(), epoch };
            assert_eq!(world.commits.fence(&again, &mut |_| Ok(())).await.unwrap_err().kind, ErrorKind::Fenced);
        }
        assert_eq!(world.listed().await, OLD);
        assert_eq!(world.commits.last(&mut |_| Ok(())).await.unwrap().unwrap().run, None);
    }

    #[tokio::test]
    async fn an_attempt_that_is_overtaken_between_look_and_decision_is_fenced() {
        let world = World::new().await;
        let (other, runtime) = (world.commits.clone(), tokio::runtime::Handle::current());
        let refused = world
            .commits
            .commit(&world.attempt, &positions(), 2, &world.changes, &mut |step| {
                assert_eq!(step, "decide", "nothing was decided");
                let (other, runtime) = (other.clone(), runtime.clone());
                let next = Attempt { run: "run-1".into(), epoch: 2 };
                std::thread::spawn(move || runtime.block_on(other.fence(&next, &mut |_| Ok(())))).join().unwrap()
            })
            .await;
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Fenced);
        assert_eq!(world.listed().await, OLD);
    }

    #[tokio::test]
    async fn a_staged_part_that_is_gone_or_another_one_stops_the_commit_before_it_is_decided() {
        for replaced in [false, true] {
            let world = World::new().await;
            let staged = world.changes.parts[1].0.staged.clone();
            if replaced {
                world.bucket.put(&staged, "NEW 1".into()).await.unwrap();
            } else {
                world.bucket.delete(&[staged]).await.unwrap();
            }
            let refused = world.commits.commit(&world.attempt, &positions(), 2, &world.changes, &mut |_| Ok(())).await;
            assert_eq!(refused.unwrap_err().kind, ErrorKind::Data);
            assert_eq!(world.listed().await, OLD);
            assert_eq!(world.commits.last(&mut |_| Ok(())).await.unwrap().unwrap().run, None);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_attempts_at_once_have_one_owner_each_epoch() {
        let bucket = Bucket::new(Arc::new(InMemory::new()), "lake", "");
        let commits = Commits::new(&bucket, "demo/p", "n");
        let attempts = (0..8).map(|number| {
            let commits = commits.clone();
            tokio::spawn(async move {
                let attempt = Attempt { run: format!("r{number}"), epoch: 5 };
                commits.fence(&attempt, &mut |_| Ok(())).await.is_ok()
            })
        });
        let mut won = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            won += usize::from(attempt.await.unwrap());
        }
        assert_eq!(won, 1);
    }

    #[tokio::test]
    async fn names_cannot_leave_the_folder_of_records_and_nothing_is_created_by_asking() {
        let bucket = Bucket::new(Arc::new(InMemory::new()), "lake", "raw");
        let commits = Commits::new(&bucket, "../../etc/x", "..");
        assert_eq!(commits.record.path, "_aggregator/..%2F..%2Fetc%2Fx....json");
        let attempt = Attempt { run: "../..".into(), epoch: 1 };
        assert_eq!(commits.staging(&attempt).split('/').count(), 4);
        assert_eq!(commits.last(&mut |_| Ok(())).await.unwrap(), None);
        assert_eq!(bucket.list("").await.unwrap(), []);
    }
}
