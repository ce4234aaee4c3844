"""A large table into Parquet."""

import checksum
import tpch
from verdict import Limit
from works import Work, table


def prepare(bench):
    table.filled(bench)

    def ours():
        return bench.ours("""  sources: [{name: lineitem, connector: db, stream: public.lineitem}]
  sinks: [{name: lake, from: lineitem, connector: lake, stream: lineitem/, write: {mode: Overwrite}}]
""")

    def psql():
        return bench.psql(f"\\copy (SELECT * FROM lineitem) TO '{bench.folder('psql')}/lineitem.bin' (FORMAT binary)")

    def sling():
        out, options = bench.folder("sling") / "lineitem.parquet", "{compression: zstd, format: parquet}"
        return bench.sling("--src-conn", "PG", "--src-stream", "public.lineitem", "--tgt-object", f"file://{out}", "--tgt-options", options)

    def check(system):
        if system.startswith("psql"):
            return loaded(bench, bench.work / "psql/lineitem.bin")
        place = {"ours": "ours/lineitem/*.parquet", "Sling": "sling/**/*.parquet"}[system]
        return bench.duckdb(checksum.lineitem("duckdb", f"read_parquet('{bench.work}/{place}')"))

    return Work(
        "postgres-to-parquet",
        "lineitem, PostgreSQL table → Parquet (zstd)",
        bench.lineitem_rows,
        {"ours": ours, "psql \\copy (binary)": psql, "Sling": sling},
        bench.duckdb(checksum.lineitem("duckdb", f"read_csv('{bench.data}/lineitem.csv')")),
        check,
        [Limit("time", 1.3, 1.0, "psql \\copy (binary)"), Limit("rate", 5, peer="Sling")],
    )


def loaded(bench, path):
    """The server's own format is only read by the server: into a table that is gone afterwards."""
    bench.postgres(f"CREATE UNLOGGED TABLE copied ({tpch.LINEITEM});\n\\copy copied FROM '{path}' (FORMAT binary)\n")
    found = bench.postgres(checksum.lineitem("postgres", "copied"))
    bench.postgres("DROP TABLE copied")
    return found
