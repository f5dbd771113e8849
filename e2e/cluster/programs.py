"""Chooses the programs that talk to a cluster: kind, helm and kubectl, from PATH where they fit, else built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2e.cluster import go_build
from e2e.cluster.commands import CommandError, find_program, output

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.cluster.steps import Step

_OLDEST_KIND = (0, 31)  # the first that configures the kubeadm of the Kubernetes we run
_OLDEST_HELM = (3, 14)


@dataclass(frozen=True)
class Programs:
    """Programs that talk to a cluster."""

    kind: Path
    helm: Path
    kubectl: Path


def choose(kubernetes: Path | None, step: Step) -> Programs:
    """Return programs that fit, building those that are absent or too old.

    Args:
        kubernetes: directory of the Kubernetes programs if the node image was built from them; their kubectl has
            the cluster's own version.
        step: what the user is told about.
    """
    kind = _fitting("kind", ["version"], _OLDEST_KIND) or go_build.programs(go_build.KIND, step) / "kind"
    return Programs(kind=kind, helm=helm(step), kubectl=kubectl(kubernetes, step))


def helm(step: Step) -> Path:
    """Return the helm from PATH if it is new enough, else one built."""
    return _fitting("helm", ["version", "--short"], _OLDEST_HELM) or go_build.programs(go_build.HELM, step) / "helm"


def kubectl(kubernetes: Path | None, step: Step) -> Path:
    """Return the kubectl built with the node, else one from PATH, else one built for itself."""
    if kubernetes:
        return kubernetes / "kubectl"
    return find_program("kubectl") or go_build.programs(go_build.KUBECTL, step) / "kubectl"


def version_in(text: str) -> tuple[int, int]:
    """Return major and minor of the first version in a text; (0, 0) without one."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _fitting(name: str, words: list[str], oldest: tuple[int, int]) -> Path | None:
    program = find_program(name)
    try:
        return program if program and version_in(output([program, *words])) >= oldest else None
    except CommandError:  # a version manager's stub without a version
        return None
