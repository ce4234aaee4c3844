"""Transformation demo/distinct-routes
Written by `aggregator codegen`; change the Transformation and write it again.
"""

import polars as pl


def transform(df: pl.DataFrame) -> pl.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = df.filter(pl.col("origin") != pl.col("destination"))
    return df.select(
        pl.col("origin").alias("origin"),
        pl.col("destination").alias("destination"),
        (pl.col("distance") > 1000).alias("far"),
    ).unique(maintain_order=True)
