//! The objects of a run: its plan, and the Job of an attempt.

use std::collections::BTreeMap;

use aggregator_crds::PipelineRun;
use aggregator_crds::run::RunMode;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use super::material::Material;
use super::view::writes;
use crate::identity::Who;
use crate::labels::{self, labels};
use crate::names;
use crate::settings::Settings;
use crate::worker::{self, MANIFESTS, Mounts, Worker};

/// What the operator needs of it again.
pub(super) const TERMS: &str = "terms.json";
/// How long a worker may take to stop, in seconds.
const GRACE_SECONDS: i64 = 60;

/// What the operator needs of a plan for later attempts.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Terms {
    /// The Pipeline's revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Which of all Pipelines that ever had this name: its Checkpoint goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_uid: Option<String>,
    /// What the Pods mount.
    pub mounts: Mounts,
    /// What the run may use, and how often it is tried.
    pub execution: aggregator_crds::pipeline::Execution,
}

/// The labels of everything that a run owns.
fn labels_of(run: &PipelineRun, attempt: Option<u32>) -> BTreeMap<String, String> {
    let mut all =
        labels([(labels::RUN, &run.name_any()), (labels::PIPELINE, &names::label(&run.spec.pipeline_ref.name))]);
    if let Some(attempt) = attempt {
        all.insert(labels::ATTEMPT.to_owned(), attempt.to_string());
    }
    all
}

/// The name of the ConfigMap that holds a run's plan.
#[must_use]
pub(super) fn plan_name(run: &PipelineRun) -> String {
    format!("{}-plan", run.name_any())
}

/// The run's plan. It never changes.
#[must_use]
pub(super) fn plan_of(
    run: &PipelineRun,
    material: Material,
    revision: Option<i64>,
    pipeline_uid: Option<String>,
) -> ConfigMap {
    let terms = Terms { revision, pipeline_uid, mounts: material.mounts, execution: material.execution };
    let terms = serde_json::to_string(&terms).unwrap_or_default();
    let data = [(MANIFESTS.to_owned(), material.manifests), (TERMS.to_owned(), terms)];
    ConfigMap {
        metadata: labels::child_of(run, plan_name(run), labels_of(run, None)),
        data: Some(data.into()),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// The name of an attempt's Job: the run's own for the first, if it can be.
#[must_use]
pub(super) fn job_name(run: &PipelineRun, attempt: u32) -> String {
    names::job(&run.name_any(), attempt)
}

/// How many Pods share an attempt, if several do. What writes nothing has nothing to share.
#[must_use]
pub(super) fn shards_of(run: &PipelineRun, terms: &Terms) -> Option<u32> {
    terms.execution.shards.filter(|shards| *shards > 1 && writes(run))
}

/// The Job of an attempt, with so many seconds until the run's timeout.
#[must_use]
pub(super) fn job_of(
    run: &PipelineRun,
    attempt: u32,
    terms: &Terms,
    deadline: Option<i64>,
    settings: &Settings,
) -> Job {
    let labels = labels_of(run, Some(attempt));
    let (plan, service_account) = (plan_name(run), who(run).name(settings));
    let worker = Worker {
        plan: &plan,
        service_account: Some(&service_account),
        arguments: arguments(run, attempt, terms),
        mounts: &terms.mounts,
        resources: terms.execution.resources.as_ref(),
        grace_seconds: GRACE_SECONDS,
        shards: shards_of(run, terms),
    };
    Job {
        metadata: labels::child_of(run, job_name(run, attempt), labels.clone()),
        // Another attempt is another Job, so that each has an end of its own and the policy is the Pipeline's.
        spec: Some(worker.job(labels, deadline, settings)),
        status: None,
    }
}

/// Who makes a run's attempts: what only shows rows keeps them, and tells nothing while it works.
#[must_use]
pub(super) fn who(run: &PipelineRun) -> Who {
    match run.spec.mode {
        RunMode::Preview => Who::Probe,
        RunMode::Full | RunMode::Incremental | RunMode::DryRun => Who::Run,
    }
}

/// The name of the ConfigMap that holds the rows of a preview.
fn preview_name(run: &PipelineRun) -> String {
    format!("{}-preview", run.name_any())
}

fn arguments(run: &PipelineRun, attempt: u32, terms: &Terms) -> Vec<String> {
    let mut options = vec![
        ("secrets", worker::SECRETS.to_owned()),
        ("namespace", run.namespace().unwrap_or_default()),
        ("pipeline", run.spec.pipeline_ref.name.clone()),
        ("run", run.name_any()),
        ("run-uid", run.uid().unwrap_or_default()),
    ];
    let mode = match run.spec.mode {
        RunMode::Full => "Full",
        RunMode::Incremental => "Incremental",
        RunMode::DryRun => "DryRun",
        RunMode::Preview => {
            let asked = run.spec.preview.as_ref();
            options.push(("keep-as", preview_name(run)));
            options.extend(asked.map(|preview| ("node", preview.node.clone())));
            options.extend(asked.and_then(|preview| preview.limit).map(|limit| ("limit", limit.to_string())));
            options.extend(params(run));
            return worker::arguments("preview", options);
        }
    };
    options.extend(terms.pipeline_uid.iter().map(|uid| ("pipeline-uid", uid.clone())));
    options.extend([("attempt", attempt.to_string()), ("mode", mode.into())]);
    options.extend(run.spec.backfill.iter().map(|interval| ("backfill", interval.to_string())));
    options.extend(params(run));
    let mut arguments = worker::arguments("run", options);
    if let Some(of) = shards_of(run, terms) {
        // The kubelet puts each Pod's own number in.
        arguments.extend(["--shard".to_owned(), format!("$({})/{of}", worker::INDEX)]);
    }
    arguments
}

fn params(run: &PipelineRun) -> impl Iterator<Item = (&'static str, String)> + '_ {
    run.spec.params.iter().map(|(name, value)| ("param", format!("{name}={value}")))
}
