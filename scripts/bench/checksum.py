"""What two copies of the same rows must agree in: how many there are, and a sum over a digest of each."""

import tpch

# The first 32 bits of a row's digest as a number, which PostgreSQL and DuckDB write differently.
NUMBER = {"postgres": "('x' || substr(md5({row}), 1, 8))::bit(32)::bigint", "duckdb": "('0x' || substr(md5({row}), 1, 8))::bigint"}

# The column as text that is the same wherever it comes from: some tools keep decimals as floats, and dates as times.
TEXT = {"text": "{name}", "date": "{name}::date::text"}


def row(columns):
    """The text of a row. `columns` are pairs of a name, or an expression, and a type of PostgreSQL."""
    texts = [TEXT.get(kind, "{name}::{kind}::text").format(name=name, kind=kind) for name, kind in columns]
    return f"concat_ws('|', {', '.join(texts)})"


def query(dialect, columns, table):
    """A query of two numbers: the rows, and the sum over their digests, whatever their order."""
    number = NUMBER[dialect].format(row=row(columns))
    return f"SELECT count(*), sum({number})::numeric(38, 0) FROM {table}"


def lineitem(dialect, table):
    """The same for a copy of lineitem."""
    return query(dialect, tpch.LINEITEM_COLUMNS, table)
