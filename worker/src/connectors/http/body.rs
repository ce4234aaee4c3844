//! Takes a body in: counted as it was transferred, decompressed, and never larger than a limit.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::failure::Failure;
use crate::connector::ErrorKind;

/// The most bytes of one answer, decompressed.
pub(super) const MAX_BODY: usize = 64 * 1024 * 1024;

/// How a body is compressed for the transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// It is not.
    #[default]
    None,
    /// Gzip, the only one that is offered.
    Gzip,
}

impl Coding {
    /// What the header says.
    ///
    /// # Errors
    /// When it names one that was not offered.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let named = match headers.get(CONTENT_ENCODING).map(|value| value.to_str()) {
            None => String::new(),
            Some(Ok(text)) => text.trim().to_ascii_lowercase(),
            Some(Err(_)) => "?".to_owned(),
        };
        match named.as_str() {
            "" | "identity" => Ok(Self::None),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            other => {
                let detail = format!("the answer is encoded as `{other}`, though only gzip was offered");
                Err(Failure::new(ErrorKind::Data, false, detail))
            }
        }
    }
}

/// A whole body.
#[derive(Default)]
pub(super) struct Body {
    /// Its decompressed bytes.
    pub content: Vec<u8>,
    /// How it was compressed for the transfer.
    pub coding: Coding,
    /// How many bytes were transferred.
    pub transferred: u64,
}

/// Reads the body to its end.
pub(super) async fn read(mut response: Response) -> Result<Body, Failure> {
    let coding = Coding::of(response.headers())?;
    let mut received = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::from_client)? {
        if received.len() + chunk.len() > MAX_BODY {
            return Err(too_large());
        }
        received.extend_from_slice(&chunk);
    }
    let transferred = received.len() as u64;
    let content = match coding {
        Coding::None => received,
        Coding::Gzip => gunzip(&received)?,
    };
    Ok(Body { content, coding, transferred })
}

fn gunzip(compressed: &[u8]) -> Result<Vec<u8>, Failure> {
    if compressed.is_empty() {
        return Ok(Vec::new());
    }
    let mut content = Vec::new();
    let limit = MAX_BODY as u64 + 1;
    MultiGzDecoder::new(compressed).take(limit).read_to_end(&mut content).map_err(|error| Failure::gzip(&error))?;
    if content.len() > MAX_BODY {
        return Err(too_large());
    }
    Ok(content)
}

/// An answer that is larger than [`MAX_BODY`].
pub(super) fn too_large() -> Failure {
    let mut failure =
        Failure::new(ErrorKind::Limit, false, format!("the answer is larger than {} MiB", MAX_BODY / (1024 * 1024)));
    failure.remedy = Some("ask for smaller pages");
    failure
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_comes_back_and_a_cut_one_may_be_tried_again() {
        let compressed = gzip(b"[1,2,3]");
        assert_eq!(gunzip(&compressed).unwrap(), b"[1,2,3]");
        let failure = gunzip(&compressed[..compressed.len() - 5]).unwrap_err();
        assert!(failure.again && failure.kind == ErrorKind::Data, "{failure:?}");
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let compressed = gzip(&vec![b' '; MAX_BODY + 1]);
        assert!(compressed.len() < 1024 * 1024);
        assert_eq!(gunzip(&compressed).unwrap_err().kind, ErrorKind::Limit);
        assert_eq!(gunzip(&gzip(&vec![b' '; MAX_BODY])).unwrap().len(), MAX_BODY);
    }
}
