"""What stands between the marks of docs/benchmarks.md: all of it is of one run of the bench."""

import hashlib
import os
import re
import subprocess

import report

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def build(bench):
    """What was measured: a version alone says too little between releases."""
    version = subprocess.run([bench.binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    digest = hashlib.sha256(bench.binary.read_bytes()).hexdigest()[:12]
    git = ["git", "-C", bench.binary.parent, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "unknown"
    return f"{version}, checkout {commit}, SHA-256 of the binary {digest}…"


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, Linux {os.uname().release}"


def days(results):
    """When the works were measured."""
    first, last = min(result.day for result in results), max(result.day for result in results)
    return first.isoformat() if first == last else f"{first.isoformat()} to {last.isoformat()}, each work on one day,"


def heading(bench, options, load, results):
    server = bench.server.execute("SHOW server_version")
    return [
        f"Measured on {days(results)} at TPC-H scale factor {bench.scale:g}: "
        f"medians of {options.runs} interleaved runs of every system, fewer of a slow one.",
        "",
        f"- Build: {build(bench)}",
        f"- Machine: {machine()}; load average when it began {load:.2f}",
        f"- Beside: PostgreSQL {server}, {', '.join(bench.peers.versions)}",
        "",
    ]


def commands(results):
    """How each system was called for each work, and what it was given."""
    lines = []
    for result in results:
        lines += [f"<details><summary>{result.work.name}: commands and manifests</summary>", ""]
        for system, command in result.commands.items():
            lines += [f"{system}:", "", "```sh", command.line, "```", ""]
            for name, text in command.files.items():
                lines += [f"`{name}`:", "", "```yaml", text.rstrip(), "```", ""]
        lines += [f"All of them made, in every run: `{result.work.expected}`", "", "</details>", ""]
    return lines


def text(bench, options, load, results, larger):
    """All of it, as GitHub's Markdown."""
    lines = heading(bench, options, load, results)
    lines += ["Times and rates are those of ours beside the named system; peaks are the highest of all runs.", "", *report.asked(results), ""]
    if larger:
        scale, measured = larger
        lines += [f"Ours alone at scale factor {scale:g}:", "", *report.large(results, measured, scale), ""]
    lines += ["What each system's own process took, without the server's:", "", *report.figures(results), ""]
    for line in report.fewer(results, options):
        lines += [line, ""]
    lines += [
        "`$DATA` is the folder with the generated tables, `$WORK` one for results, `$PORT` the private server's.",
        "Rows and sums over their digests were compared after every run.",
        "",
    ]
    return "\n".join(lines + commands(results)).rstrip()


def write(path, generated):
    """Puts it between the marks."""
    page = path.read_text(encoding="utf-8")
    if BEGIN not in page or END not in page:
        raise SystemExit(f"bench: {path} has no place for figures: {BEGIN} and {END}")
    path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{generated}\n{END}", page, flags=re.S), encoding="utf-8")
