"""Transformation demo/distinct-routes
Written by `aggregator codegen`; change the Transformation and write it again.
"""

import pandas as pd
import pyarrow as pa


def transform(df: pd.DataFrame) -> pd.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = pa.Table.from_pandas(df, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype)
    df = df[df["origin"] != df["destination"]]
    return pd.DataFrame(
        {
            "origin": df["origin"],
            "destination": df["destination"],
            "far": df["distance"] > 1000,
        },
        index=df.index,
    ).drop_duplicates()
