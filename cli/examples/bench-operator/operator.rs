//! The operator's process: what it uses, and what it says that it writes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aggregator_tests::figures::{self, Memory};
use aggregator_tests::operator;
use aggregator_tests::process::Process;
use aggregator_tests::wait::eventually;
use tempfile::TempDir;

use crate::Outcome;

/// An operator for the whole cluster, under a Lease, as it is installed.
pub(crate) struct Operator {
    process: Process,
    address: String,
    _home: TempDir,
}

/// What it has used and written since it began.
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) writes: u64,
    at: Instant,
}

/// What it used and wrote in a time.
pub(crate) struct Spent {
    cpu: Duration,
    pub(crate) writes: u64,
    time: Duration,
}

impl Usage {
    pub(crate) fn since(self, before: &Self) -> Spent {
        Spent {
            cpu: self.cpu.saturating_sub(before.cpu),
            writes: self.writes.saturating_sub(before.writes),
            time: self.at.duration_since(before.at),
        }
    }
}

impl Spent {
    /// Of one core.
    pub(crate) fn cpu_percent(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.time.as_secs_f64()
    }
}

impl Operator {
    pub(crate) fn start(program: &Path, kubeconfig: &Path) -> Outcome<Self> {
        let home = tempfile::Builder::new().prefix("aggregator-bench-").tempdir()?;
        let log: PathBuf = home.path().join("operator.log");
        // The process that is measured is the operator itself: `env` becomes it.
        let words = [
            format!("KUBECONFIG={}", kubeconfig.display()),
            program.canonicalize()?.display().to_string(),
            "operator".into(),
            "--worker-image=example.invalid/aggregator".into(),
            "--health-address=127.0.0.1:0".into(),
            "--lease=bench-0/aggregator-operator".into(),
        ];
        let process = Process::start("env".as_ref(), words, &log);
        let address = eventually("the operator's address", || operator::address(&process));
        Ok(Self { process, address, _home: home })
    }

    fn metrics(&self) -> Outcome<String> {
        Ok(operator::ask(&self.address, "/metrics")?.1)
    }

    /// What it has used and written until now; its Lease is not counted.
    pub(crate) fn usage(&self) -> Outcome<Usage> {
        let metrics = self.metrics()?;
        let writes = metrics.lines().filter(|line| line.starts_with("aggregator_operator_writes_total{"));
        let counts = writes.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
        Ok(Usage { cpu: figures::cpu(self.process.id()), writes: counts.sum::<Result<u64, _>>()?, at: Instant::now() })
    }

    pub(crate) fn memory(&self) -> Memory {
        figures::memory(self.process.id())
    }

    /// Fails when it has ended meanwhile.
    pub(crate) fn still_works(&mut self) -> Outcome<()> {
        if self.process.ended() {
            Err(format!("the operator has ended\n{}", self.process.log(40)).into())
        } else {
            Ok(())
        }
    }
}
