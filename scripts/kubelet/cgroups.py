"""The control groups below which the kubelet makes those of its Pods: one of our own in each hierarchy."""

import pathlib
import time

NAME = "aggregator-kubelet"
# What a kubelet asks for in the one hierarchy of version 2, if the machine has it.
CONTROLLERS = ["cpu", "cpuset", "memory", "hugetlb", "pids"]
MOUNTS = pathlib.Path("/proc/self/mounts")


def hierarchies(mounts=MOUNTS):
    """Where the machine has its hierarchies: those that a kubelet uses, of version 1 or else the one of version 2, and others.

    A container runtime makes groups in the others, too.
    """
    found = {"cgroup": [], "cgroup2": []}
    for line in mounts.read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in found:
            found[kind].append(pathlib.Path(place))
    if found["cgroup"]:
        return found["cgroup"], found["cgroup2"]
    return found["cgroup2"], []


class Cgroups:
    """Control groups that were made, and that go with everything below."""

    def __init__(self, roots=None, others=()):
        self.roots, self.others = (roots, others) if roots is not None else hierarchies()
        self.enabled = []

    def make(self):
        """Raises OSError when this machine does not let us."""
        if not self.roots:
            raise OSError("no hierarchy of control groups is mounted")
        for root in self.roots:
            (root / NAME).mkdir(exist_ok=True)
            self.enable(root)

    def enable(self, root):
        """Gives our group of version 2 its controllers. Those of version 1 have them, but no processors yet."""
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (root / "tasks").exists() and (root / name).exists():
                (root / NAME / name).write_text((root / name).read_text())
        if not (root / "cgroup.controllers").exists():
            return
        there = (root / "cgroup.controllers").read_text().split()
        passed_on = (root / "cgroup.subtree_control").read_text().split()
        for controller in CONTROLLERS:
            if controller in there and controller not in passed_on:
                (root / "cgroup.subtree_control").write_text(f"+{controller}")
                self.enabled.append((root, controller))

    def remove(self, patience=20):
        """Removes the groups, when their last processes have ended. Gives back what could not be removed, and why."""
        left = []
        deadline = time.monotonic() + patience
        for root in [*self.roots, *self.others]:
            own = root / NAME
            # The deepest first. Their files go with them.
            folders = sorted((path for path in own.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
            for folder in [*folders, own]:
                while folder.exists():
                    try:
                        folder.rmdir()
                    except OSError as error:
                        if time.monotonic() > deadline:
                            left.append(f"{folder}: {error.strerror}")
                            break
                        time.sleep(0.1)
        for root, controller in self.enabled:
            try:
                (root / "cgroup.subtree_control").write_text(f"-{controller}")
            except OSError as error:
                left.append(f"{root}/cgroup.subtree_control -{controller}: {error.strerror}")
        self.enabled = []
        return left
