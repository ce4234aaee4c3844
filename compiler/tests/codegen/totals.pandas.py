"""Transformation demo/totals
Written by `aggregator codegen`; change the Transformation and write it again.
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def transform(df: pd.DataFrame) -> pd.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = pa.Table.from_pandas(df, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype)
    df = df[df["v"] < 10]
    df = _group(
        pd.DataFrame(
            {
                "_value0": 1,
                "_value1": df["v"],
                "_value2": df["v"],
            },
            index=df.index,
        ),
        [],
        [
            ("_aggregate0", "_value0", "count"),
            ("_aggregate1", "_value1", "sum"),
            ("_aggregate2", "_value2", "max"),
        ],
    )
    return pd.DataFrame(
        {
            "row_count": df["_aggregate0"],
            "total": df["_aggregate1"],
            "largest": _coalesce(df, df["_aggregate2"], -1),
        },
        index=df.index,
    )


def _arrow(df, function, *values, **options):
    """Calls an Arrow function on columns and single values."""
    arrays = [pa.array(value, from_pandas=True) if isinstance(value, pd.Series) else pa.scalar(value) for value in values]
    result = function(*arrays, **options)
    if isinstance(result, pa.Scalar):
        result = pa.repeat(result, len(df))
    return pd.Series(pd.arrays.ArrowExtensionArray(result), index=df.index)


def _coalesce(df, *values):
    """The first value that is not null."""
    return _arrow(df, pc.coalesce, *values)


def _group(df, keys, aggregates):
    """One row for each group of equal keys, null being equal to null."""
    table = pa.Table.from_pandas(df, preserve_index=False)
    columns = [([] if column is None else column, function) for _, column, function in aggregates]
    grouped = table.group_by(keys, use_threads=False).aggregate(columns)
    names = keys + [name for name, _, _ in aggregates]
    return grouped.select(range(len(names))).rename_columns(names).to_pandas(types_mapper=pd.ArrowDtype)
