"""Many tables of few rows: what counts is how little each of them costs."""

import checksum
from verdict import Limit
from works import Work

TABLES, ROWS = 200, 100
COLUMNS = [("id", "bigint"), ("n", "bigint"), ("text", "text"), ('extract(epoch FROM "at")', "bigint")]


def rows(number):
    """A query of the rows of one table."""
    at = "timestamptz '2026-11-01 12:00:00+00' + id * interval '1 minute'"
    return f"SELECT id, {number} AS n, 'row ' || id AS text, {at} AS \"at\" FROM generate_series(1, {ROWS}) AS id"


def prepare(bench):
    names = [f"small.t{number:03}" for number in range(TABLES)]
    bench.postgres("CREATE SCHEMA small; " + "".join(f"CREATE TABLE {name} AS {rows(number)}; " for number, name in enumerate(names)))
    union = " UNION ALL ".join(f"SELECT * FROM {name}" for name in names)

    def ours():
        return bench.ours("""  sources: [{name: small, connector: db, streams: {include: ["small.*"]}}]
  sinks: [{name: lake, from: small, connector: lake, stream: "${stream.name}/", write: {mode: Overwrite}}]
""")

    def sling():
        replication = bench.work / "replication.yaml"
        text = f"""source: PG
target: LOCAL
defaults:
  mode: full-refresh
  object: 'file://{bench.folder("sling")}/{{stream_table}}.parquet'
  target_options: {{format: parquet, compression: zstd}}
streams:
  'small.*':
"""
        replication.write_text(text)
        return bench.sling("-r", replication, files={replication.name: text})

    def check(system):
        place = {"ours": "ours/t*/*.parquet", "Sling": "sling/**/*.parquet"}[system]
        files = f"read_parquet('{bench.work}/{place}', filename = 'file')"
        # A row in the wrong table's place is no row.
        here = f"(SELECT * FROM {files} WHERE file LIKE '%/t' || lpad(n::text, 3, '0') || '%') AS here"
        return bench.duckdb(checksum.query("duckdb", COLUMNS, here))

    return Work(
        "small-tables",
        f"{TABLES} small tables, PostgreSQL → Parquet",
        TABLES * ROWS,
        {"ours": ours, "Sling": sling},
        bench.postgres(checksum.query("postgres", COLUMNS, f"({union}) AS tables")),
        check,
        [Limit("rate", 5, 10, "Sling")],
    )
