//! The objects of a run: its plan, and the Job of an attempt.

use std::collections::BTreeMap;

use aggregator_crds::PipelineRun;
use aggregator_crds::run::RunMode;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMap, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, HostPathVolumeSource,
    PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements,
    SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::material::{Material, Mounts, VOLUMES};
use crate::labels::{self, labels};
use crate::names;
use crate::settings::Settings;

/// The worker's container.
pub(super) const CONTAINER: &str = "worker";
/// Where it finds the plan.
const PLAN: &str = "/etc/aggregator/plan";
/// The file of the plan.
pub(super) const MANIFESTS: &str = "manifests.yaml";
/// What the operator needs of it again.
pub(super) const TERMS: &str = "terms.json";
/// Where it finds Secrets.
const SECRETS: &str = "/etc/aggregator/secrets";
/// Where it may write: spilled rows, and what libraries put into a temporary folder.
const SCRATCH: &str = "/var/lib/aggregator/scratch";
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

/// The name of an attempt's Job: the run's own for the first.
#[must_use]
pub(super) fn job_name(run: &PipelineRun, attempt: u32) -> String {
    if attempt <= 1 { run.name_any() } else { names::child(&run.name_any(), &attempt.to_string()) }
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
    Job {
        metadata: labels::child_of(run, job_name(run, attempt), labels.clone()),
        spec: Some(JobSpec {
            // Another attempt is another Job, so that each has an end of its own and the policy is the Pipeline's.
            backoff_limit: Some(0),
            // No second Pod while the first may still write.
            pod_replacement_policy: Some("Failed".into()),
            // A Pod that was taken from its node has not failed: another one goes on.
            pod_failure_policy: Some(PodFailurePolicy {
                rules: vec![PodFailurePolicyRule {
                    action: "Ignore".into(),
                    on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                        type_: "DisruptionTarget".into(),
                        status: Some("True".into()),
                    }]),
                    ..PodFailurePolicyRule::default()
                }],
            }),
            active_deadline_seconds: deadline,
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
                spec: Some(pod(run, attempt, terms, settings)),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn pod(run: &PipelineRun, attempt: u32, terms: &Terms, settings: &Settings) -> PodSpec {
    let (volumes, mounts) = volumes(run, &terms.mounts);
    PodSpec {
        restart_policy: Some("Never".into()),
        service_account_name: Some(settings.service_account.clone()),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(65532),
            fs_group: Some(65532),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), ..SeccompProfile::default() }),
            ..PodSecurityContext::default()
        }),
        containers: vec![Container {
            name: CONTAINER.into(),
            image: Some(settings.image.clone()),
            command: Some(settings.command.clone()),
            args: Some(arguments(run, attempt, terms)),
            env: Some(vec![EnvVar { name: "TMPDIR".into(), value: Some(SCRATCH.into()), ..EnvVar::default() }]),
            resources: terms.execution.resources.as_ref().map(|resources| ResourceRequirements {
                requests: Some(quantities(&resources.requests)),
                limits: Some(quantities(&resources.limits)),
                claims: None,
            }),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
                ..SecurityContext::default()
            }),
            volume_mounts: Some(mounts),
            ..Container::default()
        }],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

fn quantities(list: &BTreeMap<String, String>) -> BTreeMap<String, Quantity> {
    list.iter().map(|(name, quantity)| (name.clone(), Quantity(quantity.clone()))).collect()
}

fn arguments(run: &PipelineRun, attempt: u32, terms: &Terms) -> Vec<String> {
    let mode = match run.spec.mode {
        RunMode::Full => "Full",
        RunMode::Incremental => "Incremental",
        RunMode::DryRun => "DryRun",
        RunMode::Preview => "Preview",
    };
    let mut arguments: Vec<String> = vec!["worker".into(), "run".into()];
    // The kubelet takes `$(NAME)` for a variable, and `$$` for `$`.
    let mut option = |name: &str, value: String| arguments.extend([format!("--{name}"), value.replace('$', "$$")]);
    option("file", format!("{PLAN}/{MANIFESTS}"));
    option("secrets", SECRETS.into());
    option("namespace", run.namespace().unwrap_or_default());
    option("pipeline", run.spec.pipeline_ref.name.clone());
    option("run", run.name_any());
    option("run-uid", run.uid().unwrap_or_default());
    if let Some(uid) = &terms.pipeline_uid {
        option("pipeline-uid", uid.clone());
    }
    option("attempt", attempt.to_string());
    option("mode", mode.into());
    for (name, value) in &run.spec.params {
        option("param", format!("{name}={value}"));
    }
    arguments
}

fn volumes(run: &PipelineRun, needed: &Mounts) -> (Vec<Volume>, Vec<VolumeMount>) {
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    let mut mount = |volume: Volume, path: String, read_only: bool| {
        let name = volume.name.clone();
        mounts.push(VolumeMount { name, mount_path: path, read_only: Some(read_only), ..VolumeMount::default() });
        volumes.push(volume);
    };
    let named = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let source = ConfigMapVolumeSource { name: plan_name(run), ..ConfigMapVolumeSource::default() };
    mount(Volume { config_map: Some(source), ..named("plan") }, PLAN.into(), true);
    mount(Volume { empty_dir: Some(EmptyDirVolumeSource::default()), ..named("scratch") }, SCRATCH.into(), false);
    for (number, secret) in needed.secrets.iter().enumerate() {
        let source = SecretVolumeSource {
            secret_name: Some(secret.clone()),
            // The worker names what is missing; the kubelet would only wait.
            optional: Some(true),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        };
        let volume = Volume { secret: Some(source), ..named(&format!("secret-{number}")) };
        mount(volume, format!("{SECRETS}/{secret}"), true);
    }
    for (number, claim) in needed.claims.iter().enumerate() {
        let source = PersistentVolumeClaimVolumeSource { claim_name: claim.clone(), read_only: None };
        let volume = Volume { persistent_volume_claim: Some(source), ..named(&format!("claim-{number}")) };
        mount(volume, format!("{VOLUMES}/{claim}"), false);
    }
    for (number, path) in needed.host_paths.iter().enumerate() {
        let path = path.display().to_string();
        let source = HostPathVolumeSource { path: path.clone(), type_: Some("DirectoryOrCreate".into()) };
        mount(Volume { host_path: Some(source), ..named(&format!("host-{number}")) }, path, false);
    }
    (volumes, mounts)
}
