//! A supervisor's life: from the order to the report that nothing is left.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::error::Error;
use super::{KILL, Order, Report, TERMINATE, execute, family, order, space};
use crate::chain;

/// How often the memory of a program with a limit is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Does what the order on the standard input says.
pub(super) fn supervise() -> Result<(), Error> {
    let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(Error::Order)?);
    let order = order::read(&channel)?;
    let report = match start(&order) {
        Ok((main, signals)) => watch(&order, main, &signals, &channel),
        Err(error) => Report::Refused { message: chain(&error) },
    };
    match send(&channel, &report) {
        // The runner is gone, so nobody asks.
        Err(Error::Report(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        sent => sent,
    }
}

fn start(order: &Order) -> Result<(Pid, SignalFd), Error> {
    prctl::set_child_subreaper(true).map_err(Error::system("becoming the reaper of orphans"))?;
    let own = std::env::current_exe().map_err(Error::path("cannot find", "/proc/self/exe"))?;
    if let Some(root) = &order.root {
        space::enter(root, &order.mounts)?;
    }
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        mask.add(signal);
    }
    mask.thread_block().map_err(Error::system("blocking signals"))?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
    let signals = signals.map_err(Error::system("waiting for signals"))?;
    let main = execute::start(&own, order)?;
    Ok((main, signals))
}

/// Waits for the program's end, for the runner's word, and for the runner's end.
fn watch(order: &Order, main: Pid, signals: &SignalFd, channel: &UnixStream) -> Report {
    let mut out_of_memory = false;
    // The runner may be gone already, which the loop finds out.
    send(channel, &Report::Started { process: main.as_raw() }).unwrap_or_default();
    let timeout = order.memory.map_or(PollTimeout::NONE, |_| LOOK.try_into().unwrap_or(PollTimeout::MAX));
    let ended = loop {
        let mut ready =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Without a way to hear anything, nothing may go on.
            Err(_) => break None,
        }
        let heard = ready[1].any().unwrap_or(false);
        while let Ok(Some(signal)) = signals.read_signal() {
            if i32::try_from(signal.ssi_signo) != Ok(Signal::SIGCHLD as i32) {
                // Somebody else ends this process: the program is asked to end first.
                ask(main);
            }
        }
        if let Some(status) = family::reap(main) {
            break Some(status);
        }
        if heard {
            match hear(channel) {
                Word::Terminate => ask(main),
                Word::Kill => break None,
            }
        }
        if let Some(most) = order.memory
            && family::memory() > most
        {
            out_of_memory = true;
            break None;
        }
    };
    let last = family::end(main);
    let (code, signal) = outcome(ended.or(last));
    Report::Ended { code, signal, out_of_memory }
}

fn ask(main: Pid) {
    // The group may be gone already.
    killpg(main, Signal::SIGTERM).unwrap_or_default();
}

enum Word {
    Terminate,
    Kill,
}

/// What the runner wants; its end is a word too.
fn hear(mut channel: &UnixStream) -> Word {
    let mut words = [0; 16];
    match channel.read(&mut words) {
        Ok(0) | Err(_) => Word::Kill,
        Ok(length) if words[..length].contains(&KILL) => Word::Kill,
        Ok(length) if words[..length].contains(&TERMINATE) => Word::Terminate,
        Ok(_) => Word::Kill,
    }
}

/// The exit code, as shells give it, and the signal.
fn outcome(status: Option<WaitStatus>) -> (i32, Option<i32>) {
    match status {
        Some(WaitStatus::Exited(_, code)) => (code, None),
        Some(WaitStatus::Signaled(_, signal, _)) => (128 + signal as i32, Some(signal as i32)),
        // Nobody can tell: somebody else has reaped it.
        _ => (128 + Signal::SIGKILL as i32, Some(Signal::SIGKILL as i32)),
    }
}

fn send(mut channel: &UnixStream, report: &Report) -> Result<(), Error> {
    let mut line = serde_json::to_vec(report).map_err(Error::Understand)?;
    line.push(b'\n');
    channel.write_all(&line).map_err(Error::Report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_by_a_signal_has_the_code_that_shells_give_it() {
        let pid = Pid::from_raw(1);
        assert_eq!(outcome(Some(WaitStatus::Exited(pid, 3))), (3, None));
        assert_eq!(outcome(Some(WaitStatus::Signaled(pid, Signal::SIGTERM, false))), (143, Some(15)));
        assert_eq!(outcome(None), (137, Some(9)));
    }
}
