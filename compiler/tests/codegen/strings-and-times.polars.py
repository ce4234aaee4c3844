"""Transformation demo/strings-and-times
Written by `aggregator codegen`; change the Transformation and write it again.

Parameters:
    separator (Utf8, default -)
"""

import polars as pl


def transform(df: pl.DataFrame, *, separator: str = "-") -> pl.DataFrame:
    """The rows that the Transformation makes of `df`."""
    return df.select(
        pl.col("s").str.to_lowercase().alias("lower"),
        pl.col("s").str.strip_chars_start(" ").alias("left_trimmed"),
        pl.col("s").str.strip_chars_end(" ").alias("right_trimmed"),
        pl.col("s").str.strip_chars("ax ").alias("trimmed_of"),
        pl.col("s").str.slice(1, 3).alias("middle"),
        pl.col("s").str.slice(2).alias("tail"),
        pl.col("s").str.slice(0, 2).alias("before"),
        pl.col("s").str.slice(0, 2).alias("head"),
        pl.col("s").str.slice(-2).alias("last"),
        pl.col("s").str.replace_all("a", "*.", literal=True).alias("replaced"),
        pl.col("s").str.len_chars().alias("characters"),
        _split_part(df, pl.col("s"), separator, 2).alias("second_part"),
        pl.col("s").str.starts_with("a").alias("starts"),
        pl.col("s").str.ends_with(".").alias("ends"),
        pl.col("s").str.contains("b-", literal=True).alias("holds"),
        _concat(df, pl.col("s"), pl.lit("/"), pl.col("m"), pl.lit(separator), skip_nulls=False).alias("joined"),
        _concat(df, pl.col("s"), pl.col("m"), pl.lit("!"), skip_nulls=True).alias("concatenated"),
        _concat(df, pl.col("s"), pl.col("m"), pl.lit("end"), separator=", ", skip_nulls=True).alias("listed"),
        _date_trunc(df, pl.col("at"), "1h").alias("hour"),
        _date_trunc(df, pl.col("at"), "1w").alias("week"),
        _date_trunc(df, pl.col("day"), "1q").alias("quarter"),
        _date_trunc(df, pl.col("day"), "1mo").alias("month"),
        pl.col("at").dt.year().cast(pl.Int32).alias("year_of"),
        pl.col("day").dt.quarter().cast(pl.Int32).alias("quarter_of"),
        pl.col("day").dt.month().cast(pl.Int32).alias("month_of"),
        pl.col("day").dt.week().cast(pl.Int32).alias("week_of"),
        pl.col("at").dt.day().cast(pl.Int32).alias("day_of"),
        (pl.col("day").dt.weekday().cast(pl.Int32) % 7).alias("weekday"),
        pl.col("day").dt.ordinal_day().cast(pl.Int32).alias("day_of_year"),
        pl.col("at").dt.hour().cast(pl.Int32).alias("hour_of"),
        pl.col("at").dt.second().cast(pl.Int32).alias("second_of"),
        (pl.col("at") > _cast(df, pl.lit("2026-01-01 00:00:00"), pl.Datetime("us"), strict=True)).alias("next_to"),
        _default(df, pl.col("m"), "0").alias("m"),
    )


def _type(df, expression):
    """The type that an expression has over a frame."""
    return df.lazy().select(expression.alias("value")).collect_schema()["value"]


def _default(df, values, text):
    """The values, and in place of null the one that `text` says."""
    return pl.coalesce(values, _cast(df, pl.lit(text), _type(df, values), strict=True))


def _concat(df, *parts, separator="", skip_nulls):
    """The parts as one text."""
    texts = [_cast(df, part, pl.String) for part in parts]
    return pl.concat_str(texts, separator=separator, ignore_nulls=skip_nulls)


def _split_part(df, values, separator, position):
    """The part of each text at a position, from 1; empty when there is none."""
    part = values.str.split(separator).list.get(position - 1, null_on_oob=True)
    return pl.when(values.is_not_null()).then(part.fill_null(""))


def _date_trunc(df, values, unit):
    """The begin of the unit of time that each value lies in."""
    if _type(df, values) == pl.Date:
        values = values.cast(pl.Datetime("us"))
    return values.dt.truncate(unit)


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
