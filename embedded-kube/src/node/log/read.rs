//! Reading a log, to its end or as long as it is written.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;
use tokio::fs::{self, File};
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::watch;

use super::record;
use super::{Progress, part};

/// What of a log is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Goes on while the log is written.
    pub(crate) follow: bool,
    /// Only that many lines at the end of what is there.
    pub(crate) tail: Option<usize>,
    /// Only what is younger.
    pub(crate) since: Option<Timestamp>,
    /// Each line begins with its time.
    pub(crate) timestamps: bool,
    /// No more bytes than that.
    pub(crate) limit: Option<usize>,
}

/// A place in a log, and the way on.
struct Reader {
    folder: PathBuf,
    part: u64,
    offset: u64,
    query: Query,
    live: Option<watch::Receiver<Progress>>,
    ready: VecDeque<Bytes>,
    left: usize,
}

/// The log in the folder, in pieces. `live` tells how it grows, if it still does.
pub(crate) fn read(
    folder: PathBuf,
    live: Option<watch::Receiver<Progress>>,
    query: Query,
) -> impl Stream<Item = io::Result<Bytes>> {
    let left = query.limit.unwrap_or(usize::MAX);
    let reader = Reader { folder, part: 0, offset: 0, query, live, ready: VecDeque::new(), left };
    futures::stream::try_unfold((reader, false), |(mut reader, begun)| async move {
        if !begun {
            reader.begin().await?;
        }
        let piece = reader.next().await?;
        Ok(piece.map(|piece| (piece, (reader, true))))
    })
}

/// The last lines of a log, at most so many bytes of them.
pub(crate) async fn tail(folder: &Path, lines: usize, bytes: usize) -> io::Result<String> {
    use futures::TryStreamExt;
    let query = Query { tail: Some(lines), ..Query::default() };
    let pieces: Vec<Bytes> = read(folder.to_owned(), None, query).try_collect().await?;
    let text = pieces.concat();
    let text = &text[text.len().saturating_sub(bytes)..];
    Ok(String::from_utf8_lossy(text).into_owned())
}

impl Reader {
    /// Finds the first part, and reads what is there when only its end is wanted.
    async fn begin(&mut self) -> io::Result<()> {
        self.part = oldest(&self.folder).await?;
        let Some(lines) = self.query.tail else { return Ok(()) };
        let mut last = VecDeque::new();
        while self.fill().await? {
            last.append(&mut self.ready);
            last.drain(..last.len().saturating_sub(lines));
        }
        self.ready = last;
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.left == 0 {
                return Ok(None);
            }
            if let Some(mut piece) = self.ready.pop_front() {
                piece.truncate(self.left);
                self.left -= piece.len();
                return Ok(Some(piece));
            }
            // Looked at first: what is written after this look wakes us.
            let ended = self.live.as_mut().is_none_or(|live| live.borrow_and_update().ended);
            if self.fill().await? {
                continue;
            }
            if ended || !self.query.follow {
                return Ok(None);
            }
            let grown = match &mut self.live {
                Some(live) => live.changed().await.is_ok(),
                None => false,
            };
            // Its writer is gone without a last word: there may be a last line.
            if !grown && !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads on to the end of a part, or goes to the next one; whether there was anything.
    async fn fill(&mut self) -> io::Result<bool> {
        let mut file = match File::open(self.folder.join(part(self.part))).await {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let oldest = oldest(&self.folder).await?;
                let moved = oldest > self.part;
                (self.part, self.offset) = (oldest, if moved { 0 } else { self.offset });
                return Ok(moved);
            }
            Err(error) => return Err(error),
        };
        file.seek(io::SeekFrom::Start(self.offset)).await?;
        let mut any = false;
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line).await? > 0 && line.last() == Some(&b'\n') {
            self.offset += line.len() as u64;
            any = true;
            line.pop();
            self.take(&line);
            line.clear();
        }
        if !any && fs::try_exists(self.folder.join(part(self.part + 1))).await? {
            (self.part, self.offset) = (self.part + 1, 0);
            return Ok(true);
        }
        Ok(any)
    }

    /// Keeps what is asked for of a record.
    fn take(&mut self, line: &[u8]) {
        let Some(record) = record::parse(line) else { return };
        let young = |since| record.time.parse::<Timestamp>().is_ok_and(|time| time >= since);
        if !self.query.since.is_none_or(young) {
            return;
        }
        let piece =
            if self.query.timestamps { [record.time.as_bytes(), b" ", &record.text].concat() } else { record.text };
        self.ready.push_back(piece.into());
    }
}

/// The number of the oldest part that is kept.
async fn oldest(folder: &Path) -> io::Result<u64> {
    let mut entries = fs::read_dir(folder).await?;
    let mut oldest = None;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<u64>().ok());
        oldest = oldest.into_iter().chain(number).min();
    }
    Ok(oldest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, TryStreamExt};

    use super::super::{Log, Stream as From};
    use super::*;

    async fn all(folder: &Path, query: Query) -> String {
        let pieces: Vec<Bytes> = read(folder.to_owned(), None, query).try_collect().await.unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_log_is_read_whole_or_in_part() {
        let home = tempfile::tempdir().unwrap();
        let log = Log::create(home.path(), 1 << 20).unwrap();
        let before = Timestamp::now();
        log.copy(From::Out, b"one\ntwo\n".as_slice()).await;
        log.copy(From::Err, b"three".as_slice()).await;
        let query = Query::default;
        assert_eq!(all(home.path(), query()).await, "one\ntwo\nthree");
        assert_eq!(all(home.path(), Query { tail: Some(2), ..query() }).await, "two\nthree");
        assert_eq!(all(home.path(), Query { tail: Some(0), ..query() }).await, "");
        assert_eq!(all(home.path(), Query { limit: Some(5), ..query() }).await, "one\nt");
        assert_eq!(all(home.path(), Query { since: Some(before), ..query() }).await, "one\ntwo\nthree");
        assert_eq!(all(home.path(), Query { since: Some(Timestamp::now()), ..query() }).await, "");
        let timed = all(home.path(), Query { timestamps: true, ..query() }).await;
        let (time, text) = timed.lines().next().unwrap().split_once(' ').unwrap();
        assert!(time.parse::<Timestamp>().unwrap() >= before && text == "one", "{timed}");
        assert_eq!(tail(home.path(), 80, 6).await.unwrap(), "\nthree");
    }

    #[tokio::test]
    async fn a_follower_gets_each_line_once_over_all_parts() {
        let home = tempfile::tempdir().unwrap();
        let log = Log::create(home.path(), 1 << 14).unwrap();
        log.copy(From::Out, b"first\n".as_slice()).await;
        let query = Query { follow: true, ..Query::default() };
        let mut stream = Box::pin(read(home.path().to_owned(), Some(log.progress()), query));
        assert_eq!(stream.next().await.unwrap().unwrap(), "first\n");
        let text: String = (0..150).map(|line| format!("line {line}\n")).collect();
        let write = async {
            log.copy(From::Out, text.as_bytes()).await;
            log.end();
        };
        let (pieces, ()) = tokio::join!(stream.try_collect::<Vec<Bytes>>(), write);
        assert_eq!(String::from_utf8(pieces.unwrap().concat()).unwrap(), text);
    }
}
