//! The objects, in several namespaces.

use aggregator_crds::{Connector, Pipeline, Schedule};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Options, Outcome};

/// How many requests are made at a time.
const AT_A_TIME: usize = 24;

/// How many objects there are, and where.
pub(crate) struct Objects {
    connectors: usize,
    pipelines: usize,
    schedules: usize,
    namespaces: usize,
}

impl Objects {
    pub(crate) fn new(options: &Options) -> Self {
        let Options { connectors, pipelines, schedules, namespaces, .. } = *options;
        Self { connectors, pipelines, schedules, namespaces }
    }

    /// How many are not Ready before the operator has looked at them.
    pub(crate) fn waiting(&self) -> usize {
        self.pipelines + self.schedules
    }

    pub(crate) fn words(&self) -> String {
        let Self { connectors, pipelines, schedules, namespaces } = self;
        format!("{connectors} Connectors, {pipelines} Pipelines and {schedules} Schedules in {namespaces} namespaces")
    }

    /// The namespace of the objects of that number.
    pub(crate) fn namespace(&self, number: usize) -> String {
        format!("bench-{}", number % self.namespaces)
    }

    pub(crate) async fn create(&self, client: &Client) -> Outcome<()> {
        for number in 0..self.namespaces {
            let namespace = json!({"metadata": {"name": self.namespace(number)}});
            let api: Api<Namespace> = Api::all(client.clone());
            api.create(&PostParams::default(), &serde_json::from_value(namespace)?).await?;
        }
        self.all::<Connector>(client, self.connectors, |number| self.connector(number)).await?;
        self.all::<Pipeline>(client, self.pipelines, |number| self.pipeline(number)).await?;
        self.all::<Schedule>(client, self.schedules, |number| self.schedule(number)).await?;
        self.checked(client).await
    }

    async fn all<K>(&self, client: &Client, count: usize, object: impl Fn(usize) -> Value) -> Outcome<()>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let create = |number| {
            let (api, object) = (self.api::<K>(client, number), object(number));
            async move {
                api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
                Outcome::Ok(())
            }
        };
        stream::iter((0..count).map(create)).buffer_unordered(AT_A_TIME).try_collect().await
    }

    /// The objects of a kind in the namespace of that number.
    pub(crate) fn api<K>(&self, client: &Client, number: usize) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(client.clone(), &self.namespace(number))
    }

    /// Connectors are checked by Jobs, which take a node: here each was checked a while ago.
    async fn checked(&self, client: &Client) -> Outcome<()> {
        let time = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second())?;
        let ready = json!({
            "type": "Ready", "status": "True", "reason": "CheckSucceeded", "message": "checked",
            "lastTransitionTime": time, "observedGeneration": 1,
        });
        let status = json!({"status": {
            "observedGeneration": 1,
            "type": "postgres",
            "conditions": [ready],
            "lastCheck": {"time": time, "generation": 1},
        }});
        let status = &status;
        let checked = |number: usize| {
            let api = self.api::<Connector>(client, number);
            async move {
                let (name, patch) = (format!("connector-{number}"), Patch::Merge(status));
                api.patch_status(&name, &PatchParams::default(), &patch).await?;
                Outcome::Ok(())
            }
        };
        stream::iter((0..self.connectors).map(checked)).buffer_unordered(AT_A_TIME).try_collect().await
    }

    fn connector(&self, number: usize) -> Value {
        json!({
            "apiVersion": aggregator_crds::API_VERSION,
            "kind": "Connector",
            "metadata": {"name": format!("connector-{number}"), "namespace": self.namespace(number)},
            "spec": {"description": "One of many", "postgres": {
                "host": "postgres.example.svc", "port": 5432, "database": format!("shop-{number}"), "username": "reader",
                "password": {"secretKey": "password"},
            }},
        })
    }

    /// The Connector of that rank in a Pipeline's namespace.
    fn connector_of(&self, number: usize, rank: usize) -> String {
        let in_namespace = (self.connectors / self.namespaces).max(1);
        let own = number % self.namespaces + self.namespaces * ((number / self.namespaces + rank) % in_namespace);
        format!("connector-{}", own % self.connectors)
    }

    fn pipeline(&self, number: usize) -> Value {
        json!({
            "apiVersion": aggregator_crds::API_VERSION,
            "kind": "Pipeline",
            "metadata": {"name": format!("pipeline-{number}"), "namespace": self.namespace(number)},
            "spec": {
                "description": "One of many",
                "sources": [
                    {"name": "orders", "connector": self.connector_of(number, 0), "stream": "public.orders"},
                    {"name": "customers", "connector": self.connector_of(number, 1), "stream": "public.customers"},
                ],
                "transforms": [
                    {"name": "joined", "from": ["orders", "customers"],
                     "join": {"type": "Left", "keys": [{"left": "customer_id", "right": "customer_id"}]}},
                    {"name": "daily", "from": ["joined"], "aggregate": {
                        "groupBy": ["day", "country"],
                        "measures": [{"name": "orders", "expression": "count(*)"},
                                     {"name": "value", "expression": "sum(price)"}],
                    }},
                ],
                "sinks": [{
                    "name": "out", "from": "daily", "connector": self.connector_of(number, 2), "stream": "public.daily",
                }],
            },
        })
    }

    fn schedule(&self, number: usize) -> Value {
        json!({
            "apiVersion": aggregator_crds::API_VERSION,
            "kind": "Schedule",
            "metadata": {"name": format!("schedule-{number}"), "namespace": self.namespace(number)},
            "spec": {
                "pipelineRef": {"name": format!("pipeline-{}", number % self.pipelines)},
                // Nothing is due while it is measured, but what it is told later.
                "cron": {"expressions": ["0 3 1 1 *"], "timeZone": "Europe/Berlin"},
            },
        })
    }
}
