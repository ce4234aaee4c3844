//! What a worker has found for an object, kept in a ConfigMap beside it.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};

use super::FIELD_MANAGER;
use super::patience::patiently;

/// Keeps a text in a ConfigMap of that name, under that key. It goes with its owner.
///
/// # Errors
/// When the API server refuses it, or cannot be reached for long.
pub async fn keep(
    client: &Client,
    metadata: ObjectMeta,
    owner: OwnerReference,
    key: &str,
    text: String,
) -> Result<(), kube::Error> {
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let name = metadata.name.clone().unwrap_or_default();
    let object = ConfigMap {
        metadata: ObjectMeta { owner_references: Some(vec![owner]), ..metadata },
        data: Some([(key.to_owned(), text)].into()),
        ..ConfigMap::default()
    };
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let (params, patch) = (PatchParams::apply(FIELD_MANAGER).force(), Patch::Apply(&object));
    patiently("keep what was found", || api.patch(&name, &params, &patch)).await.map(drop)
}
