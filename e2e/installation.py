"""Installs the operator from its chart, built from these sources, and knows the pods that run it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.cluster import operator_image
from e2e.cluster.commands import CommandError, HarnessError, Words, succeeds
from e2e.cluster.steps import step
from e2e.servers.polling import poll

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.cluster import Cluster

RELEASE = "eventplane"
NAMESPACE = "eventplane-system"
CHART = Path(__file__).resolve().parent.parent / "charts/eventplane"
_SELECTOR = f"app.kubernetes.io/name=eventplane,app.kubernetes.io/instance={RELEASE}"
_ROLLOUT_SECONDS = 180


@dataclass(frozen=True)
class Installation:
    """The release of the chart on a cluster."""

    cluster: Cluster

    @property
    def exists(self) -> bool:
        """Whether the release is there."""
        words: Words = [self.cluster.helm_path, "status", RELEASE, "--namespace", NAMESPACE]
        return succeeds(words, env=self.cluster.environment)

    def install(self, settings: Mapping[str, str]) -> None:
        """Install these sources, or bring what is installed to them, and return when the rollout is done.

        Args:
            settings: values of the chart beside the image, by their paths, e.g. `settings.resyncSeconds`.

        Raises:
            HarnessError: the build, the install or the rollout failed; the message ends with the operator's own words.
        """
        image = operator_image.build_and_load()
        self.cluster.load_image(image)
        self.apply_crds()
        with step("operator") as current:
            current.doing("installing the chart")
            repository, _, tag = image.partition(":")
            values = {"image.repository": repository, "image.tag": tag, **settings}
            self._upgrade(values)
            current.result("installed from its chart")

    def apply_crds(self) -> None:
        """Bring the CRDs to those of the chart, which helm itself never does after the first install."""
        self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", CHART / "crds")
        self.cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", CHART / "crds")

    def uninstall(self) -> None:
        """Uninstall the release and wait until its pods are gone; the CRDs and all resources stay."""
        timeout = f"--timeout={_ROLLOUT_SECONDS}s"
        self.cluster.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", timeout, timeout=_ROLLOUT_SECONDS)
        gone = ("wait", "--for=delete", "pod", "--selector", _SELECTOR, "--namespace", NAMESPACE, "--timeout=60s")
        self.cluster.kubectl(*gone)

    def pods(self) -> list[str]:
        """Return the names of the pods that are not on their way out."""
        return sorted(pod["metadata"]["name"] for pod in self._pods())

    def containers(self) -> set[str]:
        """Return the ids of the containers that run: another process has another."""
        return {each["containerID"] for pod in self._pods() for each in pod["status"].get("containerStatuses", [])}

    def leader(self) -> str | None:
        """Return the pod that holds the Lease, None while nobody does."""
        words = ("get", "lease", RELEASE, "--namespace", NAMESPACE, "--output", "jsonpath={.spec.holderIdentity}")
        try:
            return self.cluster.kubectl(*words).strip() or None
        except CommandError:
            return None

    def kill(self, pod: str) -> None:
        """Kill a pod's process by SIGKILL: no grace, no farewell."""
        words = ("delete", "pod", pod, "--namespace", NAMESPACE, "--grace-period=0", "--force", "--wait=false")
        self.cluster.kubectl(*words)

    def delete_pod(self, pod: str) -> None:
        """Tell a pod to stop."""
        self.cluster.kubectl("delete", "pod", pod, "--namespace", NAMESPACE, "--wait=false")

    def metrics(self, pod: str) -> str:
        """Return what a pod shows at /metrics."""
        return self.cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics")

    def wait_for_leader(self, seconds: float = 60) -> str:
        """Return the pod that leads, once one of those that run does; raises HarnessError."""
        if not poll(lambda: self.leader() in self.pods(), seconds, every=0.2):
            raise HarnessError(f"nobody leads after {seconds:.0f} s\n{self.last_words()}")
        return str(self.leader())

    def last_words(self) -> str:
        """Return what helps to see why the operator does not work: its pods, their Events, the ends of their logs."""
        return "\n".join(
            self._quietly(*words, "--namespace", NAMESPACE)
            for words in (
                ("get", "pods", "--output", "wide"),
                ("get", "events", "--sort-by=.lastTimestamp", "--field-selector=type=Warning"),
                ("logs", "--selector", _SELECTOR, "--tail=25", "--prefix"),
            )
        )

    def _pods(self) -> list[dict[str, Any]]:
        words = ("get", "pods", "--namespace", NAMESPACE, "--selector", _SELECTOR, "--output", "json")
        found: list[dict[str, Any]] = json.loads(self.cluster.kubectl(*words))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def _upgrade(self, values: Mapping[str, str]) -> None:
        pairs = [word for path, value in sorted(values.items()) for word in ("--set", f"{path}={value}")]
        waiting = ("--create-namespace", "--wait", f"--timeout={_ROLLOUT_SECONDS}s")
        words: Words = ("upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, *waiting, *pairs)
        try:
            self.cluster.helm(*words, timeout=_ROLLOUT_SECONDS + 30)
        except CommandError as failure:
            raise HarnessError(f"{failure}\n{self.last_words()}") from failure

    def _quietly(self, *words: str) -> str:
        try:
            return self.cluster.kubectl(*words)
        except CommandError as failure:
            return str(failure)
