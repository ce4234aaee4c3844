"""Transformation demo/strings-and-times
Written by `aggregator codegen`; change the Transformation and write it again.

Parameters:
    separator (Utf8, default -)
"""

import datetime
import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def transform(df: pd.DataFrame, *, separator: str = "-") -> pd.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = pa.Table.from_pandas(df, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype)
    return pd.DataFrame(
        {
            "lower": df["s"].str.lower(),
            "left_trimmed": df["s"].str.lstrip(" "),
            "right_trimmed": df["s"].str.rstrip(" "),
            "trimmed_of": df["s"].str.strip("ax "),
            "middle": df["s"].str.slice(1, 4),
            "tail": df["s"].str.slice(2),
            "before": df["s"].str.slice(0, 2),
            "head": df["s"].str.slice(0, 2),
            "last": df["s"].str.slice(-2),
            "replaced": df["s"].str.replace("a", "*.", regex=False),
            "characters": df["s"].str.len(),
            "second_part": _split_part(df, df["s"], separator, 2),
            "starts": df["s"].str.startswith("a"),
            "ends": df["s"].str.endswith("."),
            "holds": df["s"].str.contains("b-", regex=False),
            "joined": _concat(df, df["s"], "/", df["m"], separator, skip_nulls=False),
            "concatenated": _concat(df, df["s"], df["m"], "!", skip_nulls=True),
            "listed": _concat(df, df["s"], df["m"], "end", separator=", ", skip_nulls=True),
            "hour": _date_trunc(df, df["at"], "hour"),
            "week": _date_trunc(df, df["at"], "week"),
            "quarter": _date_trunc(df, df["day"], "quarter"),
            "month": _date_trunc(df, df["day"], "month"),
            "year_of": _date_part(df, pc.year, df["at"]),
            "quarter_of": _date_part(df, pc.quarter, df["day"]),
            "month_of": _date_part(df, pc.month, df["day"]),
            "week_of": _date_part(df, pc.iso_week, df["day"]),
            "day_of": _date_part(df, pc.day, df["at"]),
            "weekday": _date_part(df, pc.day_of_week, df["day"], week_start=7),
            "day_of_year": _date_part(df, pc.day_of_year, df["day"]),
            "hour_of": _date_part(df, pc.hour, df["at"]),
            "second_of": _date_part(df, pc.second, df["at"]),
            "next_to": df["at"] > _cast(df, "2026-01-01 00:00:00", pa.timestamp("us"), strict=True),
            "m": _default(df, df["m"], "0"),
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


def _coalesce(df, *values):
    """The first value that is not null."""
    return _arrow(df, pc.coalesce, *values)


def _default(df, values, text):
    """The values, and in place of null the one that `text` says."""
    return _coalesce(df, values, pa.scalar(text).cast(values.dtype.pyarrow_dtype).as_py())


def _concat(df, *parts, separator="", skip_nulls):
    """The parts as one text."""
    texts = [_cast(df, part, pa.string()) for part in parts]
    handling = "skip" if skip_nulls else "emit_null"
    return _arrow(df, pc.binary_join_element_wise, *texts, separator, null_handling=handling)


def _split_part(df, values, separator, position):
    """The part of each text at a position, from 1; empty when there is none."""

    def part(text):
        parts = text.split(separator)
        return parts[position - 1] if position <= len(parts) else ""

    texts = pa.array(values, from_pandas=True).to_pylist()
    array = pa.array([None if text is None else part(text) for text in texts], pa.string())
    return pd.Series(pd.arrays.ArrowExtensionArray(array), index=df.index)


def _date_trunc(df, values, unit):
    """The begin of the unit of time that each value lies in."""
    if pa.types.is_date(values.dtype.pyarrow_dtype):
        values = values.astype(pd.ArrowDtype(pa.timestamp("us")))
    return _arrow(df, pc.floor_temporal, values, unit=unit)


def _date_part(df, function, values, **options):
    """A field of each time."""
    return _arrow(df, function, values, **options).astype("int32[pyarrow]")


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
