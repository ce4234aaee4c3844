//! The content of one answer as it arrives: its transfer is undone, it is looked at, and given to the format's reader.

use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aggregator_crds::connector::{Compression, FileFormat};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Version};
use sha2::{Digest, Sha256};

use super::answer::{Head, said};
use super::body::Coding;
use super::failure::Failure;
use super::mistaken;
use super::receive::{Cause, PipeReader, Receiving, receive};
use super::redact::Redactor;
use super::spool::{MAX_SPOOL, spool};
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::{Input, declared_compression, decompress, input_error, is_bomb, split_name};

/// How many bytes are looked at before they are read.
const LOOKED_AT: u64 = 16 * 1024;

/// What an answer is asked for, and how it is called in messages.
#[derive(Clone)]
pub(super) struct Wanted {
    /// What is done, for messages.
    pub operation: String,
    /// The address that is asked, without secrets.
    pub location: String,
    /// The page's number.
    pub number: u64,
    /// How the content reads.
    pub format: FileFormat,
    /// Whether the page is compared with the one before.
    pub compared: bool,
    /// Keeps secrets out of messages.
    pub redactor: Arc<Redactor>,
}

/// The content of one answer, for a thread that reads it.
pub(super) struct Arrival {
    wanted: Wanted,
    pipe: PipeReader,
    coding: Coding,
    media: Option<String>,
    /// The path of the address that answered.
    path: String,
    /// The status says that there is no content.
    nothing: bool,
    /// Nothing but the connection's end says where the answer ends.
    unbounded: bool,
    digest: Option<Digested>,
}

impl Arrival {
    /// Begins to take the answer in; the server may be silent for so long.
    ///
    /// # Errors
    /// When it is encoded in a way that was not offered.
    pub(super) fn begin(
        wanted: Wanted,
        head: &Head,
        response: Response,
        silence: Duration,
    ) -> Result<(Self, Receiving), Failure> {
        let coding = Coding::of(&head.headers)?;
        let media = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let unbounded = response.version() <= Version::HTTP_11
            && !head.headers.contains_key(CONTENT_LENGTH)
            && !head.headers.contains_key(TRANSFER_ENCODING);
        let (pipe, receiving) = receive(response, silence);
        let digest = wanted.compared.then(Digested::default);
        let (path, nothing) = (head.url.path().to_owned(), head.status == StatusCode::NO_CONTENT);
        Ok((Self { wanted, pipe, coding, media, path, nothing, unbounded, digest }, receiving))
    }

    /// Why the bytes broke off, if they did.
    pub(super) fn cause(&self) -> Cause {
        self.pipe.cause()
    }

    /// What tells this page from others, once it was read.
    pub(super) fn digest(&self) -> Option<Digested> {
        self.digest.clone()
    }

    /// Whether a part of the answer would look like all of it.
    pub(super) fn endless(&self) -> bool {
        let compression = match declared_compression(&self.wanted.format) {
            Compression::Auto => split_name(&self.path).1,
            declared => declared,
        };
        // Parquet, and whatever is compressed, say where they end.
        let says = matches!(self.wanted.format, FileFormat::Parquet(_))
            || self.coding != Coding::None
            || compression != Compression::None;
        self.unbounded && !self.nothing && !says
    }

    /// The content for the format's reader, and its name, whose ending tells its compression; None when there is no
    /// content. Blocks.
    ///
    /// # Errors
    /// When the content cannot be of the format, or cannot be kept where the format needs that.
    pub(super) fn open(self) -> Result<Option<(Input, String)>> {
        let Self { wanted, pipe, coding, media, path, nothing, digest, .. } = self;
        let broken = |error| input_error(&wanted.location, error);
        let cause = pipe.cause();
        let (first, mut content) = peeked(Box::new(pipe), 1).map_err(broken)?;
        if nothing || (first.is_empty() && !matches!(wanted.format, FileFormat::Parquet(_))) {
            return Ok(None);
        }
        if coding == Coding::Gzip && !first.is_empty() {
            let inner = decompress(content, Compression::Gzip).map_err(broken)?;
            content = Box::new(Transferred { inner, cause });
        }
        let (head, mut content) = peeked(content, LOOKED_AT).map_err(broken)?;
        if let Some(instead) = mistaken::instead(&wanted.format, media.as_deref(), &head) {
            return Err(wanted.refused(instead, media.as_deref(), &head));
        }
        if let Some(digest) = digest {
            content = Box::new(Digesting { inner: content, digest });
        }
        let input = match wanted.format {
            FileFormat::Parquet(_) => Input::File(spool(content, MAX_SPOOL, &wanted.operation, &wanted.location)?),
            FileFormat::Csv(_) | FileFormat::Ndjson(_) | FileFormat::Json(_) => Input::Stream(content),
        };
        Ok(Some((input, name(&path, coding, &head).to_owned())))
    }
}

impl Wanted {
    fn refused(&self, instead: &str, media: Option<&str>, head: &[u8]) -> ConnectorError {
        let detail = format!(
            "page {} is {instead}, not {} (content type {}){}",
            self.number,
            self.format.key(),
            media.unwrap_or("not given"),
            said(head, &self.redactor)
        );
        ConnectorError::new(ErrorKind::Data, &self.operation, detail).remedy(
            "check `path`, `query` and `headers`: the API may answer with a page for people, or in another format",
        )
    }
}

/// The first bytes, and all of the content from its beginning.
fn peeked(mut input: Box<dyn Read + Send>, most: u64) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = Vec::new();
    input.by_ref().take(most).read_to_end(&mut head)?;
    let whole = Box::new(Cursor::new(head.clone()).chain(input));
    Ok((head, whole))
}

/// The name of content, by whose ending its compression is known.
///
/// A server that stores `data.csv.gz` may give it out as `data.csv`, compressed for the transfer: then the ending speaks
/// of a compression that is gone.
pub(super) fn name<'a>(path: &'a str, coding: Coding, head: &[u8]) -> &'a str {
    const GZIP: &[u8] = &[0x1F, 0x8B];
    match split_name(path) {
        (rest, Compression::Gzip) if coding == Coding::Gzip && !head.starts_with(GZIP) => rest,
        _ => path,
    }
}

/// Content that was compressed for the transfer: what is broken there may be whole next time.
struct Transferred {
    inner: Box<dyn Read + Send>,
    cause: Cause,
}

impl Read for Transferred {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted && !is_bomb(error) {
                self.cause.set(Failure::gzip(error));
            }
        })
    }
}

/// A digest of what has been read.
#[derive(Clone, Default)]
pub(super) struct Digested(Arc<Mutex<Sha256>>);

impl Digested {
    /// The first eight bytes of the digest.
    pub(super) fn first(&self) -> u64 {
        let digest = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize();
        digest.iter().take(8).fold(0, |first, byte| first << 8 | u64::from(*byte))
    }
}

/// Takes the digest of what passes.
struct Digesting {
    inner: Box<dyn Read + Send>,
    digest: Digested,
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.0.lock().unwrap_or_else(PoisonError::into_inner).update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_counts_unless_the_transfer_has_undone_it() {
        for (path, coding, head, expected) in [
            ("/a.csv.gz", Coding::None, &b"\x1F\x8B\x08"[..], "/a.csv.gz"),
            ("/a.csv.gz", Coding::Gzip, b"id,name", "/a.csv"),
            ("/a.csv.gz", Coding::Gzip, b"\x1F\x8B\x08", "/a.csv.gz"),
            ("/a.csv.zst", Coding::Gzip, b"\x28\xB5\x2F\xFD", "/a.csv.zst"),
            ("/export", Coding::Gzip, b"id,name", "/export"),
        ] {
            assert_eq!(name(path, coding, head), expected);
        }
    }

    #[test]
    fn a_digest_depends_on_the_bytes_and_not_on_how_they_came() {
        let digest_of = |parts: &[&'static [u8]]| {
            let digest = Digested::default();
            for part in parts {
                let mut reader = Digesting { inner: Box::new(*part), digest: digest.clone() };
                io::copy(&mut reader, &mut io::sink()).unwrap();
            }
            digest.first()
        };
        assert_eq!(digest_of(&[b"id\n1\n", b"2\n"]), digest_of(&[b"id\n", b"1\n2\n"]));
        assert_ne!(digest_of(&[b"id\n1\n"]), digest_of(&[b"id\n2\n"]));
    }
}
