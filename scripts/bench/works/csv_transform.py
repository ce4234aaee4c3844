"""Two CSV files, filtered, derived, joined and grouped, into Parquet."""

from verdict import Limit
from works import Work, table

REVENUE = """SELECT o.o_orderpriority, l.l_shipmode, extract(year FROM l.l_shipdate) AS year, count(*) AS lines,
    sum(l.l_extendedprice * (1 - l.l_discount)) AS revenue, avg(l.l_quantity) AS quantity
  FROM lineitem l JOIN orders o ON o.o_orderkey = l.l_orderkey
  WHERE l.l_shipdate >= DATE '1995-01-01' AND l.l_discount > 0.02
  GROUP BY 1, 2, 3"""

ORDERS = """o_orderkey bigint, o_custkey bigint, o_orderstatus text, o_totalprice numeric, o_orderdate date, o_orderpriority text,
    o_clerk text, o_shippriority integer, o_comment text"""

# A digest of what is exact, and sums of what some compute with floats.
CHECK = """SELECT count(*), sum(lines)::bigint, sum(revenue)::numeric(30, 1), sum(quantity)::numeric(20, 3),
    md5(string_agg(concat_ws('|', o_orderpriority, l_shipmode, year::bigint, lines::bigint), ',' ORDER BY o_orderpriority, l_shipmode, year))
    FROM """


def prepare(bench):
    def ours():
        query = "\n".join("          " + line for line in REVENUE.splitlines())
        return bench.ours(f"""  sources:
    - {{name: lineitem, connector: plain, stream: lineitem.csv}}
    - {{name: orders, connector: plain, stream: orders.csv}}
  transforms:
    - name: revenue
      from: [lineitem, orders]
      sql:
        query: |
{query}
  sinks: [{{name: lake, from: revenue, connector: lake, stream: revenue/, write: {{mode: Overwrite}}}}]
""")

    def duckdb():
        return bench.peer("duckdb_transform.py", bench.data, bench.folder("duckdb") / "revenue.parquet", REVENUE)

    def polars():
        return bench.peer("polars_transform.py", bench.data, bench.folder("polars") / "revenue.parquet")

    def check(system):
        place = {"ours": "ours/revenue", "DuckDB": "duckdb", "Polars": "polars"}[system]
        return bench.duckdb(CHECK + f"read_parquet('{bench.work}/{place}/*.parquet')")

    return Work(
        "csv-transform",
        "lineitem and orders, CSV → filter, derive, join, group → Parquet",
        bench.lineitem_rows,
        {"ours": ours, "DuckDB": duckdb, "Polars": polars},
        expected(bench),
        check,
        [Limit("time", 1.1, 0.9, "DuckDB")],
    )


def expected(bench):
    """By the server: the second opinion is not that of a system that is measured."""
    table.filled(bench)
    bench.postgres(f"CREATE TABLE orders ({ORDERS});\n\\copy orders FROM '{bench.data}/orders.csv' CSV HEADER\n")
    return bench.postgres(f"{CHECK} ({REVENUE}) AS revenue")
