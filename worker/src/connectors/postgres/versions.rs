//! Writing SCD2: staged rows find their place in the history of their keys.
//!
//! The history of a key is a list of events: a version begins, a version ends with none after it, a row of the run comes.
//! They are put in the order of time. A row that says what holds already changes nothing; one of the time of a version
//! corrects it; any other one begins a version, which lasts until the next event. The version before it ends there.

use aggregator_crds::pipeline::{MissingRows, Scd2Columns};
use arrow::datatypes::DataType;

use super::catalogue::Relation;
use super::load::ROW;
use super::moves::{Rows, within};
use super::source::quote;
use super::target::{Role, Target, TargetColumn};
use super::types::{column_type, oid};
use crate::connector::{ConnectorError, ErrorKind, Result, SinkRequest};
use crate::connectors::sql;

/// What each staged row is: a temporary table of this transaction.
const PLAN: &str = "pg_temp._aggregator_versions";

/// How versions are kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Versions {
    /// The columns that name a row.
    pub(super) key: Vec<String>,
    /// The columns that tell versions apart.
    pub(super) names: Scd2Columns,
    /// Whether the current versions of keys that do not come are ended.
    pub(super) missing: bool,
    /// The type of the times.
    kind: Kind,
}

/// The type of `validFrom` and `validTo`.
#[derive(Clone, Debug, PartialEq)]
struct Kind {
    /// As the server writes it.
    name: String,
    /// It is an instant.
    zoned: bool,
    /// It is a day.
    day: bool,
}

impl Versions {
    /// Decides. `columns` are those of the rows; `relation` is what is there.
    pub(super) fn decide(
        request: &SinkRequest,
        names: &Scd2Columns,
        columns: &[TargetColumn],
        relation: Option<&Relation>,
        operation: &str,
    ) -> Result<Self> {
        let effective = columns.iter().find(|column| column.role == Role::Effective);
        let kind = match relation {
            None => {
                let sent = effective.map_or_else(|| column_type(&instant()), |column| column_type(&column.sent));
                Kind { zoned: sent == "timestamptz", day: sent == "date", name: sent }
            }
            Some(relation) => there(relation, names, operation)?,
        };
        let missing = request.write.missing == MissingRows::Close;
        Ok(Self { key: request.write.key.clone(), names: names.clone(), missing, kind })
    }

    /// The columns of a new table.
    pub(super) fn definitions(&self) -> [String; 3] {
        let (names, kind) = (&self.names, &self.kind.name);
        [
            format!("{} {kind} NOT NULL", sql::identifier(&names.valid_from)),
            format!("{} {kind}", sql::identifier(&names.valid_to)),
            format!("{} boolean NOT NULL", sql::identifier(&names.is_current)),
        ]
    }

    /// A time as a value of the column.
    fn literal(&self, time: jiff::Timestamp) -> String {
        let Kind { name, zoned, .. } = &self.kind;
        let instant = format!("{}::timestamptz", quote(&time.to_string()));
        if *zoned { format!("{instant}::{name}") } else { format!("({instant} AT TIME ZONE 'UTC')::{name}") }
    }

    fn from(&self) -> String {
        sql::identifier(&self.names.valid_from)
    }

    fn to(&self) -> String {
        sql::identifier(&self.names.valid_to)
    }

    fn current(&self) -> String {
        sql::identifier(&self.names.is_current)
    }
}

fn instant() -> DataType {
    DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()))
}

/// The type of the times of a table that is there.
fn there(relation: &Relation, names: &Scd2Columns, operation: &str) -> Result<Kind> {
    let wrong =
        |detail: String, remedy: String| ConnectorError::new(ErrorKind::Config, operation, detail).remedy(remedy);
    let find = |name: &str| {
        relation.column(name).map(|column| &column.server).ok_or_else(|| {
            let detail = format!("mode SCD2 needs the column `{name}`, and {} has none", relation.stream_name());
            wrong(
                detail,
                "name the table's own in `scd2`, add it and fill it in for the rows that are there, or write to a table \
                 that does not exist yet"
                    .into(),
            )
        })
    };
    let (from, to, current) = (find(&names.valid_from)?, find(&names.valid_to)?, find(&names.is_current)?);
    if ![oid::TIMESTAMP, oid::TIMESTAMPTZ, oid::DATE].contains(&from.oid) || from.name != to.name {
        let detail = format!(
            "`{}` is {} and `{}` is {}: they must be times of one type",
            names.valid_from, from.name, names.valid_to, to.name
        );
        return Err(wrong(detail, "ALTER TABLE … ALTER COLUMN … TYPE timestamptz".into()));
    }
    if current.oid != oid::BOOL {
        let detail = format!("`{}` is {}, and must be boolean", names.is_current, current.name);
        return Err(wrong(detail, "ALTER TABLE … ALTER COLUMN … TYPE boolean".into()));
    }
    Ok(Kind { name: from.name.clone(), zoned: from.oid == oid::TIMESTAMPTZ, day: from.oid == oid::DATE })
}

/// The statements of one run, for a staging table of that name.
pub(super) struct History<'a> {
    pub(super) target: &'a Target,
    pub(super) versions: &'a Versions,
    pub(super) stage: &'a str,
    /// When the run began, as a value of the column; a little later when versions of these keys are newer.
    pub(super) began: &'a str,
}

impl History<'_> {
    /// The time from which a staged row `s` holds.
    fn effective(&self) -> String {
        let column = self.target.columns.iter().find(|column| column.role == Role::Effective);
        column.map_or_else(
            || self.began.to_owned(),
            |column| format!("s.{}::{}", sql::identifier(&column.name), self.versions.kind.name),
        )
    }

    /// What tells staged rows apart: the key and the time.
    pub(super) fn expressions(&self) -> Vec<String> {
        let mut expressions = self.target.key_expressions();
        if self.target.columns.iter().any(|column| column.role == Role::Effective) {
            expressions.push(self.effective());
        }
        expressions
    }

    fn attributes(&self) -> Vec<&TargetColumn> {
        self.target.values().filter(|column| !self.versions.key.contains(&column.name)).collect()
    }

    fn keys(&self) -> Vec<&TargetColumn> {
        self.target.values().filter(|column| self.versions.key.contains(&column.name)).collect()
    }

    /// Whether a row `t` of the table is of the key in the columns `k0`, `k1`, … of another table.
    fn same_key(&self, other: &str) -> String {
        let parts = self.keys().into_iter().enumerate();
        let parts = parts.map(|(number, column)| format!("t.{} = {other}.k{number}", sql::identifier(&column.name)));
        parts.collect::<Vec<_>>().join(" AND ")
    }

    /// The statement that finds out what each staged row is: `insert` (until when), `correct` or `same`.
    pub(super) fn plan(&self, rows: Rows) -> String {
        let (table, stage, row) = (&self.target.table, self.stage, sql::identifier(ROW));
        let (from, to) = (self.versions.from(), self.versions.to());
        let (keys, attributes) = (self.keys(), self.attributes());
        let list = |count: usize, prefix: &str, item: &dyn Fn(usize) -> String| {
            (0..count).map(|number| format!("{prefix}{}", item(number))).collect::<String>()
        };
        let k = list(keys.len(), ", ", &|number| format!("k{number}"));
        let a = list(attributes.len(), ", ", &|number| format!("a{number}"));
        let staged_keys = list(keys.len(), ", ", &|number| format!("{} AS k{number}", keys[number].staged("s")));
        let staged =
            list(attributes.len(), ", ", &|number| format!("{} AS a{number}", attributes[number].comparable("s")));
        let there_keys = list(keys.len(), ", ", &|number| format!("t.{}", sql::identifier(&keys[number].name)));
        let there = list(attributes.len(), ", ", &|number| attributes[number].comparable_there("t"));
        let nothing = list(attributes.len(), ", ", &|_| "NULL".to_owned());
        let same = list(attributes.len(), " AND ", &|number| {
            let column = attributes[number];
            format!("{} IS NOT DISTINCT FROM {}", column.comparable("s"), column.comparable_there("t"))
        });
        let repeats =
            list(attributes.len(), " AND ", &|number| format!("a{number} IS NOT DISTINCT FROM lag(a{number}) OVER w"));
        let of_key = self.target.same_key(&self.versions.key);
        let (of_touched, of_incoming) = (self.same_key("k"), self.same_key("i"));
        let next: Vec<String> =
            keys.iter().map(|column| format!("n.{name} = t.{name}", name = sql::identifier(&column.name))).collect();
        let (next, partition) = (next.join(" AND "), k.trim_start_matches(", "));
        format!(
            "CREATE TEMPORARY TABLE _aggregator_versions ON COMMIT DROP AS WITH incoming AS (\
             SELECT s.{row} AS row{staged_keys}, {at} AS at{staged}, t.{from} IS NOT NULL AS known, (true{same}) AS same \
             FROM {stage} s LEFT JOIN {table} t ON {of_key} AND t.{from} = {at} WHERE {within}), \
             touched AS (SELECT DISTINCT {partition} FROM incoming), \
             events AS (SELECT row{k}, at{a}, known, same, true AS there, 2 AS rank FROM incoming \
             UNION ALL SELECT NULL{there_keys}, t.{from}{there}, true, true, true, 0 FROM {table} t JOIN touched k ON \
             {of_touched} WHERE NOT EXISTS (SELECT FROM incoming i WHERE {of_incoming} AND i.at = t.{from}) \
             UNION ALL SELECT NULL{there_keys}, t.{to}{nothing}, true, true, false, 1 FROM {table} t JOIN touched k ON \
             {of_touched} WHERE t.{to} IS NOT NULL AND NOT EXISTS \
             (SELECT FROM {table} n WHERE {next} AND n.{from} = t.{to} AND n.{from} > t.{from})), \
             judged AS (SELECT row{k}, at, rank, CASE WHEN row IS NULL THEN 'there' WHEN known AND same THEN 'same' \
             WHEN known THEN 'correct' WHEN coalesce(lag(there) OVER w, false){repeats} THEN 'repeat' ELSE 'insert' END \
             AS action FROM events WINDOW w AS (PARTITION BY {partition} ORDER BY at, rank)), \
             kept AS (SELECT row{k}, at, action, lead(at) OVER (PARTITION BY {partition} ORDER BY at, rank) AS until \
             FROM judged WHERE action <> 'repeat') \
             SELECT row{k}, at, action, until FROM kept WHERE row IS NOT NULL \
             UNION ALL SELECT row{k}, at, 'same', NULL FROM judged WHERE action = 'repeat'",
            at = self.effective(),
            within = within(rows),
        )
    }

    /// The statement that ends the versions in whose time another one begins.
    pub(super) fn close(&self) -> String {
        let (table, from, to, current) =
            (&self.target.table, self.versions.from(), self.versions.to(), self.versions.current());
        let names = sql::identifiers(self.keys().iter().map(|column| column.name.as_str()));
        let of_t = names.split(", ").map(|name| format!("t.{name}")).collect::<Vec<_>>().join(", ");
        let same = self.keys().iter().map(|column| sql::identifier(&column.name)).collect::<Vec<_>>();
        let same: Vec<String> = same.iter().map(|name| format!("t.{name} = c.{name}")).collect();
        format!(
            "UPDATE {table} t SET {to} = c._aggregator_at, {current} = false FROM (\
             SELECT {of_t}, t.{from}, min(v.at) AS _aggregator_at FROM {table} t JOIN {PLAN} v ON {} \
             AND v.action = 'insert' AND t.{from} < v.at AND (t.{to} IS NULL OR t.{to} > v.at) GROUP BY {of_t}, t.{from}) c \
             WHERE {} AND t.{from} = c.{from}",
            self.same_key("v"),
            same.join(" AND ")
        )
    }

    /// The statement that corrects versions of the same time; None when a version is its key alone.
    pub(super) fn correct(&self) -> Option<String> {
        let (table, from, row) = (&self.target.table, self.versions.from(), sql::identifier(ROW));
        let set: Vec<String> = self
            .attributes()
            .iter()
            .map(|column| format!("{} = {}", sql::identifier(&column.name), column.staged("s")))
            .collect();
        (!set.is_empty()).then(|| {
            format!(
                "UPDATE {table} t SET {} FROM {} s JOIN {PLAN} v ON v.row = s.{row} AND v.action = 'correct' \
                 WHERE {} AND t.{from} = v.at",
                set.join(", "),
                self.stage,
                self.same_key("v")
            )
        })
    }

    /// The statement that adds versions.
    pub(super) fn insert(&self) -> String {
        let names = sql::identifiers(self.target.values().map(|column| column.name.as_str()));
        let values: Vec<String> = self.target.values().map(|column| column.staged("s")).collect();
        format!(
            "INSERT INTO {} ({names}, {}, {}, {}) SELECT {}, v.at, v.until, v.until IS NULL FROM {} s JOIN {PLAN} v \
             ON v.row = s.{} AND v.action = 'insert' ORDER BY v.row",
            self.target.table,
            self.versions.from(),
            self.versions.to(),
            self.versions.current(),
            values.join(", "),
            self.stage,
            sql::identifier(ROW)
        )
    }

    /// The query that counts the staged rows that change nothing.
    pub(super) fn count_same() -> String {
        format!("SELECT count(*) AS count FROM {PLAN} WHERE action = 'same'")
    }

    /// The statement that forgets what the staged rows are.
    pub(super) fn forget() -> String {
        format!("DROP TABLE {PLAN}")
    }

    /// The statement that ends the current versions of keys that did not come; None when they stay.
    pub(super) fn close_missing(&self) -> Option<String> {
        let (table, from, to, current) =
            (&self.target.table, self.versions.from(), self.versions.to(), self.versions.current());
        self.versions.missing.then(|| {
            format!(
                "UPDATE {table} t SET {to} = greatest({}, t.{from}), {current} = false WHERE t.{to} IS NULL \
                 AND NOT EXISTS (SELECT FROM {} s WHERE {})",
                self.began,
                self.stage,
                self.target.same_key(&self.versions.key)
            )
        })
    }
}

impl Target {
    /// The query for the time from which rows without a time of their own hold: when the run began, or just after the
    /// newest version of their keys, if a clock went back.
    pub(super) fn began(&self, versions: &Versions, stage: &str, began: jiff::Timestamp) -> String {
        let (began, from, kind) = (versions.literal(began), versions.from(), &versions.kind.name);
        let step = if versions.kind.day { "" } else { " + interval '1 microsecond'" };
        format!(
            "SELECT greatest({began}, (SELECT max(t.{from}){step} FROM {} t WHERE EXISTS \
             (SELECT FROM {stage} s WHERE {}))::{kind})::text AS began",
            self.table,
            self.same_key(&versions.key)
        )
    }

    /// A text of the server as a value of the column.
    pub(super) fn began_literal(versions: &Versions, text: &str) -> String {
        format!("{}::{}", quote(text), versions.kind.name)
    }
}
