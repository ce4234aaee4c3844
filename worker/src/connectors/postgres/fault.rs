//! Errors of the server and of the way to it, classed.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::connector::{ConnectorError, ErrorKind};

/// Classes an error that came while connecting.
pub(super) fn of_connecting(operation: String, error: sqlx::Error) -> ConnectorError {
    match &error {
        // rustls reports a certificate that it does not accept as data that is not valid.
        sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
            let detail = format!("TLS failed: {cause}");
            tls(operation, detail, error)
        }
        sqlx::Error::Io(cause) => {
            let detail = cause.to_string();
            ConnectorError::new(ErrorKind::Unreachable, operation, detail)
                .remedy("see that the server runs, that host and port are right and that no firewall stands between")
                .caused_by(error)
        }
        sqlx::Error::Tls(cause) => {
            let detail = format!("TLS failed: {cause}");
            if cause.to_string().contains("does not support TLS") {
                return ConnectorError::new(ErrorKind::Config, operation, detail)
                    .remedy("let the server offer TLS (its `ssl`), or set `tls.mode: Prefer`, which does without it")
                    .caused_by(error);
            }
            tls(operation, detail, error)
        }
        sqlx::Error::Configuration(cause) => {
            let detail = cause.to_string();
            ConnectorError::new(ErrorKind::Config, operation, detail).caused_by(error)
        }
        _ => of_statement(operation, error),
    }
}

fn tls(operation: String, detail: String, error: sqlx::Error) -> ConnectorError {
    ConnectorError::new(ErrorKind::Config, operation, detail)
        .remedy("give the authority that signed the server's certificate in `tls.ca`, and the name the certificate bears in `host`; `tls.mode` says how much is checked")
        .caused_by(error)
}

/// Classes an error that came while a statement ran.
pub(super) fn of_statement(operation: String, error: sqlx::Error) -> ConnectorError {
    match &error {
        sqlx::Error::Database(answer) => {
            let (kind, remedy) = class(answer.as_ref());
            let mut classed = ConnectorError::new(kind, operation, words(answer.as_ref()));
            classed.remedy = remedy;
            classed.caused_by(error)
        }
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => {
            let detail = format!("the connection was lost: {error}");
            ConnectorError::new(ErrorKind::Transient, operation, detail)
                .remedy("see the server's log; another attempt takes up the work")
                .caused_by(error)
        }
        _ => {
            let detail = error.to_string();
            ConnectorError::new(ErrorKind::Bug, operation, detail).caused_by(error)
        }
    }
}

/// What the server said: message, detail and hint.
pub(super) fn words(answer: &dyn DatabaseError) -> String {
    let mut words = answer.message().to_owned();
    if let Some(answer) = answer.try_downcast_ref::<PgDatabaseError>() {
        for more in [answer.detail(), answer.hint()].into_iter().flatten() {
            words.push_str("; ");
            words.push_str(more);
        }
        words = format!("{words} (SQLSTATE {})", answer.code());
    }
    words
}

/// Whether the server refused the content of a row, so that the other rows may still be written.
pub(super) fn blames_a_row(answer: &dyn DatabaseError) -> bool {
    let code = answer.code().unwrap_or_default();
    // Data exceptions, integrity violations, what a trigger or a check raises, a row too large for a page or an index,
    // and two rows of one statement that meet in the same key.
    ["22", "23", "44", "P0", "54"].iter().any(|class| code.starts_with(class)) || code == "21000"
}

/// The number of the row, from 1, that the context of a refused COPY names.
pub(super) fn copy_line(answer: &dyn DatabaseError) -> Option<usize> {
    let context = answer.try_downcast_ref::<PgDatabaseError>()?.r#where()?;
    let copy = context.lines().find(|line| line.starts_with("COPY "))?;
    let after = copy.rsplit_once(", line ")?.1;
    after.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// The column that a refusal names: by itself, or in the context of a COPY.
pub(super) fn column(answer: &dyn DatabaseError) -> Option<String> {
    let answer = answer.try_downcast_ref::<PgDatabaseError>()?;
    if let Some(column) = answer.column() {
        return Some(column.to_owned());
    }
    let copy = answer.r#where()?.lines().find(|line| line.starts_with("COPY "))?;
    let after = copy.rsplit_once(", column ")?.1;
    Some(after.split(':').next().unwrap_or(after).trim().to_owned())
}

fn class(answer: &dyn DatabaseError) -> (ErrorKind, Option<String>) {
    let code = answer.code().unwrap_or_default();
    let some = |text: &str| Some(text.to_owned());
    match code.as_ref() {
        "28P01" | "28000" => (
            ErrorKind::Credentials,
            some("see `username` and the Secret's password; the server's pg_hba.conf decides who may come from where"),
        ),
        "3D000" => (ErrorKind::NotFound, some("correct `database`, or create it: CREATE DATABASE")),
        "3F000" => (ErrorKind::NotFound, some("create the schema first: CREATE SCHEMA")),
        "42P01" | "42703" | "42704" | "42883" => (ErrorKind::NotFound, None),
        "42501" => (ErrorKind::Refused, Some(grant(answer.message()))),
        "25006" => (
            ErrorKind::Refused,
            some("a stream is read in a read-only transaction, and a standby cannot be written to"),
        ),
        "40001" | "40P01" | "55P03" => (
            ErrorKind::Transient,
            some("another session holds what the statement needs; see pg_stat_activity, and run again"),
        ),
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => (
            ErrorKind::Transient,
            some(
                "the server, or somebody there, has ended the connection; see its log; another attempt takes up the work",
            ),
        ),
        "53300" => (ErrorKind::Transient, some("lower `limits.connections` or raise the server's max_connections")),
        "57014" => (
            ErrorKind::Transient,
            some("somebody cancelled the statement, or the role has a statement_timeout that is too short"),
        ),
        "0A000" => (ErrorKind::Refused, None),
        code if code.starts_with("08") => (ErrorKind::Unreachable, None),
        code if code.starts_with("54") => (ErrorKind::Limit, None),
        code if code.starts_with("42") => (ErrorKind::Config, None),
        code if code.starts_with("XX") => (ErrorKind::Data, some("the server reports damage; see its log")),
        _ => (ErrorKind::Refused, None),
    }
}

/// The GRANT that a refusal asks for: `permission denied for table x` names the kind and the object.
fn grant(message: &str) -> String {
    let words: Vec<&str> = message.split(' ').collect();
    if let ["permission", "denied", "for", kind, name] = words.as_slice() {
        let right = match *kind {
            "table" | "view" | "relation" | "sequence" => {
                "SELECT (to read) or SELECT, INSERT, UPDATE, TRUNCATE (to write)"
            }
            "schema" => "USAGE (to use what is in it) or CREATE (to create tables)",
            "database" => "CONNECT or TEMPORARY",
            _ => "the right",
        };
        let kind = if matches!(*kind, "view" | "relation") { "table" } else { kind };
        return format!("as the owner: GRANT {right} ON {} {name} TO the role of this Connector", kind.to_uppercase());
    }
    "as the owner: GRANT the missing right to the role of this Connector; a table can only be changed by its owner"
        .to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_remedy_names_the_object_that_was_refused() {
        assert_eq!(
            super::grant("permission denied for schema raw"),
            "as the owner: GRANT USAGE (to use what is in it) or CREATE (to create tables) ON SCHEMA raw TO the role of this Connector"
        );
        assert!(super::grant("must be owner of table a").contains("owner"));
    }
}
