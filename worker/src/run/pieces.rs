//! A run in pieces: split by split, each kept by every sink before the next one is read, so that an attempt that dies
//! loses one split and not the run.
//!
//! ```text
//! saved by all sinks ─► Source::divide ─► those that stand are kept ─► rest: read_split ─ write … ─ save, each in turn
//!                                                                  ▲    │ └► no rows more: stage ─► ledger ─► commit
//!                                          what a long one has left ──┘────┘
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aggregator_compiler::graph::NodeKind;
use sha2::{Digest, Sha256};

use super::error::RunError;
use super::execute::Moved;
use super::movement::Traffic;
use super::read::{self, OpenSource};
use super::report::SplitsReport;
use super::sinks::NamedSink;
use crate::connector::{Cut, ReadSplit, SavedSplit, Split, is_long};
use crate::points;

/// The pieces that are left.
pub(super) struct Pieces {
    /// Source nodes and their splits, in order.
    rest: VecDeque<(String, Split)>,
    /// The number of the next split.
    next: u64,
    /// How many are saved, and how many of these an earlier attempt has saved.
    saved: u64,
    saved_earlier: u64,
}

/// The sinks, and what was found out with them; or the error, with the sinks all the same.
type Divided = Result<(Vec<NamedSink>, Option<Pieces>), (Vec<NamedSink>, RunError)>;

impl Pieces {
    /// Divides what is to be read, apart from what earlier attempts of the run have saved. None when the run is to be
    /// moved in one go: because some node, source or sink wants it so, or because it is small.
    pub(super) async fn of(
        traffic: &mut Traffic<'_>,
        sources: &mut [OpenSource<'_>],
        mut sinks: Vec<NamedSink>,
        completing: bool,
    ) -> Divided {
        let cancel = traffic.cancel.clone();
        let dividing = divide(traffic, sources, &mut sinks, completing);
        match cancel.run_until_cancelled(dividing).await.unwrap_or(Err(RunError::Interrupted)) {
            Ok(pieces) => Ok((sinks, pieces)),
            Err(error) => Err((sinks, error)),
        }
    }

    /// For the report. A split that is longer than it should be counts as one until it was read.
    pub(super) fn report(&self) -> SplitsReport {
        SplitsReport {
            total: self.saved + self.rest.len() as u64,
            saved_earlier: self.saved_earlier,
            saved: self.saved - self.saved_earlier,
        }
    }

    /// Moves the splits that are left, one after the other, and lets the sinks stage all.
    pub(super) async fn run(
        &mut self,
        traffic: &mut Traffic<'_>,
        mut sources: Vec<OpenSource<'_>>,
        mut sinks: Vec<NamedSink>,
    ) -> Moved {
        let outcomes =
            sources.iter().map(|open| (open.node.name.clone(), open.outcome.clone())).collect::<BTreeMap<_, _>>();
        while let Some((source, split)) = self.rest.front().cloned() {
            let moved;
            (sinks, moved) = one(traffic, &mut sources, sinks, self.next, (&source, &split)).await;
            match moved {
                Ok(rest) => {
                    self.rest.pop_front();
                    if let Some(rest) = rest {
                        self.rest.push_front((source, rest));
                    }
                }
                Err(error) => return Moved { sinks, outcomes, result: Err(error) },
            }
            self.next += 1;
            self.saved += 1;
        }
        let lane = traffic.lane();
        let streams = read::of_split(traffic, &mut sources, None, &lane.lane).await;
        // The sources' transactions must be over before a sink changes what they have read.
        drop(sources);
        let (sinks, result) = match streams {
            Ok((streams, _)) => traffic.go(streams, lane, sinks, true).await,
            Err(error) => (sinks, Err(error)),
        };
        Moved { sinks, outcomes, result }
    }
}

async fn divide(
    traffic: &mut Traffic<'_>,
    sources: &mut [OpenSource<'_>],
    sinks: &mut [NamedSink],
    completing: bool,
) -> Result<Option<Pieces>, RunError> {
    // What completes an earlier attempt's commit reads up to where that ended.
    let divisible =
        !completing && traffic.pipeline.indivisible().is_none() && sinks.iter().all(|named| named.sink.keeps_splits());
    let earlier = if divisible { saved_by_all(sinks).await? } else { Vec::new() };
    let found = if divisible { of_sources(traffic, sources, &earlier).await? } else { None };
    // One piece is a run in one go, which costs no bookkeeping.
    let long = |split: &Split| is_long(split.bytes, traffic.pipeline.split_bytes);
    let found = found
        .filter(|found| found.kept.len() + found.rest.len() > 1 || found.rest.iter().any(|(_, split)| long(split)));
    let numbers = found.as_ref().map(Found::numbers).unwrap_or_default();
    for named in sinks {
        named.sink.keep(&numbers, found.is_some()).await.map_err(|error| named.failed(error))?;
    }
    points::pass("divided");
    let Some(Found { kept, rest }) = found else { return Ok(None) };
    for saved in &kept {
        traffic.carry(&saved.ledger);
    }
    let (next, saved) = (earlier.iter().map(|saved| saved.number + 1).max().unwrap_or(0), kept.len() as u64);
    Ok(Some(Pieces { rest: rest.into(), next, saved, saved_earlier: saved }))
}

/// What there is to read, split by split.
pub(super) struct Found {
    /// What was saved and still stands.
    pub(super) kept: Vec<SavedSplit>,
    /// Source nodes and the splits that are left of them, in order.
    pub(super) rest: Vec<(String, Split)>,
}

impl Found {
    /// The numbers of what stands.
    pub(super) fn numbers(&self) -> BTreeSet<u64> {
        self.kept.iter().map(|saved| saved.number).collect()
    }
}

/// Divides all sources, apart from what all sinks have of them. None when one of them can be read in one go only.
pub(super) async fn of_sources(
    traffic: &mut Traffic<'_>,
    sources: &mut [OpenSource<'_>],
    earlier: &[SavedSplit],
) -> Result<Option<Found>, RunError> {
    let schemas = schemas(traffic);
    let mut found = Found { kept: Vec::new(), rest: Vec::new() };
    for open in sources {
        let of_it = |saved: &&SavedSplit| saved.source == open.node.name && saved.schemas == schemas;
        let own: Vec<&SavedSplit> = earlier.iter().filter(of_it).collect();
        let read: Vec<ReadSplit> = own.iter().map(|saved| saved.read()).collect();
        let division = open.source.divide(traffic.pipeline.split_bytes, &read).await;
        let Some(division) = division.map_err(|error| open.failed(error))? else { return Ok(None) };
        let stands = own.into_iter().zip(division.stands).filter(|(_, stands)| *stands);
        found.kept.extend(stands.map(|(saved, _)| saved.clone()));
        found.rest.extend(division.rest.into_iter().map(|split| (open.node.name.clone(), split)));
        open.outcome.set(division.position, division.note, None);
    }
    Ok(Some(found))
}

/// A text that differs when the rows of some sink have other columns or types: what was saved of them is of no use then.
pub(super) fn schemas(traffic: &Traffic<'_>) -> String {
    let sinks = traffic.pipeline.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink(_)));
    let digest = Sha256::digest(format!("{:?}", sinks.map(|node| (&node.name, &node.schema)).collect::<Vec<_>>()));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The splits that every sink has, in the order they were written.
pub(super) async fn saved_by_all(sinks: &mut [NamedSink]) -> Result<Vec<SavedSplit>, RunError> {
    let mut all = Vec::with_capacity(sinks.len());
    for named in sinks {
        all.push(named.sink.saved().await.map_err(|error| named.failed(error))?);
    }
    Ok(common(all))
}

/// The splits that are in each of the lists, in the order they were written.
pub(super) fn common(all: Vec<Vec<SavedSplit>>) -> Vec<SavedSplit> {
    let mut common: Option<BTreeMap<u64, SavedSplit>> = None;
    for saved in all {
        let mut saved: BTreeMap<u64, SavedSplit> = saved.into_iter().map(|split| (split.number, split)).collect();
        if let Some(common) = &common {
            // A number may have been given again after an attempt that saved in one sink only: then the contents differ.
            saved.retain(|number, split| common.get(number) == Some(split));
        }
        common = Some(saved);
    }
    common.unwrap_or_default().into_values().collect()
}

/// Moves one split into the sinks and lets them save it. What is left of a long one comes back.
pub(super) async fn one(
    traffic: &mut Traffic<'_>,
    sources: &mut [OpenSource<'_>],
    mut sinks: Vec<NamedSink>,
    number: u64,
    (source, split): (&str, &Split),
) -> (Vec<NamedSink>, Result<Option<Split>, RunError>) {
    for named in &mut sinks {
        if let Err(error) = named.sink.begin(number).await {
            let error = named.failed(error);
            return (sinks, Err(error));
        }
    }
    let before = traffic.ledger.clone();
    let lane = traffic.lane();
    let (streams, known) = match read::of_split(traffic, sources, Some((source, split)), &lane.lane).await {
        Ok(reading) => reading,
        Err(error) => return (sinks, Err(error)),
    };
    let (mut sinks, moved) = traffic.go(streams, lane, sinks, false).await;
    if let Err(error) = moved {
        return (sinks, Err(error));
    }
    let (split, rest) = match known.cut().map(|cut| *cut) {
        Some(Cut { read, rest }) => (read, Some(rest)),
        None => (split.clone(), None),
    };
    let (ledger, schemas) = (traffic.ledger.minus(&before), schemas(traffic));
    let saved = SavedSplit { number, source: source.to_owned(), split, rest, schemas, ledger };
    let result = save(traffic, &mut sinks, &saved).await;
    (sinks, result.map(|()| saved.rest))
}

async fn save(traffic: &Traffic<'_>, sinks: &mut [NamedSink], split: &SavedSplit) -> Result<(), RunError> {
    for named in sinks {
        let saved = traffic.cancel.run_until_cancelled(named.sink.save(split)).await;
        saved.ok_or(RunError::Interrupted)?.map_err(|error| named.failed(error))?;
    }
    points::pass("split saved");
    Ok(())
}
