"""One file that is read once, for two nodes that want all of it."""

import checksum
from verdict import Limit
from works import Work

COLUMNS = [("l_shipmode", "text"), ("l_returnflag", "text"), ("n", "bigint"), ("q", "numeric(20,2)")]
QUERY = "SELECT l_shipmode, l_returnflag, count(*) AS n, sum(l_quantity) AS q FROM {table} GROUP BY 1, 2"


def prepare(bench):
    def readers(number):
        parts = range(number)

        def ours():
            query = QUERY.format(table="lineitem")
            transforms = "".join(f'    - {{name: part{part}, from: [lineitem], sql: {{query: "{query}"}}}}\n' for part in parts)
            sinks = "".join(
                f"    - {{name: lake{part}, from: part{part}, connector: lake, stream: part{part}/, write: {{mode: Overwrite}}}}\n" for part in parts
            )
            source = "  sources: [{name: lineitem, connector: csv, stream: lineitem.csv}]\n"
            return bench.ours(f"{source}  transforms:\n{transforms}  sinks:\n{sinks}")

        return ours

    def check(system):
        found = [
            bench.duckdb(checksum.query("duckdb", COLUMNS, f"read_parquet('{bench.work}/ours/part{part}/*.parquet')"))
            for part in range(2 if system == "ours" else 1)
        ]
        return found[0] if len(set(found)) == 1 else f"parts that differ: {found}"

    groups = QUERY.format(table=f"read_csv('{bench.data}/lineitem.csv')")
    return Work(
        "two-readers",
        "two readers of one source, against one reader",
        bench.lineitem_rows,
        {"ours": readers(2), "one reader": readers(1)},
        bench.duckdb(checksum.query("duckdb", COLUMNS, f"({groups}) AS groups")),
        check,
        [Limit("time", 1.3, peer="one reader")],
    )
