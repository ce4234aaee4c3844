//! The objects of a stream: what a listing gives, as of the last commit.
//!
//! A commit of ours appears to a plain listing object by object. Its record tells which objects belong to it and which
//! are gone, so whoever reads the record with the listing sees all of a commit or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregator_crds::connector::FileFormat;

use super::bucket::{Bucket, Object};
use super::range::Listed;
use super::record::{RECORDS, State};
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result};
use crate::connectors::files::{
    DataFile, Identity, Listing, Opened, Store, Version, checked_name, fixed_folder, has_wildcard, hidden, matcher,
};
use crate::format::Input;

/// How often a listing is repeated because commits went on meanwhile.
const TRIES: usize = 10;

/// The objects below a prefix.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    bucket: Bucket,
}

impl Objects {
    /// Those of a bucket.
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }

    /// The data objects in a folder, as of one moment.
    pub(super) async fn view(&self, folder: &str) -> Result<Vec<Object>> {
        let mut before = self.bucket.list_flat(RECORDS).await?;
        for _ in 0..TRIES {
            let hiding = self.hiding(&before).await?;
            let found = self.bucket.list(folder).await?;
            let after = self.bucket.list_flat(RECORDS).await?;
            if let (Some(hiding), true) = (hiding, same(&before, &after)) {
                return Ok(data(found, &hiding));
            }
            before = after;
        }
        Err(ConnectorError::new(
            ErrorKind::Transient,
            format!("list {}", self.bucket.address(folder)),
            "commits went on all the while, so no listing was of one moment",
        )
        .remedy("try again when fewer runs write there"))
    }

    /// The objects that commits in progress hide from readers; None if a record changed since it was listed.
    async fn hiding(&self, records: &[Object]) -> Result<Option<BTreeSet<String>>> {
        let mut hidden = BTreeSet::new();
        for record in records.iter().filter(|record| record.path.ends_with(".json")) {
            let Some((content, etag)) = self.bucket.get(&record.path).await? else { return Ok(None) };
            if record.etag.as_ref() != Some(&etag) {
                return Ok(None);
            }
            let state = State::parse(&content, &self.bucket.address(&record.path))?;
            hidden.extend(state.hidden().map(str::to_owned));
        }
        Ok(Some(hidden))
    }

    /// The objects of a stream that is no glob: one, or those of a folder.
    async fn named(&self, name: &str) -> Result<Vec<Object>> {
        let object = self.bucket.head(name).await?.filter(|object| !is_marker(object));
        match object {
            Some(object) => Ok(vec![object]),
            None => self.view(name).await,
        }
    }
}

fn same(before: &[Object], after: &[Object]) -> bool {
    before.iter().map(|object| (&object.path, &object.etag)).eq(after.iter().map(|object| (&object.path, &object.etag)))
}

/// What tools put in place of a folder: an empty object.
fn is_marker(object: &Object) -> bool {
    object.size == 0 && !object.path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

/// Those that are data.
fn data(found: Vec<Object>, hiding: &BTreeSet<String>) -> Vec<Object> {
    let is_data =
        |object: &Object| !object.path.split('/').any(hidden) && !hiding.contains(&object.path) && !is_marker(object);
    found.into_iter().filter(is_data).collect()
}

fn file(object: Object) -> DataFile {
    let version = match object.etag {
        Some(etag) => Version::Tagged { etag },
        None => Version::Changed { modified: object.modified },
    };
    let identity = Identity { size: object.size, version };
    DataFile { path: object.path, identity, modified: object.modified }
}

fn listing(objects: impl IntoIterator<Item = Object>) -> Listing {
    Listing { files: objects.into_iter().map(file).collect(), escaping: Vec::new() }
}

impl Store for Objects {
    const POSITIONS: &'static str = "objects";
    const ONE: &'static str = "object";
    const EMPTY: &'static str = "no data is there at all: correct `bucket` or `prefix`";
    const UNREADABLE: &'static str =
        "the objects cannot be listed: check the Connector with `aggregator connectors check`";
    const REPLACED: &'static str = "run again; give objects that change names of their own";

    fn place(&self) -> String {
        self.bucket.place().to_owned()
    }

    fn buffers(&self) -> Buffers {
        self.bucket.buffers()
    }

    fn list(&self, stream: &str) -> Result<Listing> {
        let name = checked_name(stream)?;
        if let Some(folder) = name.strip_suffix('/').filter(|folder| !has_wildcard(folder)) {
            return self.bucket.wait(self.view(folder)).map(listing);
        }
        if !has_wildcard(name) {
            return self.bucket.wait(self.named(name)).map(listing);
        }
        let pattern = if name.ends_with('/') { format!("{name}**/*") } else { name.to_owned() };
        let matcher = matcher(stream, &pattern)?;
        let found = self.bucket.wait(self.view(&fixed_folder(&pattern)))?;
        Ok(listing(found.into_iter().filter(|object| matcher.is_match(&object.path))))
    }

    fn list_all(&self) -> Result<Listing> {
        self.bucket.wait(self.view("")).map(listing)
    }

    fn is_open(&self, stream: &str) -> bool {
        checked_name(stream).is_ok_and(|name| has_wildcard(name) || name.ends_with('/'))
    }

    fn open(&self, file: &DataFile, format: &FileFormat) -> Result<Opened> {
        let etag = match &file.identity.version {
            Version::Tagged { etag } => Some(etag.clone()),
            Version::Changed { .. } => None,
        };
        let object = Listed::new(&self.bucket, &file.path, file.identity.size, etag)?;
        Ok(if matches!(format, FileFormat::Parquet(_)) {
            let (ranges, cause) = object.ranges();
            Opened { input: Input::Ranges(Arc::new(ranges)), cause }
        } else {
            let (stream, cause) = object.stream();
            Opened { input: Input::Stream(Box::new(stream)), cause }
        })
    }

    fn check_unchanged(&self, file: &DataFile) -> Result<()> {
        if matches!(file.identity.version, Version::Tagged { .. }) {
            // Every request was for that very content.
            return Ok(());
        }
        let now = self.bucket.wait(self.bucket.head(&file.path))?.map(self::file);
        if now.is_some_and(|now| now.identity == file.identity) {
            return Ok(());
        }
        Err(ConnectorError::new(
            ErrorKind::Transient,
            format!("read {}", self.bucket.address(&file.path)),
            "the object was changed while it was read",
        )
        .remedy(Self::REPLACED))
    }
}
