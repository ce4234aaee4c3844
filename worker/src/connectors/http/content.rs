//! Reads the content of one answer, block by block, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use reqwest::Response;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::answer::{Head, Intake};
use super::arrival::{Arrival, Digested, Wanted};
use super::failure::Failure;
use super::receive::{Cause, Receiving};
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result};
use crate::format::{Block, ReadPlan, SchemaProbe, open};

/// Blocks that are read ahead.
const READ_AHEAD: usize = 3;

/// How the rows of a read are wanted.
#[derive(Clone)]
pub(super) struct Reading {
    /// The columns.
    pub schema: SchemaRef,
    /// All columns of the endpoint.
    pub known: SchemaRef,
    /// Bad rows become rejects. Otherwise the first one is an error.
    pub rejects: bool,
    /// The most rows of a batch.
    pub batch_rows: usize,
    /// How much is read ahead.
    pub buffers: Buffers,
}

/// Why content cannot be read on.
pub(super) enum Fault {
    /// It broke off on its way.
    Broken(Failure),
    /// The format's reader does not take it.
    Refused(ConnectorError),
}

impl Fault {
    /// What is behind an error of a reader.
    fn of(error: ConnectorError, cause: &Cause) -> Self {
        cause.take().map_or(Self::Refused(error), Self::Broken)
    }
}

enum Event {
    Block(Block),
    /// The end, and what a person should know of the content.
    End(Vec<String>),
}

/// The content of one answer, of which the first block has been read.
pub(super) struct Content {
    /// What the answer said before it.
    pub head: Head,
    /// Records given out.
    pub records: u64,
    /// What a person should know of it, at the end.
    pub notes: Vec<String>,
    /// Nobody could tell if it was cut off.
    pub endless: bool,
    events: mpsc::Receiver<Result<Event, Fault>>,
    first: Option<Result<Event, Fault>>,
    thread: Option<JoinHandle<()>>,
    receiving: Receiving,
    digest: Option<Digested>,
}

/// Takes an answer in to be read.
pub(super) struct ReadIntake<'a> {
    /// What is asked for.
    pub wanted: &'a Wanted,
    /// How the rows are wanted.
    pub reading: &'a Reading,
}

impl Intake for ReadIntake<'_> {
    type Taken = Content;
    const WHOLE: bool = false;

    /// Waits for the first block. Nothing was handed on before, so an answer that breaks off until then may be asked for
    /// again.
    async fn take(&self, head: Head, response: Response, silence: Duration) -> Result<Content, Failure> {
        let (arrival, receiving) = Arrival::begin(self.wanted.clone(), &head, response, silence)?;
        let plan = ReadPlan {
            schema: Arc::clone(&self.reading.schema),
            known: Some(Arc::clone(&self.reading.known)),
            location: self.wanted.location.clone(),
            rejects: self.reading.rejects,
            batch_rows: self.reading.batch_rows,
            threads: 1,
            buffers: self.reading.buffers,
            constants: Vec::new(),
            from: None,
        };
        let (digest, endless) = (arrival.digest(), arrival.endless());
        let (sender, events) = mpsc::channel(READ_AHEAD);
        let format = self.wanted.format.clone();
        let thread = spawn_blocking(move || {
            let cause = arrival.cause();
            let read = || {
                let Some((input, name)) = arrival.open()? else { return Ok(Vec::new()) };
                // What is transferred is counted where it comes in.
                let mut reader = open(input, &name, &format, plan, &Arc::new(AtomicU64::new(0)))?;
                while let Some(block) = reader.next_block()? {
                    if sender.blocking_send(Ok(Event::Block(block))).is_err() {
                        break;
                    }
                }
                Ok(reader.notes())
            };
            let last = read().map(Event::End).map_err(|error| Fault::of(error, &cause));
            // A receiver that is gone has no use for it.
            sender.blocking_send(last).unwrap_or_default();
        });
        let thread = Some(thread);
        let mut content =
            Content { head, records: 0, notes: Vec::new(), endless, events, first: None, thread, receiving, digest };
        match content.event().await {
            Err(Fault::Broken(failure)) => Err(failure),
            first => {
                content.first = Some(first);
                Ok(content)
            }
        }
    }
}

impl Content {
    /// The next block; None at the end.
    ///
    /// # Errors
    /// When the answer breaks off, or is not what the format says.
    pub(super) async fn next_block(&mut self) -> Result<Option<Block>, Fault> {
        match self.event().await? {
            Event::Block(block) => {
                self.records += block.read;
                Ok(Some(block))
            }
            Event::End(notes) => {
                self.notes = notes;
                Ok(None)
            }
        }
    }

    async fn event(&mut self) -> Result<Event, Fault> {
        if let Some(first) = self.first.take() {
            return first;
        }
        if let Some(event) = self.events.recv().await {
            return event;
        }
        // The channel is closed: a thread that died without a word must not look like the end of the data.
        let died = match self.thread.take() {
            Some(thread) => thread.await.err().map(|error| error.to_string()),
            None => None,
        };
        let detail = died.unwrap_or_else(|| "it was read on behind its end".into());
        Err(Fault::Refused(ConnectorError::new(ErrorKind::Bug, "read an answer", detail)))
    }

    /// How many bytes were transferred.
    pub(super) fn transferred(&self) -> u64 {
        self.receiving.transferred()
    }

    /// What tells the content from others; 0 if nobody wants to know.
    pub(super) fn fingerprint(&self) -> u64 {
        self.digest.as_ref().map_or(0, Digested::first)
    }
}

/// Takes so much of an answer in as tells its columns.
pub(super) struct LookIntake<'a> {
    /// What is asked for.
    pub wanted: &'a Wanted,
    /// What is known of the columns so far.
    pub probe: &'a SchemaProbe,
    /// How many records are looked at.
    pub most: u64,
}

/// What was found of the columns.
pub(super) struct Looked {
    /// What the answer said before its content.
    pub head: Head,
    /// What is known of the columns now.
    pub probe: Result<SchemaProbe>,
    /// What tells the content from others, if it was read to its end.
    pub fingerprint: u64,
}

impl Intake for LookIntake<'_> {
    type Taken = Looked;
    const WHOLE: bool = false;

    async fn take(&self, head: Head, response: Response, silence: Duration) -> Result<Looked, Failure> {
        // Kept until the thread is done.
        let (arrival, _receiving) = Arrival::begin(self.wanted.clone(), &head, response, silence)?;
        let (mut probe, most, wanted) = (self.probe.clone(), self.most, self.wanted.clone());
        let digest = arrival.digest();
        let thread = spawn_blocking(move || {
            let cause = arrival.cause();
            let look = || {
                if let Some((input, name)) = arrival.open()? {
                    probe.look(input, &name, &wanted.format, &wanted.location, most)?;
                }
                Ok(probe)
            };
            look().map_err(|error| Fault::of(error, &cause))
        });
        let probe = match thread.await {
            Ok(Ok(probe)) => Ok(probe),
            Ok(Err(Fault::Broken(failure))) => return Err(failure),
            Ok(Err(Fault::Refused(error))) => Err(error),
            Err(error) => Err(ConnectorError::new(ErrorKind::Bug, &self.wanted.operation, error.to_string())),
        };
        Ok(Looked { head, probe, fingerprint: digest.as_ref().map_or(0, Digested::first) })
    }
}
