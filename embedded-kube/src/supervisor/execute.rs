//! The last step before the program: asks the kernel for its end when the supervisor ends, and becomes the program.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, dup2_stdin, getpid, getppid};

use super::error::Error;
use super::{EXECUTE, Order};

/// Starts the order's program in a process group of its own, and waits until it runs. `own` is the program that this
/// process is, as it was found before the view of the file system changed.
pub(super) fn start(own: &Path, order: &Order) -> Result<Pid, Error> {
    let failed = |source| Error::Start { program: order.program.clone(), source };
    // Closed by the kernel when the process becomes the program; until then it may say why it cannot.
    let (complaint, writer) = io::pipe().map_err(failed)?;
    let mut command = Command::new(own);
    command.arg(EXECUTE).arg(getpid().to_string()).arg(&order.program).args(&order.arguments);
    command.env_clear().envs(&order.environment).current_dir(&order.folder);
    command.stdin(Stdio::from(writer)).process_group(0);
    let child = command.spawn().map_err(failed)?;
    // It holds the other end of the pipe.
    drop(command);
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other).map_err(failed)?);
    read(complaint).map_err(failed)?;
    Ok(pid)
}

/// An error when the process has said why it cannot become the program.
fn read(mut complaint: PipeReader) -> io::Result<()> {
    let mut text = String::new();
    complaint.read_to_string(&mut text)?;
    if text.is_empty() { Ok(()) } else { Err(io::Error::other(text)) }
}

/// Becomes the program; the arguments are the supervisor's process id, the program, and the program's arguments.
pub(super) fn execute(mut arguments: impl Iterator<Item = OsString>) -> Result<(), Error> {
    let supervisor = arguments.next().and_then(|id| id.to_str()?.parse().ok()).ok_or(Error::NotStarted)?;
    let program = PathBuf::from(arguments.next().ok_or(Error::NotStarted)?);
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(Error::system("asking for a death signal"))?;
    // The supervisor may have ended before the kernel was asked.
    if getppid() != Pid::from_raw(supervisor) {
        return Err(Error::NotStarted);
    }
    // The supervisor blocks signals, and a program inherits that.
    SigSet::empty().thread_set_mask().map_err(Error::system("unblocking signals"))?;
    let mut complaint = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(Error::Order)?);
    let nothing = File::open("/dev/null").map_err(Error::path("cannot open", "/dev/null"))?;
    dup2_stdin(nothing).map_err(Error::system("replacing the standard input"))?;
    let error = Command::new(&program).args(arguments).exec();
    complaint.write_all(error.to_string().as_bytes()).map_err(Error::Report)
}
