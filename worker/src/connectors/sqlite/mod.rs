//! The `sqlite` connector: tables and queries of a SQLite database file.
use crate::connector::{Connector, Environment, Result};
pub(super) fn open(environment: Environment) -> Result<Box<dyn Connector>> {
    Err(crate::connector::ConnectorError::new(crate::connector::ErrorKind::Bug, environment.name, ""))
}
