//! A run that several processes share: one divides it, each moves the splits that are its own, one completes it.
//!
//! ```text
//! CheckpointStore::join ─► Divide: fence ─ divide ─ keep what stands ─► divided ─┐
//!          ▲   ├─► Work: join the sinks ─ read, write, save own splits ─► saved ─┤
//!          │   ├─► Finish: an ordinary attempt, which finds all splits saved      │
//!          │   └─► Idle                                                           │
//!          └───────────────────────────────────────────────────────────────────────┘
//! ```
//! Nobody need trust what was saved: who completes the run divides it anew, in a snapshot of its own, and takes of the
//! splits those that still stand. So the run has one snapshot, whoever read when.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::execute::Course;
use super::pieces::{common, of_sources, one, saved_by_all, schemas};
use super::report::SplitsReport;
use super::sinks::{NamedSink, Records};
use crate::checkpoint::{Begun, Positions, Shard, Sharing};
use crate::connector::{ConnectorError, ErrorKind, SavedSplit, SharedNumber, Split};
use crate::points;

/// A split of the division.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SharedSplit {
    /// Its place in the run: with the number of a part, its number.
    place: u64,
    source: String,
    split: Split,
}

fn bug(error: &serde_json::Error) -> RunError {
    let error = ConnectorError::new(ErrorKind::Bug, "share a run", error.to_string());
    RunError::Connector { node: None, error }
}

/// More splits than numbers.
fn too_many(what: &str, most: u64) -> RunError {
    let detail = format!("{what}, and a run that processes share may have {most}");
    let error = ConnectorError::new(ErrorKind::Limit, "divide the run", detail)
        .remedy("raise `execution.splitSize`, or run without --shard");
    RunError::Connector { node: None, error }
}

impl Course<'_> {
    /// Takes the sinks over and divides the run, apart from what stands of earlier attempts.
    pub(super) async fn divide(&mut self, begun: &mut Begun, mut sinks: Vec<NamedSink>) -> Result<Sharing, RunError> {
        let committed = self.fence(begun, &mut sinks).await?;
        // What completes an earlier attempt's commit reads up to where that ended, in one go.
        let divisible = committed.is_none()
            && self.pipeline.indivisible().is_none()
            && sinks.iter().all(|named| named.sink.keeps_splits() && named.sink.shares());
        if !divisible {
            return Ok(Sharing::Whole);
        }
        let mut traffic = self.traffic(begun, &sinks)?;
        let mut sources = self.sources(&traffic, begun, &Positions::new()).await?;
        if sources.iter().any(|open| !open.source.shares()) {
            return Ok(Sharing::Whole);
        }
        let earlier = saved_by_all(&mut sinks).await?;
        let first = earlier.iter().map(|saved| SharedNumber::place(saved.number) + 1).max().unwrap_or(0);
        let Some(found) = of_sources(&mut traffic, &mut sources, &earlier).await? else { return Ok(Sharing::Whole) };
        if found.kept.len() + found.rest.len() <= 1 {
            return Ok(Sharing::Whole);
        }
        for named in &mut sinks {
            named.sink.keep(&found.numbers(), true).await.map_err(|error| named.failed(error))?;
        }
        points::pass("divided");
        let splits: Vec<SharedSplit> =
            (first..).zip(found.rest).map(|(place, (source, split))| SharedSplit { place, source, split }).collect();
        if splits.last().is_some_and(|last| SharedNumber::of(last.place).is_none()) {
            return Err(too_many(&format!("it has {} splits", splits.len()), SharedNumber::MOST_SPLITS));
        }
        serde_json::to_value(splits).map(Sharing::Splits).map_err(|error| bug(&error))
    }

    /// Moves the splits that are the shard's own into the sinks, apart from those that it has saved before.
    pub(super) async fn work(
        &mut self,
        begun: &mut Begun,
        splits: serde_json::Value,
        shard: Shard,
        mut sinks: Vec<NamedSink>,
    ) -> Result<(), RunError> {
        let division: Vec<SharedSplit> = serde_json::from_value(splits).map_err(|error| bug(&error))?;
        let mut saved = Vec::with_capacity(sinks.len());
        for named in &mut sinks {
            let joined = self.request.cancel.run_until_cancelled(named.sink.join(&begun.attempt)).await;
            saved.push(joined.ok_or(RunError::Interrupted)?.map_err(|error| named.failed(error))?);
        }
        let records = Records::read(&mut sinks).await?;
        begun.positions = self.start(&records, begun)?;
        let mut traffic = self.traffic(begun, &sinks)?;
        self.request.progress.show(self.pipeline.stream.as_deref(), traffic.shown());
        let mut sources = self.sources(&traffic, begun, &Positions::new()).await?;
        let mut saved = common(saved);
        saved.retain(|saved| saved.schemas == schemas(&traffic));
        let own = division.into_iter().zip(0..).filter(|(_, at)| shard.takes(*at)).map(|(split, _)| split).collect();
        let (done, mut rest) = left(own, saved);
        done.iter().for_each(|saved| traffic.carry(&saved.ledger));
        let saved_earlier = done.len() as u64;
        let mut total = saved_earlier + rest.len() as u64;
        for open in &mut sources {
            let name = open.node.name.clone();
            let own = rest.iter_mut().filter(|left| left.source == name).map(|left| &mut left.split);
            let own: Vec<&mut Split> = own.collect();
            if own.is_empty() {
                continue;
            }
            let splits = own.iter().map(|split| (**split).clone()).collect();
            let shared = open.source.share(self.pipeline.split_bytes, splits).await;
            let shared = shared.map_err(|error| open.failed(error))?;
            own.into_iter().zip(shared).for_each(|(own, shared)| *own = shared);
        }
        let mut result = Ok(());
        let mut saved = 0;
        while let Some(Left { number, source, split }) = rest.pop_front() {
            let moved;
            (sinks, moved) = one(&mut traffic, &mut sources, sinks, number.number(), (&source, &split)).await;
            result = moved.and_then(|left| {
                if let Some(split) = left {
                    let most = SharedNumber::MOST_PARTS;
                    let number = number.next().ok_or_else(|| too_many("a split has more parts", most))?;
                    rest.push_front(Left { number, source, split });
                    total += 1;
                }
                saved += 1;
                Ok(())
            });
            if result.is_err() {
                break;
            }
        }
        self.report.saved(SplitsReport { total, saved_earlier, saved });
        self.note(&traffic, &BTreeMap::new());
        // The targets count what they have when the run is completed.
        let imbalances = traffic.ledger.imbalances_before_staging();
        self.report.ledger.told(imbalances.clone());
        self.report.ledger.balanced &= result.is_ok();
        result?;
        if imbalances.is_empty() { Ok(()) } else { Err(RunError::LedgerMismatch(imbalances)) }
    }
}

/// What is left to do of a split.
#[derive(Clone, Debug, PartialEq)]
struct Left {
    number: SharedNumber,
    source: String,
    split: Split,
}

/// Of one's own splits: what is saved of them, and what is left.
fn left(own: Vec<SharedSplit>, saved: Vec<SavedSplit>) -> (Vec<SavedSplit>, VecDeque<Left>) {
    let mut by_number: BTreeMap<u64, SavedSplit> = saved.into_iter().map(|saved| (saved.number, saved)).collect();
    let (mut done, mut rest) = (Vec::new(), VecDeque::new());
    for SharedSplit { place, source, split } in own {
        let Some(number) = SharedNumber::of(place) else { continue };
        let mut next = Some(Left { number, source, split });
        // Each part says what it has left.
        while let Some(saved) = next.as_ref().and_then(|left| by_number.remove(&left.number.number())) {
            next = next.and_then(|left| {
                let split = saved.rest.clone()?;
                Some(Left { number: left.number.next()?, split, ..left })
            });
            done.push(saved);
        }
        rest.extend(next);
    }
    (done, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    fn split(name: &str) -> Split {
        Split { state: serde_json::json!(name), bytes: 1 }
    }

    fn saved(place: u64, part: usize, rest: Option<&str>) -> SavedSplit {
        let mut number = SharedNumber::of(place).expect("a place");
        for _ in 0..part {
            number = number.next().expect("a part");
        }
        SavedSplit {
            number: number.number(),
            source: "s".into(),
            split: split("read"),
            rest: rest.map(split),
            schemas: String::new(),
            ledger: Ledger::default(),
        }
    }

    #[test]
    fn a_shard_goes_on_where_it_ended() {
        let own = |place: u64| SharedSplit { place, source: "s".into(), split: split(&format!("{place}")) };
        let had = vec![
            saved(3, 0, None),
            saved(5, 0, Some("5, after the first part")),
            saved(5, 1, Some("5, after the second part")),
            // Another one's.
            saved(6, 0, None),
            saved(7, 0, Some("7, after the first part")),
            saved(7, 1, None),
        ];
        let (done, rest) = left(vec![own(1), own(3), own(5), own(7)], had);
        let places: Vec<u64> = done.iter().map(|saved| SharedNumber::place(saved.number)).collect();
        assert_eq!(places, [3, 5, 5, 7, 7]);
        let rest: Vec<(u64, serde_json::Value)> =
            rest.into_iter().map(|left| (left.number.number(), left.split.state)).collect();
        assert_eq!(
            rest,
            [(1 << 12, serde_json::json!("1")), ((5 << 12) + 2, serde_json::json!("5, after the second part"))]
        );
    }
}
