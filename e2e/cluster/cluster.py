"""A cluster that runs: what tests, demo and bench need to use it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.commands import output
from e2e.cluster.paths import write_whole


@dataclass(frozen=True)
class Cluster:
    """A cluster that answered a moment ago.

    Attributes:
        name: its name; kind's, or the context's.
        kubeconfig: file with mode 0600 that reaches it as administrator.
        kubectl_path: a kubectl that suits its version.
        helm_path: a helm.
        gateway: address where a server on this host is reached by the host and by pods alike.
    """

    name: str
    kubeconfig: Path
    kubectl_path: Path
    helm_path: Path
    gateway: str

    def kubectl(self, *words: str | Path, feed: bytes | None = None, timeout: float = 120.0) -> str:
        """Run kubectl against this cluster and return its output; raises CommandError."""
        return output([self.kubectl_path, *words], env=self.environment, feed=feed, timeout=timeout)

    def helm(self, *words: str | Path, timeout: float = 300.0) -> str:
        """Run helm against this cluster and return its output; raises CommandError."""
        return output([self.helm_path, *words], env=self.environment, timeout=timeout)

    def load_image(self, reference: str) -> None:
        """Bring an image of the local engine to the nodes, unless they hold exactly it; raises HarnessError."""
        from e2e.cluster.image_loading import load  # noqa: PLC0415 - it knows this class

        load(self.name, reference)

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which Kubernetes programs use this cluster."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    def save(self, file: Path) -> None:
        """Write how to reach the cluster, for `restored`."""
        write_whole(file, json.dumps({name: str(value) for name, value in vars(self).items()}, indent=1))


def restored(file: Path) -> Cluster | None:
    """Return the cluster that `Cluster.save` wrote; None when the file is absent or unreadable."""
    try:
        saved = json.loads(file.read_text())
        paths = {key: Path(saved[key]) for key in ("kubeconfig", "kubectl_path", "helm_path")}
        return Cluster(name=saved["name"], gateway=saved["gateway"], **paths)
    except (OSError, ValueError, KeyError, TypeError):
        return None
