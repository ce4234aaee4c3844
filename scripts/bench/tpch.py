"""TPC-H: its data, made once for each scale factor, and the tables it goes into."""

import pathlib
import subprocess

LINEITEM_COLUMNS = [
    ("l_orderkey", "bigint"),
    ("l_partkey", "bigint"),
    ("l_suppkey", "bigint"),
    ("l_linenumber", "integer"),
    ("l_quantity", "numeric(15,2)"),
    ("l_extendedprice", "numeric(15,2)"),
    ("l_discount", "numeric(15,2)"),
    ("l_tax", "numeric(15,2)"),
    ("l_returnflag", "text"),
    ("l_linestatus", "text"),
    ("l_shipdate", "date"),
    ("l_commitdate", "date"),
    ("l_receiptdate", "date"),
    ("l_shipinstruct", "text"),
    ("l_shipmode", "text"),
    ("l_comment", "text"),
]
LINEITEM_KEY = ["l_orderkey", "l_linenumber"]

# As PostgreSQL declares them.
LINEITEM = ", ".join(f"{name} {kind} NOT NULL" for name, kind in LINEITEM_COLUMNS)

# The same, as a Connector does.
ARROW = {"bigint": "Int64", "integer": "Int32", "numeric(15,2)": "Decimal128(15, 2)", "text": "Utf8", "date": "Date32"}
LINEITEM_SCHEMA = "\n".join(
    f'          - {{name: {name}, type: "{ARROW[kind]}", nullable: false}}' for name, kind in LINEITEM_COLUMNS
)


def data(folder, scale, program):
    """The folder with the tables as CSV files."""
    folder = pathlib.Path(folder) / f"tpch-{scale:g}"
    if not folder.is_dir():
        new = folder.with_name(folder.name + ".new")
        subprocess.run([program, "csv", "-s", f"{scale:g}", "--output-dir", new, "--overwrite"], check=True, stdout=subprocess.DEVNULL)
        new.rename(folder)
    return folder


def rows(path):
    """How many a CSV file has below its header; no value of TPC-H has a line's end in it."""
    with open(path, "rb") as lines:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: lines.read(1 << 20), b"")) - 1
