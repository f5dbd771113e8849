"""Creates and deletes the kind cluster, and says whether the one that is there can be used."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster import cluster as clusters
from e2e.cluster import node_image
from e2e.cluster.cluster import Cluster
from e2e.cluster.commands import CommandError, HarnessError, Words, find_program, logged, output, succeeds
from e2e.cluster.paths import log_dir, run_dir

if TYPE_CHECKING:
    from e2e.cluster.engine import Engine
    from e2e.cluster.programs import Programs
    from e2e.cluster.steps import Step

NETWORK = "kind"
_OURS = "dev.eventplane.harness=network"
_CONFIGURATION = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  failCgroupV1: false
"""


def cluster_name() -> str:
    """Return the cluster's name: `$EVENTPLANE_CLUSTER_NAME`, else `eventplane`."""
    return os.environ.get("EVENTPLANE_CLUSTER_NAME") or "eventplane"


def usable(engine: Engine, patience: float = 0.0) -> Cluster | None:
    """Return the cluster if it was finished, still is the same one, and answers; None otherwise.

    Args:
        engine: where its nodes are.
        patience: seconds a node that runs may take to answer: it may be busy, or booting after its engine restarted.
    """
    saved = clusters.restored(_stamp())
    deadline = time.monotonic() + patience
    while saved is not None and saved.name == cluster_name() and _same_nodes(engine):
        ready: Words = [saved.kubectl_path, "get", "--raw", "/readyz", "--request-timeout=10s"]
        if succeeds(ready, env=saved.environment, timeout=20):
            return saved
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    return None


def ensure_network(engine: Engine) -> str:
    """Make the network of kind's nodes if it is absent; return the address where pods reach this host."""
    if not succeeds(["docker", "network", "inspect", NETWORK], env=engine.environment):
        masquerade = "com.docker.network.bridge.enable_ip_masquerade=true"
        engine.docker("network", "create", "--driver", "bridge", "--label", _OURS, "--opt", masquerade, NETWORK)
    configuration = json.loads(engine.docker("network", "inspect", "--format", "{{json .IPAM.Config}}", NETWORK))
    gateways = [entry["Gateway"] for entry in configuration if "." in entry.get("Gateway", "")]
    return next(filter(_is_local, gateways), None) or address_towards("192.0.2.1")


def create(engine: Engine, programs: Programs, image: str, gateway: str, step: Step) -> Cluster:
    """Create the cluster, in place of a half-made or dead one.

    Raises:
        HarnessError: it did not come up; the message holds kind's last words, and the node's logs are kept.
    """
    delete(engine)
    step.doing("choosing how to run the node")
    environment = {**engine.environment, "KUBECONFIG": str(_kubeconfig())}
    if not _can_run_privileged(engine, image):
        image = node_image.without_privilege(engine, image, step)
        environment |= _unprivileged_docker()
        step.tell("the engine cannot grant CAP_SYS_RESOURCE, the node runs without it")
    configuration = run_dir() / "kind.yaml"
    configuration.write_text(_CONFIGURATION)
    words: Words = ["create", "cluster", "--name", cluster_name(), "--image", image, "--config", configuration]
    try:
        logged([programs.kind, *words, "--retain", "--wait", "120s"], "kind-create", step, env=environment)
    except CommandError as failure:
        _keep_node_logs(engine)
        delete(engine)
        raise HarnessError(f"{failure}\nThe node's own logs: {log_dir() / 'node.log'}") from failure
    _kubeconfig().chmod(0o600)
    created = Cluster(cluster_name(), _kubeconfig(), programs.kubectl, programs.helm, gateway)
    step.doing("waiting for cluster DNS")
    # Available, not rolled out: one of its two replicas answers, the other need not be waited for.
    available = ("--for=condition=Available", "deployment/coredns", "--timeout=120s")
    created.kubectl("wait", "--namespace=kube-system", *available, timeout=150)
    _nodes_record().write_text("\n".join(_nodes(engine)))
    created.save(_stamp())
    return created


def delete(engine: Engine) -> None:
    """Delete the cluster's nodes with their volumes, and what we wrote about it."""
    for file in (_stamp(), _nodes_record(), _kubeconfig(), run_dir() / "kind.yaml"):
        file.unlink(missing_ok=True)
    shutil.rmtree(run_dir() / "docker-unprivileged", ignore_errors=True)
    nodes = _nodes(engine)
    if nodes:
        engine.docker("rm", "--force", "--volumes", *nodes)


def delete_network(engine: Engine) -> None:
    """Delete the nodes' network if we made it and nobody else uses it."""
    ours = engine.docker("network", "ls", "--quiet", "--filter", f"label={_OURS}").split()
    for network in ours:
        succeeds(["docker", "network", "rm", network], env=engine.environment)


def node_names(engine: Engine, name: str) -> list[str]:
    """Return the containers that are the nodes of a kind cluster."""
    label = f"label=io.x-k8s.kind.cluster={name}"
    return engine.docker("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()


def address_towards(host: str) -> str:
    """Return this machine's address on the way to a host; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        address: str = probe.getsockname()[0]
        return address


def _same_nodes(engine: Engine) -> bool:
    try:
        recorded = _nodes_record().read_text().split()
    except OSError:
        return False
    return bool(recorded) and recorded == _nodes(engine, "--filter", "status=running")


def _nodes(engine: Engine, *filters: str) -> list[str]:
    label = f"label=io.x-k8s.kind.cluster={cluster_name()}"
    listed = engine.docker("ps", "--all", "--no-trunc", "--quiet", "--filter", label, *filters)
    return sorted(listed.split())


def _can_run_privileged(engine: Engine, image: str) -> bool:
    command = ["docker", "run", "--rm", "--privileged", "--network", "none", "--entrypoint", "true", image]
    return succeeds(command, env=engine.environment)


def _unprivileged_docker() -> dict[str, str]:
    """Put our `docker` on PATH; return the environment in which it is found first."""
    directory = run_dir() / "docker-unprivileged"
    directory.mkdir(exist_ok=True)
    script = directory / "docker"
    shutil.copy(Path(__file__).parent / "node" / "docker-unprivileged", script)
    script.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}", "EVENTPLANE_DOCKER": str(find_program("docker"))}


def _keep_node_logs(engine: Engine) -> None:
    with (log_dir() / "node.log").open("w") as log:
        for node in node_names(engine, cluster_name()):
            for words in (["logs", node], ["exec", node, "journalctl", "--no-pager", "--lines", "500"]):
                try:
                    log.write(output(["docker", *words], env=engine.environment))
                except CommandError as failure:
                    log.write(f"{failure}\n")


def _is_local(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _stamp() -> Path:
    return run_dir() / "cluster.json"


def _nodes_record() -> Path:
    return run_dir() / "cluster-nodes"


def _kubeconfig() -> Path:
    return run_dir() / "kubeconfig"
