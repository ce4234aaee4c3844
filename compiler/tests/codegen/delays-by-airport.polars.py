"""Transformation demo/delays-by-airport
Written by `aggregator codegen`; change the Transformation and write it again.

Parameters:
    minimum (Int64, default 0)
"""

import polars as pl


def transform(df: pl.DataFrame, *, minimum: int = 0) -> pl.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = df.filter((~pl.col("cancelled").fill_null(False)) & (pl.col("delay").is_null() | (pl.col("delay") >= minimum)))
    df = df.group_by(
        pl.col("origin").str.to_uppercase().alias("_key0"),
        maintain_order=True,
    ).agg(
        pl.len().cast(pl.Int64).alias("_aggregate0"),
        pl.col("delay").count().cast(pl.Int64).alias("_aggregate1"),
        _sum(df, pl.col("delay")).alias("_aggregate2"),
        pl.col("delay").mean().alias("_aggregate3"),
        pl.col("delay").min().alias("_aggregate4"),
        pl.col("delay").max().alias("_aggregate5"),
        pl.col("airline").drop_nulls().n_unique().cast(pl.Int64).alias("_aggregate6"),
    )
    df = df.filter(pl.col("_aggregate0") > 1)
    return df.select(
        pl.col("_key0").alias("airport"),
        pl.col("_aggregate0").alias("flights"),
        pl.col("_aggregate1").alias("timed"),
        pl.col("_aggregate2").alias("total"),
        pl.col("_aggregate3").alias("mean"),
        pl.col("_aggregate4").alias("best"),
        pl.col("_aggregate5").alias("worst"),
        pl.col("_aggregate6").alias("airlines"),
        _divide(df, 100.0 * pl.col("_aggregate1"), pl.col("_aggregate0")).round(1, mode="half_away_from_zero").alias("share"),
    )


def _type(df, expression):
    """The type that an expression has over a frame."""
    return df.lazy().select(expression.alias("value")).collect_schema()["value"]


def _divide(df, left, right):
    """SQL's division: between integers it drops the fraction."""
    if not (_type(df, left).is_integer() and _type(df, right).is_integer()):
        return left / right
    floor = left // right
    return pl.when((floor < 0) & (floor * right != left)).then(floor + 1).otherwise(floor)


def _sum(df, values):
    """SQL's sum: null of no values."""
    kind = _type(df, values)
    wide = values.cast(pl.Int64) if kind.is_signed_integer() else values
    return pl.when(wide.count() > 0).then(wide.sum())
