"""The transform with Polars, lazily and streaming, as its users write it."""

import datetime
import sys

import polars as pl

data, target = sys.argv[1:]
lineitem = pl.scan_csv(f"{data}/lineitem.csv", try_parse_dates=True)
orders = pl.scan_csv(f"{data}/orders.csv", try_parse_dates=True)
(
    lineitem.filter((pl.col("l_shipdate") >= datetime.date(1995, 1, 1)) & (pl.col("l_discount") > 0.02))
    .join(orders, left_on="l_orderkey", right_on="o_orderkey")
    .with_columns(year=pl.col("l_shipdate").dt.year(), revenue=pl.col("l_extendedprice") * (1 - pl.col("l_discount")))
    .group_by("o_orderpriority", "l_shipmode", "year")
    .agg(lines=pl.len(), revenue=pl.col("revenue").sum(), quantity=pl.col("l_quantity").mean())
    .sink_parquet(target, compression="zstd")
)
