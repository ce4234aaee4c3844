//! The binary, started in a folder of the test's own; what it said, and how it ended.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use aggregator_tests::folder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// How long a process may take to get somewhere.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Connectors to write below a folder `m`: `in` and `out` are folders of files, `from-lite` and `lite` SQLite files, beside it.
pub(crate) const CONNECTORS: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in, namespace: test}
spec: {file: {root: ../in}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec: {file: {root: ../out, format: {ndjson: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: from-lite, namespace: test}
spec: {sqlite: {path: ../in.sqlite}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: lite, namespace: test}
spec: {sqlite: {path: ../out.sqlite}}
---
";

/// A folder with manifests and data, in which the binary is started.
pub(crate) struct Place(TempDir);

/// What a process said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A process that is going on. Dropping it ends it.
pub(crate) struct Running {
    child: Option<Child>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("aggregator-cli-").tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn remove(&self, name: &str) {
        let path = self.file(name);
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.expect("something to remove");
    }

    /// Puts a copy of everything into another place.
    pub(crate) fn copy(&self) -> Self {
        let other = Self::new();
        copy(self.path(), other.path());
        other
    }

    /// Replaces a file or folder by the one of the same name in another place.
    pub(crate) fn restore(&self, from: &Self, name: &str) {
        if self.file(name).exists() {
            self.remove(name);
        }
        let (source, target) = (from.file(name), self.file(name));
        if source.is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            copy(&source, &target);
        } else if source.exists() {
            copy_file(&source, &target);
        }
    }

    pub(crate) fn command<A: AsRef<str>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(folder::binary("aggregator"));
        command.args(arguments.iter().map(AsRef::as_ref)).current_dir(self.path());
        for name in ["RUST_LOG", "AGGREGATOR_STATE", "AGGREGATOR_LOG_FORMAT", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// As [`Self::command`], by way of other programs that start it: `env`, say.
    pub(crate) fn command_by(&self, starters: &[&str], arguments: &[&str]) -> Command {
        let own = self.command(arguments);
        let (first, more) = starters.split_first().expect("a program");
        let mut command = Command::new(first);
        command.args(more).arg(own.get_program()).args(own.get_args()).current_dir(self.path()).stdin(Stdio::null());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs the binary to its end. Arguments stand between blanks.
    pub(crate) fn say(&self, arguments: &str) -> Said {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        Said::from(self.command(&words).output().expect("the binary starts"))
    }

    /// Runs the binary with a text on its standard input.
    pub(crate) fn say_given(&self, arguments: &str, input: &str) -> Said {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let mut command = self.command(&words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        // One that ends early reads none of it.
        pipe.write_all(input.as_bytes()).unwrap_or_default();
        drop(pipe);
        Said::from(child.wait_with_output().expect("a child of ours"))
    }

    /// Runs the binary, which must end well.
    pub(crate) fn ok(&self, arguments: &str) -> Said {
        let said = self.say(arguments);
        assert!(said.status.success(), "`aggregator {arguments}` failed:\n{}\n{}", said.stdout, said.stderr);
        said
    }

    /// Runs the binary with `--output json`; it must end well. Gives what it printed.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        let said = self.ok(&format!("{arguments} --output json"));
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.stdout))
    }

    pub(crate) fn start(&self, arguments: &str) -> Running {
        self.start_with(arguments, &[])
    }

    /// Runs the binary, which is to kill itself at a named point.
    pub(crate) fn die_at(&self, point: &str, arguments: &str) -> Said {
        self.start_with(arguments, &[("AGGREGATOR_DIE_AT", point)]).wait()
    }

    /// Starts the binary with more variables in its environment.
    pub(crate) fn start_with(&self, arguments: &str, variables: &[(&str, &str)]) -> Running {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let mut command = self.command(&words);
        command.envs(variables.iter().copied());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        Running { child: Some(child) }
    }
}

impl From<std::process::Output> for Said {
    fn from(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Said {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

impl Running {
    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it was not waited for yet")
    }

    pub(crate) fn id(&mut self) -> u32 {
        self.child().id()
    }

    pub(crate) fn ended(&mut self) -> bool {
        self.child().try_wait().expect("a child of ours").is_some()
    }

    /// Waits until the process is stopped. Says false when it ended before.
    pub(crate) fn until_stopped(&mut self) -> bool {
        self.until(|id| {
            let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // After the name, which stands in brackets.
            status.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        })
    }

    /// Waits for a condition that the process brings about. Says false when the process ended before.
    pub(crate) fn until(&mut self, mut condition: impl FnMut(u32) -> bool) -> bool {
        let (started, id) = (Instant::now(), self.id());
        loop {
            if condition(id) {
                return true;
            }
            if self.ended() {
                return false;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to this process and no other.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if !self.ended() {
            let id = i32::try_from(self.id()).expect("a process id");
            kill(Pid::from_raw(id), signal).expect("a process of ours");
        }
    }

    pub(crate) fn wait(mut self) -> Said {
        let started = Instant::now();
        while !self.ended() {
            assert!(started.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let child = self.child.take().expect("it was not waited for yet");
        Said::from(child.wait_with_output().expect("a child of ours"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; either way it is waited for.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            copy_file(&entry.path(), &target);
        }
    }
}

/// Keeps the time of the last change: by it a source knows a file again.
fn copy_file(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("a copy");
    let changed = std::fs::metadata(from).and_then(|data| data.modified()).expect("a time");
    std::fs::File::options().write(true).open(to).and_then(|file| file.set_modified(changed)).expect("a file");
}
