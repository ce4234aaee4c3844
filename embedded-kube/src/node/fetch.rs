//! The objects that a Pod names, and tokens of its ServiceAccount, from the API server.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::context::PATIENCE;
use super::spec::Problem;
use super::spec::references::{Objects, References};

/// The pauses between looks at what may not be read yet: they double.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LAST_LOOK: Duration = Duration::from_secs(2);

/// Fetches the objects. Those that are not there are left out.
pub(crate) async fn objects(client: &Client, namespace: &str, names: &References) -> Result<Objects, Problem> {
    let mut found = Objects::default();
    for name in &names.secrets {
        found.secrets.extend(get(client, namespace, name).await?.map(|secret| (name.clone(), secret)));
    }
    for name in &names.config_maps {
        found.config_maps.extend(get(client, namespace, name).await?.map(|map| (name.clone(), map)));
    }
    Ok(found)
}

async fn get<K>(client: &Client, namespace: &str, name: &str) -> Result<Option<K>, Problem>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let mut pause = FIRST_LOOK;
    loop {
        match timeout(PATIENCE, api.get_opt(name)).await {
            Ok(Ok(found)) => return Ok(found),
            // The API server lets a node read what its Pods name, and learns of a Pod a little later than the node.
            Ok(Err(kube::Error::Api(status))) if status.code == 403 && pause < LAST_LOOK => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Ok(Err(error)) => {
                return Err(Problem::Missing(format!("the {} {name:?} cannot be read: {error}", K::kind(&()))));
            }
            Err(_) => return Err(late(&format!("the {} {name:?}", K::kind(&())))),
        }
    }
}

fn late(what: &str) -> Problem {
    Problem::Missing(format!("{what} cannot be read: no answer in {} seconds", PATIENCE.as_secs()))
}

/// A token of the Pod's ServiceAccount, and when it expires.
pub(crate) async fn token(
    client: &Client,
    pod: &Pod,
    audience: Option<&str>,
    seconds: i64,
) -> Result<(String, Timestamp), Problem> {
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
    let api: Api<ServiceAccount> =
        Api::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default());
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: audience.map(|audience| vec![audience.to_owned()]),
            expiration_seconds: Some(seconds),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let refused = |error: &dyn std::fmt::Display| {
        Problem::Missing(format!("there is no token of the ServiceAccount {account:?}: {error}"))
    };
    let answer = timeout(PATIENCE, api.create_token_request(account, &PostParams::default(), &request)).await;
    let answer = answer.map_err(|_| late("a token"))?.map_err(|error| refused(&error))?;
    let status = answer.status.and_then(|status| Some((status.token?, status.expiration_timestamp?.0)));
    status.ok_or_else(|| refused(&"the answer is empty"))
}
