"""A control plane, a node with a kubelet, and the operator: what is started, and what there is to say when it fails."""

import json
import os
import pathlib
import select
import subprocess
import time
import urllib.parse

import forward
import isolation
import node

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = "aggregator.dev/aggregator:test"
PATIENCE = 180
"""How many seconds anything may take."""


class Failed(Exception):
    """It is not as it should be."""


def eventually(what, look):
    """What the function gives back, once it is something."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise Failed(f"not within {PATIENCE} s: {what}")
        time.sleep(0.2)


class Cluster:
    """What runs in here. It ends with this process."""

    def __init__(self, folder, programs):
        self.folder = pathlib.Path(folder)
        self.programs = programs
        self.parts = {}
        self.plane = None

    def start(self, name, command, **options):
        with open(self.folder / f"{name}.log", "ab") as log:
            options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log} | options
            process = subprocess.Popen([str(part) for part in command], **options)
        self.parts[name] = process
        return process

    def alive(self):
        for name, process in self.parts.items():
            if process.poll() is not None:
                raise Failed(f"{name} has ended with {process.returncode}")

    def start_plane(self):
        environment = os.environ | {"CARGO_MANIFEST_DIR": str(ROOT / "tests"), "TMPDIR": str(self.folder)}
        command = [self.programs["plane"], node.NAME, isolation.NODE]
        process = self.start("plane", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        if not select.select([process.stdout], [], [], PATIENCE)[0]:
            raise Failed(f"not within {PATIENCE} s: a control plane")
        line = process.stdout.readline()
        if not line:
            process.wait(PATIENCE)
            raise Failed("the control plane did not start")
        self.plane = json.loads(line)
        server = urllib.parse.urlsplit(self.plane["server"])
        forward.serve((isolation.SERVICE, 443), (server.hostname, server.port))

    def start_containerd(self, images):
        command, socket = node.write_containerd(self.folder)
        self.start("containerd", command)
        ask = ["ctr", "--address", str(socket), "--namespace", "k8s.io"]

        def answers():
            self.alive()
            return subprocess.run([*ask, "version"], capture_output=True, check=False).returncode == 0

        eventually("an answer of containerd", answers)
        for image in images:
            done = subprocess.run([*ask, "images", "import", image], capture_output=True, text=True, check=False)
            if done.returncode:
                raise Failed(f"{image} was not taken: {done.stderr}")
        return socket

    def start_kubelet(self, socket):
        command = node.write_kubelet(self.folder, self.programs["kubelet"], self.plane["node"], socket)
        self.start("kubelet", command)
        ready = '--output=jsonpath={.status.conditions[?(@.type=="Ready")].status} {.spec.taints}'

        def is_ready():
            self.alive()
            return self.ask("get", "node", node.NAME, ready).stdout == "True "

        eventually("a ready node", is_ready)

    def start_operator(self, data):
        command = [self.programs["aggregator"], "operator", f"--worker-image={IMAGE}", f"--allow-host-paths={data}"]
        command += [f"--host-path-base={data}", "--health-address=127.0.0.1:0", "-v"]
        self.start("operator", command, env=os.environ | {"KUBECONFIG": self.plane["kubeconfig"]})

    def ask(self, *arguments):
        """What kubectl answers, whatever that is."""
        command = [self.plane["program"], "kubectl", f"--kubeconfig={self.plane['kubeconfig']}", *arguments]
        # Caches and preferences of the user are left alone.
        environment = os.environ | {"HOME": str(self.folder)}
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, env=environment)

    def kubectl(self, *arguments):
        """What kubectl puts out."""
        done = self.ask(*arguments)
        if done.returncode:
            raise Failed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def dump(self):
        """Everything that there is to say."""
        if self.plane:
            kinds = "nodes,connectors,pipelines,transformations,pipelineruns,checkpoints,jobs,pods,configmaps,serviceaccounts"
            for arguments in (
                ["get", kinds, "--all-namespaces", "--output=yaml"],
                ["describe", "node", node.NAME],
                ["events", "--all-namespaces"],
            ):
                done = self.ask(*arguments)
                print(f"== kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}")
            for pod in self.ask("get", "pods", "--namespace=demo", "--output=name").stdout.split():
                done = self.ask("logs", "--namespace=demo", pod)
                print(f"== the log of {pod}\n{done.stdout}{done.stderr}")
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-80:]
            print(f"== the end of {log.name}", *lines, sep="\n")
