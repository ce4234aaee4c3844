"""Runs a sample on a node with a kubelet, in a world that is closed before. Started by scripts/kubelet/run alone.

Usage: inside.py FOLDER attempt|PROGRAMS
"""

import collections
import json
import os
import pathlib
import sys

import isolation
import node
from cluster import IMAGE, ROOT, Cluster, Failed, eventually

# Who the workers are.
WORKER = 65532
ORDERS = 10_000
PRODUCTS = ["lamp", "desk", "chair", "shelf", "rug", "clock", "mirror"]


def write_orders(file):
    """Writes orders. Gives back how many of each product they are."""
    sold = collections.Counter()
    lines = ["product,quantity"]
    for number in range(ORDERS):
        product, quantity = PRODUCTS[number % len(PRODUCTS)], number % 11
        sold[product] += quantity
        lines.append(f"{product},{quantity}")
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(lines) + "\n")
    return dict(sold)


def equal(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what}: {found!r} instead of {wanted!r}")


def ended(cluster):
    """The run, once it has its end."""

    def look():
        cluster.alive()
        run = cluster.get("pipelinerun", "first", "--namespace=demo")
        conditions = [it for it in run.get("status", {}).get("conditions", []) if it["type"] == "Succeeded"]
        return run if conditions and conditions[0]["status"] != "Unknown" else None

    return eventually("an end of the run", look)


def lists(folder):
    """The rows below a folder, but for what is nobody's business."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    own = [path for path in files if not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)]
    return [json.loads(line) for path in own for line in path.read_text().splitlines()]


def check_run(cluster, data, sold):
    run = ended(cluster)
    status = run["status"]
    equal("the phase", status["phase"], "Succeeded")
    totals = {"read": ORDERS, "written": len(sold), "rejected": 0}
    equal("the totals", status["totals"], totals)
    rows = lists(data / "lists")
    equal("what was written", {row["product"]: row["sold"] for row in rows}, sold)
    equal("how many rows", len(rows), len(sold))

    (pod,) = cluster.get("pods", "--namespace=demo", f"--selector=batch.kubernetes.io/job-name={status['job']}")["items"]
    equal("the phase of the Pod", pod["status"]["phase"], "Succeeded")
    equal("the node of the Pod", pod["spec"]["nodeName"], node.NAME)
    (container,) = pod["status"]["containerStatuses"]
    equal("the image", container["image"], IMAGE)
    if not container["containerID"].startswith("containerd://"):
        raise Failed(f"the container is not containerd's: {container}")
    log = cluster.kubectl("logs", "--namespace=demo", f"job/{status['job']}")
    report = json.loads(log.splitlines()[-1])
    equal("the outcome in the report", report["outcome"], "Succeeded")
    equal("what the report has read", [it["read"] for it in report["nodes"] if it["kind"] == "Source"], [ORDERS])
    print(log, end="")
    return container["imageID"]


def check_tests(cluster):
    """The tests of a Transformation are run by a Pod that nobody knows at the API server."""
    cluster.kubectl(
        "wait", "transformation/clean-flight", "--namespace=demo", "--for=condition=TestsPassed", "--timeout=120s"
    )


def work(cluster):
    data = cluster.folder / "data"
    sold = write_orders(data / "shop/orders.csv")
    (data / "lists").mkdir()
    os.chown(data / "lists", WORKER, WORKER)
    print("starting a control plane, containerd and a kubelet …")
    cluster.start_plane()
    socket = cluster.start_containerd([cluster.folder / name for name in cluster.programs["images"]])
    cluster.start_kubelet(socket)
    info = cluster.get("node", node.NAME)["status"]["nodeInfo"]
    print(f"a node is ready: kubelet {info['kubeletVersion']}, {info['containerRuntimeVersion']}")
    cluster.start_operator(data)
    samples = ROOT / "config/samples"
    for file in (samples / "00-namespace.yaml", samples / "clean-flight.yaml", ROOT / "scripts/kubelet/sample.yaml"):
        cluster.kubectl("apply", f"--filename={file}")
    image = check_run(cluster, data, sold)
    check_tests(cluster)
    print(f"the run and the tests of a Transformation have succeeded in Pods of the image {image}")


def main():
    folder, what = sys.argv[1:]
    sys.stdout.reconfigure(line_buffering=True)
    # Workers read what is written here.
    os.umask(0o022)
    if what == "attempt":
        isolation.attempt(folder)
        return 0
    isolation.close(folder)
    isolation.connect()
    cluster = Cluster(pathlib.Path(folder), json.loads(what))
    try:
        work(cluster)
    except Exception as error:  # Whatever it is, there is more to say.
        cluster.dump()
        print(f"FAILED: {type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except isolation.Refused as error:
        print(error, file=sys.stderr)
        sys.exit(1)
