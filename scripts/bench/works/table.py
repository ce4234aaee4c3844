"""The table lineitem in PostgreSQL."""

import tpch


def empty(bench):
    """The table without a row."""
    bench.postgres(f"DROP TABLE IF EXISTS lineitem; CREATE TABLE lineitem ({tpch.LINEITEM});")


def filled(bench):
    """The table with all rows, as one finds a table in use: no row of it is touched for the first time."""
    empty(bench)
    bench.postgres(f"\\copy lineitem FROM '{bench.data}/lineitem.csv' CSV HEADER\n")
    bench.postgres("VACUUM ANALYZE lineitem")
