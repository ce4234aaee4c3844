//! What an operator's process says of itself over HTTP: its health and its metrics.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::process::Process;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it serves them, once it does: its log says so.
#[must_use]
pub fn address(operator: &Process) -> Option<String> {
    address_after(operator, "serving http://")
}

/// The address that its log has behind these words, once it is there.
#[must_use]
pub fn address_after(operator: &Process, words: &str) -> Option<String> {
    let log = operator.log(usize::MAX);
    let (_, rest) = log.split_once(words)?;
    rest.split_once('/').map(|(address, _)| address.to_owned())
}

/// What it answers at that address: the status, and the body.
///
/// # Errors
/// When it cannot be reached, or does not answer.
pub fn ask(address: &str, path: &str) -> io::Result<(u16, String)> {
    send(address, &format!("GET {path}"), &[], "")
}

/// What it answers at that address to a request (`POST /path`) with these headers and that body: the status, and the body.
///
/// # Errors
/// When it cannot be reached, or does not answer.
pub fn send(address: &str, request: &str, headers: &[(&str, &str)], body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}
