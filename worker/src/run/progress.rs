//! How far a run is, for whoever watches: what its nodes have counted so far, over all of its streams.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::connector::Attempt;
use crate::engine::NodeCounters;
use crate::ledger::{Entry, EntryKind};

/// How far a run is, for whoever watches.
#[derive(Clone, Default)]
pub struct Progress {
    graphs: Arc<Mutex<Vec<Graph>>>,
    told: Option<Told>,
}

/// Who is told of attempts that begin.
type Told = Arc<dyn Fn(&Attempt) + Send + Sync>;

/// The counters of one graph that rows go through: the run's, or that of one of its streams.
#[derive(Debug)]
struct Graph {
    stream: Option<String>,
    nodes: Vec<Arc<NodeCounters>>,
}

/// How far a node is.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeProgress {
    /// Its figures; of many streams, their sum.
    pub entry: Entry,
    /// Whether it has put out or written its last row, as far as is known: more pieces and streams may come.
    pub ended: bool,
    /// The time from its first start to its last end, or to now.
    pub elapsed: Duration,
}

impl Progress {
    /// How far a run is; its attempts are told as they begin. There is one, unless an earlier one is completed first, or
    /// there are many streams.
    #[must_use]
    pub fn telling(told: impl Fn(&Attempt) + Send + Sync + 'static) -> Self {
        Self { graphs: Arc::default(), told: Some(Arc::new(told)) }
    }

    /// An attempt begins.
    pub(super) fn begins(&self, attempt: &Attempt) {
        if let Some(told) = &self.told {
            told(attempt);
        }
    }

    /// The nodes, in the graph's order; empty before they run.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeProgress> {
        let graphs = self.graphs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nodes: Vec<(NodeProgress, Vec<&NodeCounters>)> = Vec::new();
        for counters in graphs.iter().flat_map(|graph| &graph.nodes) {
            let ended = counters.has_ended();
            match nodes.iter_mut().find(|(known, _)| known.entry.name == counters.name) {
                Some((known, all)) => {
                    known.entry.add(&counters.entry());
                    known.ended &= ended;
                    all.push(counters);
                }
                None => {
                    let node = NodeProgress { entry: counters.entry(), ended, elapsed: Duration::ZERO };
                    nodes.push((node, vec![counters]));
                }
            }
        }
        let so_far = |(node, all): (NodeProgress, Vec<&NodeCounters>)| NodeProgress {
            entry: with_read(node.entry),
            elapsed: NodeCounters::span(&all),
            ..node
        };
        nodes.into_iter().map(so_far).collect()
    }

    /// Shows the counters of the run, or of one of its streams, in place of those it had before.
    pub(super) fn show(&self, stream: Option<&str>, nodes: Vec<Arc<NodeCounters>>) {
        let mut graphs = self.graphs.lock().unwrap_or_else(PoisonError::into_inner);
        match graphs.iter_mut().find(|graph| graph.stream.as_deref() == stream) {
            Some(graph) => graph.nodes = nodes,
            None => graphs.push(Graph { stream: stream.map(str::to_owned), nodes }),
        }
    }
}

/// A source says how many rows it has met when it ends, by its own count. Until then, it is what has become of them.
fn with_read(entry: Entry) -> Entry {
    let met = entry.out + entry.filtered + entry.rejected + entry.deduplicated;
    match entry.kind {
        EntryKind::Source => Entry { read: entry.read.max(met), ..entry },
        _ => entry,
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Progress").field(&self.graphs).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(out: u64, taken: u64) -> Vec<Arc<NodeCounters>> {
        let (source, sink) =
            (NodeCounters::new("source", EntryKind::Source), NodeCounters::new("sink", EntryKind::Sink));
        source.out.add(out);
        sink.taken.add(taken);
        vec![source, sink]
    }

    fn figures(progress: &Progress) -> Vec<(String, u64, u64, bool)> {
        let shown = progress.nodes().into_iter();
        shown.map(|node| (node.entry.name, node.entry.out, node.entry.taken, node.ended)).collect()
    }

    #[test]
    fn a_source_that_has_not_ended_has_read_what_became_of_its_rows() {
        let progress = Progress::default();
        let nodes = nodes(7, 5);
        nodes[0].rejected.add(2);
        progress.show(None, nodes);
        assert_eq!(progress.nodes().iter().map(|node| node.entry.read).collect::<Vec<_>>(), [9, 0]);
    }

    #[test]
    fn figures_of_streams_are_added_and_those_of_another_attempt_take_their_place() {
        let progress = Progress::default();
        assert_eq!(figures(&progress), []);
        let first = nodes(5, 4);
        first[0].end();
        progress.show(Some("a"), first);
        let (source, sink) = ("source".to_owned(), "sink".to_owned());
        assert_eq!(figures(&progress), [(source.clone(), 5, 0, true), (sink.clone(), 0, 4, false)]);
        progress.show(Some("b"), nodes(2, 1));
        assert_eq!(figures(&progress), [(source.clone(), 7, 0, false), (sink.clone(), 0, 5, false)]);
        progress.show(Some("b"), nodes(3, 3));
        assert_eq!(figures(&progress), [(source, 8, 0, false), (sink, 0, 7, false)]);
        let all = progress.nodes();
        assert!(all.iter().all(|node| node.elapsed > Duration::ZERO), "{all:?}");
    }
}
