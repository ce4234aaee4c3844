//! Writing SCD2: staged rows find their place in the history of their keys.
//!
//! The history of a key is a list of events: a version begins, a version ends with none after it, a row of the run comes.
//! They are put in the order of time. A row that says what holds already changes nothing; one of the time of a version
//! corrects it; any other one begins a version, which lasts until the next event. The version before it ends there.
//!
//! SQLite compares times as texts, so all that are written have six digits of a second.

use aggregator_crds::pipeline::{MissingRows, Scd2Columns};
use rusqlite::Connection;

use super::catalogue::Relation;
use super::target::{Applied, Role, STAGE, Target, TargetColumn};
use super::types::Kind;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::connectors::sql;

/// What each staged row is.
const PLAN: &str = "temp._aggregator_versions";

/// How versions are kept.
#[derive(Clone, Debug)]
pub(super) struct Versions {
    /// The columns that tell versions apart.
    pub(super) names: Scd2Columns,
    /// Whether the current versions of keys that do not come are ended.
    missing: bool,
    /// What the times are: days, or moments with or without a zone.
    kind: Kind,
    exists: bool,
}

impl Versions {
    /// Decides. `columns` are those of the rows; `relation` is what is there.
    pub(super) fn decide(
        names: &Scd2Columns,
        missing: MissingRows,
        columns: &[TargetColumn],
        relation: Option<&Relation>,
        operation: &str,
    ) -> Result<Self> {
        let effective = columns.iter().find(|column| column.role == Role::Effective).map(|column| column.kind);
        let kind = match relation {
            None => effective.unwrap_or(Kind::TimestampTz),
            Some(relation) => there(relation, names, effective, operation)?,
        };
        Ok(Self { names: names.clone(), missing: missing == MissingRows::Close, kind, exists: relation.is_some() })
    }

    /// The columns of a new table.
    pub(super) fn definitions(&self) -> [String; 3] {
        let (names, kind) = (&self.names, self.kind.column_type());
        [
            format!("{} {kind} NOT NULL", sql::identifier(&names.valid_from)),
            format!("{} {kind}", sql::identifier(&names.valid_to)),
            format!("{} BOOLEAN NOT NULL", sql::identifier(&names.is_current)),
        ]
    }
}

/// What the times of a table that is there are.
fn there(relation: &Relation, names: &Scd2Columns, effective: Option<Kind>, operation: &str) -> Result<Kind> {
    let wrong = |detail: String, remedy: &str| ConnectorError::new(ErrorKind::Config, operation, detail).remedy(remedy);
    let find = |name: &str| {
        relation.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let detail = format!("mode SCD2 needs the column `{name}`, and {} has none", relation.name);
            wrong(
                detail,
                "name the table's own in `scd2`, add it and fill it in for the rows that are there, or write to a table \
                 that does not exist yet",
            )
        })
    };
    let (from, to, _) = (find(&names.valid_from)?, find(&names.valid_to)?, find(&names.is_current)?);
    let time = |declared: &str| match Kind::declared(declared) {
        Some(kind @ (Kind::Date | Kind::Timestamp | Kind::TimestampTz)) => Some(kind),
        Some(Kind::Text) => effective.or(Some(Kind::TimestampTz)),
        _ => None,
    };
    match (time(&from.declared), time(&to.declared)) {
        (Some(kind), Some(other)) if kind == other && effective.is_none_or(|it| it.fits(&from.declared)) => Ok(kind),
        _ => {
            let detail = format!(
                "`{}` is declared {} and `{}` {}: they must be times of one type, that of the rows' time",
                names.valid_from, from.declared, names.valid_to, to.declared
            );
            Err(wrong(
                detail,
                "declare both as the rows have it, or as TIMESTAMP WITH TIME ZONE for the time of the run",
            ))
        }
    }
}

/// A time as SQLite stores it, so that texts have the order of times.
pub(super) fn written(kind: Kind, microseconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(microseconds).ok()?;
    let format = match kind {
        Kind::Date => "%Y-%m-%d",
        Kind::Timestamp => "%Y-%m-%dT%H:%M:%S%.6f",
        _ => "%Y-%m-%dT%H:%M:%S%.6fZ",
    };
    Some(time.strftime(format).to_string())
}

/// The statements of one run.
pub(super) struct History<'a> {
    pub(super) target: &'a Target,
    pub(super) versions: &'a Versions,
    /// The time from which rows without a time of their own hold, as an expression.
    pub(super) began: &'a str,
}

impl History<'_> {
    fn from(&self) -> String {
        sql::identifier(&self.versions.names.valid_from)
    }

    fn to(&self) -> String {
        sql::identifier(&self.versions.names.valid_to)
    }

    fn current(&self) -> String {
        sql::identifier(&self.versions.names.is_current)
    }

    /// The time from which a staged row `s` holds.
    fn effective(&self) -> String {
        let number = self.target.columns.iter().position(|column| column.role == Role::Effective);
        number.map_or_else(|| self.began.to_owned(), |number| format!("s.c{number}"))
    }

    fn attributes(&self) -> Vec<(String, String)> {
        let values = self.target.values().filter(|(_, column)| !self.target.key.contains(&column.name));
        values.map(|(staged, column)| (staged, sql::identifier(&column.name))).collect()
    }

    /// Whether a row `t` of the table is of the key in the columns `k0`, `k1`, … of another table.
    fn same_key(&self, other: &str) -> String {
        let (_, there) = self.target.key_columns();
        let parts: Vec<String> =
            there.iter().enumerate().map(|(number, name)| format!("t.{name} = {other}.k{number}")).collect();
        parts.join(" AND ")
    }

    /// Puts the staged rows for which the condition holds into their places.
    pub(super) fn apply(
        &self,
        connection: &Connection,
        condition: &str,
        applied: &mut Applied,
    ) -> rusqlite::Result<()> {
        connection.execute_batch(&self.plan(condition))?;
        applied.effects.closed += connection.execute(&self.close(), [])? as u64;
        if let Some(statement) = self.correct() {
            applied.written += connection.execute(&statement, [])? as u64;
        }
        applied.written += connection.execute(&self.insert(), [])? as u64;
        let count = format!("SELECT count(*) FROM {PLAN} WHERE kind = 'same'");
        applied.effects.unchanged += connection.query_row(&count, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        connection.execute_batch(&format!("DROP TABLE {PLAN}"))
    }

    /// The statement that finds out what each staged row is: `insert` (until when), `correct` or `same`.
    fn plan(&self, condition: &str) -> String {
        let (table, from, to) = (&self.target.table, self.from(), self.to());
        let ((staged, there), attributes) = (self.target.key_columns(), self.attributes());
        let list = |count: usize, prefix: &str, item: &dyn Fn(usize) -> String| {
            (0..count).map(|number| format!("{prefix}{}", item(number))).collect::<String>()
        };
        let k = list(staged.len(), ", ", &|number| format!("k{number}"));
        let a = list(attributes.len(), ", ", &|number| format!("a{number}"));
        let staged_keys = list(staged.len(), ", ", &|number| format!("s.{} AS k{number}", staged[number]));
        let staged_values = list(attributes.len(), ", ", &|number| format!("s.{} AS a{number}", attributes[number].0));
        let there_keys = list(there.len(), ", ", &|number| format!("t.{}", there[number]));
        let there_values = list(attributes.len(), ", ", &|number| format!("t.{}", attributes[number].1));
        let nothing = list(attributes.len(), ", ", &|_| "NULL".to_owned());
        let same = list(attributes.len(), " AND ", &|number| {
            format!("s.{} IS t.{}", attributes[number].0, attributes[number].1)
        });
        let repeats = list(attributes.len(), " AND ", &|number| format!("a{number} IS lag(a{number}) OVER w"));
        let next = list(there.len(), " AND ", &|number| format!("n.{name} = t.{name}", name = there[number]));
        let (next, partition) = (next.trim_start_matches(" AND "), k.trim_start_matches(", "));
        format!(
            "CREATE TEMP TABLE _aggregator_versions AS WITH incoming AS MATERIALIZED (\
             SELECT s.row AS row{staged_keys}, {at} AS begins{staged_values}, t.{from} IS NOT NULL AS known, (true{same}) AS same \
             FROM {STAGE} s LEFT JOIN {table} t ON {of_key} AND t.{from} = {at} WHERE true{condition}), \
             touched AS MATERIALIZED (SELECT DISTINCT {partition} FROM incoming), \
             events AS (SELECT row{k}, begins{a}, known, same, 1 AS there, 2 AS place FROM incoming \
             UNION ALL SELECT NULL{there_keys}, t.{from}{there_values}, 1, 1, 1, 0 FROM touched k JOIN {table} t ON \
             {of_touched} WHERE NOT EXISTS (SELECT 1 FROM incoming i WHERE {of_incoming} AND i.begins = t.{from}) \
             UNION ALL SELECT NULL{there_keys}, t.{to}{nothing}, 1, 1, 0, 1 FROM touched k JOIN {table} t ON \
             {of_touched} WHERE t.{to} IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM {table} n WHERE {next} AND n.{from} = t.{to} AND n.{from} > t.{from})), \
             judged AS (SELECT row{k}, begins, place, CASE WHEN row IS NULL THEN 'there' WHEN known AND same THEN 'same' \
             WHEN known THEN 'correct' WHEN coalesce(lag(there) OVER w, 0){repeats} THEN 'repeat' ELSE 'insert' END \
             AS kind FROM events WINDOW w AS (PARTITION BY {partition} ORDER BY begins, place)), \
             kept AS (SELECT row{k}, begins, kind, lead(begins) OVER (PARTITION BY {partition} ORDER BY begins, place) AS ends \
             FROM judged WHERE kind <> 'repeat') \
             SELECT row{k}, begins, kind, ends FROM kept WHERE row IS NOT NULL \
             UNION ALL SELECT row{k}, begins, 'same', NULL FROM judged WHERE kind = 'repeat'",
            at = self.effective(),
            of_key = self.target.same_key(),
            of_touched = self.same_key("k"),
            of_incoming = self.same_key("i"),
        )
    }

    /// The statement that ends the versions in whose time another one begins.
    pub(super) fn close(&self) -> String {
        let (table, from, to, current) = (&self.target.table, self.from(), self.to(), self.current());
        let (_, there) = self.target.key_columns();
        let of_t: Vec<String> = there.iter().map(|name| format!("t.{name}")).collect();
        let same: Vec<String> = there.iter().map(|name| format!("t.{name} = c.{name}")).collect();
        format!(
            "UPDATE {table} AS t SET {to} = c._aggregator_begins, {current} = 0 FROM (\
             SELECT {list}, t.{from}, min(v.begins) AS _aggregator_begins FROM {PLAN} v JOIN {table} t ON {} \
             WHERE v.kind = 'insert' AND t.{from} < v.begins AND (t.{to} IS NULL OR t.{to} > v.begins) \
             GROUP BY {list}, t.{from}) AS c WHERE {} AND t.{from} = c.{from}",
            self.same_key("v"),
            same.join(" AND "),
            list = of_t.join(", "),
        )
    }

    /// The statement that corrects versions of the same time; None when a version is its key alone.
    pub(super) fn correct(&self) -> Option<String> {
        let set: Vec<String> =
            self.attributes().iter().map(|(staged, there)| format!("{there} = s.{staged}")).collect();
        (!set.is_empty()).then(|| {
            format!(
                "UPDATE {} AS t SET {} FROM {PLAN} v JOIN {STAGE} s ON s.row = v.row \
                 WHERE v.kind = 'correct' AND {} AND t.{} = v.begins",
                self.target.table,
                set.join(", "),
                self.same_key("v"),
                self.from()
            )
        })
    }

    /// The statement that adds versions.
    pub(super) fn insert(&self) -> String {
        let (staged, names): (Vec<String>, Vec<String>) =
            self.target.values().map(|(staged, column)| (format!("s.{staged}"), sql::identifier(&column.name))).unzip();
        format!(
            "INSERT INTO {} ({}, {}, {}, {}) SELECT {}, v.begins, v.ends, v.ends IS NULL FROM {PLAN} v \
             JOIN {STAGE} s ON s.row = v.row WHERE v.kind = 'insert' ORDER BY v.row",
            self.target.table,
            names.join(", "),
            self.from(),
            self.to(),
            self.current(),
            staged.join(", ")
        )
    }

    /// The statement that ends the current versions of keys that did not come; None when they stay.
    pub(super) fn close_missing(&self) -> Option<String> {
        let (from, to) = (self.from(), self.to());
        self.versions.missing.then(|| {
            format!(
                "UPDATE {} AS t SET {to} = max({}, t.{from}), {} = 0 WHERE t.{to} IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM {STAGE} s WHERE {})",
                self.target.table,
                self.began,
                self.current(),
                self.target.same_key()
            )
        })
    }
}

impl Target {
    /// The time from which rows without a time of their own hold: when the run began, or just after the newest version of
    /// their keys, if a clock went back. An expression; empty when no versions are kept.
    pub(super) fn began(&self, connection: &Connection, run: jiff::Timestamp) -> rusqlite::Result<String> {
        let Some(versions) = &self.versions else { return Ok(String::new()) };
        let mut micros = run.as_microsecond();
        if versions.exists {
            let query = format!(
                "SELECT max(t.{}) FROM {} t WHERE EXISTS (SELECT 1 FROM {STAGE} s WHERE {})",
                sql::identifier(&versions.names.valid_from),
                self.table,
                self.same_key()
            );
            let newest: Option<String> = connection.query_row(&query, [], |row| row.get(0))?;
            if let Some(newest) = newest.as_deref().and_then(read)
                && versions.kind != Kind::Date
            {
                micros = micros.max(newest.saturating_add(1));
            }
        }
        let text = written(versions.kind, micros).unwrap_or_default();
        Ok(format!("'{text}'"))
    }
}

/// A stored time in microseconds since 1970, taken as UTC without a zone.
fn read(text: &str) -> Option<i64> {
    let instant = text.parse::<jiff::Timestamp>().ok();
    let civil = || {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    instant.or_else(civil).map(|time| time.as_microsecond())
}
