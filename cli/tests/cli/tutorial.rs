//! The tutorial, `docs/tutorial/01-first-pipeline.md`, followed as by somebody with a clone and two terminals.
//! What it says of rows is of the open data, and of the list of states that Debian 12 has.

mod steady;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aggregator_tests::control_plane;
use aggregator_tests::folder;
use aggregator_tests::golden::difference;
use aggregator_tests::page::{Block, blocks};
use aggregator_tests::process::Process;
use aggregator_tests::wait::{PATIENCE, eventually};
use tempfile::TempDir;

use self::steady::steady;

/// The page.
const PAGE: &str = "docs/tutorial/01-first-pipeline.md";
/// Where the page says that the clone is.
const FOLDER: &str = "/srv/aggregator";
/// What the reader has of the clone.
const PARTS: [&str; 2] = ["config/samples", "scripts/demo"];
/// What a cluster says when it is there.
const READY: &str = "NOT FOR PRODUCTION";
/// Stands on the page for lines that it leaves out.
const LEFT_OUT: &str = "…";
/// The most characters of a line of JSON that the page shows.
const SHOWN: usize = 100;
/// Commands that change nothing: they are typed again until there is what they wait for.
const LOOKS: [&str; 11] = [
    "aggregator describe",
    "aggregator get",
    "aggregator lint",
    "aggregator logs",
    "aggregator preview",
    "head",
    "kubectl describe",
    "kubectl events",
    "kubectl get",
    "kubectl logs",
    "kubectl wait",
];
/// Commands that show more from time to time, as Schedules fire: what is on the page is among it.
const GROWING: [&str; 2] = ["aggregator get pipelineruns", "kubectl get pipelineruns"];

/// What differs, and, if the command did as it should, what was put out.
type Differs = (String, Option<String>);

/// Somebody who follows the page.
struct Reader {
    /// What goes on in the first terminal.
    up: Option<Process>,
    /// How often it was started there.
    starts: u32,
    /// What was typed in the second terminal and counts for all that follows.
    settings: Vec<String>,
    /// The clone.
    folder: TempDir,
}

impl Reader {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("aggregator-tutorial-").tempdir().expect("a folder");
        let reader = Self { up: None, starts: 0, settings: Vec::new(), folder };
        for part in PARTS {
            copy(&folder::workspace().join(part), &reader.path(part));
        }
        reader.program("kubectl", &format!("exec '{}' kubectl \"$@\"", control_plane::kubectl().display()));
        // What `make up` does when everything is built.
        reader.program("make", "test \"$*\" = up && exec scripts/demo/up");
        let built = reader.path("target/debug");
        std::fs::create_dir_all(&built).expect("a folder");
        symlink(folder::binary("aggregator"), built.join("aggregator")).expect("a link");
        reader
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// A program that is found before others of its name.
    fn program(&self, name: &str, script: &str) {
        let file = format!("programs/{name}");
        self.write(&file, &format!("#!/bin/sh\n{script}\n"));
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path(&file), executable).expect("a program");
    }

    fn search_path(&self) -> String {
        format!("{}:{}", self.path("programs").display(), std::env::var("PATH").unwrap_or_default())
    }

    /// What a text of the page is here.
    fn here(&self, text: &str) -> String {
        text.replace(FOLDER, &self.folder.path().display().to_string())
    }

    /// What stands on the page for a text of here.
    fn shown(&self, text: &str) -> String {
        let text = text.replace(&self.folder.path().display().to_string(), FOLDER);
        let lines = text.lines().map(|line| {
            let cut = line.starts_with("{\"") && line.chars().count() > SHOWN;
            let line =
                if cut { format!("{}…", line.chars().take(SHOWN).collect::<String>()) } else { line.to_owned() };
            format!("{}\n", line.trim_end())
        });
        lines.collect()
    }

    /// Types `make up` in the first terminal.
    fn start(&mut self) {
        self.starts += 1;
        let log = self.path(&format!("up-{}.log", self.starts));
        let words = [
            format!("--chdir={}", self.folder.path().display()),
            format!("CARGO_TARGET_DIR={}", self.path("target").display()),
            format!("PATH={}", self.search_path()),
            "make".to_owned(),
            "up".to_owned(),
        ];
        self.up = Some(Process::start("env".as_ref(), words, &log));
    }

    /// Ends what goes on there.
    fn stop(&mut self) {
        let mut up = self.up.take().expect("`make up` goes on");
        up.terminate();
        eventually("the end of `make up`", || up.ended().then_some(()));
    }

    /// What the first terminal shows.
    fn log(&mut self) -> String {
        let up = self.up.as_mut().expect("`make up` goes on");
        let log = up.log(usize::MAX);
        assert!(!up.ended(), "`make up` has ended:\n{log}");
        log
    }

    /// Types in the first terminal. Gives what the page should say, or what differs.
    fn first_terminal(&mut self, block: &Block, update: bool) -> Result<String, String> {
        let (interrupt, typed) = block.text.strip_prefix("^C\n").map_or(("", &*block.text), |rest| ("^C\n", rest));
        if !interrupt.is_empty() {
            self.stop();
        }
        let Some(wanted) = typed.strip_prefix("$ make up\n") else {
            let told = format!("the first terminal takes `^C` and `$ make up`, and not\n{typed}");
            return if typed.is_empty() { Ok(block.text.clone()) } else { Err(told) };
        };
        self.start();
        eventually("a cluster", || self.log().contains(READY).then_some(()));
        let parts = parts(wanted);
        let found = until(update, || {
            let log = self.log();
            let found = self.shown(&log);
            if among(&parts, &steady(&found)) {
                Ok(wanted.to_owned())
            } else {
                Err((difference(&parts, &steady(&found)), Some(found)))
            }
        });
        found.map(|found| format!("{interrupt}$ make up\n{found}"))
    }

    /// Types in the second terminal. Gives what the page should say, or what differs.
    fn second_terminal(&mut self, block: &Block, update: bool) -> Result<String, String> {
        let mut lines = String::new();
        for (command, wanted) in block.commands() {
            let found = self.follow(command, &wanted, block.is("fails"), update)?;
            lines.push_str(&format!("$ {command}\n{found}"));
        }
        Ok(lines)
    }

    fn follow(&mut self, command: &str, wanted: &str, fails: bool, update: bool) -> Result<String, String> {
        if ["cd ", "export "].iter().any(|setting| command.starts_with(setting)) {
            let setting = self.here(command);
            self.settings.push(setting);
        }
        let more = wanted.lines().any(|line| line == LEFT_OUT) || GROWING.iter().any(|it| command.starts_with(it));
        let parts = parts(wanted);
        let look = || {
            let (well, text) = self.type_in(command);
            let text = self.shown(&text);
            if well == fails {
                let ended = if well { "should fail" } else { "failed" };
                return Err((format!("it {ended}, and said\n{text}"), None));
            }
            let found = steady(&text);
            if parts == found || (more && among(&parts, &found)) {
                return Ok(wanted.to_owned());
            }
            Err((difference(&parts, &found), Some(text)))
        };
        let followed = if LOOKS.iter().any(|it| command.starts_with(it)) {
            until(update, look)
        } else {
            look().or_else(|(problem, found)| given(update, &problem, found))
        };
        followed.map_err(|problem| format!("`{command}` {problem}"))
    }

    /// What a command puts out, and whether it ends well.
    fn type_in(&self, command: &str) -> (bool, String) {
        let settings: String = self.settings.iter().map(|line| format!("{line}\n")).collect();
        let script = format!("exec 2>&1\n{settings}{}", self.here(command));
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).current_dir(self.folder.path()).env("PATH", self.search_path());
        // Caches and settings of the user are left alone.
        shell.env("HOME", self.path("home"));
        for name in ["KUBECONFIG", "KUBERC", "COLUMNS", "RUST_LOG", "RUST_BACKTRACE", "AGGREGATOR_LOG_FORMAT"] {
            shell.env_remove(name);
        }
        let output = shell.output().expect("a shell");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Reader {
    #[expect(clippy::print_stderr, reason = "the test's own output, which is shown when it fails")]
    fn drop(&mut self) {
        if let Some(up) = self.up.as_ref().filter(|_| std::thread::panicking()) {
            eprintln!("== the first terminal\n{}", up.log(80));
        }
    }
}

/// The files of a folder, without the folders in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}

/// Looks again until it is as the page says.
fn until(update: bool, mut look: impl FnMut() -> Result<String, Differs>) -> Result<String, String> {
    let begun = Instant::now();
    // A page that is written anew has what comes about a little later, too.
    let patience = if update { PATIENCE / 20 } else { PATIENCE };
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err((problem, found)) if begun.elapsed() > patience => return given(update, &problem, found),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// What was put out, if the page is written anew, and otherwise how that differs from it.
fn given(update: bool, problem: &str, found: Option<String>) -> Result<String, String> {
    match found {
        Some(found) if update => Ok(found),
        _ => Err(format!("(- the page, + found); if that is right: UPDATE_GOLDEN=1\n{problem}")),
    }
}

/// Whether all lines of a text are among those of another one, in order.
fn among(lines: &str, others: &str) -> bool {
    let mut others = others.lines();
    lines.lines().all(|line| others.any(|other| other == line))
}

/// What is compared of an output on the page.
fn parts(wanted: &str) -> String {
    let lines: String = wanted.lines().filter(|line| *line != LEFT_OUT).map(|line| format!("{line}\n")).collect();
    steady(&lines)
}

#[test]
fn the_tutorial_says_what_its_reader_sees() {
    let page = folder::workspace().join(PAGE);
    let text = std::fs::read_to_string(&page).expect("the page");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let mut reader = Reader::new();
    let (mut written, mut at, mut followed) = (String::new(), 0, 0);
    for block in blocks(&text) {
        if let Some(name) = block.value("file") {
            reader.write(name, &block.text);
            continue;
        }
        let found = match block.language() {
            "console" if block.is("up") => reader.first_terminal(&block, update),
            "console" if block.is("type") => reader.second_terminal(&block, update),
            _ => continue,
        };
        let found = found.unwrap_or_else(|problem| panic!("{PAGE}:{}: {problem}", block.line));
        followed += 1;
        // The block begins behind the line of its fence.
        let begin: usize = text.split_inclusive('\n').take(block.line).map(str::len).sum();
        written.push_str(&text[at..begin]);
        written.push_str(&found);
        at = begin + block.text.len();
    }
    written.push_str(&text[at..]);
    assert!(followed > 20, "only {followed} blocks were found");
    if reader.up.is_some() {
        reader.stop();
    }
    if update {
        std::fs::write(&page, written).expect("the page");
    }
}
