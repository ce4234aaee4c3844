"""What `make control-plane` starts: it says what to type when that can be typed, and leaves nothing behind, however it ends."""

import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import unittest

WORKSPACE = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ""), "debug/examples/control-plane")
# How long it may take to be ready, and to end, in seconds.
READY = 120
END = 10
TYPED = (r"^export KUBECONFIG=(.+)$", r"^alias kubectl='(.+) kubectl'$")
MANIFESTS = """
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made}
spec: {generator: {seed: 1, streams: [{name: rows, rows: 1, columns: [{name: id, sequence: {}}]}]}}
"""


def processes(word):
    """The arguments of the processes that have the word among these, or in their environment."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            texts = [(folder / file).read_bytes().decode(errors="replace") for file in ("cmdline", "environ")]
        except OSError:  # It has ended, or is somebody else's.
            continue
        if any(word in text for text in texts):
            found[int(folder.name)] = texts[0].split("\0")
    return found


@unittest.skipUnless(PROGRAM.is_file(), "it is built, and tried, by make test")
class ControlPlane(unittest.TestCase):
    def start(self, plane):
        """Starts it, and waits until it has said what to type."""
        environment = {**os.environ, "AGGREGATOR_PLANE": plane, "CARGO_MANIFEST_DIR": str(WORKSPACE / "tests")}
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.started = subprocess.Popen([PROGRAM], env=environment, start_new_session=True, **pipe)
        for clean in (self.started.stdout.close, self.started.wait, self.started.kill):
            self.addCleanup(clean)
        late = threading.Timer(READY, self.started.kill)
        late.start()
        self.addCleanup(late.cancel)
        said = ""
        for line in self.started.stdout:
            said += line
            if line.startswith("More: "):
                break
        late.cancel()
        found = [re.search(line, said, re.MULTILINE) for line in TYPED]
        self.assertTrue(all(found), said)
        self.kubeconfig, self.program = (line.group(1) for line in found)
        self.folder = pathlib.Path(self.kubeconfig).parent

    def kubectl(self, *arguments, typed=None):
        command = [self.program, "kubectl", *arguments]
        environment = {**os.environ, "KUBECONFIG": self.kubeconfig}
        done = subprocess.run(command, env=environment, input=typed, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def ends(self, code):
        """It ends soon, with that exit code, and nothing is left of it. Gives what it says besides."""
        said, _ = self.started.communicate(timeout=END)
        self.assertEqual(self.started.returncode, code, said)
        self.assertFalse(self.folder.exists(), self.folder)
        # What a node has started hears of its end by itself.
        since = time.monotonic()
        while (left := processes(str(self.folder))) and time.monotonic() < since + END:
            time.sleep(0.1)
        self.assertEqual(left, {})
        return said

    def test_what_it_says_can_be_typed_and_an_interrupt_ends_all_of_it(self):
        self.start("real")
        self.assertRegex(self.kubectl("get", "nodes", "--no-headers"), r"^laptop +Ready ")
        self.assertIn("created", self.kubectl("apply", "--filename=-", typed=MANIFESTS))
        waited = self.kubectl("wait", "connector/made", "--for=condition=Ready", "--timeout=60s")
        self.assertIn("condition met", waited, self.kubectl("describe", "connector", "made"))
        operator = "--as=system:serviceaccount:aggregator-system:aggregator-operator"
        rights = [self.kubectl("auth", "can-i", "get", what, operator).strip() for what in ("jobs", "secrets")]
        self.assertEqual(rights, ["yes", "no"])
        self.started.send_signal(signal.SIGINT)
        self.assertIn("ending", self.ends(0))

    def test_a_part_that_dies_is_named_and_ends_all_of_it(self):
        parts = {"the operator": "operator", "the node": "/laptop.json", "embedded-kube": "/embedded-kube.json"}
        for part, word in parts.items():
            with self.subTest(part):
                self.start("embedded")
                running = processes(str(self.folder))
                found = [process for process, words in running.items() if any(it.endswith(word) for it in words)]
                self.assertEqual(len(found), 1, running)
                os.kill(found[0], signal.SIGKILL)
                self.assertIn(f"{part} has ended, and so does everything else", self.ends(1))


if __name__ == "__main__":
    unittest.main()
