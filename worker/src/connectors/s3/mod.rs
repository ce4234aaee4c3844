//! The `s3` connector: objects in an S3-compatible store, read and written as the files of a folder are.
//!
//! ```text
//! client (who asks whom; answer) ── bucket (requests, in our errors: fault)
//!                                     ├── objects (streams: which objects there are, their content in ranges)
//!                                     └── sink ── upload (part objects, staged) ── commit (one record, by compare-and-set)
//!                                           └──── saved (splits that outlive an attempt)
//! ```

mod answer;
mod bucket;
mod client;
mod commit;
mod fault;
mod objects;
mod range;
mod record;
mod saved;
mod sink;
mod upload;

use std::time::{Duration, Instant};

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_crds::connector::{ConnectorType, FileFormat};
use aggregator_crds::schedule::FilesFound;
use async_trait::async_trait;
use object_store::list::{PaginatedListOptions, PaginatedListStore};

use crate::connector::{
    CheckReport, Connector, ConnectorError, Environment, ErrorKind, Result, Sink, SinkRequest, Source, SourceRequest,
};
use crate::connectors::files::{blocking, catalogue, describe_stream, found, open_source};
use bucket::Bucket;
use client::Client;
use objects::Objects;
use sink::S3Sink;

/// Opens an `s3` Connector.
pub(super) fn open(environment: Environment) -> Result<Box<dyn Connector>> {
    let ConnectorType::S3(spec) = &environment.spec.connector_type else {
        return Err(ConnectorError::new(
            ErrorKind::Bug,
            format!("open Connector `{}`", environment.name),
            "it is not of type `s3`",
        ));
    };
    let client = Client::new(spec, &environment)?;
    Ok(Box::new(S3Connector { client, format: spec.format.clone() }))
}

struct S3Connector {
    client: Client,
    format: Option<FileFormat>,
}

impl S3Connector {
    fn bucket(&self) -> Bucket {
        self.client.bucket()
    }

    fn objects(&self) -> Objects {
        Objects::new(self.bucket())
    }
}

#[async_trait]
impl Connector for S3Connector {
    async fn check(&self) -> Result<CheckReport> {
        let started = Instant::now();
        let bucket = self.bucket();
        let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let prefix = bucket.folder("");
        let page = self.client.store.list_paginated(Some(&prefix), options).await;
        let page = page.map_err(|error| fault::of(&format!("list {}", bucket.place()), &error))?;
        let found = if page.result.objects.is_empty() { "no object is there yet" } else { "objects are there" };
        let message = format!("{} at {}, {found}", bucket.place(), self.client.address);
        Ok(CheckReport { message, latency: started.elapsed() })
    }

    async fn discover(&self) -> Result<Catalogue> {
        let (objects, format) = (self.objects(), self.format.clone());
        blocking(move || catalogue(&objects, format.as_ref())).await
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        let (objects, format, stream) = (self.objects(), self.format.clone(), stream.to_owned());
        blocking(move || describe_stream(&objects, format.as_ref(), &stream)).await
    }

    async fn files(&self, stream: &str, settle: Duration) -> Result<FilesFound> {
        let (objects, stream) = (self.objects(), stream.to_owned());
        blocking(move || found(&objects, &stream, settle)).await
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        open_source(&self.objects(), self.format.as_ref(), request).await
    }

    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        Ok(Box::new(S3Sink::new(self.bucket(), self.format.as_ref(), request)?))
    }
}
