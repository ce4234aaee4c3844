"""A world of its own for a kubelet: mounts, network and processes that the machine does not see, and that end with us."""

import pathlib
import subprocess

import machine

SERVICE = "10.0.0.1"
"""Where Pods find the API server: the first address of its Services."""
NODE = "10.1.0.1"
"""Where the API server finds the kubelet. A kubelet refuses addresses of the loopback network."""
PODS = "10.2.0.0/24"
# Folders in which a kubelet and containerd write, whatever they are told.
SHARED = ["/run", "/var/lib", "/var/log"]
# Who ends it is to take everything along: the process ends with its parent, and its children with it.
ENTER = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc"]
ENTER += ["--kill-child", "--propagation", "private", "--"]


class Refused(Exception):
    """This machine does not do what a kubelet needs."""


def do(*command):
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Refused(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise Refused(f"{' '.join(str(part) for part in command)}: {done.stderr.strip()}")


def close(folder):
    """What is written to the machine's folders and settings from now on is seen in here alone, and lost afterwards."""
    memory = pathlib.Path(folder, "memory")
    memory.mkdir(exist_ok=True)
    do("mount", "-t", "tmpfs", "tmpfs", memory)
    for place in SHARED:
        name = place.strip("/").replace("/", "-")
        upper, work = memory / name / "upper", memory / name / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        do("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", place)
    for name in machine.SYSCTLS:
        setting = pathlib.Path("/proc/sys", name)
        # The network is another one already, with settings of its own.
        if setting.exists() and not name.startswith("net/"):
            copy = memory / name.replace("/", "-")
            copy.write_text(setting.read_text())
            do("mount", "--bind", copy, setting)


def connect():
    """The network in here: one device with the addresses that the node needs."""
    do("ip", "link", "set", "dev", "lo", "up")
    for address in (SERVICE, NODE):
        do("ip", "address", "add", f"{address}/32", "dev", "lo")


def attempt(folder):
    """Does what a kubelet and containerd will do first."""
    close(folder)
    connect()
    do("ip", "link", "add", "name", "pod0", "type", "veth", "peer", "name", "host0")
    lower, upper, work, merged = (pathlib.Path(folder, name) for name in ("lower", "upper", "work", "merged"))
    for place in (lower, upper, work, merged):
        place.mkdir()
    do("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", merged)
