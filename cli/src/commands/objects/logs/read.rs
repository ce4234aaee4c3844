//! Reading logs line by line.

use std::pin::pin;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};

use super::super::connection::Connection;
use super::super::trouble::Trouble;
use super::print::Printer;

/// How long the next line of a log may take that is not followed.
const SILENCE: Duration = Duration::from_secs(30);

/// Shows the log of a Pod as far as there is one.
pub(super) async fn all(
    connection: &Connection,
    pods: &Api<Pod>,
    name: &str,
    params: &LogParams,
    printer: &Printer,
) -> Result<(), Trouble> {
    let stream = connection.within(pods.log_stream(name, params)).await?;
    let mut stream = pin!(stream);
    loop {
        match tokio::time::timeout(SILENCE, line(&mut stream)).await {
            Ok(Ok(Some(line))) => printer.show(name, &line),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(connection.cut(&error)),
            Err(_) => return Err(connection.cut(&std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// The next line of a log. What is no text is shown as far as it is.
pub(super) async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>, std::io::Error> {
    let mut bytes = Vec::new();
    if stream.read_until(b'\n', &mut bytes).await? == 0 {
        return Ok(None);
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// A line and its time, as logs with times have it.
pub(super) fn timed(line: &str) -> (Option<Timestamp>, &str) {
    match line.split_once(' ').and_then(|(time, text)| Some((time.parse().ok()?, text))) {
        Some((time, text)) => (Some(time), text),
        // An empty line has nothing behind its time.
        None => match line.parse() {
            Ok(time) => (Some(time), ""),
            Err(_) => (None, line),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stands_before_the_line() {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let text = "2026-11-29T10:00:00.123456789Z it begins";
        assert_eq!(timed(text), (time("2026-11-29T10:00:00.123456789Z"), "it begins"));
        assert_eq!(timed("2026-11-29T10:00:00Z"), (time("2026-11-29T10:00:00Z"), ""));
        assert_eq!(timed("2026-11-29T10:00:00Z "), (time("2026-11-29T10:00:00Z"), ""));
        assert_eq!(timed("no time"), (None, "no time"));
    }

    #[tokio::test]
    async fn lines_are_text_or_what_comes_nearest() {
        let mut log = &b"one\n\xff two\n\nthree"[..];
        let mut lines = Vec::new();
        while let Some(line) = line(&mut log).await.expect("a line") {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "\u{fffd} two", "", "three"]);
    }
}
