//! `aggregator worker`: what the operator's Jobs run.

mod look;
mod preview;
mod probe;
mod run;
mod test;

use std::path::Path;

use aggregator_crds::run::{AttemptOutcome, AttemptResult};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;

use crate::args::{WorkerArgs, WorkerCommand, WorkerConnectorArgs};
use crate::failure::Failure;
use crate::telemetry::Telemetry;

pub(crate) async fn worker(args: WorkerArgs, telemetry: &Telemetry) -> Result<u8, Failure> {
    match args.command {
        WorkerCommand::Run(args) => {
            let message = args.termination_log.clone();
            told(run::run(args, telemetry).await, &message)
        }
        WorkerCommand::Preview(args) => {
            let message = args.termination_log.clone();
            told(preview::preview(args, telemetry).await, &message)
        }
        WorkerCommand::Look(args) => {
            of_connector(&args.of, telemetry);
            look::look(args).await
        }
        WorkerCommand::Probe(args) => {
            of_connector(&args.of, telemetry);
            probe::probe(args).await
        }
        WorkerCommand::Test(args) => test::test(args).await,
    }
}

/// Every line of the log says which Connector the worker looks at.
fn of_connector(args: &WorkerConnectorArgs, telemetry: &Telemetry) {
    telemetry.say("namespace", &args.namespace);
    telemetry.say("connector", &args.connector);
}

/// The log is far away: what kept an attempt from its end stands in the run's status as well.
fn told(ended: Result<u8, Failure>, message: &Path) -> Result<u8, Failure> {
    if let Err(failure) = &ended {
        let outcome = AttemptOutcome {
            reason: Some(failure.reason.to_owned()),
            message: Some(failure.message.clone()),
            remedy: failure.remedy.clone(),
            ..AttemptOutcome::new(AttemptResult::Failed)
        };
        std::fs::write(message, outcome.termination_message())?;
    }
    ended
}

/// One of our objects as the controller of what a worker makes for it.
fn owner(kind: &str, name: &str, uid: String) -> OwnerReference {
    OwnerReference {
        api_version: aggregator_crds::API_VERSION.into(),
        kind: kind.into(),
        name: name.to_owned(),
        uid,
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

async fn client() -> Result<Client, Failure> {
    Client::try_default().await.map_err(|error| {
        Failure::usage(
            format!("the Kubernetes API cannot be reached: {error}"),
            "run this in a Pod that the operator has made, or set KUBECONFIG",
        )
    })
}
