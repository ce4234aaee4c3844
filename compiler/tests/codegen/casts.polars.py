"""Transformation demo/casts
Written by `aggregator codegen`; change the Transformation and write it again.
"""

import polars as pl


def transform(df: pl.DataFrame) -> pl.DataFrame:
    """The rows that the Transformation makes of `df`."""
    # The engine rejects rows with a value that cannot be cast; here they are left out.
    df = df.filter(pl.col("number").is_null() | _cast(df, pl.col("number"), pl.Float32).is_not_null())
    df = df.filter(pl.col("flag").is_null() | _cast(df, pl.col("flag"), pl.Int32).is_not_null())
    df = df.filter(pl.col("born").is_null() | _cast(df, pl.col("born"), pl.Datetime("us", "UTC")).is_not_null())
    df = df.filter(pl.col("at").is_null() | _cast(df, pl.col("at"), pl.Date).is_not_null())
    return df.select(
        _cast(df, pl.col("text"), pl.Int8).alias("small"),
        _cast(df, pl.col("text"), pl.Int64).alias("large"),
        _cast(df, pl.col("text"), pl.Float64).alias("ratio"),
        _cast(df, pl.col("text"), pl.Boolean).alias("truth"),
        _cast(df, pl.col("text"), pl.Date).alias("day"),
        _cast(df, pl.col("text"), pl.Datetime("us")).alias("local"),
        pl.coalesce(_cast(df, pl.col("text"), pl.Int64), pl.lit(-1)).alias("or_default"),
        _cast(df, pl.col("number"), pl.Int16).alias("whole"),
        _cast(df, pl.col("number"), pl.Float32).alias("single"),
        _cast(df, pl.col("whole"), pl.String).alias("digits"),
        _cast(df, pl.col("whole"), pl.Int8).alias("narrow"),
        _cast(df, pl.col("flag"), pl.Int32).alias("one_or_none"),
        pl.coalesce(_cast(df, pl.col("flag"), pl.String), pl.lit("unknown")).alias("said"),
        _cast(df, pl.col("born"), pl.Datetime("us", "UTC")).alias("since"),
        _cast(df, pl.col("at"), pl.Date).alias("on_day"),
        _cast(df, pl.col("born"), pl.String).alias("day_text"),
    )


def _type(df, expression):
    """The type that an expression has over a frame."""
    return df.lazy().select(expression.alias("value")).collect_schema()["value"]


def _cast(df, values, target, strict=False):
    """The values as another type; one that does not fit is null, or an error when strict."""
    source = _type(df, values)
    if source == target or source == pl.Null:
        result = values.cast(target)
    elif source == pl.String:
        result = _parse(values, target)
    elif target == pl.String:
        if not (source.is_integer() or source in (pl.Boolean, pl.Date)):
            raise TypeError(f"the text of {source} differs between engines; round or format it before")
        result = values.cast(target)
    elif target.is_integer() and not (source.is_numeric() or source == pl.Boolean):
        raise TypeError(f"no cast from {source} to {target}")
    elif isinstance(target, pl.Datetime) and isinstance(source, pl.Datetime):
        utc = values.dt.replace_time_zone("UTC") if source.time_zone is None else values.dt.convert_time_zone("UTC")
        result = utc.dt.replace_time_zone(target.time_zone).dt.cast_time_unit("us")
    elif isinstance(target, pl.Datetime):
        result = values.cast(pl.Datetime("us")).dt.replace_time_zone(target.time_zone)
    else:
        result = values.cast(target, strict=False)
    if strict and df.select((result.is_null() & values.is_not_null()).any()).item():
        raise ValueError(f"a value does not fit {target}")
    return result


def _parse(values, target):
    """Texts as values of another type; null where a text is none."""
    trimmed = values.str.strip_chars(" \t\n\r\f")

    def only(pattern, texts):
        return pl.when(texts.str.contains(pattern)).then(texts)

    def moment(texts):
        pattern = r"^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?)?$"
        pattern = pattern.replace(r"\d", "[0-9]")
        day, minutes, seconds, fraction, zone = [texts.str.extract(pattern, group).fill_null("") for group in range(1, 6)]
        clock = pl.when(minutes == "").then(pl.lit("00:00")).otherwise(minutes)
        clock += ":" + pl.when(seconds == "").then(pl.lit("00")).otherwise(seconds)
        clock += "." + fraction.str.slice(0, 6).str.pad_end(6, "0")
        zone = pl.when(zone.is_in(["", "Z", "z"])).then(pl.lit("+0000")).otherwise(zone.str.replace(":", "").str.pad_end(5, "0"))
        whole = pl.when(day != "").then(day + "T" + clock + zone)
        return whole.str.strptime(pl.Datetime("us", "UTC"), "%Y-%m-%dT%H:%M:%S%.f%z", strict=False)

    if target.is_integer():
        return only(r"^[+-]?[0-9]+$", trimmed).str.strip_prefix("+").cast(target, strict=False)
    if target.is_float():
        number = r"(?i)^[+-]?([0-9]+\.?[0-9]*(e[+-]?[0-9]+)?|\.[0-9]+(e[+-]?[0-9]+)?|inf(inity)?|nan)$"
        return only(number, trimmed).cast(target, strict=False)
    if target == pl.Boolean:
        words = dict.fromkeys("t tr tru true y ye yes on 1".split(), True)
        words |= dict.fromkeys("f fa fal fals false n no of off 0".split(), False)
        return values.str.strip_chars().str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
    if target == pl.Date:
        short = values.str.replace(r"^([0-9]{4})([0-9]{2})([0-9]{2})$", "$1-$2-$3")
        day = only(r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$", short).str.strptime(pl.Date, "%Y-%m-%d", strict=False)
        return pl.when(values.str.len_bytes() > 10).then(moment(values).dt.date()).otherwise(day)
    if isinstance(target, pl.Datetime):
        return moment(values).dt.replace_time_zone(target.time_zone)
    raise TypeError(f"no cast from text to {target}")
