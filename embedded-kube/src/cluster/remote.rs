//! The logs of nodes that are programs of their own: they are asked as an API server asks kubelets, at the address that the
//! Node tells.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response, StatusCode};
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::ClusterError;
use crate::api::home::{Authority, Home, Identity};
use crate::api::serve::Logs;
use crate::api::store::{Key, Resource, Store};
use crate::api::{Refusal, RefusalReason};
use crate::chain;
use crate::node::served;

/// The folder of the authority that tells nodes who may ask them. It certifies nobody else.
const FOLDER: &str = "nodes";
/// Whom it certifies.
const ASKS: &str = "kube-apiserver-kubelet-client";

/// The logs of nodes that are programs of their own.
pub(super) struct RemoteLogs {
    store: Store,
    /// By what nodes are known, in PEM.
    authority: String,
    identity: Identity,
}

impl RemoteLogs {
    pub(super) fn open(home: &Home, authority: &Authority, store: Store) -> Result<Self, ClusterError> {
        let identity = Authority::open(&home.folder(FOLDER)?)?.client(ASKS, None)?;
        Ok(Self { store, authority: authority.certificate().to_owned(), identity })
    }

    /// Where a node has its logs.
    fn place(&self, node: &str) -> Option<SocketAddr> {
        let resource = Resource { group: String::new(), plural: "nodes".into() };
        let node = self.store.get(&Key { resource, namespace: String::new(), name: node.to_owned() })?;
        place(&node.object["status"])
    }

    async fn ask(
        &self,
        place: SocketAddr,
        path: &str,
    ) -> Result<Response<kube::client::Body>, Box<dyn Error + Send + Sync>> {
        let mut config = Config::new(format!("https://{place}").parse()?);
        config.root_cert = Some(vec![CertificateDer::from_pem_slice(self.authority.as_bytes())?.to_vec()]);
        config.auth_info.client_certificate_data = Some(STANDARD.encode(&self.identity.certificate));
        config.auth_info.client_key_data = Some(STANDARD.encode(&self.identity.key).into());
        let request = Request::get(path).body(kube::client::Body::empty())?;
        Ok(Client::try_from(config)?.send(request).await?)
    }
}

/// The address and port that a node's status tells.
fn place(status: &Value) -> Option<SocketAddr> {
    let mut addresses = status["addresses"].as_array()?.iter();
    let address = addresses.find(|address| address["type"] == "InternalIP")?;
    let address: IpAddr = address["address"].as_str()?.parse().ok()?;
    let port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64()?;
    Some(SocketAddr::new(address, u16::try_from(port).ok()?))
}

#[async_trait::async_trait]
impl Logs for RemoteLogs {
    async fn log(&self, pod: &Value, query: &str) -> Result<Body, Refusal> {
        let words = served::wanted(pod, query)?;
        let container = served::container(pod, &words.container)?;
        let of = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (namespace, name, node) = (of("/metadata/namespace"), of("/metadata/name"), of("/spec/nodeName"));
        if node.is_empty() {
            return Ok(Body::empty());
        }
        let failed =
            |why: String| Refusal::new(RefusalReason::InternalError, format!("Internal error occurred: {why}"));
        let place =
            self.place(&node).ok_or_else(|| failed(format!("the node {node} does not say where its logs are")))?;
        let path = format!("/containerLogs/{namespace}/{name}/{container}?{query}");
        let answer = self.ask(place, &path).await.map_err(|error| failed(chain(error.as_ref())))?;
        let (head, body) = answer.into_parts();
        if head.status.is_success() {
            return Ok(Body::new(body));
        }
        let said = body.collect_bytes().await.map_err(|error| failed(chain(&error)))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        Err(match head.status {
            StatusCode::BAD_REQUEST => Refusal::bad_request(said),
            StatusCode::NOT_FOUND => served::lost(name),
            _ => failed(said),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_says_where_its_logs_are() {
        let port = json!({"kubeletEndpoint": {"Port": 10250}});
        let hostname = json!({"type": "Hostname", "address": "n"});
        let of = |address: &str| {
            let address = json!({"type": "InternalIP", "address": address});
            place(&json!({"addresses": [hostname, address], "daemonEndpoints": port}))
        };
        assert_eq!(of("127.0.0.1"), "127.0.0.1:10250".parse().ok());
        assert_eq!(of("::1"), "[::1]:10250".parse().ok());
        assert_eq!(of("n"), None);
        assert_eq!(place(&json!({"addresses": [hostname], "daemonEndpoints": port})), None);
        // A node whose logs are read within its process has no port.
        assert_eq!(place(&json!({"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]})), None);
    }
}
