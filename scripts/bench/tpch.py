"""TPC-H: its data, made once for each scale factor, and the tables it goes into."""

import pathlib
import subprocess

LINEITEM = """
    l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, l_suppkey bigint NOT NULL, l_linenumber integer NOT NULL,
    l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
    l_tax numeric(15,2) NOT NULL, l_returnflag text NOT NULL, l_linestatus text NOT NULL, l_shipdate date NOT NULL,
    l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct text NOT NULL, l_shipmode text NOT NULL,
    l_comment text NOT NULL"""

# The same, as a Connector declares columns.
ARROW = {"bigint": "Int64", "integer": "Int32", "numeric(15,2)": "Decimal128(15, 2)", "text": "Utf8", "date": "Date32"}
LINEITEM_COLUMNS = "\n".join(
    f'          - {{name: {name}, type: "{ARROW[kind]}", nullable: false}}'
    for name, kind, *_ in (column.split() for column in LINEITEM.replace("\n", " ").split(", "))
)

# What two copies of lineitem must agree in; the same text works in PostgreSQL and DuckDB.
LINEITEM_CHECK = """SELECT count(*), sum(l_orderkey), sum(l_partkey), sum(l_linenumber), sum(l_quantity)::numeric(20,2),
    sum(l_extendedprice)::numeric(20,2), sum(l_discount)::numeric(20,2), min(l_shipdate), max(l_receiptdate),
    sum(length(l_comment)), min(l_comment), max(l_shipmode) FROM """


def data(folder, scale, program):
    """The folder with the tables as CSV files."""
    folder = pathlib.Path(folder) / f"tpch-{scale}"
    if not folder.is_dir():
        new = folder.with_suffix(".new")
        subprocess.run([program, "csv", "-s", str(scale), "--output-dir", new], check=True, stdout=subprocess.DEVNULL)
        new.rename(folder)
    return folder
