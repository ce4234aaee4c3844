//! What connectors share whose streams are files: in a folder, or as objects in a store.
//!
//! A connector says where its files are ([`Store`]); here they are found by name, grouped into streams and splits, read
//! one after the other, and written as part files.

mod data_file;
mod found;
mod name;
mod parts;
mod reading;
mod saved;
mod shape;
mod source;
mod split;
mod store;
mod target;

pub(crate) use data_file::{DataFile, Identity, Version};
pub(crate) use found::found;
pub(crate) use name::{checked_name, escaped, fixed_folder, has_wildcard, hidden, is_below, matcher};
pub(crate) use parts::{Part, Parts, ROLL_BYTES, sync_folder};
pub(crate) use saved::{is_manifest, manifest_of_split, prefix_of_split};
pub(crate) use shape::{catalogue, describe_stream, not_found, shape_of};
pub(crate) use source::open_source;
pub(crate) use store::{Listing, Opened, Store};
pub(crate) use target::{Target, Written, prefix_of_run};

use crate::connector::{ConnectorError, ErrorKind, Result};

/// Runs what blocks on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::new(ErrorKind::Bug, "work on files", error.to_string()))?
}
