//! A worker's Job and Pod.

use std::collections::BTreeMap;

use aggregator_crds::pipeline::Resources;
use aggregator_crds::run::POD_VARIABLE;
use k8s_openapi::api::batch::v1::{
    JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, HostPathVolumeSource,
    ObjectFieldSelector, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec,
    ResourceRequirements, SeccompProfile, SecretKeySelector, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;

use super::mounts::{Mounts, VOLUMES};
use crate::settings::{Settings, Variable};

/// The worker's container.
pub(super) const CONTAINER: &str = "worker";
/// Where it finds the plan.
const PLAN: &str = "/etc/aggregator/plan";
/// The file of the plan.
pub const MANIFESTS: &str = "manifests.yaml";
/// Where it finds Secrets.
pub const SECRETS: &str = "/etc/aggregator/secrets";
/// Where it may write: spilled rows, and what libraries put into a temporary folder.
const SCRATCH: &str = "/var/lib/aggregator/scratch";

/// A worker that is to be started.
#[derive(Clone, Debug)]
pub struct Worker<'a> {
    /// The ConfigMap with its manifests.
    pub plan: &'a str,
    /// Who it is for the Kubernetes API; nobody, if it has no business there.
    pub service_account: Option<&'a str>,
    /// What it is told.
    pub arguments: Vec<String>,
    /// What it mounts.
    pub mounts: &'a Mounts,
    /// What it may use.
    pub resources: Option<&'a Resources>,
    /// How long it may take to stop, in seconds.
    pub grace_seconds: i64,
    /// How many of them share the work.
    pub shards: Option<u32>,
}

/// The variable in which the Job's controller tells each Pod of several its number, from 0.
pub const INDEX: &str = "JOB_COMPLETION_INDEX";

/// The arguments of a worker's command: where its manifests are, and these.
#[must_use]
pub fn arguments(command: &str, options: Vec<(&'static str, String)>) -> Vec<String> {
    let file = [("file", format!("{PLAN}/{MANIFESTS}"))];
    let mut arguments = vec!["worker".to_owned(), command.to_owned()];
    for (name, value) in file.into_iter().chain(options) {
        arguments.extend([format!("--{name}"), literal(&value)]);
    }
    arguments
}

impl Worker<'_> {
    /// A Job that starts it once, or each of several once, with so many seconds until it is ended.
    #[must_use]
    pub fn job(self, labels: BTreeMap<String, String>, deadline: Option<i64>, settings: &Settings) -> JobSpec {
        let shards = self.shards.and_then(|shards| i32::try_from(shards).ok());
        // One that fails does not take the others along: what these save need not be done again.
        let times = match shards {
            None => JobSpec { backoff_limit: Some(0), ..JobSpec::default() },
            Some(shards) => JobSpec {
                completion_mode: Some("Indexed".into()),
                completions: Some(shards),
                parallelism: Some(shards),
                backoff_limit_per_index: Some(0),
                ..JobSpec::default()
            },
        };
        JobSpec {
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
                spec: Some(self.pod(settings)),
            },
            ..times
        }
    }

    fn pod(self, settings: &Settings) -> PodSpec {
        let (volumes, mounts) = volumes(self.plan, self.mounts);
        PodSpec {
            restart_policy: Some("Never".into()),
            service_account_name: self.service_account.map(str::to_owned),
            automount_service_account_token: Some(self.service_account.is_some()),
            termination_grace_period_seconds: Some(self.grace_seconds),
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
                args: Some(self.arguments),
                env: Some(environment(&settings.variables)),
                resources: self.resources.map(|resources| ResourceRequirements {
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
}

/// A text as it is: the kubelet takes `$(NAME)` for a variable, and `$$` for `$`.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

fn environment(variables: &[Variable]) -> Vec<EnvVar> {
    let scratch = EnvVar { name: "TMPDIR".into(), value: Some(SCRATCH.into()), value_from: None };
    // Pods of one shard, of which one follows the other, have one host name.
    let name = ObjectFieldSelector { field_path: "metadata.name".into(), ..ObjectFieldSelector::default() };
    let from = EnvVarSource { field_ref: Some(name), ..EnvVarSource::default() };
    let pod = EnvVar { name: POD_VARIABLE.into(), value: None, value_from: Some(from) };
    let more = variables.iter().map(|variable| match variable {
        Variable::Text { name, value } => EnvVar { name: name.clone(), value: Some(literal(value)), value_from: None },
        Variable::OfSecret { name, secret, key } => {
            let key = SecretKeySelector { name: secret.clone(), key: key.clone(), optional: Some(true) };
            let value_from = Some(EnvVarSource { secret_key_ref: Some(key), ..EnvVarSource::default() });
            EnvVar { name: name.clone(), value: None, value_from }
        }
    });
    [scratch, pod].into_iter().chain(more).collect()
}

fn quantities(list: &BTreeMap<String, String>) -> BTreeMap<String, Quantity> {
    list.iter().map(|(name, quantity)| (name.clone(), Quantity(quantity.clone()))).collect()
}

fn volumes(plan: &str, needed: &Mounts) -> (Vec<Volume>, Vec<VolumeMount>) {
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    let mut mount = |volume: Volume, path: String, read_only: bool| {
        let name = volume.name.clone();
        mounts.push(VolumeMount { name, mount_path: path, read_only: Some(read_only), ..VolumeMount::default() });
        volumes.push(volume);
    };
    let named = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let source = ConfigMapVolumeSource { name: plan.to_owned(), ..ConfigMapVolumeSource::default() };
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn variables_are_the_pods_name_and_texts_as_they_are_or_of_a_secret() {
        let variables = [
            Variable::Text { name: "A".into(), value: "$(TMPDIR)".into() },
            Variable::OfSecret { name: "B".into(), secret: "collector".into(), key: "headers".into() },
        ];
        let made: Vec<Value> =
            environment(&variables).iter().map(|variable| serde_json::to_value(variable).expect("JSON")).collect();
        let of_secret = json!({"secretKeyRef": {"name": "collector", "key": "headers", "optional": true}});
        assert_eq!(
            made,
            [
                json!({"name": "TMPDIR", "value": SCRATCH}),
                json!({"name": "AGGREGATOR_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
                json!({"name": "A", "value": "$$(TMPDIR)"}),
                json!({"name": "B", "valueFrom": of_secret}),
            ]
        );
    }
}
