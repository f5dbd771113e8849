"""Brings images of the local engine to a cluster's nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.cluster import engine as engines
from e2e.cluster import kind_cluster
from e2e.cluster.commands import CommandError, HarnessError, logged, output, piped
from e2e.cluster.steps import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.cluster.engine import Engine

_NAMESPACE = ("ctr", "--namespace", "k8s.io", "images")


def load(name: str, *references: str) -> None:
    """Bring images to every node that does not hold exactly them.

    Args:
        name: the kind cluster's name, or the current context's.
        references: images of the local engine, e.g. `eventplane/operator:dev`.

    Raises:
        HarnessError: the image is absent, or this kind of cluster has no known way.
    """
    step = Step("load image")
    if name.startswith("minikube"):
        logged(["minikube", "image", "load", *references], "image-load", step)
    elif name.startswith("k3d-"):
        logged(["k3d", "image", "import", "--cluster", name.removeprefix("k3d-"), *references], "image-load", step)
    elif name not in ("docker-desktop", "rancher-desktop", "orbstack"):  # those share the engine's images
        _load_to_kind(name.removeprefix("kind-"), references, step)


def _load_to_kind(name: str, references: tuple[str, ...], step: Step) -> None:
    engine = engines.running()
    nodes = kind_cluster.node_names(engine, name) if engine else []
    if engine is None or not nodes:
        raise HarnessError(f"no kind cluster {name!r} runs here to load {' '.join(references)} into")
    identities = engine.docker("image", "inspect", "--format", "{{.Id}}", *references).split()
    wanted = dict(zip(references, identities, strict=True))
    lacking = [node for node in nodes if not holds(_listed(engine, node), wanted)]
    if not lacking:
        return
    for node in lacking:
        importing = ["docker", "exec", "--interactive", node, *_NAMESPACE, "import", "--digests", "-"]
        piped(["docker", "save", *references], importing, "image-load", step, env=engine.environment)


def holds(listed: str, wanted: Mapping[str, str]) -> bool:
    """Say whether a containerd's image list shows each reference standing for exactly the wanted image.

    Args:
        listed: output of `ctr images ls`: reference, type, digest, ...
        wanted: the engine's image id for each reference; a node's containerd lists ids as references too.
    """
    digests = {words[0]: words[2] for line in listed.splitlines() if len(words := line.split()) > 2}
    return all(
        full_reference(reference) in digests and digests[full_reference(reference)] == digests.get(identity)
        for reference, identity in wanted.items()
    )


def full_reference(reference: str) -> str:
    """Return a reference with the registry that engines leave out."""
    first, slash, _ = reference.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    has_registry = "." in first or ":" in first or first == "localhost"
    return reference if has_registry else f"docker.io/{reference}"


def _listed(engine: Engine, node: str) -> str:
    try:
        return output(["docker", "exec", node, *_NAMESPACE, "ls"], env=engine.environment)
    except CommandError:
        return ""
