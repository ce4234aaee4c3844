"""What a kubelet needs of a machine, and what it changes there."""

import os
import pathlib
import shutil
import subprocess

import cgroups

ROOT = pathlib.Path("/")
# What a kubelet sets to values of its own.
SYSCTLS = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    # This one is the network plug-in's.
    "net/ipv4/ip_forward",
]
# Where it writes whatever it is told, and nobody else does.
FOLDERS = ["var/lib/kubelet", "var/log/containers"]
PROGRAMS = ["containerd", "ctr", "runc", "ip", "unshare", "setpriv", "mount", "ldd"]
PLUGINS = pathlib.Path("/usr/lib/cni")
MEMORY = 2 * 2**30
DISK = 2 * 2**30


def obstacle(folder):
    """Why this machine is none for a kubelet, as far as nothing has to be installed to know; None if nothing is in the way."""
    if os.geteuid() != 0:
        return "it takes root"
    if runs := kubelets():
        return f"a kubelet runs on this machine already (process {runs[0]}): both would have the same files and settings"
    if not os.access("/dev/kmsg", os.R_OK):
        return "there is no /dev/kmsg to read, where a kubelet looks for processes that the kernel has killed"
    free = available_memory()
    if free < MEMORY:
        return f"{free >> 20} MiB of memory are available, and it takes {MEMORY >> 20}"
    free = shutil.disk_usage(folder).free
    if free < DISK:
        return f"{free >> 20} MiB are free below {folder}, and it takes {DISK >> 20}; TMPDIR may name another place"
    own = cgroups.Cgroups()
    try:
        own.make()
    except OSError as error:
        return f"control groups cannot be made: {error}"
    finally:
        own.remove()
    return None


def missing():
    """Which programs are not installed."""
    programs = [name for name in PROGRAMS if not shutil.which(name)]
    return programs + [str(PLUGINS / name) for name in ("ptp", "host-local", "loopback") if not (PLUGINS / name).exists()]


def kubelets():
    """The processes of kubelets, one that this has started for somebody else included."""
    found = []
    for comm in ROOT.glob("proc/[0-9]*/comm"):
        try:
            if comm.read_text().strip().partition("-")[0] == "kubelet":
                found.append(int(comm.parent.name))
        except OSError:
            pass  # It has ended.
    return found


def available_memory():
    for line in (ROOT / "proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


class State:
    """What is on the machine of what a kubelet changes."""

    def __init__(self, root=ROOT, hierarchies=None):
        self.root = root
        self.settings = {}
        for name in SYSCTLS:
            path = root / "proc/sys" / name
            if path.exists():
                self.settings[path] = path.read_text()
        files = [root / folder for folder in FOLDERS]
        files += [path for folder in files for path in folder.rglob("*")]
        self.files = {path for path in files if path.exists() or path.is_symlink()}
        if hierarchies is None:
            hierarchies = [place for places in cgroups.hierarchies() for place in places]
        names = ("kubepods*", cgroups.NAME)
        self.groups = {path for place in hierarchies for name in names for path in place.glob(name)}
        self.addresses = addresses() if root == ROOT else set()

    def restore(self, now):
        """Puts back what is another now. Gives back what that was."""
        changes = []
        for path, value in self.settings.items():
            if now.settings.get(path) != value:
                changes.append(f"{path} was {value.strip()}, and {now.settings.get(path, '').strip()} afterwards")
                path.write_text(value)
        for path in sorted(now.files - self.files, reverse=True):
            changes.append(f"{path} was not there")
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
        for path in now.groups - self.groups:
            changes.append(f"{path} was not there")
            for folder in sorted((path, *(below for below in path.rglob("*") if below.is_dir())), reverse=True):
                folder.rmdir()
        for address in now.addresses - self.addresses:
            changes.append(f"the address {address} of lo was not there")
            subprocess.run(["ip", "address", "delete", address, "dev", "lo"], check=True)
        return changes


def addresses():
    """The addresses of the machine's loopback device."""
    shown = subprocess.run(["ip", "-oneline", "address", "show", "dev", "lo"], capture_output=True, text=True, check=True)
    return {line.split()[3] for line in shown.stdout.splitlines()}
