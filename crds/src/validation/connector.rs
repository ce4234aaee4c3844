//! Connectors.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use super::path::Path;
use super::report::Report;
use super::{Validate, Violation};
use crate::Connector;
use crate::connector::{
    ConnectorType, FileConnector, GeneratedColumn, GeneratorConnector, GeneratorKind, PostgresConnector, S3Connector,
    SqliteConnector, TlsMode, VolumeRef,
};

static BUCKET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]$").expect("the pattern is a constant that every test compiles")
});

/// What no name of a machine has. A socket is a folder, and begins with one.
const ODD_IN_HOST: [char; 6] = ['/', '\\', ' ', '\t', '\r', '\n'];

impl Validate for Connector {
    fn validate(&self) -> Vec<Violation> {
        let mut report = Report::default();
        // The Secret is named `connector-<name>`.
        report.metadata(&self.metadata, 243);
        let spec = Path::root("spec");
        if let Some(name) = &self.spec.secret_name {
            report.object_name(&spec.field("secretName"), name);
        }
        let path = spec.field(self.spec.connector_type.key());
        match &self.spec.connector_type {
            ConnectorType::Postgres(postgres) => report.postgres(&path, postgres),
            ConnectorType::File(file) => report.file(&path, file),
            ConnectorType::S3(s3) => report.s3(&path, s3),
            ConnectorType::Sqlite(sqlite) => report.sqlite(&path, sqlite),
            ConnectorType::Http(http) => report.http(&path, http),
            ConnectorType::Generator(generator) => report.generator(&path, generator),
        }
        if let Some(limits) = &self.spec.limits {
            let path = spec.field("limits");
            if let Some(connections) = limits.connections {
                report.range(&path.field("connections"), connections.into(), 1, 1000);
            }
            if let Some(rows) = limits.rows_per_second {
                report.range(&path.field("rowsPerSecond"), rows, 1, u64::MAX);
            }
        }
        if let Some(check) = &self.spec.check {
            report.duration_from(&spec.field("check").field("interval"), &check.interval, Duration::from_secs(10));
        }
        report.plain(&spec, &self.spec);
        report.into_violations()
    }
}

impl Report {
    fn postgres(&mut self, path: &Path, postgres: &PostgresConnector) {
        self.filled(&path.field("host"), "the host", &postgres.host);
        if postgres.host.contains("://") || postgres.host.contains('@') {
            // The text is not repeated: it may hold a password.
            self.add(
                &path.field("host"),
                "this is a whole address, not a host",
                "give the host's name alone: `port`, `database`, `username` and `password` are fields of their own",
            );
        } else if !postgres.host.trim().is_empty()
            && !postgres.host.starts_with('/')
            && postgres.host.contains(ODD_IN_HOST)
        {
            let help = "give the name or the address of one machine";
            self.add(&path.field("host"), format!("`{}` is not a host", postgres.host), help);
        }
        self.range(&path.field("port"), postgres.port.into(), 1, u16::MAX.into());
        self.filled(&path.field("database"), "the database", &postgres.database);
        self.filled(&path.field("username"), "the username", &postgres.username);
        if let Some(password) = &postgres.password {
            self.secret(&path.field("password"), password);
        }
        if let Some(tls) = &postgres.tls
            && let Some(authority) = &tls.ca
        {
            let path = path.field("tls").field("ca");
            self.authority(&path, authority);
            if !matches!(tls.mode, TlsMode::VerifyCa | TlsMode::VerifyFull) {
                let message = format!("the mode {:?} does not look at the certificate", tls.mode);
                self.add(&path, message, "use the mode VerifyFull, or leave `ca` out");
            }
        }
        for (field, timeout) in
            [("connectTimeout", &postgres.connect_timeout), ("statementTimeout", &postgres.statement_timeout)]
        {
            if let Some(timeout) = timeout {
                self.duration_from(&path.field(field), timeout, Duration::from_millis(1));
            }
        }
    }

    fn file(&mut self, path: &Path, file: &FileConnector) {
        self.below_volume(path, file.volume.as_ref(), "root", &file.root);
        if let Some(format) = &file.format {
            self.file_format(&path.field("format"), format);
        }
    }

    fn sqlite(&mut self, path: &Path, sqlite: &SqliteConnector) {
        self.below_volume(path, sqlite.volume.as_ref(), "path", &sqlite.path);
    }

    /// A path that stays inside its volume, when it has one.
    fn below_volume(&mut self, path: &Path, volume: Option<&VolumeRef>, field: &str, place: &str) {
        if let Some(volume) = volume {
            self.object_name(&path.field("volume").field("claimName"), &volume.claim_name);
        }
        self.filled(&path.field(field), "the path", place);
        if volume.is_some() && place.split('/').any(|step| step == "..") {
            self.add(&path.field(field), format!("`{place}` leaves the volume"), "write the path without `..`");
        }
    }

    fn s3(&mut self, path: &Path, s3: &S3Connector) {
        if !BUCKET.is_match(&s3.bucket) {
            self.add(
                &path.field("bucket"),
                format!("`{}` is not a name of a bucket", s3.bucket),
                "use 3 to 63 small letters, digits, `-` and `.`, with a letter or digit first and last",
            );
        }
        if let Some(region) = &s3.region {
            self.filled(&path.field("region"), "the region", region);
        }
        if let Some(endpoint) = &s3.endpoint {
            self.address(&path.field("endpoint"), endpoint);
        }
        if let Some(authority) = &s3.ca {
            self.authority(&path.field("ca"), authority);
        }
        if let Some(timeout) = &s3.timeout {
            self.duration_from(&path.field("timeout"), timeout, Duration::from_millis(1));
        }
        if let Some(prefix) = &s3.prefix {
            self.key_prefix(&path.field("prefix"), prefix);
        }
        if let Some(credentials) = &s3.credentials {
            let path = path.field("credentials");
            self.secret(&path.field("accessKeyId"), &credentials.access_key_id);
            self.secret(&path.field("secretAccessKey"), &credentials.secret_access_key);
            if let Some(token) = &credentials.session_token {
                self.secret(&path.field("sessionToken"), token);
            }
        }
        if let Some(format) = &s3.format {
            self.file_format(&path.field("format"), format);
        }
    }

    /// Folders that keys begin with; none that could mean another place.
    fn key_prefix(&mut self, path: &Path, prefix: &str) {
        if prefix.starts_with('/') {
            let help = format!("write `{}`", prefix.trim_start_matches('/'));
            self.add(path, "the prefix begins with `/`, and no key does", help);
        } else if prefix.trim_end_matches('/').split('/').any(|step| matches!(step, "" | "." | "..")) {
            self.add(path, format!("`{prefix}` has an empty step, `.` or `..`"), "name folders, as `raw/2026`");
        }
    }

    fn generator(&mut self, path: &Path, generator: &GeneratorConnector) {
        let path = path.field("streams");
        if generator.streams.is_empty() {
            self.add(&path, "the list is empty", "give at least one stream");
        }
        for (index, stream) in generator.streams.iter().enumerate() {
            let path = path.index(index);
            self.filled(&path.field("name"), "the name", &stream.name);
            let columns = path.field("columns");
            if stream.columns.is_empty() {
                self.add(&columns, "the list is empty", "give at least one column");
            }
            for (index, column) in stream.columns.iter().enumerate() {
                self.generated_column(&columns.index(index), column);
            }
            let names = stream.columns.iter().map(|column| column.name.as_str());
            self.unique("column", names.enumerate().map(|(index, name)| (columns.index(index).field("name"), name)));
        }
        let names = generator.streams.iter().map(|stream| stream.name.as_str());
        self.unique("stream", names.enumerate().map(|(index, name)| (path.index(index).field("name"), name)));
    }

    fn generated_column(&mut self, path: &Path, column: &GeneratedColumn) {
        self.filled(&path.field("name"), "the name", &column.name);
        if let Some(share) = &column.null_share
            && !share.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share))
        {
            let message = format!("`{share}` is not a share");
            self.add(&path.field("nullShare"), message, "write a number from 0 to 1, as `\"0.05\"`");
        }
        match &column.kind {
            GeneratorKind::Integer { min, max } if min > max => {
                let help = "give a `max` that is not below `min`";
                self.add(&path.field("integer").field("max"), format!("{max} is below the least value, {min}"), help);
            }
            GeneratorKind::Number { min, max } if min >= max => {
                let help = "give a `max` above `min`";
                self.add(
                    &path.field("number").field("max"),
                    format!("{max} is not above the least value, {min}"),
                    help,
                );
            }
            GeneratorKind::Text { length } => {
                self.range(&path.field("text").field("length"), (*length).into(), 0, 1_048_576);
            }
            GeneratorKind::Choice { values } if values.is_empty() => {
                self.add(&path.field("choice").field("values"), "the list is empty", "give at least one value");
            }
            GeneratorKind::Timestamp { step, .. } => {
                self.duration(&path.field("timestamp").field("step"), step);
            }
            _ => {}
        }
    }
}
