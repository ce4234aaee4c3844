"""Where the time of one run of ours goes, by Linux's `perf`."""

import re
import shutil
import subprocess

SYMBOLS = 15
WIDTH = 150
STRIPPED = "Addresses stand where the binary has no symbols: build it by `CARGO_PROFILE_RELEASE_STRIP=none make build`."


def profile(bench, work):
    """The symbols with the most samples, as lines of text: the part of all samples, the program or library, the symbol."""
    if not shutil.which("perf"):
        raise SystemExit("bench: perf is not installed (Debian: linux-perf); nothing was profiled")
    command, data = work.systems["ours"](), bench.work / "perf.data"
    record = ["perf", "record", "--quiet", "--freq", "999", "--output", data, "--", *command.arguments]
    done = subprocess.run(record, env=command.environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench: perf, or the run below it, ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    if work.check("ours") != work.expected:
        raise SystemExit(f"bench: {work.name}: the run under perf did not make what was expected")
    report = ["perf", "report", "--stdio", "--quiet", "--no-children", "--sort", "dso,symbol", "--input", data]
    shown = subprocess.run(report, capture_output=True, text=True, check=True).stdout
    return top(shown)


def top(shown):
    """The first lines of what `perf report` has shown, without its empty columns."""
    lines = [re.sub(r"(\s+-)+$", "", line.rstrip())[:WIDTH] for line in shown.splitlines() if line.strip()][:SYMBOLS]
    return [*lines, STRIPPED] if any("[.] 0x0" in line for line in lines) else lines
