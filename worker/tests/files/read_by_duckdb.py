"""Reads delimited text with DuckDB. Argument: a JSON list of jobs, each with a query, the Arrow file for its rows, and the
file for the byte at which each row begins that it has left out."""

import json
import sys

import duckdb
import pyarrow as pa

for job in json.loads(open(sys.argv[1]).read()):
    with duckdb.connect(config={"threads": 1}) as connection:
        rows = connection.sql(job["query"]).to_arrow_table()
        with pa.ipc.new_file(job["rows"], rows.schema) as writer:
            writer.write_table(rows)
        tables = [name for (name,) in connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()]
        places = "SELECT DISTINCT line_byte_position FROM reject_errors ORDER BY 1"
        left_out = connection.sql(places).fetchall() if "reject_errors" in tables else []
        with open(job["left_out"], "w") as file:
            # DuckDB counts from 1.
            json.dump([place - 1 for (place,) in left_out], file)
