//! Command lines of kubectl.

use std::path::PathBuf;
use std::process::Stdio;

use aggregator_tests::wait::PATIENCE;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Child;

use crate::case::Who;
use crate::stage::Stage;
use crate::words::{is_structured, words};

/// A command line of kubectl, without the program.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) line: String,
    /// What it reads.
    pub(crate) input: String,
    /// The editor that it starts, if it starts one.
    pub(crate) editor: String,
    pub(crate) who: Who,
}

/// A kubectl that goes on for long.
pub(crate) struct Following {
    child: Child,
    line: String,
    output: PathBuf,
    errors: PathBuf,
}

impl Command {
    pub(crate) fn new(line: &str) -> Self {
        Self { line: line.to_owned(), input: String::new(), editor: "false".to_owned(), who: Who::default() }
    }

    /// The process that is to be started.
    async fn process(&self, stage: &Stage) -> Result<tokio::process::Command, String> {
        // Whoever kills the test kills what it has started.
        let mut process = tokio::process::Command::new("setpriv");
        process.args(["--pdeathsig", "KILL", "--"]).arg(&stage.plane.kubectl).arg("kubectl");
        let kubeconfig = if self.who == Who::Administrator { &stage.plane.kubeconfig } else { &stage.plane.nobody };
        process.arg("--kubeconfig").arg(kubeconfig).arg(format!("--namespace={}", stage.namespace));
        if let Who::Account(account) = self.who {
            let token = stage.token(account).await?;
            process.arg(format!("--token={token}"));
        }
        process.args(words(&stage.filled(&self.line))).current_dir(&stage.home).kill_on_drop(true);
        process.env_clear().env("HOME", &stage.home).env("TMPDIR", &stage.home).env("TZ", "UTC").env("LC_ALL", "C");
        process.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("KUBE_EDITOR", &self.editor);
        Ok(process)
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, stage: &Stage) -> Value {
        match tokio::time::timeout(PATIENCE, self.ran(stage)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => json!({"failed": error}),
            Err(_) => json!({"failed": "it does not end"}),
        }
    }

    async fn ran(&self, stage: &Stage) -> Result<Value, String> {
        let mut process = self.process(stage).await?;
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().map_err(|error| error.to_string())?;
        let mut input = child.stdin.take().expect("a pipe");
        let text = stage.filled(&self.input);
        let write = async move {
            // A broken pipe: it ended without reading, and says why below.
            input.write_all(text.as_bytes()).await.unwrap_or_default();
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), write);
        let output = output.map_err(|error| error.to_string())?;
        Ok(told(&self.line, output.status.code(), &output.stdout, &output.stderr))
    }

    /// Starts it.
    pub(crate) async fn start(&self, stage: &Stage) -> Result<Following, String> {
        let file = |end: &str| stage.home.join(format!("following.{end}"));
        let (output, errors) = (file("out"), file("err"));
        let create = |path: &PathBuf| std::fs::File::create(path).map_err(|error| error.to_string());
        let mut process = self.process(stage).await?;
        process.stdin(Stdio::null()).stdout(create(&output)?).stderr(create(&errors)?);
        let child = process.spawn().map_err(|error| error.to_string())?;
        Ok(Following { child, line: self.line.clone(), output, errors })
    }
}

impl Following {
    /// How many lines it has put out.
    pub(crate) fn lines(&self) -> usize {
        std::fs::read_to_string(&self.output).unwrap_or_default().lines().count()
    }

    /// What it has put out until its end.
    pub(crate) async fn end(mut self, kill: bool) -> Value {
        let code = if kill {
            self.child.start_kill().unwrap_or_default();
            // How it ends when it is killed says nothing.
            self.child.wait().await.map(|_| None)
        } else {
            let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
            ended.unwrap_or_else(|late| Err(late.into())).map(|status| status.code())
        };
        let read = |path: &PathBuf| std::fs::read(path).unwrap_or_default();
        match code {
            Ok(code) => told(&self.line, code, &read(&self.output), &read(&self.errors)),
            Err(error) => json!({"failed": error.to_string()}),
        }
    }
}

/// What kubectl has said: JSON and YAML as values, everything else as text.
fn told(line: &str, code: Option<i32>, output: &[u8], errors: &[u8]) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = text(output);
    let value = if is_structured(&words(line)) { read(&output) } else { None };
    let output = value.unwrap_or_else(|| json!({"text": output}));
    let errors = text(errors);
    // What its library notes of watches, for whoever works on it, is a matter of moments.
    let errors: Vec<&str> = errors.lines().filter(|line| !line.contains(" reflector.go:")).collect();
    json!({"code": code, "out": output, "err": {"text": errors.join("\n")}})
}

/// One document as it is, several as a list.
fn read(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return Some(value).filter(|value| value.is_object() || value.is_array());
    }
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(text).ok()?;
    match documents.len() {
        0 => None,
        1 => documents.pop().filter(|value| value.is_object() || value.is_array()),
        _ => Some(documents.into()),
    }
}
