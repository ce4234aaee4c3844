"""Transformation demo/clean-flight
One shape for flights from every airline
Written by `aggregator codegen`; change the Transformation and write it again.

Parameters:
    country (Utf8): where the airline is at home
    limit (Int64, default 30)
"""

import datetime
import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def transform(df: pd.DataFrame, *, country: str, limit: int = 30) -> pd.DataFrame:
    """The rows that the Transformation makes of `df`."""
    df = pa.Table.from_pandas(df, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype)
    # The engine rejects rows with a value that cannot be cast; here they are left out.
    df = df[df["sched"].isna() | _cast(df, df["sched"], pa.timestamp("us", tz="UTC")).notna()]
    df = df[df["delay"].isna() | _cast(df, df["delay"], pa.int32()).notna()]
    return pd.DataFrame(
        {
            "flight": df["flight_no"].str.strip(" ").str.upper(),
            "origin": df["orig_iata"],
            "scheduled_at": _cast(df, df["sched"], pa.timestamp("us", tz="UTC")),
            "delay_minutes": _coalesce(df, _cast(df, df["delay"], pa.int32()), 0),
            "late": _cast(df, df["delay"], pa.int32()) > limit,
            "country": country,
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
