//! The report of a run, for people: the ledger, broken rules, rejected rows, and how it ended.

use aggregator_compiler::plural::counted;
use aggregator_compiler::reject::RejectReason;
use aggregator_crds::Reason;
use aggregator_worker::connector::Effects;
use aggregator_worker::ledger::{Entry, EntryKind};
use aggregator_worker::run::{
    Outcome, QualityReport, RejectGroup, RejectSample, RejectsReport, RunMode, RunReport, ShardReport, ShardState,
    StreamReport,
};

use crate::output::{self, count};
use crate::remedy::remedy;

/// The most groups of rejected rows that are shown; the report has all.
const GROUPS: usize = 10;
/// The most streams that did not succeed and are shown.
const STREAMS: usize = 10;
/// The most rejected rows that are shown; the report has some more, the rejects sink all.
const SAMPLES: usize = 5;

/// Shows the report on standard output, and its warnings on standard error.
pub(crate) fn show(report: &RunReport) {
    for warning in &report.warnings {
        output::error_line(&warning.to_string());
    }
    if let Some(shard) = &report.shard {
        output::paragraph(&of_shard(shard));
    }
    if report.nodes.is_empty() {
        return;
    }
    if report.completed_earlier_attempt {
        output::paragraph(
            "an earlier attempt had committed everything before it died; its checkpoint was stored first",
        );
    }
    for sink in &report.committed_earlier {
        output::paragraph(&format!("{sink}: an earlier attempt of this run has committed it; it was left as it is"));
    }
    if let Some(splits) = &report.splits {
        let saved = match splits.saved_earlier {
            0 => String::new(),
            saved => format!(", of which an earlier attempt had saved {}", count(saved)),
        };
        output::paragraph(&format!("in {}{saved}", counted(count(splits.total), "piece")));
    }
    ledger(report);
    streams(&report.streams);
    quality(&report.quality);
    rejects(report);
    output::line("");
    output::paragraph(&summary(report));
}

/// Whether the figures are of one shard's part, of which nothing is written yet.
fn of_part(report: &RunReport) -> bool {
    let whole = [ShardState::Completing, ShardState::Streams];
    report.shard.is_some_and(|shard| !whole.contains(&shard.state))
}

/// Which of several processes this is, and how far the run is that they share.
fn of_shard(shard: &ShardReport) -> String {
    let state = match shard.state {
        ShardState::Working => "its part of the run is not saved; run it again, and it goes on",
        ShardState::Waiting => "its part of the run is saved; the last shard to end commits all of it",
        ShardState::Finishing => "its part of the run is saved; another shard commits all of it now",
        ShardState::Completing => "all parts of the run were saved; this shard took them together",
        ShardState::Succeeded => "nothing to do: the run has been committed",
        ShardState::Streams => "its streams are runs of their own",
    };
    format!("shard {} of {}: {state}", shard.index, shard.of)
}

/// A row for each node. Of a source, `IN` is what it read; of a sink, `OUT` is what the target has.
fn ledger(report: &RunReport) {
    type Figure = fn(&Entry) -> u64;
    let all: [(&str, Figure); 5] = [
        ("IN", |entry| if entry.kind == EntryKind::Source { entry.read } else { entry.taken }),
        ("OUT", |entry| if writes(entry) { entry.written } else { entry.out }),
        ("FILTERED", |entry| entry.filtered),
        ("REJECTED", |entry| entry.rejected),
        ("DEDUPLICATED", |entry| entry.deduplicated),
    ];
    // What happened nowhere needs no column.
    let shown: Vec<(&str, Figure)> = all
        .into_iter()
        .enumerate()
        .filter(|(index, (_, figure))| *index < 2 || report.nodes.iter().any(|node| figure(&node.entry) > 0))
        .map(|(_, column)| column)
        .collect();
    let header = std::iter::once("NODE").chain(shown.iter().map(|(name, _)| *name)).chain(["ROWS/S"]);
    let mut table = output::table(header);
    let cell = |number: u64| if number == 0 { "·".to_owned() } else { count(number) };
    for node in &report.nodes {
        let figures = shown.iter().enumerate().map(|(index, (_, figure))| {
            let number = figure(&node.entry);
            if index < 2 { count(number) } else { cell(number) }
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
        let rate = node.rows_per_second as u64;
        table.add_row(std::iter::once(node.entry.name.clone()).chain(figures).chain([cell(rate)]));
    }
    output::figures(&mut table, 1..shown.len() + 2);
    output::show(&table);
    let mut notes = output::list();
    for node in &report.nodes {
        // What a run that failed had done was given up.
        let effects = node.effects.as_ref().filter(|_| report.error.is_none()).map(Effects::words);
        if let Some(note) = node.note.as_ref().or(effects.as_ref()) {
            notes.add_row([&format!("{}:", node.entry.name), note]);
        }
    }
    if !notes.is_empty() {
        output::line("");
        output::show(&notes);
    }
}

/// How many of many streams ended well, and why the others did not.
fn streams(streams: &[StreamReport]) {
    if streams.is_empty() {
        return;
    }
    let failed: Vec<&StreamReport> = streams.iter().filter(|stream| stream.outcome != Outcome::Succeeded).collect();
    output::line("");
    let all = counted(count(streams.len() as u64), "stream");
    output::paragraph(&match failed.len() {
        0 if streams.len() == 1 => format!("{all}, which succeeded"),
        0 => format!("{all}, all of them succeeded; the figures are sums"),
        _ if streams.len() == 1 => format!("{all}, which did not succeed"),
        some => format!("{all}, of which {} did not succeed; the figures are sums", count(some as u64)),
    });
    for stream in failed.iter().take(STREAMS) {
        let why = stream.error.as_ref().map_or("it was stopped", |error| error.message.as_str());
        output::cut_line("  ", &format!("{}: {why}", stream.stream));
    }
    if let Some(others @ 1..) = failed.len().checked_sub(STREAMS) {
        output::paragraph(&format!("and {others} more: --report FILE writes all of them"));
    }
}

fn writes(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Sink | EntryKind::Rejects)
}

fn quality(rules: &[QualityReport]) {
    for rule in rules.iter().filter(|rule| rule.passed == Some(false)) {
        output::line("");
        output::paragraph(&format!("quality rule {} is broken at {} ({:?})", rule.name, rule.node, rule.severity));
        let mut table = output::list();
        table.add_row(["expected", &rule.expression]);
        for (index, value) in rule.values.iter().enumerate() {
            let found = if index == 0 { "found" } else { "" };
            table.add_row([found, &format!("{} is {}", value.expression, value.shown())]);
        }
        output::indented(&table, "  ");
    }
}

fn rejects(report: &RunReport) {
    let rejects = &report.rejects;
    if rejects.total == 0 {
        return;
    }
    if rejects.groups.is_empty() {
        output::line("");
        output::paragraph(&format!("{} rejected, found by an earlier attempt", counted(count(rejects.total), "row")));
        return;
    }
    let mut groups: Vec<&RejectGroup> = rejects.groups.iter().collect();
    // Nodes reject at the same time: the graph's order is the one that stays.
    groups.sort_by_key(|group| {
        (std::cmp::Reverse(group.rows), position(report, &group.node), &group.column, group.reason)
    });
    let mut table = output::table(["ROWS", "REJECTED AT", "COLUMN", "REASON"]);
    for group in groups.iter().take(GROUPS) {
        table.add_row([&count(group.rows), &group.node, group.column.as_deref().unwrap_or("·"), group.reason]);
    }
    output::figures(&mut table, [0]);
    output::line("");
    output::show(&table);
    if let Some(others @ 1..) = groups.len().checked_sub(GROUPS) {
        let rows: u64 = groups.iter().skip(GROUPS).map(|group| group.rows).sum();
        let (rows, others) = (counted(count(rows), "row"), counted(others, "more group"));
        let what = format!("and {rows} in {others}: --report FILE writes all of them");
        output::paragraph(&what);
    }
    if rejects.found_earlier > 0 {
        output::paragraph(&format!("and {} that an earlier attempt had found", count(rejects.found_earlier)));
    }
    remedies(report, &groups);
    if rejects.samples.is_empty() {
        return;
    }
    output::line("");
    output::line("for example");
    for sample in examples(report) {
        output::cut_line("  ", &place(sample));
        output::cut_line("    ", &sample.reject.message);
        output::cut_line("    ", &sample.reject.raw);
    }
}

/// Where a node stands in the graph.
fn position(report: &RunReport, name: &str) -> Option<usize> {
    report.nodes.iter().position(|node| node.entry.name == name)
}

/// What helps, once for each reason at each node that is shown.
fn remedies(report: &RunReport, groups: &[&RejectGroup]) {
    let mut table = output::list();
    let mut told: Vec<(&str, &str)> = Vec::new();
    for group in groups.iter().take(GROUPS) {
        if told.contains(&(&group.node, group.reason)) {
            continue;
        }
        told.push((&group.node, group.reason));
        let node = report.nodes.iter().find(|node| node.entry.name == group.node);
        let mut text = remedy(group.reason, node.map(|node| node.entry.kind)).to_owned();
        for rule in rules(&report.rejects, group) {
            text = format!("{text}; {rule}");
        }
        table.add_row([format!("{} at {}", group.reason, group.node), text]);
    }
    output::line("");
    output::line("what helps");
    output::indented(&table, "  ");
}

/// The rules that the samples of a group have broken, by name, as the rejects tell it.
fn rules<'a>(rejects: &'a RejectsReport, group: &RejectGroup) -> Vec<&'a str> {
    let broken = RejectReason::RuleBroken;
    let samples = rejects.samples.iter().filter(|sample| sample.node == group.node && sample.reject.reason == broken);
    let mut rules: Vec<&str> = Vec::new();
    for sample in samples.filter(|_| group.reason == broken.as_str()) {
        if !rules.contains(&sample.reject.message.as_str()) {
            rules.push(&sample.reject.message);
        }
    }
    rules
}

/// One row of each group, as far as there are some, then others.
fn examples(report: &RunReport) -> Vec<&RejectSample> {
    let mut samples: Vec<&RejectSample> = report.rejects.samples.iter().collect();
    samples.sort_by_key(|sample| position(report, &sample.node));
    let same = |left: &RejectSample, right: &RejectSample| {
        left.node == right.node
            && left.reject.column == right.reject.column
            && left.reject.reason == right.reject.reason
    };
    let (mut first, mut others): (Vec<&RejectSample>, Vec<&RejectSample>) = (Vec::new(), Vec::new());
    for sample in samples {
        if first.iter().any(|known| same(known, sample)) { others.push(sample) } else { first.push(sample) }
    }
    first.extend(others);
    first.truncate(SAMPLES);
    first
}

/// The node, the row's place, the column and the reason.
fn place(sample: &RejectSample) -> String {
    let reject = &sample.reject;
    let mut text = sample.node.clone();
    // A transform names itself as the place.
    if reject.location != sample.node {
        text = format!("{text}, {}", reject.location);
    }
    if let Some(line) = reject.line {
        text = format!("{text}:{line}");
    }
    if let Some(column) = &reject.column {
        text = format!("{text}, column {column}");
    }
    format!("{text}: {}", reject.reason.as_str())
}

fn summary(report: &RunReport) -> String {
    let sum = |kind: EntryKind, figure: fn(&Entry) -> u64| -> u64 {
        report.nodes.iter().map(|node| &node.entry).filter(|entry| entry.kind == kind).map(figure).sum()
    };
    let ledger = match (report.ledger.balanced, &report.error) {
        (true, _) => "the ledger is balanced",
        (false, Some(error)) if error.reason != Reason::LedgerMismatch.as_str() => {
            "the ledger was not closed, the run failed first"
        }
        (false, _) => "the ledger is not balanced",
    };
    let sunk: fn(&Entry) -> u64 = if of_part(report) { |entry| entry.taken } else { |entry| entry.written };
    // What was staged is written only once it is committed.
    let written = match (&report.error, of_part(report)) {
        (Some(_), false) => "staged and given up",
        (_, true) => "moved",
        (None, false) if report.mode == RunMode::DryRun => "would be written",
        (None, false) => "written",
    };
    let outcome = match report.outcome {
        Outcome::Succeeded if report.mode == RunMode::DryRun => "dry run succeeded",
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "was interrupted",
    };
    let resumed = if report.resumed { ", continuing an earlier attempt" } else { "" };
    let mode = match &report.backfill {
        Some(interval) => format!("{:?} of {} to {}", report.mode, interval.from, interval.to),
        None => format!("{:?}", report.mode),
    };
    format!(
        "{} {outcome} ({mode}, attempt {}{resumed}): {} read, {} {written}, {} rejected in {:.2} s, {ledger}",
        report.pipeline,
        report.attempt,
        counted(count(sum(EntryKind::Source, |entry| entry.read)), "row"),
        count(sum(EntryKind::Sink, sunk)),
        count(report.rejects.total),
        report.seconds,
    )
}
