//! `aggregator logs`: what the Pods of a run have said, or go on saying.

mod follow;
mod pods;
mod print;
mod read;

use aggregator_crds::run::PipelineRunStatus;
use aggregator_crds::{PipelineRun, Reason};
use aggregator_operator::labels;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, LogParams};
use kube::{Client, ResourceExt};

use super::connection::Connection;
use super::get::missing;
use super::kind::{Kind, Kinds};
use super::trouble::Trouble;
use crate::args::LogsArgs;
use crate::failure::Failure;
use follow::{Followed, Until};
use print::Printer;

/// Whose log is meant.
#[derive(Debug, PartialEq, Eq)]
enum Of {
    Run(String),
    Pipeline(String),
    Job(String),
    Pod(String),
}

pub(crate) async fn logs(args: LogsArgs) -> Result<u8, Failure> {
    let of = of(&args.object)?;
    let connection = Connection::open(&args.at.server, args.at.namespace.as_deref()).await?;
    let namespace = connection.namespace.clone();
    let pods: Api<Pod> = Api::namespaced(connection.client.clone(), &namespace);
    let (labels, attempt, until) = match of {
        Of::Pod(name) => {
            if args.follow {
                follow::pod(&connection, &pods, &name, &args).await?;
            } else {
                let read = read::all(&connection, &pods, &name, &params(&args), &Printer::new(false)).await;
                read.map_err(|trouble| unread(trouble, &known("pod")))?;
            }
            return Ok(0);
        }
        Of::Job(name) => {
            let jobs: Api<Job> = Api::namespaced(connection.client.clone(), &namespace);
            let job = connection.within(jobs.get(&name)).await;
            job.map_err(|trouble| missing(trouble.into(), &known("job")))?;
            (format!("job-name={name}"), 0, Until::Job(name))
        }
        Of::Run(name) => of_run(&run(&connection, &name).await?),
        Of::Pipeline(name) => of_run(&latest(&connection, &name).await?),
    };
    if args.follow {
        let followed = Followed { labels, attempt, until };
        Box::pin(follow::follow(&connection, &pods, &followed, &args)).await?;
        return Ok(0);
    }
    // What is not followed is of one attempt.
    let labels = if attempt > 0 { format!("{labels},{}={attempt}", labels::ATTEMPT) } else { labels };
    let found = connection.within(pods.list(&ListParams::default().labels(&labels))).await?;
    let mut found = found.items;
    if found.is_empty() {
        return Err(none(&connection, &until).await);
    }
    found.sort_by_key(pods::place);
    let printer = Printer::new(found.len() > 1);
    for pod in &found {
        let read = read::all(&connection, &pods, &pod.name_any(), &params(&args), &printer).await;
        read.map_err(|trouble| unread(trouble, &known("pod")))?;
    }
    Ok(0)
}

/// Reads `NAME` of a run, or `KIND/NAME`.
fn of(word: &str) -> Result<Of, Failure> {
    let Some((kind, name)) = word.split_once('/') else { return Ok(Of::Run(word.to_owned())) };
    let kinds = Kinds::known();
    let name = name.to_owned();
    match kinds.called(kind).map(|kind| kind.resource.kind.as_str()) {
        _ if name.is_empty() => Err(Failure::usage(format!("`{word}` names nothing"), "write KIND/NAME")),
        Some("PipelineRun") => Ok(Of::Run(name)),
        Some("Pipeline") => Ok(Of::Pipeline(name)),
        Some("Job") => Ok(Of::Job(name)),
        Some("Pod") => Ok(Of::Pod(name)),
        _ => {
            let help = "name a run, or pod/NAME, job/NAME, or pipeline/NAME for its latest run";
            Err(Failure::usage(format!("a `{kind}` has no log"), help))
        }
    }
}

/// A kind that every server has.
fn known(word: &str) -> Kind {
    Kinds::known().called(word).cloned().unwrap_or_else(Kind::runs)
}

/// What is asked of the log of a Pod.
fn params(args: &LogsArgs) -> LogParams {
    LogParams {
        container: args.container.clone(),
        previous: args.previous,
        since_seconds: args.since.map(|since| i64::try_from(since.as_secs().max(1)).unwrap_or(i64::MAX)),
        tail_lines: args.tail,
        timestamps: args.timestamps,
        ..LogParams::default()
    }
}

fn runs(client: &Client, namespace: &str) -> Api<PipelineRun> {
    Api::namespaced(client.clone(), namespace)
}

async fn run(connection: &Connection, name: &str) -> Result<PipelineRun, Failure> {
    let run = connection.within(runs(&connection.client, &connection.namespace).get(name)).await;
    run.map_err(|trouble| missing(trouble.into(), &Kind::runs()))
}

/// The latest run of a Pipeline.
async fn latest(connection: &Connection, pipeline: &str) -> Result<PipelineRun, Failure> {
    let runs = runs(&connection.client, &connection.namespace);
    let all = connection.within(runs.list(&ListParams::default())).await?;
    let of_it = all.items.into_iter().filter(|run| run.spec.pipeline_ref.name == pipeline);
    of_it.max_by_key(|run| (run.creation_timestamp().map(|time| time.0), run.name_any())).ok_or_else(|| Failure {
        reason: Reason::NotFound.as_str(),
        message: format!("there is no run of a Pipeline `{pipeline}` in the namespace {}", connection.namespace),
        remedy: Some(format!("start one with `aggregator run {pipeline} --wait`")),
        place: None,
        diagnostics: Vec::new(),
        exit_code: 1,
    })
}

/// The labels of a run's Pods, the attempt that goes on, and how long they are followed.
fn of_run(run: &PipelineRun) -> (String, u32, Until) {
    let attempt = run.status.as_ref().and_then(|status| status.attempt).unwrap_or(1);
    (format!("{}={}", labels::RUN, run.name_any()), attempt, Until::Run(run.name_any()))
}

/// Why there is no log: how the run stands.
async fn none(connection: &Connection, until: &Until) -> Failure {
    let (message, remedy) = match until {
        Until::Job(name) => (
            format!("the Job `{name}` has no Pods"),
            "they may be gone: `aggregator describe job/NAME` says more".to_owned(),
        ),
        Until::Run(name) => {
            let run = run(connection, name).await.ok().and_then(|run| run.status).unwrap_or_default();
            (
                format!("the run `{name}` has no Pods{}", stands(&run)),
                format!("`aggregator describe pipelinerun {name}` says more; Pods go with their Jobs"),
            )
        }
    };
    Failure {
        reason: Reason::NotFound.as_str(),
        message,
        remedy: Some(remedy),
        place: None,
        diagnostics: Vec::new(),
        exit_code: 1,
    }
}

/// How a run stands, behind a colon.
fn stands(status: &PipelineRunStatus) -> String {
    match (status.phase, status.conditions.first()) {
        (Some(phase), Some(condition)) => format!(": it is {phase:?}, {}: {}", condition.reason, condition.message),
        (Some(phase), None) => format!(": it is {phase:?}"),
        (None, _) => ": nobody has looked at it yet".into(),
    }
}

/// Why a log could not be read. A container that waits is no mistake.
fn unread(trouble: Trouble, kind: &Kind) -> Failure {
    let waits = trouble.refusal().is_some_and(|status| status.code == 400);
    let failure = missing(trouble.into(), kind);
    if !waits {
        return failure;
    }
    let remedy = "with --follow, it is waited for; several containers are told apart with --container";
    Failure { reason: Reason::Refused.as_str(), remedy: Some(remedy.into()), exit_code: 1, ..failure }
}

#[cfg(test)]
mod tests {
    use aggregator_crds::run::RunPhase;

    use super::*;

    #[test]
    fn a_name_alone_is_a_run_s() {
        for (word, wanted) in [
            ("orders-1", Of::Run("orders-1".into())),
            ("pipelinerun/a", Of::Run("a".into())),
            ("arun/a", Of::Run("a".into())),
            ("pipeline/a", Of::Pipeline("a".into())),
            ("job/a", Of::Job("a".into())),
            ("pods/a", Of::Pod("a".into())),
        ] {
            assert_eq!(of(word).map_err(|failure| failure.message), Ok(wanted), "{word}");
        }
        assert!(of("connector/a").is_err_and(|failure| failure.message.contains("has no log")));
        assert!(of("pod/").is_err_and(|failure| failure.message.contains("names nothing")));
    }

    #[test]
    fn a_run_without_pods_says_how_it_stands() {
        let status = PipelineRunStatus { phase: Some(RunPhase::Pending), ..PipelineRunStatus::default() };
        assert_eq!(stands(&status), ": it is Pending");
        assert_eq!(stands(&PipelineRunStatus::default()), ": nobody has looked at it yet");
    }
}
