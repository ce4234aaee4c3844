//! Keeps an answer on disk, for a format that is not read from its beginning to its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::input_error;

/// The most bytes that are kept of one answer.
pub(super) const MAX_SPOOL: u64 = 4 * 1024 * 1024 * 1024;
const CHUNK: usize = 128 * 1024;

/// Keeps the content in a file that has no name, and so ends with the process at the latest. Blocks.
///
/// # Errors
/// When the content cannot be read, is larger than `most`, or there is no room.
pub(super) fn spool(mut content: impl Read, most: u64, operation: &str, location: &str) -> Result<File> {
    let failed = |error: io::Error| {
        let detail = format!("the answer cannot be kept in {}: {error}", std::env::temp_dir().display());
        ConnectorError::new(ErrorKind::Refused, operation, detail)
            .remedy("make room there, or name another folder in the environment variable TMPDIR")
            .caused_by(error)
    };
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut chunk = vec![0; CHUNK];
    let mut kept = 0;
    loop {
        let count = match content.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(input_error(location, error)),
        };
        kept += count as u64;
        if kept > most {
            let detail = format!("the answer is larger than {} MiB", most >> 20);
            return Err(ConnectorError::new(ErrorKind::Limit, operation, detail)
                .remedy("ask for smaller pages, or download the file and read it with a `file` Connector"));
        }
        file.write_all(&chunk[..count]).map_err(failed)?;
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_kept_up_to_the_limit() {
        let content: Vec<u8> = (0..3 << 20).map(|number: u32| number.to_le_bytes()[0]).collect();
        let mut kept = Vec::new();
        spool(content.as_slice(), 3 << 20, "read", "at").unwrap().read_to_end(&mut kept).unwrap();
        assert_eq!(kept, content);
        let error = spool(content.as_slice(), 2 << 20, "read page 1", "at").unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().as_str()),
            (ErrorKind::Limit, "read page 1: the answer is larger than 2 MiB")
        );
    }
}
