//! Sends part files that were written on this machine to the store, in the background, a few at once.

use std::path::PathBuf;

use futures::StreamExt;
use object_store::{
    Attribute, AttributeValue, Attributes, GetOptions, MultipartUpload, PutMultipartOptions, PutOptions, PutPayload,
};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::bucket::Bucket;
use super::fault;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::connectors::files::Part;
use crate::points;

/// The most pieces that the store takes of one object.
const MOST_PIECES: u64 = 10_000;
/// How many pieces of one object are on their way at once.
const PIECES_AT_ONCE: usize = 3;
/// How many objects are sent at once; a file more, and the writer waits.
const OBJECTS_AT_ONCE: usize = 2;
/// The name under which an object keeps who has written it.
const TOKEN: &str = "aggregator-token";

/// A part that is in the store, where no reader looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StagedPart {
    /// The partition folders it belongs into; empty for none.
    pub(super) folder: String,
    /// Its path below the prefix.
    pub(super) staged: String,
    /// Its rows, as the file itself says where it does.
    pub(super) rows: u64,
    /// Its bytes.
    pub(super) bytes: u64,
    /// What the store tells its content by.
    pub(super) etag: String,
}

/// Part files on their way. Dropping it ends the requests.
pub(super) struct Uploads {
    bucket: Bucket,
    /// The folder in the store.
    staging: String,
    /// The folder on this machine.
    local: PathBuf,
    running: JoinSet<Result<StagedPart>>,
    done: Vec<StagedPart>,
}

impl Uploads {
    /// From a folder on this machine to one in the store.
    pub(super) fn new(bucket: Bucket, local: PathBuf, staging: String) -> Self {
        Self { bucket, staging, local, running: JoinSet::new(), done: Vec::new() }
    }

    /// Sends part files, and removes them here. Waits while many are on their way.
    pub(super) async fn send(&mut self, parts: Vec<Part>) -> Result<()> {
        for part in parts {
            while self.running.len() >= OBJECTS_AT_ONCE {
                self.wait_for_one().await?;
            }
            let (bucket, file) = (self.bucket.clone(), self.local.join(&part.staged));
            let path = format!("{}/{}", self.staging, part.staged.display());
            self.running.spawn(async move {
                let etag = upload(&bucket, &file, &path, part.bytes).await?;
                tokio::fs::remove_file(&file).await.map_err(|error| crate::format::write_error(&file, error))?;
                Ok(StagedPart { folder: part.folder, staged: path, rows: part.rows, bytes: part.bytes, etag })
            });
        }
        Ok(())
    }

    async fn wait_for_one(&mut self) -> Result<()> {
        match self.running.join_next().await {
            None => Ok(()),
            Some(Ok(part)) => {
                self.done.push(part?);
                Ok(())
            }
            Some(Err(error)) => Err(ConnectorError::new(ErrorKind::Bug, "send part files", error.to_string())),
        }
    }

    /// Waits for all; gives those that arrived since the last time, in the order they were written.
    pub(super) async fn finish(&mut self) -> Result<Vec<StagedPart>> {
        while !self.running.is_empty() {
            self.wait_for_one().await?;
        }
        let mut done = std::mem::take(&mut self.done);
        done.sort_by(|one, two| one.staged.cmp(&two.staged));
        Ok(done)
    }
}

/// Sends one file of that many bytes; gives the tag of the object.
async fn upload(bucket: &Bucket, file: &std::path::Path, path: &str, bytes: u64) -> Result<String> {
    let token = Uuid::now_v7().to_string();
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::Metadata(TOKEN.into()), AttributeValue::from(token.clone()));
    let unread = |error: std::io::Error| crate::format::input_error(&file.display().to_string(), error);
    let mut content = File::open(file).await.map_err(unread)?;
    let key = bucket.key(path)?;
    let failed = |error: &object_store::Error| fault::of(&format!("write {}", bucket.address(path)), error);
    points::pass("upload");
    let piece = usize::try_from(bytes.div_ceil(MOST_PIECES)).unwrap_or(usize::MAX).max(bucket.buffers().piece());
    if bytes <= piece as u64 {
        let mut whole = Vec::new();
        content.read_to_end(&mut whole).await.map_err(unread)?;
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = bucket.put_whole(&key, whole.into(), options).await;
        let etag = put.map_err(|error| failed(&error))?.e_tag;
        return etag.ok_or_else(|| bucket.no_etag(path));
    }
    let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
    let mut multipart = bucket.store().put_multipart_opts(&key, options).await.map_err(|error| failed(&error))?;
    let sent = send_pieces(multipart.as_mut(), &mut content, piece).await;
    let completed = match sent {
        Ok(()) => multipart.complete().await,
        Err(Sent::Unread(error)) => {
            give_up(multipart.as_mut(), path).await;
            return Err(unread(error));
        }
        Err(Sent::Refused(error)) => Err(error),
    };
    match completed {
        Ok(put) => put.e_tag.ok_or_else(|| bucket.no_etag(path)),
        Err(error) => {
            // The answer to a completion may have been lost, and the next try says that there is no such upload. Only the
            // object itself tells.
            if let Some(etag) = arrived(bucket, path, bytes, &token).await? {
                return Ok(etag);
            }
            give_up(multipart.as_mut(), path).await;
            Err(failed(&error))
        }
    }
}

enum Sent {
    Unread(std::io::Error),
    Refused(object_store::Error),
}

async fn send_pieces(upload: &mut dyn MultipartUpload, content: &mut File, bytes: usize) -> Result<(), Sent> {
    let mut running = futures::stream::FuturesUnordered::new();
    loop {
        let mut piece = Vec::with_capacity(bytes);
        let read = content.take(bytes as u64).read_to_end(&mut piece).await.map_err(Sent::Unread)?;
        if read == 0 {
            break;
        }
        running.push(upload.put_part(PutPayload::from(piece)));
        if running.len() >= PIECES_AT_ONCE
            && let Some(sent) = running.next().await
        {
            sent.map_err(Sent::Refused)?;
        }
    }
    while let Some(sent) = running.next().await {
        sent.map_err(Sent::Refused)?;
    }
    Ok(())
}

/// The pieces of an upload that nobody completes cost money until they are removed.
async fn give_up(upload: &mut dyn MultipartUpload, path: &str) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(path, error = %fault::of("abort an upload", &error), "an upload was left behind");
    }
}

/// The tag of the object if it is what was sent.
async fn arrived(bucket: &Bucket, path: &str, bytes: u64, token: &str) -> Result<Option<String>> {
    let options = GetOptions { head: true, ..GetOptions::default() };
    let found = match bucket.store().get_opts(&bucket.key(path)?, options).await {
        Ok(found) => found,
        Err(error) if fault::is_missing(&error) => return Ok(None),
        Err(error) => return Err(fault::of(&format!("look at {}", bucket.address(path)), &error)),
    };
    let kept = found.attributes.get(&Attribute::Metadata(TOKEN.into()));
    let ours = kept.is_some_and(|kept| kept.as_ref() == token) && found.meta.size == bytes;
    Ok(found.meta.e_tag.filter(|_| ours))
}
