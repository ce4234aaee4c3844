"""What is asked of ours, and whether a figure is that."""

from dataclasses import dataclass

MET, AIM, MISSED, UNMEASURED = "met", "aim met", "**missed**", "not measured"

# How close to a limit, as a part of it, a figure is given with three decimals.
NEAR = 0.02


@dataclass(frozen=True)
class Limit:
    """Something asked of a work."""

    kind: str
    """time: at most so many times the peer's; rate: at least so many times the peer's; seconds and memory (MiB): at most so many."""
    must: float
    aim: float | None = None
    peer: str = ""

    @property
    def sign(self):
        return "≥" if self.kind == "rate" else "≤"

    def holds(self, value, asked):
        return value >= asked if self.kind == "rate" else value <= asked

    def verdict(self, value):
        """One word, or two."""
        if not self.holds(value, self.must):
            return MISSED
        return AIM if self.aim is not None and self.holds(value, self.aim) else MET

    def asked(self, bound):
        """The limit, or the aim, in words."""
        if bound is None:
            return ""
        if self.kind == "seconds":
            return f"{self.sign} {bound * 1000:g} ms"
        if self.kind == "memory":
            return f"{self.sign} {bound:g} MiB"
        return f"{self.sign} {bound:g} ×"

    def of(self):
        """What the limit is about."""
        return {"time": f"time of {self.peer}", "rate": f"rows/s of {self.peer}", "seconds": "wall time", "memory": "peak memory"}[self.kind]

    def figure(self, value):
        """The value as text, never rounded onto, or past, a limit."""
        value, bounds = (value * 1000, [self.must * 1000]) if self.kind == "seconds" else (value, [self.must, self.aim])
        decimals = 2 if self.kind in ("time", "rate") else 0
        if any(bound is not None and abs(value - bound) <= max(NEAR * bound, 10**-decimals) for bound in bounds):
            decimals = 3
        unit = {"seconds": " ms", "memory": " MiB"}.get(self.kind, " ×")
        return f"{value:.{decimals}f}{unit}"


MEMORY = Limit("memory", 300, aim=200)
"""What every work is asked but `empty`."""
