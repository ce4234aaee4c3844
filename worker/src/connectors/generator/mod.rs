//! The `generator` connector: rows made up from a seed, for tests and load.

mod column;
mod draw;
mod read;
mod stream;

use std::time::Instant;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_compiler::plural::counted;
use aggregator_crds::connector::ConnectorType;
use async_trait::async_trait;

use self::read::GeneratorSource;
use self::stream::GeneratedRows;
use crate::connector::{
    Buffers, CheckReport, Connector, ConnectorError, Environment, ErrorKind, Result, Sink, SinkRequest, Source,
    SourceRequest,
};

/// The connector.
struct Generator {
    name: String,
    streams: Vec<GeneratedRows>,
    buffers: Buffers,
}

/// Opens a `generator` Connector.
///
/// # Errors
/// [`ErrorKind::Config`] when a stream or a column cannot be made.
pub(super) fn open(environment: Environment) -> Result<Box<dyn Connector>> {
    let ConnectorType::Generator(spec) = &environment.spec.connector_type else {
        let operation = format!("open Connector `{}`", environment.name);
        return Err(ConnectorError::new(ErrorKind::Bug, operation, "its type is not `generator`"));
    };
    let mut streams: Vec<GeneratedRows> = Vec::with_capacity(spec.streams.len());
    for stream in &spec.streams {
        if streams.iter().any(|known| known.name == stream.name) {
            let operation = format!("read `streams` of Connector `{}`", environment.name);
            return Err(ConnectorError::new(ErrorKind::Config, operation, format!("`{}` stands twice", stream.name))
                .remedy("give every stream a name of its own"));
        }
        streams.push(GeneratedRows::parse(spec.seed, stream)?);
    }
    Ok(Box::new(Generator { name: environment.name, streams, buffers: environment.buffers }))
}

impl Generator {
    fn stream(&self, name: &str) -> Result<&GeneratedRows> {
        self.streams.iter().find(|stream| stream.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.streams.iter().take(50).map(|stream| stream.name.as_str()).collect();
            let operation = format!("find stream `{name}` at Connector `{}`", self.name);
            ConnectorError::new(ErrorKind::NotFound, operation, "no stream has that name")
                .remedy(format!("use one of {}", names.join(", ")))
        })
    }
}

#[async_trait]
impl Connector for Generator {
    async fn check(&self) -> Result<CheckReport> {
        let begin = Instant::now();
        let message = match self.streams.as_slice() {
            [only] => format!("1 stream of {}", counted(only.rows, "row")),
            streams => counted(streams.len(), "stream"),
        };
        Ok(CheckReport { message, latency: begin.elapsed() })
    }

    async fn discover(&self) -> Result<Catalogue> {
        Ok(Catalogue {
            streams: self.streams.iter().map(|stream| stream.described.clone()).collect(),
            truncated: false,
        })
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        Ok(self.stream(stream)?.described.clone())
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let stream = self.stream(&request.stream)?;
        Ok(Box::new(GeneratorSource::new(stream, &request, self.buffers)?))
    }

    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        let operation = format!("write `{}` to Connector `{}`", request.stream, self.name);
        Err(ConnectorError::new(ErrorKind::Config, operation, "a `generator` Connector can only be read")
            .remedy("write to a `postgres`, `file` or `sqlite` Connector"))
    }
}

#[cfg(test)]
mod tests;
