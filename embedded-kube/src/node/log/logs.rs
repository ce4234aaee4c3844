//! The logs of a node for whoever is in the same process.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;

use super::{Asked, Index, NoLog, Words, read};

/// The logs of a node's containers, for whoever is in the same process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Logs(Arc<Index>);

impl Logs {
    pub(crate) fn of(index: &Arc<Index>) -> Self {
        Self(Arc::clone(index))
    }

    /// The log of a container, in pieces. The query is in a kubelet's words: `follow`, `previous`, `tailLines`,
    /// `limitBytes`, `sinceSeconds`, `sinceTime`, `timestamps`.
    ///
    /// # Errors
    /// When there is no such log; see [`NoLog`].
    pub fn read(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        query: &str,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, NoLog> {
        let words = Words::read(query).map_err(NoLog::Query)?;
        if let Some(mistake) = words.mistakes().first() {
            return Err(NoLog::Query(mistake.to_string()));
        }
        self.open((namespace, pod), container, &words)
    }

    /// The log of a container of the Pod at that place.
    pub(crate) fn open(
        &self,
        (namespace, pod): (&str, &str),
        container: &str,
        words: &Words,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, NoLog> {
        let asked = Asked { namespace, pod, container, previous: words.previous };
        let (folder, live) = self.0.find(asked)?;
        Ok(read(folder, live, words.query(Timestamp::now())))
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::super::{Log, Stream as From};
    use super::*;

    #[tokio::test]
    async fn a_log_is_read_by_name_and_words() {
        let home = tempfile::tempdir().unwrap();
        let log = Log::create(&home.path().join("1"), 1 << 20).unwrap();
        log.copy(From::Out, b"one\ntwo\n".as_slice()).await;
        log.end();
        let index = Arc::new(Index::default());
        index.set(("n", "p"), "u", "c", home.path().to_owned(), 1, Some(log.progress()));
        let logs = Logs::of(&index);
        let stream = logs.clone().read("n", "p", "c", "tailLines=1&follow=true").unwrap();
        let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
        assert_eq!(pieces.concat(), b"two\n");
        let none = |pod, query| logs.read("n", pod, "c", query).err();
        assert_eq!(none("q", ""), Some(NoLog::Pod("q".into())));
        assert!(matches!(none("p", "previous=true"), Some(NoLog::Previous { .. })));
        let negative = "tailLines: Invalid value: -1: must be greater than or equal to 0";
        assert_eq!(none("p", "tailLines=-1"), Some(NoLog::Query(negative.into())));
    }
}
