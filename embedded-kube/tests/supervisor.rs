//! What a supervisor starts ends with the program, with a word, and with whoever gave the order.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aggregator_tests::folder;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

/// A supervisor, and the runner's end of the talk with it.
struct Supervisor {
    child: Child,
    socket: UnixStream,
    reports: BufReader<UnixStream>,
}

impl Supervisor {
    /// Has a shell run the script, in a folder of the test's.
    fn start(home: &Path, script: &str, more: Value) -> Self {
        Self::start_by(Command::new(folder::binary("embedded-kube")), home, script, more)
    }

    /// The same, with the program started in another way.
    fn start_by(mut command: Command, home: &Path, script: &str, more: Value) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut child =
            command.arg("embedded-kube-supervise").stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).spawn().unwrap();
        let mut order = json!({
            "program": "/bin/sh",
            "arguments": ["-c", script],
            "environment": {"PATH": "/usr/bin:/bin", "HERE": home},
            "folder": "/",
            "root": null,
            "mounts": [],
            "memory": null,
        });
        for (key, value) in more.as_object().unwrap() {
            order[key] = value.clone();
        }
        let order = order.to_string();
        let mut socket = ours;
        socket.write_all(&u32::try_from(order.len()).unwrap().to_be_bytes()).unwrap();
        socket.write_all(order.as_bytes()).unwrap();
        let reports = BufReader::new(socket.try_clone().unwrap());
        assert!(child.try_wait().unwrap().is_none());
        Self { child, socket, reports }
    }

    fn report(&mut self) -> Value {
        let mut line = String::new();
        self.reports.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn started(&mut self) {
        let report = self.report();
        assert!(report["Started"]["process"].as_i64() > Some(1), "{report}");
    }

    fn ended(mut self) -> (Value, String) {
        let report = self.report();
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(self.child.wait().unwrap().success());
        (report["Ended"].clone(), output)
    }
}

/// Ids that a script has written into files of the folder.
fn ids(home: &Path, names: &[&str]) -> Vec<String> {
    let id = |name: &&str| {
        eventually(name, || std::fs::read_to_string(home.join(name)).ok().filter(|text| text.ends_with('\n')))
    };
    names.iter().map(id).map(|text| text.trim().to_owned()).collect()
}

/// Whether there is such a process, and not only what is left of one until its parent has heard.
fn lives(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains("zombie"))
}

/// A program that leaves its group and its parents, ignores requests to end, and tells its id.
const DAEMON: &str = r#"
trap '' TERM
(setsid sh -c 'echo $$ >$HERE/daemon; exec sleep 600' </dev/null >/dev/null 2>&1 &)
echo $$ >$HERE/main
"#;

#[test]
fn an_end_is_reported_when_nothing_is_left() {
    let home = tempfile::tempdir().unwrap();
    let script = format!("{DAEMON}\nwhile [ ! -s $HERE/daemon ]; do sleep 0.05; done\necho out; exit 3");
    let mut supervisor = Supervisor::start(home.path(), &script, json!({}));
    supervisor.started();
    let (ended, output) = supervisor.ended();
    assert_eq!(ended, json!({"code": 3, "signal": null, "out_of_memory": false}));
    assert_eq!(output, "out\n");
    for process in ids(home.path(), &["daemon", "main"]) {
        assert!(!lives(&process), "{process}");
    }
}

#[test]
fn words_end_a_program_gently_or_at_once() {
    let home = tempfile::tempdir().unwrap();
    let script = "trap 'echo bye; exit 5' TERM\necho $$ >$HERE/main\nwhile true; do sleep 0.05; done";
    let mut supervisor = Supervisor::start(home.path(), script, json!({}));
    supervisor.started();
    ids(home.path(), &["main"]);
    supervisor.socket.write_all(b"T").unwrap();
    let (ended, output) = supervisor.ended();
    assert_eq!((&ended["code"], output.as_str()), (&json!(5), "bye\n"));

    let home = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::start(home.path(), &format!("{DAEMON}\nsleep 600; sleep 600"), json!({}));
    supervisor.started();
    let processes = ids(home.path(), &["daemon", "main"]);
    supervisor.socket.write_all(b"TK").unwrap();
    let (ended, _) = supervisor.ended();
    assert_eq!(ended, json!({"code": 137, "signal": 9, "out_of_memory": false}));
    assert!(!processes.iter().any(|process| lives(process)));
}

#[test]
fn nothing_outlives_the_runner_nor_the_supervisor() {
    let home = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::start(home.path(), &format!("{DAEMON}\nsleep 600; sleep 600"), json!({}));
    supervisor.started();
    let processes = ids(home.path(), &["daemon", "main"]);
    assert!(processes.iter().all(|process| lives(process)));
    let Supervisor { mut child, socket, reports } = supervisor;
    drop((socket, reports));
    eventually("the end of all", || (!processes.iter().any(|process| lives(process))).then_some(()));
    child.wait().unwrap();

    // A supervisor that is killed takes the program with it; the rest is for the runner's sweep.
    let home = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::start(home.path(), "echo $$ >$HERE/main; exec sleep 600", json!({}));
    supervisor.started();
    let processes = ids(home.path(), &["main"]);
    supervisor.child.kill().unwrap();
    supervisor.child.wait().unwrap();
    eventually("the end of the program", || (!lives(&processes[0])).then_some(()));
}

#[test]
fn what_cannot_be_started_is_refused_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    for (order, part) in [
        (json!({"program": "/none/such"}), "cannot start /none/such: No such file or directory"),
        (json!({"program": "/etc/passwd"}), "Permission denied"),
        (json!({"folder": "/none/such"}), "No such file or directory"),
    ] {
        let mut supervisor = Supervisor::start(home.path(), "true", order);
        let report = supervisor.report();
        let message = report["Refused"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
        supervisor.child.wait().unwrap();
    }
}

#[test]
fn a_program_that_takes_too_much_memory_is_ended() {
    let home = tempfile::tempdir().unwrap();
    let script = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); sleep 600";
    let mut supervisor = Supervisor::start(home.path(), script, json!({"memory": 64 << 20}));
    supervisor.started();
    let (ended, _) = supervisor.ended();
    assert_eq!(ended, json!({"code": 137, "signal": 9, "out_of_memory": true}));
}

/// Whether this machine lets the command's user make mounts; if not, what it says.
fn forbidden(mut command: Command, home: &Path) -> Option<String> {
    let output = command.arg("embedded-kube-probe").arg(home.join("probe")).output().unwrap();
    (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap().trim().to_owned())
}

/// Mounts that need new names on the machine, and a script that looks at them.
fn mounts(home: &Path) -> (Value, &'static str) {
    for folder in ["root", "a", "b"] {
        std::fs::create_dir(home.join(folder)).unwrap();
    }
    std::fs::write(home.join("a/file"), "in a\n").unwrap();
    std::fs::write(home.join("single"), "one file\n").unwrap();
    let mounts = json!([
        {"target": "/var/run/secrets/embedded-kube/deep", "source": home.join("a"), "read_only": true},
        {"target": "/embedded-kube-data", "source": home.join("b"), "read_only": false},
        {"target": "/embedded-kube-data/inner", "source": home.join("a"), "read_only": false},
        {"target": "/etc/hostname-of-embedded-kube", "source": home.join("single"), "read_only": false},
    ]);
    let script = "cat /var/run/secrets/embedded-kube/deep/file /etc/hostname-of-embedded-kube
        touch /var/run/secrets/embedded-kube/deep/new 2>/dev/null || echo read-only
        echo kept >/embedded-kube-data/file; cat /embedded-kube-data/inner/file
        test -s /etc/passwd && test -c /dev/null && test -d /proc/self && echo machine; id -u";
    (mounts, script)
}

/// Looks at the mounts as a user, and at what is left on the machine.
fn look(command: impl Fn() -> Command, home: &Path, user: u32) {
    let (mounts, script) = mounts(home);
    if user != 0 {
        assert!(Command::new("chown").args(["-R", &user.to_string()]).arg(home).status().unwrap().success());
    }
    let forbidden = forbidden(command(), home);
    let order = json!({"root": home.join("root"), "mounts": mounts});
    let mut supervisor = Supervisor::start_by(command(), home, script, order);
    if let Some(reason) = forbidden {
        // This machine does not let it: then it says so, and starts nothing.
        assert_eq!(supervisor.report(), json!({"Refused": {"message": reason}}));
        supervisor.child.wait().unwrap();
    } else {
        supervisor.started();
        let (ended, output) = supervisor.ended();
        assert_eq!(output, format!("in a\none file\nread-only\nin a\nmachine\n{user}\n"));
        assert_eq!(ended["code"], 0);
        assert_eq!(std::fs::read_to_string(home.join("b/file")).unwrap(), "kept\n");
    }
    for path in ["/var/run/secrets/embedded-kube", "/embedded-kube-data", "/etc/hostname-of-embedded-kube"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
    assert_eq!(std::fs::read_dir(home.join("root")).unwrap().count(), 0);
}

/// The user of this process.
fn user() -> u32 {
    std::fs::metadata("/proc/self").unwrap().uid()
}

#[test]
fn volumes_are_where_the_order_says_and_the_machine_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    look(|| Command::new(folder::binary("embedded-kube")), home.path(), user());
}

#[test]
fn no_special_rights_are_needed_for_that() {
    let home = tempfile::tempdir().unwrap();
    if user() != 0 {
        return look(|| Command::new(folder::binary("embedded-kube")), home.path(), user());
    }
    // Where the tests are built, nobody may have no way.
    let program = home.path().join("embedded-kube");
    std::fs::copy(folder::binary("embedded-kube"), &program).unwrap();
    let command = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&program);
        command
    };
    look(command, home.path(), 65534);
}
