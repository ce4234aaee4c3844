"""Where everything is that is measured, and how each system is called."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import manifest
import tpch
from command import Command

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "aggregator"

# What prints the first row that a query gives in DuckDB, and nothing else: progress would go to the same place.
ROW = """import duckdb, sys
duckdb.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
print("|".join(str(value) for value in duckdb.execute(sys.argv[1]).fetchone()))"""


class Peers:
    """What scripts/setup has installed: programs, and the environment of the Python libraries."""

    def __init__(self, cache):
        requirements = HERE / "requirements.txt"
        venv = cache / f"bench-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]}"
        if not (venv / "bin/python").exists():
            sys.exit("bench: the peers are not installed; run scripts/setup bench")
        self.python, self.tpchgen = venv / "bin/python", venv / "bin/tpchgen-cli"
        self.sling = next(venv.glob("lib/python*/site-packages/sling_linux_amd64/bin/sling-linux-amd64"))
        self.versions = [line for line in requirements.read_text().split() if "==" in line]


class Bench:
    """One scale factor: its data, and a folder and a server to work with."""

    def __init__(self, options, scale, folder, server):
        self.peers = Peers(CACHE)
        self.binary = pathlib.Path(os.environ.get("AGGREGATOR", ROOT / "dist/aggregator"))
        self.scale = scale
        self.data = tpch.data(options.data or CACHE / "bench-data", scale, self.peers.tpchgen)
        self.lineitem_rows = tpch.rows(self.data / "lineitem.csv")
        self.work, self.server = folder, server

    def clear(self):
        """Forgets the work before."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.server.drop(self.server.PREPARED)
        self.server.fresh()

    def folder(self, name):
        """An empty folder."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def places(self):
        """Names for what is another one on each machine, and in each run."""
        return {
            str(self.binary): "aggregator",
            str(self.work): "$WORK",
            str(self.data): "$DATA",
            str(self.peers.python): "python",
            str(self.peers.sling): "sling",
            f"{HERE}/": "scripts/bench/",
            self.server.psql(self.server.DATABASE)[0]: "psql",
            str(self.server.port): "$PORT",
        }

    def duckdb(self, query):
        """The one row of a query, as text, computed by none of the measured processes."""
        done = subprocess.run([self.peers.python, "-c", ROW, query], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"bench: {query}\n{done.stderr}")
        return done.stdout.strip()

    def postgres(self, query):
        """The same of the server."""
        return self.server.execute(query, self.server.DATABASE)

    def ours(self, nodes, connectors=None, budget="rows: 0"):
        """A run of a Pipeline with these nodes, with empty folders for what it writes and remembers."""
        known = {
            "db": manifest.database(self.server),
            # The same folder, with the columns of lineitem declared, and without.
            "csv": manifest.files("csv", self.data, manifest.DECLARED),
            "plain": manifest.files("plain", self.data),
            "lake": manifest.files("lake", self.folder("ours"), manifest.PARQUET),
            "rejects": manifest.files("rejects", self.folder("rejects"), manifest.PARQUET),
        } | (connectors or {})
        pipeline = manifest.pipeline(nodes, budget)
        text = "".join(part for name, part in known.items() if f"connector: {name}," in pipeline) + pipeline
        path = self.work / "work.yaml"
        path.write_text(text)
        return Command([self.binary, "run", "-f", path, "--state", self.folder("state")], files={path.name: text})

    def psql(self, statement):
        return Command([*self.server.psql(self.server.DATABASE), "-c", statement], self.server.variables)

    def peer(self, program, *arguments):
        """A program of the folder `peers`."""
        return Command([self.peers.python, HERE / "peers" / program, *arguments])

    def sling(self, *arguments, files=None):
        # Its other way of writing Parquet downloads a program.
        variables = {"PG": self.server.url(self.server.DATABASE), "SLING_DUCKDB_COMPUTE": "false", "SLING_DISABLE_TELEMETRY": "TRUE"}
        return Command([self.peers.sling, "run", *arguments], variables, files or {})
