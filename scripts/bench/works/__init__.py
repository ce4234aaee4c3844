"""The works that are measured: what each system is asked to do, and how one sees that it did it."""

import importlib
from dataclasses import dataclass
from typing import Callable

import verdict

# In the order of the page. Each is a module, which prepares it with what a Bench has.
NAMES = ["csv-to-postgres", "postgres-to-parquet", "csv-transform", "upsert", "small-tables", "two-readers", "bad-rows", "empty"]


@dataclass
class Work:
    """One work."""

    name: str
    title: str
    rows: int
    """The rows that count for rows a second."""
    systems: dict[str, Callable]
    """For each system, a function that gives its Command, after it has prepared what is not measured."""
    expected: str
    """What must have been made, in numbers, found in another way than by doing the work."""
    check: Callable[[str], str]
    """What a system has made, in the same numbers."""
    limits: list[verdict.Limit]
    memory: verdict.Limit = verdict.MEMORY


def prepare(name, bench):
    """The work of that name, with its tables and files."""
    bench.clear()
    return importlib.import_module(f"works.{name.replace('-', '_')}").prepare(bench)


def count(rows):
    """A number of rows in words of a title."""
    for size, unit in ((1_000_000, " M"), (1_000, " k")):
        if rows >= size:
            return f"{rows / size:.2g}{unit}" if rows < 10 * size else f"{rows / size:.0f}{unit}"
    return str(rows)
