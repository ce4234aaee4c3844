"""The measured figures as a table, and its place in the documentation."""

import datetime
import os
import re

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def verdicts(work):
    """What was asked of ours beside each peer, and whether it holds."""
    ours = work["systems"]["ours"]["seconds"]
    found = {}
    for peer, kind, factor in work["limits"]:
        if peer not in work["systems"]:
            continue
        theirs = work["systems"][peer]["seconds"]
        ratio = ours / theirs if kind == "time" else theirs / ours
        holds = ratio <= factor if kind == "time" else ratio >= factor
        sign = "≤" if kind == "time" else "≥"
        found[peer] = f"{ratio:.2f} × {'its time' if kind == 'time' else 'its rate'}, asked {sign} {factor:g}: {'holds' if holds else '**missed**'}"
    return found


def table(works, options):
    """GitHub's Markdown."""
    day = datetime.date.today().isoformat()
    lines = [
        f"Measured on {day}, {os.cpu_count()} cores, TPC-H scale factor {options.scale}, medians of {options.runs} interleaved runs.",
        "",
        "| work | system | seconds (fastest–slowest) | rows/s | CPU s | peak MiB | ours beside it |",
        "|---|---|---|---|---|---|---|",
    ]
    for work in works:
        found = verdicts(work)
        for number, (system, figures) in enumerate(work["systems"].items()):
            rate = f"{work['rows'] / figures['seconds']:,.0f}".replace(",", " ") if work["rows"] else "–"
            few = f", {figures['runs']} run" if figures["runs"] == 1 and options.runs > 1 else ""
            seconds = f"{figures['seconds']:.2f} ({figures['fastest']:.2f}–{figures['slowest']:.2f}{few})"
            title = work["title"] if number == 0 else ""
            verdict = found.get(system, "")
            lines.append(f"| {title} | {system} | {seconds} | {rate} | {figures['cpuSeconds']:.2f} | {figures['peakMiB']:.0f} | {verdict} |")
    return "\n".join(lines)


def write(path, text):
    """Puts the table between its marks."""
    page = path.read_text(encoding="utf-8")
    path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.S), encoding="utf-8")
