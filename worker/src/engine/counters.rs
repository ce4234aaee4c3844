//! Counters that the parts of a running node write, each from its own place; the ledger is made from them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::connector::Effects;
use crate::ledger::{Entry, EntryKind};

/// A row counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds rows.
    pub fn add(&self, rows: u64) {
        self.0.fetch_add(rows, Ordering::Relaxed);
    }

    /// The sum so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one node counts while it runs.
#[derive(Debug)]
pub struct NodeCounters {
    /// The node's name.
    pub name: String,
    /// What kind of node it is.
    pub kind: EntryKind,
    /// Rows the source met, by its own count.
    pub read: Count,
    /// Rows taken in by a sink.
    pub taken: Count,
    /// Rows put out.
    pub out: Count,
    /// Rows that were not wanted.
    pub filtered: Count,
    /// Rows that were wrong.
    pub rejected: Count,
    /// Rows of which another one was kept.
    pub deduplicated: Count,
    /// Rows the target says it has.
    pub written: Count,
    /// Bytes read from or written to the system.
    pub bytes: Count,
    /// Whether the node has ended.
    pub ended: AtomicBool,
    effects: OnceLock<Effects>,
    started: Instant,
    busy: AtomicU64,
}

impl NodeCounters {
    /// Counters at zero.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: EntryKind) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            kind,
            read: Count::default(),
            taken: Count::default(),
            out: Count::default(),
            filtered: Count::default(),
            rejected: Count::default(),
            deduplicated: Count::default(),
            written: Count::default(),
            bytes: Count::default(),
            ended: AtomicBool::new(false),
            effects: OnceLock::new(),
            started: Instant::now(),
            busy: AtomicU64::new(0),
        })
    }

    /// A sink tells what its rows did to the target; it does so once.
    pub fn tell(&self, effects: Effects) {
        self.effects.get_or_init(|| effects);
    }

    /// What a sink's rows did to the target.
    #[must_use]
    pub fn effects(&self) -> Option<&Effects> {
        self.effects.get()
    }

    /// Takes figures over that were counted elsewhere.
    pub fn add(&self, entry: &Entry) {
        for (count, rows) in [
            (&self.read, entry.read),
            (&self.out, entry.out),
            (&self.filtered, entry.filtered),
            (&self.rejected, entry.rejected),
            (&self.deduplicated, entry.deduplicated),
            (&self.written, entry.written),
            (&self.bytes, entry.bytes),
        ] {
            count.add(rows);
        }
        // A transform's rows are counted by its edges.
        if matches!(self.kind, EntryKind::Sink | EntryKind::Rejects) {
            self.taken.add(entry.taken);
        }
    }

    /// Notes that more rows are to come.
    pub fn go_on(&self) {
        self.ended.store(false, Ordering::Relaxed);
    }

    /// Notes that the node has put out or written its last row.
    pub fn end(&self) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.busy.store(micros, Ordering::Relaxed);
        }
    }

    /// The time from the run's start to the node's end, or to now.
    #[must_use]
    pub fn elapsed(&self) -> std::time::Duration {
        if self.ended.load(Ordering::Relaxed) {
            std::time::Duration::from_micros(self.busy.load(Ordering::Relaxed))
        } else {
            self.started.elapsed()
        }
    }

    /// Whether the node has put out or written its last row.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The time from the first start of some nodes to the last end of one of them, or to now.
    #[must_use]
    pub fn span(nodes: &[&Self]) -> std::time::Duration {
        let (started, until) =
            (nodes.iter().map(|node| node.started).min(), nodes.iter().map(|node| node.started + node.elapsed()).max());
        started.zip(until).map_or(std::time::Duration::ZERO, |(started, until)| until - started)
    }

    /// The ledger's entry, but for `taken` of transforms, which the edges know.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry {
            read: self.read.get(),
            taken: self.taken.get(),
            out: self.out.get(),
            filtered: self.filtered.get(),
            rejected: self.rejected.get(),
            deduplicated: self.deduplicated.get(),
            written: self.written.get(),
            bytes: self.bytes.get(),
            ..Entry::new(self.name.clone(), self.kind)
        }
    }
}

/// What one reader of a node counts.
#[derive(Debug)]
pub struct EdgeCounter {
    /// The node that puts rows out.
    pub from: String,
    /// The node that takes them in.
    pub to: String,
    /// Rows taken in.
    pub rows: Count,
}
