//! A bucket below its prefix: the requests that are made of it, with paths instead of keys and errors of ours.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, PutMode, PutOptions, PutResult, UpdateVersion,
};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;

use super::client::RETRIES;
use super::fault;
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result};

/// The first pause before a write is tried again that met another one.
const CONFLICT: Duration = Duration::from_millis(100);

/// An object, as a listing tells it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    /// Its path below the prefix.
    pub(super) path: String,
    /// Its bytes.
    pub(super) size: u64,
    /// What tells its content from others, as the store writes it; None if the store says nothing.
    pub(super) etag: Option<String>,
    /// When it was written, in nanoseconds since 1970-01-01 UTC.
    pub(super) modified: i64,
}

/// What must hold for an object to be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition<'c> {
    /// There is none of that path.
    Absent,
    /// It is still the one with this tag.
    Still(&'c str),
}

/// A bucket below its prefix.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    place: String,
    runtime: Handle,
    buffers: Buffers,
}

impl Bucket {
    /// To be made inside a runtime, which does the work of those who block.
    pub(super) fn new(store: Arc<dyn ObjectStore>, bucket: &str, prefix: &str) -> Self {
        let place = format!("s3://{bucket}/{prefix}{}", if prefix.is_empty() { "" } else { "/" });
        let (prefix, runtime, buffers) = (prefix.to_owned(), Handle::current(), Buffers::default());
        Self { store, prefix, place, runtime, buffers }
    }

    /// The same with other buffers than full-sized ones.
    pub(super) fn with_buffers(self, buffers: Buffers) -> Self {
        Self { buffers, ..self }
    }

    /// How much of objects is read ahead, and gathered before it is sent.
    pub(super) fn buffers(&self) -> Buffers {
        self.buffers
    }

    /// Its address, for messages: `s3://bucket/prefix/`.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The address of an object, for messages.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.place)
    }

    /// What the keys of all objects in a folder begin with; the empty path is the prefix itself.
    pub(super) fn folder(&self, path: &str) -> String {
        [self.prefix.as_str(), path]
            .into_iter()
            .filter(|part| !part.is_empty())
            .fold(String::new(), |key, part| key + part + "/")
    }

    /// The runtime that requests are made on.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The store itself.
    pub(super) fn store(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }

    /// Waits for a request, on a thread that may block.
    pub(super) fn wait<T>(&self, request: impl Future<Output = T>) -> T {
        self.runtime.block_on(request)
    }

    /// The key of a path.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it could mean another place.
    pub(super) fn key(&self, path: &str) -> Result<Path> {
        let refuse = |detail: String| {
            ConnectorError::new(ErrorKind::Config, format!("name the object `{path}`"), detail)
                .remedy("name objects below the Connector's prefix, as `out/a.csv`: no empty step, no `.`, no `..`")
        };
        if path.is_empty() || path.starts_with('/') || path.ends_with('/') {
            return Err(refuse("the path is empty, or begins or ends with `/`".into()));
        }
        let key = if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) };
        Path::parse(&key).map_err(|error| refuse(error.to_string()))
    }

    fn object(&self, meta: ObjectMeta) -> Option<Object> {
        let key = meta.location.as_ref();
        let path = if self.prefix.is_empty() { key } else { key.strip_prefix(&self.prefix)?.strip_prefix('/')? };
        let modified = meta.last_modified.timestamp_nanos_opt().unwrap_or(i64::MAX);
        Some(Object { path: path.to_owned(), size: meta.size, etag: meta.e_tag, modified })
    }

    /// Every object in a folder and the folders below; the empty path is the prefix itself. Sorted by path.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let operation = || format!("list {}", self.address(folder));
        let prefix = Path::parse(self.folder(folder)).map_err(|error| fault::of(&operation(), &error.into()))?;
        let found: Vec<ObjectMeta> =
            self.store.list(Some(&prefix)).try_collect().await.map_err(|error| fault::of(&operation(), &error))?;
        let mut objects: Vec<Object> = found.into_iter().filter_map(|meta| self.object(meta)).collect();
        objects.sort_by(|one, two| one.path.cmp(&two.path));
        Ok(objects)
    }

    /// The objects of a folder, without those of folders below. Sorted by path.
    pub(super) async fn list_flat(&self, folder: &str) -> Result<Vec<Object>> {
        let operation = || format!("list {}", self.address(folder));
        let prefix = Path::parse(self.folder(folder)).map_err(|error| fault::of(&operation(), &error.into()))?;
        let found = self.store.list_with_delimiter(Some(&prefix)).await;
        let found = found.map_err(|error| fault::of(&operation(), &error))?.objects;
        let mut objects: Vec<Object> = found.into_iter().filter_map(|meta| self.object(meta)).collect();
        objects.sort_by(|one, two| one.path.cmp(&two.path));
        Ok(objects)
    }

    /// An object, if it is there.
    pub(super) async fn head(&self, path: &str) -> Result<Option<Object>> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.store.get_opts(&self.key(path)?, options).await {
            Ok(found) => Ok(self.object(found.meta)),
            Err(error) if fault::is_missing(&error) => Ok(None),
            Err(error) => Err(fault::of(&format!("look at {}", self.address(path)), &error)),
        }
    }

    /// The content of a small object and its tag, if it is there.
    pub(super) async fn get(&self, path: &str) -> Result<Option<(Bytes, String)>> {
        let failed = |error: object_store::Error| fault::of(&format!("read {}", self.address(path)), &error);
        let found = match self.store.get_opts(&self.key(path)?, GetOptions::default()).await {
            Ok(found) => found,
            Err(error) if fault::is_missing(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let Some(etag) = found.meta.e_tag.clone() else { return Err(self.no_etag(path)) };
        let content = found.bytes().await.map_err(failed)?;
        Ok(Some((content, etag)))
    }

    /// Fetches an object into a file on this machine, as long as it is the one with this tag.
    pub(super) async fn fetch(&self, path: &str, etag: &str, file: &std::path::Path) -> Result<()> {
        let failed = |error: object_store::Error| fault::of(&format!("read {}", self.address(path)), &error);
        let options = GetOptions { if_match: Some(etag.to_owned()), ..GetOptions::default() };
        let mut content = self.store.get_opts(&self.key(path)?, options).await.map_err(failed)?.into_stream();
        let unwritten = |error: std::io::Error| crate::format::write_error(file, error);
        let mut local = tokio::fs::File::create(file).await.map_err(unwritten)?;
        while let Some(bytes) = content.next().await {
            local.write_all(&bytes.map_err(failed)?).await.map_err(unwritten)?;
        }
        local.flush().await.map_err(unwritten)
    }

    /// A range of an object, as long as it is the one with this tag.
    pub(super) async fn range(
        &self,
        key: &Path,
        range: std::ops::Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, object_store::Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: etag.map(str::to_owned),
            ..GetOptions::default()
        };
        self.store.get_opts(key, options).await?.bytes().await
    }

    /// Writes a small object if the condition holds; gives its tag.
    pub(super) async fn put_if(
        &self,
        path: &Path,
        content: Bytes,
        condition: Condition<'_>,
    ) -> Result<Option<String>, object_store::Error> {
        let mode = match condition {
            Condition::Absent => PutMode::Create,
            Condition::Still(etag) => PutMode::Update(UpdateVersion { e_tag: Some(etag.to_owned()), version: None }),
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        Ok(self.store.put_opts(path, content.into(), options).await?.e_tag)
    }

    /// Writes an object in one request, whatever is there. A store that has something else under way at its place (409, as
    /// `OperationAborted`) is asked again.
    pub(super) async fn put_whole(
        &self,
        key: &Path,
        content: Bytes,
        options: PutOptions,
    ) -> Result<PutResult, object_store::Error> {
        let mut pause = CONFLICT;
        for _ in 0..RETRIES {
            match self.store.put_opts(key, content.clone().into(), options.clone()).await {
                Err(error) if fault::is_conflict(&error) => tokio::time::sleep(pause).await,
                answered => return answered,
            }
            pause *= 2;
        }
        self.store.put_opts(key, content.into(), options).await
    }

    /// Writes a small object, whatever is there.
    pub(super) async fn put(&self, path: &str, content: Bytes) -> Result<()> {
        let put = self.put_whole(&self.key(path)?, content, PutOptions::default()).await;
        put.map(|_| ()).map_err(|error| fault::of(&format!("write {}", self.address(path)), &error))
    }

    /// Copies an object inside the store; false if there is none to copy.
    pub(super) async fn copy(&self, from: &str, to: &str) -> Result<bool> {
        let options = CopyOptions { mode: CopyMode::Overwrite, ..CopyOptions::default() };
        match self.store.copy_opts(&self.key(from)?, &self.key(to)?, options).await {
            Ok(()) => Ok(true),
            Err(error) if fault::is_missing(&error) => Ok(false),
            Err(error) => Err(fault::of(&format!("copy {} to {}", self.address(from), self.address(to)), &error)),
        }
    }

    /// Deletes objects; those that are not there count as deleted.
    pub(super) async fn delete(&self, paths: &[String]) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let keys = paths.iter().map(|path| self.key(path)).collect::<Result<Vec<_>>>()?;
        let mut deleted = self.store.delete_stream(futures::stream::iter(keys.into_iter().map(Ok)).boxed());
        while let Some(outcome) = deleted.next().await {
            match outcome {
                Err(error) if !fault::is_missing(&error) => {
                    return Err(fault::of(&format!("delete objects below {}", self.place), &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The error of a store that gives no tags.
    pub(super) fn no_etag(&self, path: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Refused,
            format!("read {}", self.address(path)),
            "the store gives no ETag, so nobody can tell if the object has changed",
        )
        .remedy("use a store that gives ETags and takes If-Match")
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn no_path_leaves_the_prefix() {
        let bucket = Bucket::new(Arc::new(InMemory::new()), "lake", "raw/in");
        assert_eq!(bucket.key("a/b=%2F.csv").unwrap().as_ref(), "raw/in/a/b=%2F.csv");
        for path in ["", "/a", "a/", "../a", "a/../../b", "a//b", "."] {
            assert_eq!(bucket.key(path).expect_err(path).kind, ErrorKind::Config, "{path:?}");
        }
        assert_eq!(bucket.address("a.csv"), "s3://lake/raw/in/a.csv");
        // A prefix that only begins alike is another place.
        bucket.store.put_opts(&Path::from("raw/inner/x"), "x".into(), PutOptions::default()).await.unwrap();
        bucket.put("y", "y".into()).await.unwrap();
        let found: Vec<String> = bucket.list("").await.unwrap().into_iter().map(|object| object.path).collect();
        assert_eq!(found, ["y"]);
    }
}
