"""A command that does a work: what is measured, and what the page shows of it."""

import os
import shlex
from dataclasses import dataclass, field


@dataclass
class Told:
    """What a page shows of a command."""

    line: str
    files: dict
    """Name and text of each file that was written for it to read."""


@dataclass
class Command:
    """A program with its arguments."""

    arguments: list
    variables: dict = field(default_factory=dict)
    """What it finds in its environment beside what the bench itself was given."""
    files: dict = field(default_factory=dict)
    """What was written for it to read: the name of each file, and its text."""

    def __post_init__(self):
        self.arguments = [str(part) for part in self.arguments]

    @property
    def environment(self):
        """The whole environment. Older libraries of linear algebra are told their processor there; a current numpy is slowed by it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
        return kept | self.variables

    def told(self, places):
        """What is shown of it."""
        return Told(self.shown(places), self.files_shown(places))

    def shown(self, places):
        """One line for a shell, in which each of the places, a path or the like, stands under its name."""
        words = [f"{name}={quoted(value)}" for name, value in self.variables.items()]
        return named(" ".join(words + [quoted(part) for part in self.arguments]), places)

    def files_shown(self, places):
        """Name and text of each file, with the names of places as well."""
        return {name: named(text, places) for name, text in self.files.items()}


def quoted(part):
    """For a shell; in double quotes where that says the same, as a place within is only found there."""
    if shlex.quote(part) == part:
        return part
    return shlex.quote(part) if any(character in part for character in '"$`!') else f'"{part}"'


def named(text, places):
    """The text, with names for places. Longer ones go first: one may lie in the other."""
    for value in sorted(places, key=len, reverse=True):
        text = text.replace(value, places[value])
    return text
