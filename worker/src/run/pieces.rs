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
type Found = Result<(Vec<NamedSink>, Option<Pieces>), (Vec<NamedSink>, RunError)>;

impl Pieces {
    /// Divides what is to be read, apart from what earlier attempts of the run have saved. None when the run is to be
    /// moved in one go: because some node, source or sink wants it so, or because it is small.
    pub(super) async fn of(
        traffic: &mut Traffic<'_>,
        sources: &mut [OpenSource<'_>],
        mut sinks: Vec<NamedSink>,
        completing: bool,
    ) -> Found {
        let cancel = traffic.cancel.clone();
        let dividing = divide(traffic, sources, &mut sinks, completing);
        match cancel.run_until_cancelled(dividing).await.unwrap_or(Err(RunError::Interrupted)) {
            Ok(pieces) => Ok((sinks, pieces)),
            Err(error) => Err((sinks, error)),
        }
    }

    /// For the report. A split that is longer than it should be counts as one until it was read.
    pub(super) fn report(&self) -> SplitsReport {
        SplitsReport { total: self.saved + self.rest.len() as u64, saved_earlier: self.saved_earlier }
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
            let before = traffic.ledger.clone();
            let moved;
            (sinks, moved) = one(traffic, &mut sources, sinks, (&source, &split)).await;
            let (ledger, schemas) = (traffic.ledger.minus(&before), schemas(traffic));
            let result = match moved {
                Ok(cut) => {
                    self.rest.pop_front();
                    let split = match cut {
                        Some(cut) => {
                            let Cut { read, rest } = *cut;
                            self.rest.push_front((source.clone(), rest));
                            read
                        }
                        None => split,
                    };
                    let number = self.next;
                    save(traffic, &mut sinks, &SavedSplit { number, source, split, schemas, ledger }).await
                }
                Err(error) => Err(error),
            };
            if result.is_err() {
                return Moved { sinks, outcomes, result };
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
    let mut earlier = if divisible { saved_by_all(sinks).await? } else { Vec::new() };
    let schemas = schemas(traffic);
    earlier.retain(|saved| saved.schemas == schemas);
    let mut pieces = Pieces { rest: VecDeque::new(), next: 0, saved: 0, saved_earlier: 0 };
    let mut kept = Vec::new();
    let mut divided = divisible;
    for open in sources.iter_mut().filter(|_| divisible) {
        let own: Vec<&SavedSplit> = earlier.iter().filter(|saved| saved.source == open.node.name).collect();
        let read: Vec<ReadSplit> = own.iter().map(|saved| saved.read()).collect();
        let division = open.source.divide(traffic.pipeline.split_bytes, &read).await;
        let Some(division) = division.map_err(|error| open.failed(error))? else {
            divided = false;
            break;
        };
        let stands = own.into_iter().zip(division.stands).filter(|(_, stands)| *stands);
        kept.extend(stands.map(|(saved, _)| saved.clone()));
        pieces.rest.extend(division.rest.into_iter().map(|split| (open.node.name.clone(), split)));
        open.outcome.set(division.position, division.note, None);
    }
    // One piece is a run in one go, which costs no bookkeeping.
    let long = |split: &Split| is_long(split.bytes, traffic.pipeline.split_bytes);
    divided = divided && (kept.len() + pieces.rest.len() > 1 || pieces.rest.iter().any(|(_, split)| long(split)));
    if !divided {
        kept.clear();
    }
    let numbers: BTreeSet<u64> = kept.iter().map(|saved| saved.number).collect();
    for named in sinks {
        named.sink.keep(&numbers, divided).await.map_err(|error| named.failed(error))?;
    }
    if !divided {
        return Ok(None);
    }
    pieces.next = earlier.iter().map(|saved| saved.number + 1).max().unwrap_or(0);
    pieces.saved_earlier = kept.len() as u64;
    pieces.saved = pieces.saved_earlier;
    for saved in &kept {
        traffic.carry(&saved.ledger);
    }
    Ok(Some(pieces))
}

/// A text that differs when the rows of some sink have other columns or types: what was saved of them is of no use then.
fn schemas(traffic: &Traffic<'_>) -> String {
    let sinks = traffic.pipeline.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink(_)));
    let digest = Sha256::digest(format!("{:?}", sinks.map(|node| (&node.name, &node.schema)).collect::<Vec<_>>()));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The splits that every sink has, in the order they were written.
async fn saved_by_all(sinks: &mut [NamedSink]) -> Result<Vec<SavedSplit>, RunError> {
    let mut common: Option<BTreeMap<u64, SavedSplit>> = None;
    for named in sinks {
        let saved = named.sink.saved().await.map_err(|error| named.failed(error))?;
        let mut saved: BTreeMap<u64, SavedSplit> = saved.into_iter().map(|split| (split.number, split)).collect();
        if let Some(common) = &common {
            // A number may have been given again after an attempt that saved in one sink only: then the contents differ.
            saved.retain(|number, split| common.get(number) == Some(split));
        }
        common = Some(saved);
    }
    Ok(common.unwrap_or_default().into_values().collect())
}

async fn one(
    traffic: &mut Traffic<'_>,
    sources: &mut [OpenSource<'_>],
    sinks: Vec<NamedSink>,
    only: (&str, &Split),
) -> (Vec<NamedSink>, Result<Option<Box<Cut>>, RunError>) {
    let lane = traffic.lane();
    match read::of_split(traffic, sources, Some(only), &lane.lane).await {
        Ok((streams, known)) => {
            let (sinks, moved) = traffic.go(streams, lane, sinks, false).await;
            (sinks, moved.map(|()| known.cut()))
        }
        Err(error) => (sinks, Err(error)),
    }
}

async fn save(traffic: &Traffic<'_>, sinks: &mut [NamedSink], split: &SavedSplit) -> Result<(), RunError> {
    for named in sinks {
        let saved = traffic.cancel.run_until_cancelled(named.sink.save(split)).await;
        saved.ok_or(RunError::Interrupted)?.map_err(|error| named.failed(error))?;
    }
    Ok(())
}
