"""Transformation demo/delays-by-airport
Written by `aggregator codegen`; change the Transformation and write it again.

Parameters:
    minimum (Int64, default 0)
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def transform(df: pd.DataFrame, *, minimum: int = 0) -> pd.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = pa.Table.from_pandas(df, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype)
    df = df[(~df["cancelled"].fillna(False)) & (df["delay"].isna() | (df["delay"] >= minimum))]
    df = _group(
        pd.DataFrame(
            {
                "_key0": df["origin"].str.upper(),
                "_value0": 1,
                "_value1": df["delay"],
                "_value2": df["delay"],
                "_value3": df["delay"],
                "_value4": df["delay"],
                "_value5": df["delay"],
                "_value6": df["airline"],
            },
            index=df.index,
        ),
        ["_key0"],
        [
            ("_aggregate0", "_value0", "count"),
            ("_aggregate1", "_value1", "count"),
            ("_aggregate2", "_value2", "sum"),
            ("_aggregate3", "_value3", "mean"),
            ("_aggregate4", "_value4", "min"),
            ("_aggregate5", "_value5", "max"),
            ("_aggregate6", "_value6", "count_distinct"),
        ],
    )
    df = df[df["_aggregate0"] > 1]
    return pd.DataFrame(
        {
            "airport": df["_key0"],
            "flights": df["_aggregate0"],
            "timed": df["_aggregate1"],
            "total": df["_aggregate2"],
            "mean": df["_aggregate3"],
            "best": df["_aggregate4"],
            "worst": df["_aggregate5"],
            "airlines": df["_aggregate6"],
            "share": _arrow(df, pc.round, _divide(df, 100.0 * df["_aggregate1"], df["_aggregate0"]), ndigits=1, round_mode="half_towards_infinity"),
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


def _divide(df, left, right):
    """SQL's division: between integers it drops the fraction."""
    return _arrow(df, pc.divide, left, right)


def _group(df, keys, aggregates):
    """One row for each group of equal keys, null being equal to null."""
    table = pa.Table.from_pandas(df, preserve_index=False)
    columns = [([] if column is None else column, function) for _, column, function in aggregates]
    grouped = table.group_by(keys, use_threads=False).aggregate(columns)
    names = keys + [name for name, _, _ in aggregates]
    return grouped.select(range(len(names))).rename_columns(names).to_pandas(types_mapper=pd.ArrowDtype)
