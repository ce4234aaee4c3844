"""The transform with DuckDB, as its users write it."""

import sys

import duckdb

data, target, query = sys.argv[1:]
connection = duckdb.connect()
for table in ("lineitem", "orders"):
    connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_csv('{data}/{table}.csv')")
connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
