"""Times whole processes, in turns, and compares what each of them has made, each time."""

import datetime
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass, field

LAUNCH = pathlib.Path(__file__).parent / "launch.py"


@dataclass
class Run:
    """One run of one system."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass
class Result:
    """What was measured of a work."""

    work: object
    runs: dict
    """The runs of each system, in order: the first ones were measured in the same round, and so on."""
    commands: dict = field(default_factory=dict)
    """What each system was told, as it was told it last, with names for places."""
    day: datetime.date = field(default_factory=datetime.date.today)
    """When it was measured."""


def launch(command, log):
    """Runs a command to its end, which must be a good one."""
    helper = [sys.executable, "-I", "-S", LAUNCH, log, *command.arguments]
    done = subprocess.run(helper, env=command.environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench: {command.arguments[0]} cannot be started:\n{done.stderr}")
    seconds, cpu_seconds, peak_kib, code = done.stdout.split()
    if int(code):
        said = pathlib.Path(log).read_text(errors="replace")[-4000:]
        raise SystemExit(f"bench: `{' '.join(command.arguments)}` ended with {code}:\n{said}")
    return Run(float(seconds), float(cpu_seconds), int(peak_kib) / 1024)


def measure(bench, work, systems, options):
    """Rounds in which each system has a turn; what it made must be what was expected, in every round."""
    result = Result(work, {system: [] for system in systems})
    for number in range(options.runs):
        # Nobody is always the first, or always behind the same one.
        begin = number % len(systems)
        for system in systems[begin:] + systems[:begin]:
            done = result.runs[system]
            if len(done) >= options.slow_runs and done[0].seconds > options.slow_seconds:
                continue
            command = work.systems[system]()
            result.commands[system] = command.told(bench.places())
            # What was written before is not this one's affair.
            bench.server.execute("CHECKPOINT")
            os.sync()
            run = launch(command, bench.work / "log")
            done.append(run)
            print(f"  {number + 1} {system:<22}{run.seconds:>9.3f} s{run.cpu_seconds:>9.2f} CPU s{run.peak_mib:>8.1f} MiB", flush=True)
            made = work.check(system)
            if made != work.expected:
                raise SystemExit(f"bench: {work.name}: {system} made, in round {number + 1},\n{made}\nand not\n{work.expected}")
    return result
