//! A server that a fixture starts: it ends with its handle, or with this process, however that ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// A program to start, and where the answer goes.
type Order = (Command, Sender<io::Result<Child>>);

/// Starts the servers, from a thread that lives as long as this process: the signal by which the kernel ends a server
/// comes when the thread ends that started it, and a test's thread ends before the servers that tests share.
static PARENT: LazyLock<Sender<Order>> = LazyLock::new(|| {
    let (sender, orders) = channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, answer) in orders {
            // Who asked waits for the answer.
            answer.send(command.spawn()).unwrap();
        }
    });
    sender
});

impl Process {
    /// Starts a program whose output goes to the end of a file.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(program: &Path, arguments: impl IntoIterator<Item: AsRef<OsStr>>, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let mut command = mortal(program);
        command.args(arguments).stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        // An interrupt from the terminal is for the test alone: what it ends, it ends at once and as a whole.
        command.process_group(0);
        let (answer, answered) = channel();
        PARENT.send((command, answer)).unwrap();
        let child = answered.recv().unwrap().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { child, log: log.to_owned() }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    ///
    /// # Panics
    /// When the system cannot say.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Asks it to end.
    ///
    /// # Panics
    /// When the request cannot be made.
    pub fn terminate(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }

    /// The last lines of what it has put out.
    #[must_use]
    pub fn log(&self, lines: usize) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let skip = text.lines().count().saturating_sub(lines);
        text.lines().skip(skip).map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Whether there is such a process, and not only what is left of one until its parent has heard of its end.
#[must_use]
pub fn lives(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains("zombie"))
}

/// A command that the kernel kills when the thread that starts it ends.
pub(crate) fn mortal(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
