"""Uses the cluster of the current kubeconfig context instead of our own, never a remote one unless forced."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from e2e.cluster import programs
from e2e.cluster.cluster import Cluster
from e2e.cluster.commands import HarnessError, output
from e2e.cluster.kind_cluster import address_towards
from e2e.cluster.paths import run_dir, write_whole
from e2e.cluster.steps import step

if TYPE_CHECKING:
    from pathlib import Path

_LOCAL_CONTEXTS = ("kind-", "minikube", "k3d-", "docker-desktop", "rancher-desktop", "orbstack", "colima")


def wanted() -> bool:
    """Say whether the user asked for it: `EVENTPLANE_CLUSTER=current`.

    Raises:
        HarnessError: the variable holds something else.
    """
    value = os.environ.get("EVENTPLANE_CLUSTER", "")
    if value not in ("", "kind", "current"):
        raise HarnessError(f"EVENTPLANE_CLUSTER is kind or current, not {value!r}")
    return value == "current"


def use() -> Cluster:
    """Return the current context's cluster, its kubeconfig copied so that a later switch does not move us.

    Raises:
        HarnessError: there is none, it is not local, or it does not answer.
    """
    with step("cluster") as current:
        kubectl = programs.kubectl(None, current)
        text = output([kubectl, "config", "view", "--minify", "--flatten", "--raw", "--output", "json"])
        context, server = context_and_server(json.loads(text))
        addresses = _addresses(urlsplit(server).hostname or "")
        if not is_local(context, addresses) and os.environ.get("EVENTPLANE_CLUSTER_FORCE") != "1":
            raise HarnessError(
                f"context {context!r} ({server}) does not look like a cluster on this machine. "
                "Switch the context, or set EVENTPLANE_CLUSTER_FORCE=1 if it may be filled with test objects."
            )
        write_whole(_kubeconfig(), text)
        gateway = address_towards("192.0.2.1" if ipaddress.ip_address(addresses[0]).is_loopback else addresses[0])
        found = Cluster(context, _kubeconfig(), kubectl, programs.helm(current), gateway)
        found.kubectl("get", "--raw", "/readyz", "--request-timeout=20s")
        current.result(f"using context {context}")
        return found


def forget() -> None:
    """Delete our copy of its kubeconfig; the cluster is not ours to stop."""
    _kubeconfig().unlink(missing_ok=True)


def context_and_server(kubeconfig: dict[str, Any]) -> tuple[str, str]:
    """Return the current context's name and API server of a minified kubeconfig; raises HarnessError without one."""
    clusters = kubeconfig.get("clusters") or []
    context = kubeconfig.get("current-context")
    if not context or not clusters:
        raise HarnessError("EVENTPLANE_CLUSTER=current, but the kubeconfig has no current context")
    return str(context), str(clusters[0]["cluster"]["server"])


def is_local(context: str, addresses: list[str]) -> bool:
    """Say whether a cluster is on this machine.

    | API server's addresses | context name of a local tool | local |
    |---|---|---|
    | all loopback | any | yes |
    | all private (a VM or a container) | yes | yes |
    | all private | no | no: an office or a VPN |
    | any public, or none | any | no |
    """
    parsed = [ipaddress.ip_address(address) for address in addresses]
    if not parsed:
        return False
    if all(address.is_loopback for address in parsed):
        return True
    return context.startswith(_LOCAL_CONTEXTS) and all(address.is_private for address in parsed)


def _addresses(host: str) -> list[str]:
    try:
        return sorted({str(info[4][0]) for info in socket.getaddrinfo(host, None, socket.AF_INET)})
    except OSError as unknown:
        raise HarnessError(f"the API server's name {host!r} does not resolve") from unknown


def _kubeconfig() -> Path:
    return run_dir() / "kubeconfig-current"
