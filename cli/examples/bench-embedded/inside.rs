//! The same writes to the same API within this process: what TLS and the connections cost is the difference.

use std::path::Path;

use aggregator_embedded_kube::api::access::User;
use aggregator_embedded_kube::cluster::{Cluster, Options};
use kube::Client;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::writes::{Scene, Written};

/// In memory, and in a folder.
pub(crate) struct Inside {
    pub(crate) in_memory: Written,
    pub(crate) in_folder: Written,
}

pub(crate) fn measure(runtime: &Runtime, folder: &Path, writers: usize, scene: Scene) -> Outcome<Inside> {
    let written = |options: Options| runtime.block_on(written(options, writers, scene));
    Ok(Inside {
        in_memory: written(Options { port: Some(0), ..Options::default() })?,
        in_folder: written(Options { port: Some(0), data: Some(folder.join("inside")), ..Options::default() })?,
    })
}

async fn written(options: Options, writers: usize, scene: Scene) -> Outcome<Written> {
    let cluster = Box::pin(Cluster::start(options)).await?;
    let user = User { name: "bench".into(), groups: vec!["system:masters".into()], ..User::default() };
    let clients: Vec<Client> = (0..writers).map(|_| Client::new(cluster.service(user.clone()), "default")).collect();
    scene.prepare(clients.first().ok_or("nobody writes")?).await?;
    let written = scene.write(&clients).await?;
    Box::pin(cluster.stop()).await?;
    Ok(written)
}
