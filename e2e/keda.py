"""KEDA itself, by the manifests of its own module: CRDs, operator, and what shows its metrics to autoscalers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import yaml

from e2e.cluster import go_build
from e2e.cluster.derived_image import NOBODY, build_and_load
from e2e.cluster.steps import step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from e2e.cluster import Cluster

NAMESPACE: Final = "keda"
_MODULE = "github.com/kedacore/keda/v2"
_PARTS = (
    "general/namespace.yaml",
    "service_account/service_account.yaml",
    "rbac/role.yaml",
    "rbac/role_binding.yaml",
    "manager/manager.yaml",
    "manager/service.yaml",
    "metrics-server/role.yaml",
    "metrics-server/role_binding.yaml",
    "metrics-server/deployment.yaml",
    "metrics-server/service.yaml",
    "metrics-server/api_service.yaml",
)
"""All but the admission webhooks, which check what users write; Eventplane writes no ScaledObject that they would."""
_PROGRAMS = {"operator": "/keda", "adapter": "/keda-adapter"}
"""What is built, and what KEDA's manifests call it."""
_SERVED: Final = "apiservice/v1beta1.external.metrics.k8s.io"
_ROLLOUT_SECONDS = 180


class Keda:
    """The KEDA of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        """Prepare; nothing is done before `install`."""
        self._cluster = cluster
        with step("KEDA's manifests") as current:
            self._config = go_build.module_source(go_build.KEDA, _MODULE, current) / "config"

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()

    def install(self) -> None:
        """Build KEDA from its sources where that was not done yet, apply it, and return when its metrics are served.

        Raises:
            HarnessError: the build failed; or what was applied does not come to work, in the words of kubectl.
        """
        image = _image()
        kubectl = self._cluster.kubectl
        with step("KEDA") as current:
            current.doing("applying its manifests")
            kubectl("apply", "--server-side", f"--filename={self._config / 'crd/bases'}")
            kubectl("wait", "--for=condition=Established", "--timeout=60s", f"--filename={self._config / 'crd/bases'}")
            kubectl("apply", "--server-side", "--filename=-", feed=_listed(self._manifests(image)))
            current.doing("waiting for it")
            waiting = (f"--namespace={NAMESPACE}", f"--timeout={_ROLLOUT_SECONDS}s")
            for name in ("keda-operator", "keda-metrics-apiserver"):
                kubectl("rollout", "status", f"deployment/{name}", *waiting, timeout=_ROLLOUT_SECONDS + 10)
            kubectl("wait", "--for=condition=Available", "--timeout=60s", _SERVED, timeout=70)
            current.result("installed from its module")

    def uninstall(self) -> None:
        """Take it away again: what it has a finalizer on, then itself, its CRDs last."""
        self._cluster.kubectl("delete", "scaledobjects", "--all", "--all-namespaces", timeout=120)
        self._cluster.kubectl(
            "delete", "--ignore-not-found", "--filename=-", feed=_listed(self._manifests("none")), timeout=120
        )
        bases = f"--filename={self._config / 'crd/bases'}"
        self._cluster.kubectl("delete", "--ignore-not-found", bases, timeout=120)

    def log(self) -> str:
        """Return what its operator has said."""
        return self._cluster.kubectl("logs", "deployment/keda-operator", f"--namespace={NAMESPACE}", "--tail=2000")

    def _manifests(self, image: str) -> Iterator[dict[str, Any]]:
        for part in _PARTS:
            for manifest in yaml.safe_load_all((self._config / part).read_text()):
                if manifest["kind"] == "Deployment":
                    _adapt(manifest["spec"]["template"]["spec"]["containers"][0], image)
                yield manifest


def _image() -> str:
    with step("KEDA's programs") as current:
        programs = go_build.programs(go_build.KEDA, current)
    copied = "".join(f"COPY {program} {path}\n" for program, path in _PROGRAMS.items())
    files = {program: programs / program for program in _PROGRAMS}
    return build_and_load("eventplane/keda", f"FROM scratch\n{copied}USER {NOBODY}\n", files)


def _adapt(container: dict[str, Any], image: str) -> None:
    """Run the image that the nodes have, as soon as it is ready, without the webhooks that are not there."""
    container |= {"image": image, "imagePullPolicy": "Never"}
    for probe in ("livenessProbe", "readinessProbe"):
        container[probe]["initialDelaySeconds"] = 2
    if container["name"] == "keda-operator":
        container["args"].append("--enable-webhook-patching=false")


def _listed(manifests: Iterator[dict[str, Any]]) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}).encode()
