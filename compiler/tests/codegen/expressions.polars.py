"""Transformation demo/expressions
Written by `aggregator codegen`; change the Transformation and write it again.

Parameters:
    since (Date32, default 2026-01-01)
    word (Utf8, default it's \"so\")
    from (Float64, default 2.5)
"""

import datetime

import polars as pl


def transform(df: pl.DataFrame, *, since: datetime.date = datetime.date.fromisoformat("2026-01-01"), word: str = "it's \"so\"", from_: float = 2.5) -> pl.DataFrame:
    """The rows that the Transformation makes of `df`."""
    return df.select(
        ((pl.col("a") + (pl.col("b") * 2)) - 1).alias("sum"),
        _divide(df, pl.col("a"), pl.col("b")).alias("quotient"),
        _modulo(df, pl.col("a"), pl.col("b")).alias("remainder"),
        _divide(df, pl.col("x"), pl.lit(4)).alias("ratio"),
        (-pl.col("a")).alias("negative"),
        ((pl.col("a") > 0) & pl.col("p")).alias("both"),
        ((pl.col("a") > 0) | pl.col("p")).alias("either"),
        (~((pl.col("a") > 0) | pl.col("p"))).alias("neither"),
        (pl.col("p").is_not_null() & pl.col("p").fill_null(False)).alias("known"),
        pl.col("p").fill_null(True).alias("not_false"),
        (~pl.col("p").fill_null(False)).alias("not_true"),
        pl.col("a").is_in([1, -7, 10]).alias("in_list"),
        (~pl.col("s").is_in(["x", word])).alias("not_in_list"),
        ((pl.col("x") >= (-1)) & (pl.col("x") <= from_)).alias("between"),
        (~((pl.col("a") >= (-6)) & (pl.col("a") <= 6))).alias("not_between"),
        ((pl.col("a") != pl.col("b")) | (pl.col("a").is_null() ^ pl.col("b").is_null())).fill_null(False).alias("distinct_from"),
        pl.col("s").str.contains("(?s)^a.c.*$").alias("like"),
        (~pl.col("s").str.contains("(?s)^.*100%\\..*$")).alias("like_literal"),
        pl.col("s").str.contains("(?is)^ABC.*$").alias("ilike"),
        _case(df, [(pl.col("a") > 5, pl.lit("large")), (pl.col("a") > 0, pl.lit("small")), (pl.col("a") < 0, pl.col("s"))], pl.lit(None)).alias("size"),
        _case(df, [(pl.col("s") == "abc", pl.lit(1)), (pl.col("s") == "x", pl.lit(2.5))], pl.lit(None)).alias("code"),
        _case(df, [(pl.col("b") == 1, pl.col("a"))], pl.col("b")).alias("guarded"),
        pl.coalesce(pl.col("s"), pl.col("t"), pl.lit("none")).alias("first"),
        _case(df, [(pl.col("a") == 10, pl.lit(None))], pl.col("a")).alias("no_zero"),
        pl.col("x").round(1, mode="half_away_from_zero").alias("rounded"),
        pl.col("x").round(0, mode="half_away_from_zero").alias("whole"),
        pl.col("a").abs().alias("magnitude"),
        pl.col("x").ceil().alias("up"),
        pl.col("x").floor().alias("down"),
        (pl.col("d") >= since).alias("recent"),
        (pl.col("d") == _cast(df, pl.lit("2026-03-04"), pl.Date, strict=True)).alias("fixed_day"),
        pl.exclude("a", "b", "between", "both", "code", "d", "distinct_from", "down", "either", "first", "fixed_day", "guarded", "ilike", "in_list", "known", "like", "like_literal", "magnitude", "negative", "neither", "no_zero", "not_between", "not_false", "not_in_list", "not_true", "p", "quotient", "ratio", "recent", "remainder", "rounded", "s", "size", "sum", "t", "up", "whole", "x"),
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


def _modulo(df, left, right):
    """SQL's remainder: it has the sign of the left side."""
    quotient = _divide(df, left, right)
    if not _type(df, quotient).is_integer():
        quotient = pl.when(quotient < 0).then(quotient.ceil()).otherwise(quotient.floor())
    return left - quotient * right


def _case(df, branches, otherwise):
    """SQL's CASE: the value of the first condition that is true."""
    chain = pl
    for condition, value in branches:
        chain = chain.when(condition).then(value)
    return chain.otherwise(otherwise)


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
