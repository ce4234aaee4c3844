//! A private PostgreSQL server: its own data folder, socket folder, port and password.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

/// The superuser of every server.
pub const USER: &str = "postgres";
/// The superuser's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it ends the process and removes its files.
pub struct Postgres {
    home: TempDir,
    port: u16,
    process: Mutex<Option<Child>>,
    databases: AtomicU32,
    /// The certificate authority's PEM text, of a server with TLS.
    ca: Option<String>,
}

impl Postgres {
    /// The server that the tests of this process share: started by the first that asks, stopped with the last that
    /// lets go of it. Each test takes a [`Self::database`] of its own.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Starts a server without TLS.
    #[must_use]
    pub fn start() -> Self {
        Self::launch(false)
    }

    /// Starts a server that offers TLS with a certificate for `localhost`, signed by an authority of its own.
    #[must_use]
    pub fn start_with_tls() -> Self {
        Self::launch(true)
    }

    fn launch(tls: bool) -> Self {
        let home = tempfile::Builder::new().prefix("aggregator-postgres-").tempdir().unwrap();
        // The server's user must be able to reach its folder.
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["data", "sockets"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        let password = home.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        let ca = tls.then(|| certificates(home.path()));
        give_to_server_user(home.path());
        let mut initdb = as_server_user(&program("initdb"));
        initdb.arg("-D").arg(home.path().join("data"));
        initdb.args(["-A", "scram-sha-256", "-U", USER, "--no-sync", "-E", "UTF8", "--locale=C"]);
        initdb.arg(format!("--pwfile={}", password.display()));
        run(&mut initdb);
        let server = Self { home, port: free_port(), process: Mutex::new(None), databases: AtomicU32::new(0), ca };
        server.spawn();
        server
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self) {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = as_server_user(&program("postgres"));
        command.arg("-D").arg(self.home.path().join("data"));
        let sockets = self.home.path().join("sockets");
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={}", sockets.display()),
            "fsync=off".to_owned(),
            "wal_level=logical".to_owned(),
            "max_connections=100".to_owned(),
        ];
        if self.ca.is_some() {
            let file = |name: &str| self.home.path().join(name).display().to_string();
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", file("server.crt")));
            settings.push(format!("ssl_key_file={}", file("server.key")));
        }
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        *self.process() = Some(child);
        let started = Instant::now();
        while !run_quietly(Command::new(program("pg_isready")).args([
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
        ])) {
            let ended = self.process().as_mut().and_then(|child| child.try_wait().unwrap());
            if ended.is_some() || started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                panic!("the PostgreSQL server did not start; its log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn end(&self, signal: &str) {
        let Some(mut child) = self.process().take() else { return };
        run(Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()));
        child.wait().unwrap();
    }

    /// Ends the server at once: connections break, nothing is tidied up, the data recovers at the next start.
    pub fn kill(&self) {
        // Unlike KILL it reaches the server's children too, which would keep the data folder in use.
        self.end("QUIT");
    }

    /// Stops the server, which cuts every connection, and starts it again on the same port.
    pub fn restart(&self) {
        self.end("INT");
        self.spawn();
    }

    /// Starts a server that was killed.
    pub fn start_again(&self) {
        self.spawn();
    }

    /// Starts PostgreSQL's load generator on a database, with a script of its own language and more arguments. It is the
    /// caller's to wait for.
    #[must_use]
    pub fn load(&self, database: &str, script: &Path, arguments: &[&str]) -> Child {
        let mut command = Command::new(program("pgbench"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, "--no-vacuum", "-f"]);
        command.arg(script).args(arguments).arg(database).env("PGPASSWORD", PASSWORD);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The PEM text of the authority that signed the server's certificate.
    ///
    /// # Panics
    /// When the server was started without TLS.
    #[must_use]
    pub fn ca(&self) -> &str {
        self.ca.as_deref().unwrap()
    }

    /// Creates an empty database and gives its name.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connect("postgres").await;
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        name
    }

    /// Connects as the superuser.
    pub async fn connect(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(USER)
            .password(PASSWORD)
            .database(database)
            .ssl_mode(PgSslMode::Prefer);
        PgConnection::connect_with(&options).await.unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end("INT");
    }
}

/// A certificate authority that signed nothing of this server.
#[must_use]
pub fn foreign_authority() -> String {
    let home = tempfile::tempdir().unwrap();
    certificates(home.path())
}

/// Makes an authority and a server certificate for `localhost`; gives the authority's PEM text.
fn certificates(home: &Path) -> String {
    std::fs::write(home.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let openssl = |arguments: &str| run(Command::new("openssl").args(arguments.split(' ')).current_dir(home));
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.crt -subj /CN=aggregator-test-authority");
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt");
    std::fs::set_permissions(home.join("server.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::read_to_string(home.join("ca.crt")).unwrap()
}

/// The server refuses to run as root: then it runs as the user `postgres`.
fn as_server_user(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program);
        command.current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn give_to_server_user(folder: &Path) {
    if is_root() {
        run(Command::new("chown").arg("-R").arg(format!("{USER}:{USER}")).arg(folder));
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

/// Finds a program of the server: where `pg_config` says, in Debian's folders, or in PATH.
fn program(name: &str) -> PathBuf {
    let told = Command::new("pg_config")
        .arg("--bindir")
        .output()
        .ok()
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    told.into_iter()
        .chain(debian.into_iter().rev())
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not installed: apt-get install postgresql"))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn run_quietly(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
