//! Waiting until an object is gone.

use std::pin::pin;

use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;

use super::connection::Connection;
use super::patience::Patience;
use super::trouble::Trouble;

/// Waits until there is no object of that name, or another one has it: of `uid`, that is.
pub(super) async fn gone(
    connection: &Connection,
    api: Api<DynamicObject>,
    name: &str,
    uid: &str,
) -> Result<(), Trouble> {
    let mut objects = pin!(watch_object(api, name).default_backoff());
    let mut patience = Patience::default();
    while let Some(told) = objects.next().await {
        match told {
            Ok(Some(object)) if object.uid().as_deref() == Some(uid) => patience.answered(),
            Ok(_) => break,
            Err(error) => patience.bear(connection.lost(error))?,
        }
    }
    Ok(())
}
