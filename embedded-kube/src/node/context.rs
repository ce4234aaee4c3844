//! What the runner of each Pod works with.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use kube::{Api, Client};

use super::home::Home;
use super::life::container::Delays;
use super::log::Index;
use super::options::{Capacity, Options};
use super::spec::Facts;

/// How long the API server may take for one answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What the runners of all Pods share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) options: Options,
    pub(crate) capacity: Capacity,
    pub(crate) home: Home,
    pub(crate) logs: Arc<Index>,
    /// The program that supervises containers.
    pub(crate) supervisor: PathBuf,
    /// Whether containers have mounts of their own.
    pub(crate) mounts: bool,
}

impl Context {
    /// The node's address: that of its port; without one, it is reached from this machine alone.
    pub(crate) fn address(&self) -> IpAddr {
        let endpoint = self.options.endpoint.as_ref();
        endpoint.map_or(Ipv4Addr::LOCALHOST.into(), |endpoint| endpoint.address.ip())
    }

    /// What the downward API tells of a Pod.
    pub(crate) fn facts<'a>(&'a self, pod: &'a Pod) -> Facts<'a> {
        Facts { pod, address: self.address(), capacity: &self.capacity }
    }

    /// How long failing containers wait.
    pub(crate) fn delays(&self) -> Delays {
        Delays { first: self.options.restart_delay, most: self.options.longest_restart_delay }
    }

    /// The variables that a container has before its own.
    pub(crate) fn environment(&self, pod: &Pod, folder: &std::path::Path) -> BTreeMap<String, String> {
        let mut base = self.options.environment.clone();
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        base.entry("PATH".to_owned()).or_insert_with(|| path.to_owned());
        base.insert("HOSTNAME".to_owned(), pod.metadata.name.clone().unwrap_or_default());
        base.insert("HOME".to_owned(), folder.display().to_string());
        if let Some(server) = self.options.api_server {
            base.insert("KUBERNETES_SERVICE_HOST".to_owned(), server.ip().to_string());
            base.insert("KUBERNETES_SERVICE_PORT".to_owned(), server.port().to_string());
            base.insert("KUBERNETES_SERVICE_PORT_HTTPS".to_owned(), server.port().to_string());
        }
        base
    }

    /// Writes an event of the Pod, which nobody waits for.
    pub(crate) fn tell(&self, pod: &Pod, warning: bool, reason: &str, message: &str) {
        let now = Timestamp::now();
        let metadata = &pod.metadata;
        let namespace = metadata.namespace.clone().unwrap_or_default();
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", metadata.name.as_deref().unwrap_or_default(), now.as_nanosecond())),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: metadata.name.clone(),
                namespace: metadata.namespace.clone(),
                uid: metadata.uid.clone(),
                ..ObjectReference::default()
            },
            type_: Some(if warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            count: Some(1),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            source: Some(EventSource {
                component: Some("embedded-kube".to_owned()),
                host: Some(self.options.name.clone()),
            }),
            ..Event::default()
        };
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        tokio::spawn(async move {
            let written = tokio::time::timeout(PATIENCE, api.create(&PostParams::default(), &event)).await;
            match written {
                Ok(Ok(_)) => {}
                // As when the namespace goes.
                Ok(Err(error)) => tracing::debug!(%error, "an event was not written"),
                Err(_) => tracing::debug!("an event was not written in time"),
            }
        });
    }
}
