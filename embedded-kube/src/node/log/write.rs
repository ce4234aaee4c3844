//! The log of one run of a container while it is written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

use super::{part, record};

/// How many parts of a log are kept.
const PARTS: u64 = 4;

/// How far a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The number of the part that is written.
    pub(crate) part: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Nothing more will come.
    pub(crate) ended: bool,
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// A log that is written.
#[derive(Debug)]
pub(crate) struct Log {
    folder: PathBuf,
    /// The most bytes of a part.
    most: u64,
    file: Mutex<File>,
    progress: watch::Sender<Progress>,
}

impl Log {
    /// A new log in a folder, which keeps about so many bytes.
    pub(crate) fn create(folder: &Path, bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = Mutex::new(create(folder, 0)?);
        let (progress, _) = watch::channel(Progress { part: 0, length: 0, ended: false });
        Ok(Self { folder: folder.to_owned(), most: bytes.div_ceil(PARTS).max(1), file, progress })
    }

    /// Tells how far it is written.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Keeps what comes out of a stream until its end. What cannot be kept, say because the disk is full, is lost, and
    /// the program that put it out goes on.
    pub(crate) async fn copy(&self, stream: Stream, mut from: impl AsyncRead + Unpin) {
        let mut bytes = Vec::with_capacity(record::LONGEST);
        let mut lost = false;
        loop {
            let read = from.read_buf(&mut bytes).await.unwrap_or_else(|error| {
                tracing::warn!(%error, folder = %self.folder.display(), "the output of a container cannot be read");
                0
            });
            for (ends, text) in record::lines(&mut bytes, read == 0) {
                if let Err(error) = self.write(stream, ends, &text)
                    && !std::mem::replace(&mut lost, true)
                {
                    tracing::warn!(%error, folder = %self.folder.display(), "a part of a log is lost");
                }
            }
            if read == 0 {
                return;
            }
        }
    }

    fn write(&self, stream: Stream, ends: bool, text: &[u8]) -> io::Result<()> {
        let name = match stream {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let record = record::format(Timestamp::now(), name, ends, text);
        let Progress { mut part, mut length, .. } = *self.progress.borrow();
        if length > 0 && length + record.len() as u64 > self.most {
            part += 1;
            length = 0;
            *file = create(&self.folder, part)?;
            if let Some(old) = part.checked_sub(PARTS) {
                fs::remove_file(self.folder.join(super::part(old)))?;
            }
        }
        file.write_all(&record)?;
        self.progress.send_replace(Progress { part, length: length + record.len() as u64, ended: false });
        Ok(())
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }
}

fn create(folder: &Path, number: u64) -> io::Result<File> {
    File::options().create(true).append(true).mode(0o600).open(folder.join(part(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_newest_parts_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let log = Log::create(home.path(), 400).unwrap();
        let text: String = (0..20).map(|line| format!("line {line}\n")).collect();
        log.copy(Stream::Out, text.as_bytes()).await;
        log.end();
        let mut names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names.len(), 4, "{names:?}");
        let progress = *log.progress().borrow();
        assert!(progress.ended && names[3] == *part(progress.part), "{progress:?} {names:?}");
        let kept: u64 = names.iter().map(|name| fs::metadata(home.path().join(name)).unwrap().len()).sum();
        assert!((200..=400).contains(&kept), "{kept}");
    }
}
