//! Connectors: where data is.

use super::violations;
use crate::Connector;

#[test]
fn connector() {
    let found = violations::<Connector>(
        "Connector",
        r#"
secretName: Not_A_Name
postgres: {host: "", port: 0, database: d, username: " ", password: {secretKey: "hunter2 $"}, tls: {mode: Require, ca: {pem: nothing}}, connectTimeout: "10", statementTimeout: 0s}
limits: {connections: 0, rowsPerSecond: 0}
check: {interval: 1s}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.secretName: `Not_A_Name` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.postgres.host: the host is empty; give the host",
            r"spec.postgres.port: 0 is out of range; use a number from 1 to 65535",
            r"spec.postgres.username: the username is empty; give the username",
            r"spec.postgres.password.secretKey: this is not a key of a Secret; name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here",
            r"spec.postgres.tls.ca.pem: the text holds no certificate; paste PEM text that begins with `-----BEGIN CERTIFICATE-----`",
            r"spec.postgres.tls.ca: the mode Require does not look at the certificate; use the mode VerifyFull, or leave `ca` out",
            r"spec.postgres.connectTimeout: `10` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.postgres.statementTimeout: `0s` is too short; use 1ms or more",
            r"spec.limits.connections: 0 is out of range; use a number from 1 to 1000",
            r"spec.limits.rowsPerSecond: 0 is out of range; use 1 or more",
            r"spec.check.interval: `1s` is too short; use 10s or more"
        ]
    );
    for (host, shown) in [("db one", "db one"), ("db/shop", "db/shop"), ("db\\n", "db\n")] {
        let spec = format!("postgres: {{host: \"{host}\", database: d, username: u}}");
        let help = "give the name or the address of one machine";
        let expected = format!("spec.postgres.host: `{shown}` is not a host; {help}");
        assert_eq!(violations::<Connector>("Connector", &spec), [expected]);
    }
    let socket = "postgres: {host: /run/postgresql, database: d, username: u}";
    assert_eq!(violations::<Connector>("Connector", socket), Vec::<String>::new());
    let found = violations::<Connector>(
        "Connector",
        r#"
postgres: {host: "postgres://me:hunter2@host", database: d, username: u}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.postgres.host: this is a whole address, not a host; give the host's name alone: `port`, `database`, `username` and `password` are fields of their own"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
s3: {bucket: "No", region: "", endpoint: "ftp://store", prefix: /in, credentials: {accessKeyId: {secretKey: ""}, secretAccessKey: {secretKey: s}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.s3.bucket: `No` is not a name of a bucket; use 3 to 63 small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.s3.region: the region is empty; give the region",
            r"spec.s3.endpoint: the address has the scheme `ftp`; begin it with `https://` or `http://`",
            r"spec.s3.prefix: the prefix begins with `/`, and no key does; write `in`",
            r"spec.s3.credentials.accessKeyId.secretKey: this is not a key of a Secret; name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
s3: {bucket: store, timeout: 0s, prefix: a/../b, ca: {pem: x}, credentials: {accessKeyId: {secretKey: i}, secretAccessKey: {secretKey: s}, sessionToken: {secretKey: "a b"}}}
"#,
    );
    assert_eq!(
        found,
        [
            r"spec.s3.ca.pem: the text holds no certificate; paste PEM text that begins with `-----BEGIN CERTIFICATE-----`",
            r"spec.s3.timeout: `0s` is too short; use 1ms or more",
            r"spec.s3.prefix: `a/../b` has an empty step, `.` or `..`; name folders, as `raw/2026`",
            r"spec.s3.credentials.sessionToken.secretKey: this is not a key of a Secret; name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r"
file: {volume: {claimName: Lake}, root: ../else, format: {parquet: {rowGroupRows: 0}}}
",
    );
    assert_eq!(
        found,
        [
            r"spec.file.volume.claimName: `Lake` is not a name of a Kubernetes object; use small letters, digits, `-` and `.`, with a letter or digit first and last",
            r"spec.file.root: `../else` leaves the volume; write the path without `..`",
            r"spec.file.format.parquet.rowGroupRows: 0 is out of range; use 1 or more"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r#"
sqlite: {path: ""}
"#,
    );
    assert_eq!(found, [r"spec.sqlite.path: the path is empty; give the path"]);
}

#[test]
fn generator() {
    let found = violations::<Connector>(
        "Connector",
        r#"
generator:
  streams:
    - {name: a, rows: 1, columns: [{name: x, nullShare: "1.5", integer: {min: 2, max: 1}}, {name: x, number: {min: 1, max: 1}}, {name: t, text: {length: 2000000}}, {name: c, nullShare: none, choice: {values: []}}, {name: s, timestamp: {start: "2026-01-01T00:00:00Z", step: tomorrow}}]}
    - {name: a, rows: 0, columns: []}
"#,
    );
    assert_eq!(
        found,
        [
            r#"spec.generator.streams[0].columns[0].nullShare: `1.5` is not a share; write a number from 0 to 1, as `"0.05"`"#,
            r"spec.generator.streams[0].columns[0].integer.max: 1 is below the least value, 2; give a `max` that is not below `min`",
            r"spec.generator.streams[0].columns[1].number.max: 1 is not above the least value, 1; give a `max` above `min`",
            r"spec.generator.streams[0].columns[2].text.length: 2000000 is out of range; use a number from 0 to 1048576",
            r#"spec.generator.streams[0].columns[3].nullShare: `none` is not a share; write a number from 0 to 1, as `"0.05"`"#,
            r"spec.generator.streams[0].columns[3].choice.values: the list is empty; give at least one value",
            r"spec.generator.streams[0].columns[4].timestamp.step: `tomorrow` is not a duration; write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
            r"spec.generator.streams[0].columns[1].name: the column `x` is already taken by spec.generator.streams[0].columns[0].name; give each column once",
            r"spec.generator.streams[1].columns: the list is empty; give at least one column",
            r"spec.generator.streams[1].name: the stream `a` is already taken by spec.generator.streams[0].name; give each stream once"
        ]
    );
    let found = violations::<Connector>(
        "Connector",
        r"
generator: {streams: []}
",
    );
    assert_eq!(found, [r"spec.generator.streams: the list is empty; give at least one stream"]);
}
