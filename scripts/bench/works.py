"""The works that are measured: what each system is asked to do, and how one sees that it did it."""

import os
import pathlib
import shutil
from dataclasses import dataclass, field
from typing import Callable

import tpch

LINEITEM_ROWS = 6_001_215

HEAD = """apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: work, namespace: bench}
spec:
"""

REVENUE = """SELECT o.o_orderpriority, l.l_shipmode, extract(year FROM l.l_shipdate) AS year, count(*) AS lines,
    sum(l.l_extendedprice * (1 - l.l_discount)) AS revenue, avg(l.l_quantity) AS quantity
  FROM lineitem l JOIN orders o ON o.o_orderkey = l.o_orderkey_placeholder
  WHERE l.l_shipdate >= DATE '1995-01-01' AND l.l_discount > 0.02
  GROUP BY 1, 2, 3""".replace("o_orderkey_placeholder", "l_orderkey")


@dataclass
class Work:
    """One work."""

    name: str
    title: str
    rows: int
    """The rows that count for rows a second."""
    systems: dict[str, Callable]
    """For each system, a function that gives the command and its environment, after preparing what is not measured."""
    check: Callable[[str], str]
    """What a system's result is, as text: all must agree."""
    limits: list[tuple[str, str, float]] = field(default_factory=list)
    """(peer, "time" or "rate", factor): ours may take at most, or must move at least, so many times the peer's."""


class Works:
    """Prepares folders, databases and manifests."""

    def __init__(self, bench):
        self.bench = bench
        self.work, self.data, self.server = bench.work, bench.data, bench.server

    def folder(self, name):
        """An empty folder for a system's result."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def ours(self, name, body, database="bench", connectors="", arguments=()):
        manifest = self.work / f"{name}.yaml"
        manifest.write_text(
            self.server.manifest("db", database)
            + self.files("csv", self.data, typed=True)
            + self.files("plain", self.data)
            + self.files("lake", self.work / "ours", "parquet: {compression: zstd}")
            + connectors
            + HEAD
            + body
        )
        state = self.folder(f"state-{name}")
        command = [self.bench.binary, "run", "-f", manifest, "--pipeline", "work", "--state", state, *arguments]
        return command, None

    @staticmethod
    def files(name, root, form="", typed=False):
        if typed:
            form = "\n      csv:\n        schema:\n          columns:\n" + tpch.LINEITEM_COLUMNS
        else:
            form = f"{{{form}}}" if form else ""
        text = f"apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: {name}, namespace: bench}}\nspec:\n  file:\n    root: {root}\n"
        return text + (f"    format: {form}\n---\n" if form else "---\n")

    def peer_python(self, program, *arguments):
        here = pathlib.Path(__file__).parent / "peers" / program
        # Older libraries of linear algebra are told their processor by these; a current numpy is slowed by them.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        return [self.bench.python, here, *arguments], environment

    def sling(self, *arguments):
        # Its other way of writing Parquet downloads a program.
        environment = os.environ | {"PG": self.server.url("bench"), "SLING_DUCKDB_COMPUTE": "false", "SLING_DISABLE_TELEMETRY": "TRUE"}
        return [self.bench.sling, "run", *arguments], environment

    def fresh_lineitem(self, rows=False):
        statements = f"DROP TABLE IF EXISTS lineitem; CREATE TABLE lineitem ({tpch.LINEITEM});"
        self.server.execute(statements, "bench")
        if rows:
            copy = f"\\copy lineitem FROM '{self.data}/lineitem.csv' CSV HEADER"
            self.server.execute(f"{copy}\nVACUUM ANALYZE lineitem; CHECKPOINT;", "bench")

    def table_check(self, table):
        return self.server.execute(tpch.LINEITEM_CHECK + table, "bench")

    def csv_to_postgres(self):
        source = f"file://{self.data}/lineitem.csv"

        def ours():
            self.fresh_lineitem()
            body = """  sources: [{name: lineitem, connector: csv, stream: lineitem.csv}]
  sinks: [{name: table, from: lineitem, connector: db, stream: public.lineitem}]
  rejects: {connector: lake, stream: rejects/, budget: {rows: 0}}
"""
            return self.ours("csv-to-postgres", body)

        def psql():
            self.fresh_lineitem()
            copy = f"\\copy lineitem FROM '{self.data}/lineitem.csv' CSV HEADER"
            return [*self.server.psql("bench"), "-c", copy], self.server.environment

        def sling():
            self.server.execute("DROP TABLE IF EXISTS lineitem", "bench")
            return self.sling("--src-stream", source, "--tgt-conn", "PG", "--tgt-object", "public.lineitem", "--mode", "full-refresh")

        def dlt():
            self.server.execute("DROP SCHEMA IF EXISTS dlt CASCADE; DROP SCHEMA IF EXISTS dlt_staging CASCADE", "bench")
            return self.peer_python("dlt_csv_to_postgres.py", self.data / "lineitem.csv", self.server.url("bench"), self.folder("dlt"))

        return Work(
            "csv-to-postgres",
            "lineitem, CSV → PostgreSQL table",
            self.bench.lineitem_rows,
            {"ours": ours, "psql \\copy": psql, "Sling": sling, "dlt": dlt},
            lambda system: self.table_check("dlt.lineitem" if system == "dlt" else "lineitem"),
            [("psql \\copy", "time", 1.2), ("Sling", "rate", 3), ("dlt", "rate", 20)],
        )

    def postgres_to_parquet(self):
        self.fresh_lineitem(rows=True)

        def ours():
            self.folder("ours")
            body = """  sources: [{name: lineitem, connector: db, stream: public.lineitem}]
  sinks: [{name: lake, from: lineitem, connector: lake, stream: lineitem/, write: {mode: Overwrite}}]
"""
            return self.ours("postgres-to-parquet", body)

        def psql():
            out = self.folder("psql") / "lineitem.bin"
            copy = f"\\copy (SELECT * FROM lineitem) TO '{out}' (FORMAT binary)"
            return [*self.server.psql("bench"), "-c", copy], self.server.environment

        def sling():
            out = self.folder("sling") / "lineitem.parquet"
            options = "{compression: zstd, format: parquet}"
            return self.sling("--src-conn", "PG", "--src-stream", "public.lineitem", "--tgt-object", f"file://{out}", "--tgt-options", options)

        def check(system):
            if system.startswith("psql"):
                # Its own format: the size says that all of it is there.
                return None
            place = {"ours": "ours/lineitem/*.parquet", "Sling": "sling/**/*.parquet"}[system]
            return self.bench.duckdb(tpch.LINEITEM_CHECK + f"read_parquet('{self.work}/{place}')")

        return Work(
            "postgres-to-parquet",
            "lineitem, PostgreSQL table → Parquet (zstd)",
            self.bench.lineitem_rows,
            {"ours": ours, "psql \\copy (binary)": psql, "Sling": sling},
            check,
            [("psql \\copy (binary)", "time", 1.3), ("Sling", "rate", 5)],
        )

    def csv_transform(self):
        def ours():
            self.folder("ours")
            query = "\n".join("          " + line for line in REVENUE.splitlines())
            body = f"""  sources:
    - {{name: lineitem, connector: plain, stream: lineitem.csv}}
    - {{name: orders, connector: plain, stream: orders.csv}}
  transforms:
    - name: revenue
      from: [lineitem, orders]
      sql:
        query: |
{query}
  sinks: [{{name: lake, from: revenue, connector: lake, stream: revenue/, write: {{mode: Overwrite}}}}]
"""
            return self.ours("csv-transform", body)

        def duckdb():
            return self.peer_python("duckdb_transform.py", self.data, self.folder("duckdb") / "revenue.parquet", REVENUE)

        def polars():
            return self.peer_python("polars_transform.py", self.data, self.folder("polars") / "revenue.parquet")

        def check(system):
            place = {"ours": "ours/revenue", "DuckDB": "duckdb", "Polars": "polars"}[system]
            return self.bench.duckdb(
                "SELECT count(*), sum(lines)::bigint, sum(revenue)::numeric(30, 2), sum(year)::bigint, "
                f"sum(quantity)::numeric(20, 3) FROM read_parquet('{self.work}/{place}/*.parquet')"
            )

        return Work(
            "csv-transform",
            "lineitem and orders, CSV → filter, derive, join, group → Parquet",
            self.bench.lineitem_rows,
            {"ours": ours, "DuckDB": duckdb, "Polars": polars},
            check,
            [("DuckDB", "time", 1.1)],
        )

    def upsert(self):
        """A million rows into six: half of them are there and change, half are new."""
        key = "l_orderkey, l_linenumber"
        self.fresh_lineitem(rows=True)
        self.server.execute(
            f"""ALTER TABLE lineitem ADD PRIMARY KEY ({key});
            DROP TABLE IF EXISTS delta;
            CREATE TABLE delta AS SELECT * FROM lineitem LIMIT 500000;
            UPDATE delta SET l_comment = 'changed', l_quantity = l_quantity + 1;
            INSERT INTO delta SELECT l_orderkey + 100000000, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice,
                l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct,
                l_shipmode, l_comment FROM lineitem LIMIT 500000;
            ALTER TABLE delta ADD PRIMARY KEY ({key});
            VACUUM ANALYZE lineitem, delta; CHECKPOINT;""",
            "bench",
        )
        self.server.execute("DROP DATABASE IF EXISTS template_upsert; CREATE DATABASE template_upsert TEMPLATE bench STRATEGY FILE_COPY")

        def fresh():
            # Bench's own database is replaced, so that each system meets the very same files.
            self.server.execute("DROP DATABASE IF EXISTS bench WITH (FORCE); CREATE DATABASE bench TEMPLATE template_upsert STRATEGY FILE_COPY; CHECKPOINT")

        def ours():
            fresh()
            body = f"""  sources: [{{name: delta, connector: db, stream: public.delta}}]
  sinks: [{{name: table, from: delta, connector: db, stream: public.lineitem, write: {{mode: Upsert, key: [{key}]}}}}]
"""
            return self.ours("upsert", body)

        def sling():
            fresh()
            return self.sling("--src-conn", "PG", "--src-stream", "public.delta", "--tgt-conn", "PG", "--tgt-object", "public.lineitem",
                              "--mode", "incremental", "--primary-key", key.replace(" ", ""))

        return Work(
            "upsert",
            "PostgreSQL → PostgreSQL, upsert of 1 M rows into 6 M",
            1_000_000,
            {"ours": ours, "Sling": sling},
            lambda system: self.table_check("lineitem"),
            [("Sling", "rate", 5)],
        )

    def diamond(self, readers):
        def ours():
            self.folder("ours")
            sinks = "\n".join(
                f"    - {{name: lake{number}, from: part{number}, connector: lake, stream: part{number}/, write: {{mode: Overwrite}}}}"
                for number in range(readers)
            )
            transforms = "\n".join(
                f"    - {{name: part{number}, from: [lineitem], sql: {{query: \"SELECT l_shipmode, l_returnflag, count(*) AS n, sum(l_quantity) AS q FROM lineitem GROUP BY 1, 2\"}}}}"
                for number in range(readers)
            )
            body = f"  sources: [{{name: lineitem, connector: csv, stream: lineitem.csv}}]\n  transforms:\n{transforms}\n  sinks:\n{sinks}\n"
            return self.ours("diamond", body)

        return ours

    def two_readers(self):
        def check(system):
            return self.bench.duckdb(f"SELECT count(*), sum(n)::bigint, sum(q)::numeric(20, 2) FROM read_parquet('{self.work}/ours/part0/*.parquet')")

        return Work(
            "two-readers",
            "two readers of one source, against one reader",
            self.bench.lineitem_rows,
            {"ours": self.diamond(2), "one reader": self.diamond(1)},
            check,
            [("one reader", "time", 1.3)],
        )

    def bad_rows(self):
        """One row of a thousand has a value that is no number."""
        bad = self.work / "bad"
        bad.mkdir(exist_ok=True)
        with open(self.data / "lineitem.csv", encoding="utf-8") as clean, open(bad / "lineitem.csv", "w", encoding="utf-8") as spoilt:
            for number, line in enumerate(clean):
                if number and number % 1000 == 0:
                    fields = line.split(",", 5)
                    fields[4] = "many"
                    line = ",".join(fields)
                spoilt.write(line)

        def reading(connector):
            def ours():
                self.folder("ours")
                body = f"""  sources: [{{name: lineitem, connector: {connector}, stream: lineitem.csv}}]
  sinks: [{{name: lake, from: lineitem, connector: lake, stream: lineitem/, write: {{mode: Overwrite}}}}]
  rejects: {{connector: lake, stream: rejects/, budget: {{percent: "1"}}}}
"""
                return self.ours("bad-rows", body, connectors=self.files("spoilt", bad, typed=True))

            return ours

        def check(system):
            rejected = ""
            if system == "ours":
                rejected = f" UNION ALL SELECT raw.count FROM (SELECT count(*) AS count FROM read_parquet('{self.work}/ours/rejects/*.parquet')) raw"
            counts = self.bench.duckdb(f"SELECT sum(count)::bigint FROM (SELECT count(*) AS count FROM read_parquet('{self.work}/ours/lineitem/*.parquet'){rejected})")
            return counts

        return Work(
            "bad-rows",
            "a file with 0.1 % bad rows, against the clean file",
            self.bench.lineitem_rows,
            {"ours": reading("spoilt"), "clean file": reading("csv")},
            check,
            [("clean file", "time", 1.2)],
        )

    def small_tables(self):
        """200 tables of 100 rows: what counts is how little each of them costs."""
        tables = 200
        self.server.execute(
            "DROP SCHEMA IF EXISTS small CASCADE; CREATE SCHEMA small;"
            + "".join(
                f"CREATE TABLE small.t{number:03} AS SELECT id, {number} AS n, 'row ' || id AS text, now() AS at FROM generate_series(1, 100) AS id;"
                for number in range(tables)
            ),
            "bench",
        )

        def ours():
            self.folder("ours")
            body = """  sources: [{name: small, connector: db, streams: {include: ["small.*"]}}]
  sinks: [{name: lake, from: small, connector: lake, stream: "${stream.name}/", write: {mode: Overwrite}}]
"""
            return self.ours("small-tables", body)

        def sling():
            replication = self.work / "small.yaml"
            out = self.folder("sling")
            replication.write_text(
                f"source: PG\ntarget: LOCAL\ndefaults: {{mode: full-refresh, object: 'file://{out}/{{stream_table}}.parquet', "
                "target_options: {format: parquet, compression: zstd}}\nstreams: {'small.*': }\n"
            )
            return self.sling("-r", replication)

        def check(system):
            place = {"ours": "ours/t*/*.parquet", "Sling": "sling/**/*.parquet"}[system]
            return self.bench.duckdb(f"SELECT count(*), sum(id)::bigint, sum(n)::bigint, sum(length(text))::bigint FROM read_parquet('{self.work}/{place}')")

        return Work("small-tables", "200 small tables, PostgreSQL → Parquet", tables * 100, {"ours": ours, "Sling": sling}, check, [("Sling", "rate", 5)])

    def empty(self):
        folder = self.folder("empty")
        (folder / "empty.csv").write_text("id,name\n")

        def ours():
            manifest = self.work / "empty.yaml"
            body = """  sources: [{name: nothing, connector: empty, stream: empty.csv}]
  sinks: [{name: out, from: nothing, connector: empty, stream: out/nothing.csv, write: {mode: Overwrite}}]
"""
            manifest.write_text(self.files("empty", folder) + HEAD + body)
            return [self.bench.binary, "run", "-f", manifest, "--state", self.folder("state-empty")], None

        return Work("empty", "`aggregator run` on an empty source", 0, {"ours": ours}, lambda system: (folder / "out/nothing.csv").read_text())

    def all(self):
        return {
            "csv-to-postgres": self.csv_to_postgres,
            "postgres-to-parquet": self.postgres_to_parquet,
            "csv-transform": self.csv_transform,
            "upsert": self.upsert,
            "small-tables": self.small_tables,
            "two-readers": self.two_readers,
            "bad-rows": self.bad_rows,
            "empty": self.empty,
        }
