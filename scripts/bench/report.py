"""The tables of the page: what was asked and is so, and what was measured."""

import statistics

from verdict import UNMEASURED

OURS = "ours"


def median(runs):
    return statistics.median(run.seconds for run in runs)


def peak(runs):
    """The most memory of any run, in MiB."""
    return max(run.peak_mib for run in runs)


def ratio(limit, ours, theirs):
    """How many times the peer's time, or the peer's rows in a second."""
    return ours / theirs if limit.kind == "time" else theirs / ours


def value(limit, runs):
    """The figure that a limit is about, and how it was in the rounds; nothing when the peer was left out."""
    ours = runs[OURS]
    if limit.kind == "seconds":
        return median(ours), (min(run.seconds for run in ours), max(run.seconds for run in ours))
    if limit.kind == "memory":
        return peak(ours), None
    theirs = runs.get(limit.peer)
    if not theirs:
        return None, None
    rounds = [ratio(limit, mine.seconds, other.seconds) for mine, other in zip(ours, theirs)]
    return ratio(limit, median(ours), median(theirs)), (min(rounds), max(rounds))


def asked(results):
    """A row for everything that is asked of a work."""
    lines = ["| work | of | must be | aim | is (of the rounds) | verdict |", "|---|---|---|---|---|---|"]
    for result in results:
        for number, limit in enumerate([*result.work.limits, result.work.memory]):
            is_, rounds = value(limit, result.runs)
            title = result.work.title if number == 0 else ""
            begin = f"| {title} | {limit.of()} | {limit.asked(limit.must)} | {limit.asked(limit.aim)}"
            if is_ is None:
                lines.append(f"{begin} | – | {UNMEASURED} |")
                continue
            between = f" ({limit.figure(rounds[0])} – {limit.figure(rounds[1])})" if rounds and rounds[0] < rounds[1] else ""
            lines.append(f"{begin} | {limit.figure(is_)}{between} | {limit.verdict(is_)} |")
    return lines


def large(results, larger, scale):
    """The peaks at another scale factor, beside the ones here."""
    here = {result.work.name: result for result in results}
    lines = [f"| work at scale factor {scale:g} | runs | seconds | peak | must be | aim | of the peak above | verdict |", "|---|---|---|---|---|---|---|---|"]
    for result in larger:
        limit, runs = result.work.memory, result.runs[OURS]
        most, before = peak(runs), here.get(result.work.name)
        times = f"{most / peak(before.runs[OURS]):.2f} ×" if before else "–"
        bounds = f"{limit.asked(limit.must)} | {limit.asked(limit.aim)}"
        lines.append(f"| {result.work.title} | {len(runs)} | {median(runs):.2f} | {limit.figure(most)} | {bounds} | {times} | {limit.verdict(most)} |")
    return lines


def figures(results):
    """A row for each system of each work."""
    lines = ["| work | system | runs | seconds (fastest–slowest) | rows/s | CPU s | peak MiB |", "|---|---|---|---|---|---|---|"]
    for result in results:
        for number, (system, runs) in enumerate(result.runs.items()):
            rate = f"{result.work.rows / median(runs):,.0f}".replace(",", " ") if result.work.rows else "–"
            times = [run.seconds for run in runs]
            seconds = f"{median(runs):.3f} ({min(times):.3f}–{max(times):.3f})"
            cpu = statistics.median(run.cpu_seconds for run in runs)
            title = result.work.title if number == 0 else ""
            lines.append(f"| {title} | {system} | {len(runs)} | {seconds} | {rate} | {cpu:.2f} | {peak(runs):.0f} |")
    return lines


def fewer(results, options):
    """Who was measured less often than the others, and why."""
    return [
        f"{system} was measured {len(runs)} instead of {options.runs} times in *{result.work.title}*, "
        f"because one run took {runs[0].seconds:.0f} s: who needs more than {options.slow_seconds:g} s has {options.slow_runs} of the rounds."
        for result in results
        for system, runs in result.runs.items()
        if len(runs) < options.runs
    ]
