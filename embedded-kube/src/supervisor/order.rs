//! What the runner and a supervisor say to each other, over a socket that is the supervisor's standard input: the order,
//! then bytes that say how to end; back come reports, one a line.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Asks the program, and what it has started in its process group, to end.
pub(crate) const TERMINATE: u8 = b'T';
/// Ends everything at once.
pub(crate) const KILL: u8 = b'K';

/// What to run, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The program, by its absolute path.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Everything that the program finds in its environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where it starts, as it sees the file system.
    pub(crate) folder: PathBuf,
    /// An empty folder, on which its view of the file system is built; without one, it sees the machine's.
    pub(crate) root: Option<PathBuf>,
    /// What its view has beside the machine's files; needs a root.
    pub(crate) mounts: Vec<Mount>,
    /// The most resident memory of the program and its children together, in bytes.
    pub(crate) memory: Option<u64>,
}

/// A file or folder that is seen at another place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    pub(crate) source: PathBuf,
    /// An absolute path.
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// What has become of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The program runs.
    Started { process: i32 },
    /// It could not be started.
    Refused { message: String },
    /// It has ended, and nothing that it started is left.
    Ended {
        /// The exit code; 128 and the signal's number for a program that a signal has ended.
        code: i32,
        signal: Option<i32>,
        /// It was ended because it took more memory than it may.
        out_of_memory: bool,
    },
}

/// The order as it is sent: its length in four bytes, then JSON.
///
/// # Errors
/// None in practice: an order is made of text and numbers.
pub(crate) fn frame(order: &Order) -> serde_json::Result<Vec<u8>> {
    let text = serde_json::to_vec(order)?;
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    Ok([length.to_be_bytes().as_slice(), &text].concat())
}

/// Reads an order, and no byte that follows it.
pub(super) fn read(mut from: impl Read) -> Result<Order, Error> {
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(Error::Order)?;
    let mut text = Vec::new();
    from.take(u32::from_be_bytes(length).into()).read_to_end(&mut text).map_err(Error::Order)?;
    serde_json::from_slice(&text).map_err(Error::Understand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_whole_and_leaves_what_follows() {
        let order = Order {
            program: "/bin/echo".into(),
            arguments: vec!["a b".into(), "ü".into()],
            environment: [("KEY".to_owned(), "line\nline".to_owned())].into(),
            folder: "/".into(),
            root: Some("/x".into()),
            mounts: vec![Mount { source: "/a".into(), target: "/b".into(), read_only: true }],
            memory: None,
        };
        let mut bytes = frame(&order).unwrap();
        bytes.push(TERMINATE);
        let mut rest = bytes.as_slice();
        assert_eq!(read(&mut rest).unwrap(), order);
        assert_eq!(rest, [TERMINATE]);
    }

    #[test]
    fn half_an_order_is_none() {
        assert!(matches!(read([0, 0].as_slice()), Err(Error::Order(_))));
        assert!(matches!(read([0, 0, 0, 9, b'{'].as_slice()), Err(Error::Understand(_))));
    }
}
