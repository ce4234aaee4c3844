"""Transformation demo/expressions
Written by `aggregator codegen`; change the Transformation and write it again.

Parameters:
    since (Date32, default 2026-01-01)
    word (Utf8, default it's \"so\")
    from (Float64, default 2.5)
"""

import datetime
import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def transform(df: pd.DataFrame, *, since: datetime.date = datetime.date.fromisoformat("2026-01-01"), word: str = "it's \"so\"", from_: float = 2.5) -> pd.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = pa.Table.from_pandas(df, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype)
    return pd.DataFrame(
        {
            "sum": (df["a"] + (df["b"] * 2)) - 1,
            "quotient": _divide(df, df["a"], df["b"]),
            "remainder": _modulo(df, df["a"], df["b"]),
            "ratio": _divide(df, df["x"], 4),
            "negative": -df["a"],
            "both": (df["a"] > 0) & df["p"],
            "either": (df["a"] > 0) | df["p"],
            "neither": ~((df["a"] > 0) | df["p"]),
            "known": df["p"].notna() & df["p"].fillna(False),
            "not_false": df["p"].fillna(True),
            "not_true": ~df["p"].fillna(False),
            "in_list": _is_in(df, df["a"], [1, -7, 10]),
            "not_in_list": ~_is_in(df, df["s"], ["x", word]),
            "between": (df["x"] >= (-1)) & (df["x"] <= from_),
            "not_between": ~((df["a"] >= (-6)) & (df["a"] <= 6)),
            "distinct_from": ((df["a"] != df["b"]) | (df["a"].isna() ^ df["b"].isna())).fillna(False),
            "like": df["s"].str.contains("(?s)^a.c.*$"),
            "like_literal": ~df["s"].str.contains("(?s)^.*100%\\..*$"),
            "ilike": df["s"].str.contains("(?is)^ABC.*$"),
            "size": _case(df, [(df["a"] > 5, "large"), (df["a"] > 0, "small"), (df["a"] < 0, df["s"])], None),
            "code": _case(df, [(df["s"] == "abc", 1), (df["s"] == "x", 2.5)], None),
            "guarded": _case(df, [(df["b"] == 1, df["a"])], df["b"]),
            "first": _coalesce(df, df["s"], df["t"], "none"),
            "no_zero": _case(df, [(df["a"] == 10, None)], df["a"]),
            "rounded": _arrow(df, pc.round, df["x"], ndigits=1, round_mode="half_towards_infinity"),
            "whole": _arrow(df, pc.round, df["x"], ndigits=0, round_mode="half_towards_infinity"),
            "magnitude": df["a"].abs(),
            "up": _arrow(df, pc.ceil, df["x"]),
            "down": _arrow(df, pc.floor, df["x"]),
            "recent": df["d"] >= since,
            "fixed_day": df["d"] == _cast(df, "2026-03-04", pa.date32(), strict=True),
            **df.drop(columns=["a", "b", "between", "both", "code", "d", "distinct_from", "down", "either", "first", "fixed_day", "guarded", "ilike", "in_list", "known", "like", "like_literal", "magnitude", "negative", "neither", "no_zero", "not_between", "not_false", "not_in_list", "not_true", "p", "quotient", "ratio", "recent", "remainder", "rounded", "s", "size", "sum", "t", "up", "whole", "x"], errors="ignore"),
        },
        index=df.index,
    )


def _column(df, value, data_type=None):
    """A column that holds one value in every row."""
    array = pa.repeat(pa.scalar(value, data_type), len(df))
    return pd.Series(pd.arrays.ArrowExtensionArray(array), index=df.index)


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


def _modulo(df, left, right):
    """SQL's remainder: it has the sign of the left side."""
    quotient = _arrow(df, pc.divide, left, right)
    if pa.types.is_floating(quotient.dtype.pyarrow_dtype):
        quotient = _arrow(df, pc.trunc, quotient)
    return left - quotient * right


def _is_in(df, values, choices):
    """SQL's IN: null for null."""
    return _arrow(df, pc.if_else, values.isna(), None, values.isin(choices))


def _case(df, branches, otherwise):
    """SQL's CASE: the value of the first condition that is true."""
    result = otherwise
    for condition, value in reversed(branches):
        result = _arrow(df, pc.if_else, _arrow(df, pc.coalesce, condition, False), value, result)
    return result


def _coalesce(df, *values):
    """The first value that is not null."""
    return _arrow(df, pc.coalesce, *values)


def _cast(df, values, target, strict=False):
    """The values as another type; one that does not fit is null, or an error when strict."""
    if not isinstance(values, pd.Series):
        values = _column(df, values)
    source = values.dtype.pyarrow_dtype
    array = pa.array(values, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_null(source) or source == target:
        result = array.cast(target)
    elif pa.types.is_large_string(source) or pa.types.is_string(source):
        result = _parse(array, target)
    elif pa.types.is_string(target):
        result = _text(array)
    elif pa.types.is_integer(target):
        result = _integers(array, target)
    elif pa.types.is_boolean(target) or pa.types.is_floating(target):
        result = array.cast(target, safe=False)
    elif pa.types.is_timestamp(target) or pa.types.is_date(target):
        result = array.cast(target, safe=False)
    else:
        raise TypeError(f"no cast from {source} to {target}")
    if strict and result.null_count > array.null_count:
        raise ValueError(f"a value does not fit {target}")
    return pd.Series(pd.arrays.ArrowExtensionArray(result), index=df.index)


def _integers(array, target):
    """Numbers as integers of a width, without their fractions; null beyond its limits."""
    if pa.types.is_boolean(array.type):
        return array.cast(target)
    if pa.types.is_floating(array.type):
        array = pc.trunc(array)
    elif not pa.types.is_integer(array.type):
        raise TypeError(f"no cast from {array.type} to {target}")
    bits, signed = target.bit_width, pa.types.is_signed_integer(target)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    fits = [value is not None and low <= value <= high for value in array.to_pylist()]
    return pc.if_else(pa.array(fits, pa.bool_()), array, pa.scalar(None, array.type)).cast(target)


def _text(array):
    """Integers, truth values and dates as text."""
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date(kind):
        return array.cast(pa.string())
    raise TypeError(f"the text of {kind} differs between engines; round or format it before")


def _parse(array, target):
    """Texts as values of another type; null where a text is none."""

    def number(text, pattern, convert, low=None, high=None):
        text = text.strip(" \t\n\r\f")
        if not re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE):
            return None
        value = convert(text)
        return value if low is None or low <= value <= high else None

    def moment(text):
        match = re.fullmatch(
            r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?)?", text, re.ASCII
        )
        if not match:
            return None
        day, minutes, seconds, fraction, zone = match.groups()
        clock = f"{minutes or '00:00'}:{seconds or '00'}.{(fraction or '')[:6]:0<6}"
        zone = "+00:00" if zone in (None, "Z", "z") else zone
        try:
            return datetime.datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(datetime.timezone.utc)
        except (ValueError, OverflowError):
            return None

    def day(text):
        match = re.fullmatch(r"(\d{4})-(\d\d?)-(\d\d?)|(\d{4})(\d\d)(\d\d)", text, re.ASCII)
        if not match:
            at = moment(text) if len(text) > 10 else None
            return at and at.date()
        try:
            return datetime.date(*[int(part) for part in match.groups() if part])
        except ValueError:
            return None

    if pa.types.is_string(target):
        return array.cast(target)
    if pa.types.is_integer(target):
        bits, signed = target.bit_width, pa.types.is_signed_integer(target)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        convert = lambda text: number(text, r"[+-]?\d+", int, low, high)
    elif pa.types.is_floating(target):
        convert = lambda text: number(text, r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?|nan)", float)
    elif pa.types.is_boolean(target):
        words = dict.fromkeys("t tr tru true y ye yes on 1".split(), True)
        words |= dict.fromkeys("f fa fal fals false n no of off 0".split(), False)
        convert = lambda text: words.get(text.strip().lower())
    elif pa.types.is_date(target):
        convert = day
    elif pa.types.is_timestamp(target):
        convert = moment if target.tz else lambda text: (at := moment(text)) and at.replace(tzinfo=None)
    else:
        raise TypeError(f"no cast from text to {target}")
    return pa.array([None if text is None else convert(text) for text in array.to_pylist()], target)
