//! A private S3-compatible server (versitygw on a folder): on a free loopback port, ended by its process id when dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::folder;

/// The id of the key that the server knows.
pub const ACCESS_KEY: &str = "key-of-the-tests";
/// The key's secret.
pub const SECRET_KEY: &str = "secret-of-the-tests";

/// The version that `scripts/setup` builds.
const VERSION: &str = "1.8.0";
/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
pub struct S3 {
    home: tempfile::TempDir,
    port: u16,
    process: Child,
    keys: (String, String),
    buckets: AtomicU32,
}

impl S3 {
    /// The server that the tests of this process share; it ends with the last one that uses it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<S3>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Starts a server without buckets.
    ///
    /// # Panics
    /// When the program is not there, or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(ACCESS_KEY, SECRET_KEY)
    }

    /// Starts a server without buckets that knows another key.
    ///
    /// # Panics
    /// When the program is not there, or does not start.
    #[must_use]
    pub fn start_with(access_key: &str, secret_key: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["data", "iam", "versions"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let process = Command::new(program())
            .env("ROOT_ACCESS_KEY", access_key)
            .env("ROOT_SECRET_KEY", secret_key)
            .args(["--port", &format!("127.0.0.1:{port}"), "--quiet", "--iam-dir"])
            .arg(home.path().join("iam"))
            .args(["posix", "--versioning-dir"])
            .args([home.path().join("versions"), home.path().join("data")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let keys = (access_key.to_owned(), secret_key.to_owned());
        let mut server = Self { home, port, process, keys, buckets: AtomicU32::new(0) };
        let started = Instant::now();
        while !server.answers() {
            let ended = server.process.try_wait().unwrap();
            if ended.is_some() || started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(server.home.path().join("log")).unwrap_or_default();
                panic!("the S3 server did not start; its log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn answers(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = [0; 5];
        connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
            && connection.read_exact(&mut answer).is_ok()
            && answer == *b"HTTP/"
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of the server.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Creates an empty bucket.
    #[must_use]
    pub fn bucket(&self) -> Bucket {
        let name = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        // A bucket is a folder of the server's.
        std::fs::create_dir(self.home.path().join("data").join(&name)).unwrap();
        let store = AmazonS3Builder::new()
            .with_endpoint(self.endpoint())
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_access_key_id(&self.keys.0)
            .with_secret_access_key(&self.keys.1)
            .with_bucket_name(&name)
            .build()
            .unwrap();
        Bucket { endpoint: self.endpoint(), name, store }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn program() -> PathBuf {
    let program = folder::cache().join(format!("tools/versitygw-{VERSION}/versitygw"));
    assert!(program.is_file(), "versitygw is not built: run `scripts/setup test`");
    program
}

/// A bucket of the server, as its owner sees it.
pub struct Bucket {
    /// The server's address.
    pub endpoint: String,
    /// Its name.
    pub name: String,
    store: AmazonS3,
}

impl Bucket {
    /// Writes an object.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn put(&self, key: &str, content: impl Into<Vec<u8>>) {
        self.store.put(&Path::parse(key).unwrap(), PutPayload::from(content.into())).await.unwrap();
    }

    /// The content of an object.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn get(&self, key: &str) -> Vec<u8> {
        self.store.get(&Path::parse(key).unwrap()).await.unwrap().bytes().await.unwrap().to_vec()
    }

    /// Deletes an object.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn delete(&self, key: &str) {
        self.store.delete(&Path::parse(key).unwrap()).await.unwrap();
    }

    /// All keys, sorted: what a reader sees that knows of no commits.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn keys(&self) -> Vec<String> {
        let listed: Vec<_> = futures::TryStreamExt::try_collect(self.store.list(None)).await.unwrap();
        let mut keys: Vec<String> = listed.into_iter().map(|object| object.location.to_string()).collect();
        keys.sort();
        keys
    }
}
