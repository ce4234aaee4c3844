//! A look for files on a cluster, and how it ended.

use std::time::Duration;

use aggregator_crds::schedule::{LookFailure, LookOutcome};

use super::probe::short;
use crate::run::{Places, RunError};

/// Looks for the files of a stream that have stayed as they are for at least `settle`.
pub async fn look(places: &Places, connector: &str, stream: &str, settle: Duration) -> LookOutcome {
    let found = async { places.connector(connector)?.files(stream, settle).await };
    match found.await {
        Ok(found) => LookOutcome { found: Some(found), failure: None },
        Err(error) => {
            let error = RunError::Connector { node: None, error };
            let failure = LookFailure {
                reason: error.reason().to_owned(),
                message: short(&error.to_string()),
                remedy: error.remedy().as_deref().map(short),
            };
            LookOutcome { found: None, failure: Some(failure) }
        }
    }
}
