"""Reads two files as everybody would, without our code, and fails unless they hold the same.

Usage: compare.py JOINED WHOLE
"""

import bz2
import gzip
import lzma
import sys

import pyarrow
import pyarrow.parquet as parquet


def text(path):
    if path.endswith(".gz"):
        return gzip.open(path).read()
    if path.endswith(".bz2"):
        return bz2.open(path).read()
    if path.endswith(".xz"):
        return lzma.open(path).read()
    if path.endswith(".zst"):
        with pyarrow.OSFile(path) as file, pyarrow.CompressedInputStream(file, "zstd") as stream:
            return stream.read()
    with open(path, "rb") as file:
        return file.read()


def chunks(path):
    """What the footer says of each column of each row group, but for where it is."""
    metadata = parquet.ParquetFile(path).metadata
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            yield metadata.row_group(group).column(column)


def main(joined, whole):
    if not joined.endswith(".parquet"):
        ours, theirs = text(joined), text(whole)
        assert theirs, f"{whole} is empty"
        assert ours == theirs, f"{joined} has {ours[:200]}…, {whole} has {theirs[:200]}…"
        return
    ours, theirs = parquet.read_table(joined), parquet.read_table(whole)
    ours.validate(full=True)
    assert ours.schema.equals(theirs.schema, check_metadata=True), f"{ours.schema} is not {theirs.schema}"
    assert ours.equals(theirs), f"{joined} has other rows than {whole}"
    footers = [parquet.ParquetFile(path).metadata for path in (joined, whole)]
    assert footers[0].metadata == footers[1].metadata, f"{footers[0].metadata} is not {footers[1].metadata}"
    for chunk in chunks(joined):
        assert chunk.has_offset_index and chunk.is_stats_set, chunk
        assert chunk.compression == next(chunks(whole)).compression, chunk


main(*sys.argv[1:])
