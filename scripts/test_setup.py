"""Which tools `scripts/setup` takes for new enough, tried with programs that only say a version."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SETUP = pathlib.Path(__file__).parent / "setup"
GOOD = {
    "cargo": "cargo 1.95.0 (abcdef 2026-10-01)",
    "go": "go version go1.26.0 linux/amd64",
    "node": "v20.0.0",
    "npm": "10.1.0",
}
RUST = "Rust 1.95 or later, with cargo: https://rustup.rs"
GO = "Go 1.26 or later, for the S3 server and the Kubernetes control plane that tests start: https://go.dev/dl"
NODE = "Node.js 20 or later, with npm: https://nodejs.org"
NPM = "npm, which comes with Node.js: https://nodejs.org"


def setup(purpose, **said):
    """Runs the script where the tools say that, or are not there (None). Gives its exit code and what it says of tools."""
    with tempfile.TemporaryDirectory() as folder:
        # Nothing may be installed from here.
        programs = {**GOOD, "apt-get": None, **said}
        for name, text in programs.items():
            program = pathlib.Path(folder, name)
            program.write_text("#!/bin/sh\nexit 1\n" if text is None else f"#!/bin/sh\necho '{text}'\n")
            program.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}
        done = subprocess.run([SETUP, purpose], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if line.startswith(("missing: ", "too old: "))]


class Versions(unittest.TestCase):
    def test_what_is_new_enough_is_not_told(self):
        for version in ["1.95.0", "1.95.3", "1.100.0", "2.0.0"]:
            self.assertEqual(setup("build", cargo=f"cargo {version} (abcdef 2026-10-01)"), (0, []), version)
        for version in ["v20.0.0", "v20.11.1", "v100.0.0"]:
            self.assertEqual(setup("demo", node=version)[1], [], version)
        # Something else is missing, so that nothing is built.
        for version in ["go1.26", "go1.26.1", "go1.100.0", "go2.0"]:
            told = setup("test", go=f"go version {version} linux/amd64", npm=None)
            self.assertEqual(told, (1, [f"missing: {NPM}"]), version)

    def test_what_is_too_old_is_told_with_its_version(self):
        for version in ["1.94.9", "1.9.0", "0.99.0"]:
            told = setup("build", cargo=f"cargo {version} (abcdef 2026-10-01)")
            self.assertEqual(told, (1, [f"too old: cargo {version}; {RUST}"]))
        for version in ["19.9.9", "2.0.0", "18.19.0"]:
            self.assertEqual(setup("demo", node=f"v{version}"), (1, [f"too old: node {version}; {NODE}"]))
        told = setup("test", go="go version go1.25.9 linux/amd64", node="v18.0.0", cargo="cargo 1.80.1 (a 2024-01-01)")
        expected = [f"too old: cargo 1.80.1; {RUST}", f"too old: go 1.25.9; {GO}", f"too old: node 18.0.0; {NODE}"]
        self.assertEqual(told, (1, expected))

    def test_what_is_missing_or_says_no_version_is_told(self):
        self.assertEqual(setup("build", cargo=None), (1, [f"missing: {RUST}"]))
        self.assertEqual(setup("demo", node=None, npm=None), (1, [f"missing: {NODE}", f"missing: {NPM}"]))
        self.assertEqual(setup("demo", node="a node"), (1, [f"missing: {NODE}"]))
        self.assertEqual(setup("kubelet", go=None, node=None), (1, [f"missing: {GO}"]))
        # What another purpose needs is not asked for.
        self.assertEqual(setup("build", go=None, node=None, npm=None), (0, []))


if __name__ == "__main__":
    unittest.main()
