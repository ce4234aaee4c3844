"""A node: containerd and a kubelet, in folders of their own."""

import json

import cgroups
import isolation
import machine

NAME = "sandbox"
PAUSE = "aggregator.dev/pause:test"
"""What holds a Pod's network while its containers come and go: a program that only waits."""

CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "/run/aggregator-containerd"
[grpc]
address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
disable_apparmor = true
# Else containers cannot be started where root may not protect a process from running out of memory.
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""
# Each Pod has a cable to the node, whose addresses it reaches, and nothing else.
NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": isolation.PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "/run/aggregator-addresses",
            },
        }
    ],
}


def write_containerd(folder):
    """Writes containerd's configuration. Gives back its command, and where it listens."""
    socket, config = folder / "containerd.sock", folder / "containerd.toml"
    config.write_text(CONTAINERD.format(folder=folder, socket=socket, pause=PAUSE, plugins=machine.PLUGINS))
    (folder / "cni").mkdir()
    (folder / "cni" / "pods.conflist").write_text(json.dumps(NETWORK))
    return ["containerd", "--config", config], socket


def write_kubelet(folder, program, identity, socket):
    """Writes the kubelet's configuration, for the node that the API server knows. Gives back its command."""
    (folder / "resolv.conf").write_text("")
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{socket}",
        "address": isolation.NODE,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": identity["clients"]},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "tlsCertFile": identity["certificate"],
        "tlsPrivateKeyFile": identity["key"],
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroups.NAME}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "resolvConf": str(folder / "resolv.conf"),
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        # What else is on this machine is no reason to evict anything.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }
    file = folder / "kubelet.json"
    file.write_text(json.dumps(config))
    return [
        program,
        f"--config={file}",
        f"--kubeconfig={identity['kubeconfig']}",
        f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'certificates'}",
        f"--hostname-override={NAME}",
        f"--node-ip={isolation.NODE}",
    ]
