//! A check of a Connector on a cluster: how it ended, and the catalogue of what was found.

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_crds::connector::{ProbeFailure, ProbeOutcome, ProbeStep, StreamSummary};

use crate::connector::{ConnectorError, ErrorKind};
use crate::run::{Places, RunError};

/// The most bytes of a catalogue that is kept.
const LARGEST: usize = 512 * 1024;
/// The most names of streams that a status lists, and the most bytes of all of them.
const NAMES: usize = 50;
const NAME_BYTES: usize = 1500;
/// The most bytes of a sentence: the kubelet takes 4096 of a worker's last words.
const SENTENCE: usize = 800;

/// Checks a Connector, and finds its streams.
pub async fn probe(places: &Places, name: &str) -> (ProbeOutcome, Option<Catalogue>) {
    let mut outcome = ProbeOutcome { failure: None, system: None, latency: None, streams: None };
    let connector = match places.connector(name) {
        Ok(connector) => connector,
        Err(error) => {
            let step = if error.kind == ErrorKind::Credentials { ProbeStep::Credentials } else { ProbeStep::Config };
            outcome.failure = Some(failure(step, error));
            return (outcome, None);
        }
    };
    match connector.check().await {
        Ok(report) => {
            outcome.system = Some(short(&report.message));
            outcome.latency = Some(format!("{}ms", report.latency.as_millis()));
        }
        Err(error) => {
            let step = if error.kind == ErrorKind::Config { ProbeStep::Config } else { ProbeStep::Reach };
            outcome.failure = Some(failure(step, error));
            return (outcome, None);
        }
    }
    match connector.discover().await {
        Ok(catalogue) => {
            let catalogue = fitting(catalogue);
            outcome.streams = Some(summary(&catalogue));
            (outcome, Some(catalogue))
        }
        Err(error) => {
            outcome.failure = Some(failure(ProbeStep::Discover, error));
            (outcome, None)
        }
    }
}

fn failure(step: ProbeStep, error: ConnectorError) -> ProbeFailure {
    let error = RunError::Connector { node: None, error };
    ProbeFailure {
        step,
        reason: error.reason().to_owned(),
        message: short(&error.to_string()),
        remedy: error.remedy().as_deref().map(short),
    }
}

pub(super) fn short(text: &str) -> String {
    if text.len() <= SENTENCE {
        return text.to_owned();
    }
    let end = (0..=SENTENCE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", &text[..end])
}

/// As much of a catalogue as is kept.
fn fitting(mut catalogue: Catalogue) -> Catalogue {
    let size = |stream: &Stream| serde_json::to_vec(stream).map_or(usize::MAX, |text| text.len() + 1);
    let mut left = LARGEST - 100;
    let kept = catalogue.streams.iter().take_while(|stream| {
        let rest = left.checked_sub(size(stream));
        left = rest.unwrap_or_default();
        rest.is_some()
    });
    let kept = kept.count();
    catalogue.truncated |= kept < catalogue.streams.len();
    catalogue.streams.truncate(kept);
    catalogue
}

fn summary(catalogue: &Catalogue) -> StreamSummary {
    let mut left = NAME_BYTES;
    let names = catalogue.streams.iter().map(|stream| stream.name.clone()).take(NAMES).take_while(|name| {
        let rest = left.checked_sub(name.len() + 3);
        left = rest.unwrap_or_default();
        rest.is_some()
    });
    StreamSummary { count: catalogue.streams.len() as u64, names: names.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(streams: usize, length: usize) -> Catalogue {
        let name = |number: usize| format!("{number}-{}", "x".repeat(length));
        let streams = (0..streams).map(|number| Stream { name: name(number), ..Stream::default() });
        Catalogue { streams: streams.collect(), truncated: false }
    }

    #[test]
    fn a_catalogue_is_kept_as_far_as_it_fits() {
        let small = catalogue(100, 10);
        assert_eq!(fitting(small.clone()), small);
        let large = fitting(catalogue(2000, 1000));
        let bytes = serde_json::to_vec(&large).expect("JSON").len();
        assert!(large.truncated && (500_000..LARGEST).contains(&bytes), "{bytes}");
    }

    #[test]
    fn last_words_fit_into_what_the_kubelet_takes() {
        let many = summary(&catalogue(1000, 5));
        assert_eq!((many.count, many.names.len()), (1000, 50));
        let long = summary(&catalogue(60, 200));
        assert_eq!((long.count, long.names.len()), (60, 7));
        let sentence = "ü".repeat(2000);
        let outcome = ProbeOutcome {
            failure: Some(ProbeFailure {
                step: ProbeStep::Discover,
                reason: "NotFound".into(),
                message: short(&sentence),
                remedy: Some(short(&sentence)),
            }),
            system: Some(short(&sentence)),
            latency: Some("100ms".into()),
            streams: Some(summary(&catalogue(60, 20))),
        };
        let bytes = serde_json::to_vec(&outcome).expect("JSON").len();
        assert!(bytes <= 4096, "{bytes}");
    }
}
