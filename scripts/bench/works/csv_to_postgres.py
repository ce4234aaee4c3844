"""A large CSV file into a table."""

import checksum
from verdict import Limit
from works import Work, table


def prepare(bench):
    source = bench.data / "lineitem.csv"

    def ours():
        table.empty(bench)
        return bench.ours("""  sources: [{name: lineitem, connector: csv, stream: lineitem.csv}]
  sinks: [{name: table, from: lineitem, connector: db, stream: public.lineitem}]
""")

    def psql():
        table.empty(bench)
        return bench.psql(f"\\copy lineitem FROM '{source}' CSV HEADER")

    def sling():
        bench.postgres("DROP TABLE IF EXISTS lineitem")
        return bench.sling("--src-stream", f"file://{source}", "--tgt-conn", "PG", "--tgt-object", "public.lineitem", "--mode", "full-refresh")

    def dlt():
        bench.postgres("DROP SCHEMA IF EXISTS dlt CASCADE; DROP SCHEMA IF EXISTS dlt_staging CASCADE")
        return bench.peer("dlt_csv_to_postgres.py", source, bench.server.url(bench.server.DATABASE), bench.folder("dlt"))

    return Work(
        "csv-to-postgres",
        "lineitem, CSV → PostgreSQL table",
        bench.lineitem_rows,
        {"ours": ours, "psql \\copy": psql, "Sling": sling, "dlt": dlt},
        bench.duckdb(checksum.lineitem("duckdb", f"read_csv('{source}')")),
        lambda system: bench.postgres(checksum.lineitem("postgres", "dlt.lineitem" if system == "dlt" else "lineitem")),
        [Limit("time", 1.2, 1.0, "psql \\copy"), Limit("rate", 3, peer="Sling"), Limit("rate", 20, peer="dlt")],
    )
