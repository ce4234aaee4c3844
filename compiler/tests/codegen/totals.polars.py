"""Transformation demo/totals
Written by `aggregator codegen`; change the Transformation and write it again.
"""

import polars as pl


def transform(df: pl.DataFrame) -> pl.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = df.filter(pl.col("v") < 10)
    df = df.select(
        pl.len().cast(pl.Int64).alias("_aggregate0"),
        _sum(df, pl.col("v")).alias("_aggregate1"),
        pl.col("v").max().alias("_aggregate2"),
    )
    return df.select(
        pl.col("_aggregate0").alias("row_count"),
        pl.col("_aggregate1").alias("total"),
        pl.coalesce(pl.col("_aggregate2"), pl.lit(-1)).alias("largest"),
    )


def _type(df, expression):
    """The type that an expression has over a frame."""
    return df.lazy().select(expression.alias("value")).collect_schema()["value"]


def _sum(df, values):
    """SQL's sum: null of no values."""
    kind = _type(df, values)
    wide = values.cast(pl.Int64) if kind.is_signed_integer() else values
    return pl.when(wide.count() > 0).then(wide.sum())
