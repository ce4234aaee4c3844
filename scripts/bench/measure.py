"""Times whole processes: wall and CPU seconds, and the most memory that was resident."""

import os
import pathlib
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Measured:
    """One run of one command."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(command, log, environment=None):
    """Runs a command to its end, which must be a good one."""
    log = pathlib.Path(log)
    with open(log, "wb") as out:
        begin = time.monotonic()
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        shown = " ".join(str(part) for part in command)
        raise SystemExit(f"bench: `{shown}` ended with {process.returncode}:\n{log.read_text()[-4000:]}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
