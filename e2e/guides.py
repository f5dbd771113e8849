"""Writes what the commands of the guide's pages really print into them: `python -m e2e.guides`, or with pages' names.

It uses the cluster that runs, or brings one up, and installs the operator as the end-to-end tests want it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from e2e import cluster as harness
from e2e import servers
from e2e.cluster.lifecycle import servers_dir
from e2e.http_service import client_deployment, http_service
from e2e.installation import CHART, Installation
from e2e.keda import Keda
from e2e.workspace import Workspace, application, scram_bus, topic
from hack import console_page

if TYPE_CHECKING:
    from e2e.cluster import Cluster

GUIDE: Final = CHART.parent.parent / "docs/guide"
Prepare: TypeAlias = Callable[[Workspace], Mapping[str, str]]
"""Makes what a page takes for granted; returns what is called otherwise than there, so that pages do not collide."""


@dataclass(frozen=True)
class Guide:
    """A page whose commands run in a namespace of their own, beside its files."""

    name: str
    prepare: Prepare

    @property
    def page(self) -> Path:
        """The page; its files are in the folder of its name."""
        return GUIDE / f"{self.name}.md"

    def outdated(self, cluster: Cluster) -> str:
        """Run the page's commands; return how the page differs from what they print, as a unified diff."""
        shown, real = self.page.read_text(), self.rendered(cluster)
        return "\n".join(unified_diff(shown.splitlines(), real.splitlines(), "the page", "the commands", lineterm=""))

    def rendered(self, cluster: Cluster) -> str:
        """Run the page's commands; return the page as it should be."""
        place = Workspace(cluster, f"e2e-guide-{uuid.uuid4().hex[:8]}")
        place.create()
        try:
            place.allow_secrets()
            renamed = self.prepare(place)
            place.until_ready("main", kind="EventBus")
            with tempfile.TemporaryDirectory() as directory:
                shell = _shell(cluster, place, Path(directory), GUIDE / self.name, renamed)
                return console_page.rendered(self.page.read_text(), shell)
        finally:
            place.delete()
            place.close()


def _schemas(place: Workspace) -> Mapping[str, str]:
    running = servers.load(servers_dir())
    registry = {"url": running.registry.url if running.registry else ""}
    place.apply(*scram_bus("main", running.kafka, schemaRegistry=registry, naming={"topic": "{{ name }}.shop"}))
    return {"orders-value": f"{place.namespace}-orders-value"}


def _consumers(place: Workspace) -> Mapping[str, str]:
    """Make a bus, a producer, and a service that fails half the time."""
    _shop(place, failing_percent=50)
    return {"shop": place.namespace}


def _autoscaling(place: Workspace) -> Mapping[str, str]:
    """Make a bus, a producer, and a service that is away."""
    _shop(place, failing_percent=0)
    place.kubectl("scale", "deployment/billing", "--replicas=0")
    place.kubectl("wait", "pod", "--selector=app=billing", "--for=delete", "--timeout=60s")  # it takes events
    return {"shop": place.namespace}


def _shop(place: Workspace, failing_percent: int) -> None:
    place.allow_applications()
    place.apply(*scram_bus("main", servers.load(servers_dir()).kafka))
    place.apply(topic("orders", partitions=3), application("Publication", "web", "orders"))
    place.until_ready("web", "Publication")
    place.apply(client_deployment("web", "web-publication"))
    http_service(place, "billing", failing_percent=failing_percent).until_at_work()
    place.kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")


def _examples(place: Workspace) -> Mapping[str, str]:
    place.allow_applications()
    place.apply(*scram_bus("main", servers.load(servers_dir()).kafka))
    topics = {name: f"{place.namespace}.{name}" for name in ("user-events", "notification-events")}
    return {**topics, "shop": place.namespace}


GUIDES: Final = (Guide("schemas", _schemas), Guide("consumers", _consumers), Guide("examples", _examples))
AUTOSCALING: Final = Guide("autoscaling", _autoscaling)
"""It needs a KEDA that runs."""


def _shell(
    cluster: Cluster, place: Workspace, folder: Path, files: Path, renamed: Mapping[str, str]
) -> console_page.Run:
    """Return what runs a page's commands in a folder with its files, where kubectl leads to a namespace."""
    for file in files.iterdir():
        text = file.read_text()
        for shown, real in renamed.items():
            text = text.replace(f": {shown}", f": {real}").replace(f"'{shown}'", f"'{real}'")
        (folder / file.name).write_text(text)
    shutil.copy(cluster.kubeconfig, folder / "kubeconfig")
    environment = {
        "KUBECONFIG": str(folder / "kubeconfig"),
        "PATH": f"{cluster.kubectl_path.parent}:/usr/bin:/bin",
        "HOME": str(folder),
    }
    console_page.printed(f"kubectl config set-context --current --namespace={place.namespace}", folder, environment)

    def run(command: str) -> str:
        text = console_page.printed(command, folder, environment)
        for shown, real in renamed.items():
            text = text.replace(real, shown)
        return text

    return run


def main(names: list[str]) -> int:
    """Write those pages, or all but the one that needs KEDA, which is built and installed for it."""
    cluster = harness.up()
    Installation(cluster).install({})
    for guide in GUIDES:
        if not names or guide.name in names:
            guide.page.write_text(guide.rendered(cluster))
    if AUTOSCALING.name in names:
        with Keda(cluster):
            AUTOSCALING.page.write_text(AUTOSCALING.rendered(cluster))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
