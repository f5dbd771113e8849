"""Writes what the commands of docs/guide/consumers.md really print into that page: `python -m e2e.consumer_guide`.

It uses the cluster that runs, with the operator installed as the end-to-end tests want it, or brings one up.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from e2e import cluster as harness
from e2e import servers
from e2e.cluster.lifecycle import servers_dir
from e2e.guide_shell import GUIDE, guide_shell
from e2e.http_service import client_deployment, http_service
from e2e.installation import Installation
from e2e.workspace import Workspace, application, scram_bus, topic
from hack import console_page

if TYPE_CHECKING:
    from e2e.cluster import Cluster

PAGE: Final = GUIDE / "consumers.md"
_FAILING_PERCENT: Final = 50


def rendered(page: str, cluster: Cluster) -> str:
    """Run the page's commands beside a bus, a producer and a service; return the page as it should be."""
    place = Workspace(cluster, f"e2e-guide-{uuid.uuid4().hex[:8]}")
    place.create()
    try:
        place.allow_secrets()
        place.allow_applications()
        place.apply(*scram_bus("main", servers.load(servers_dir()).kafka))
        place.until_ready("main", kind="EventBus")
        place.apply(topic("orders", partitions=3), application("Publication", "web", "orders"))
        place.until_ready("web", "Publication")
        place.apply(client_deployment("web", "web-publication"))
        http_service(place, "billing", failing_percent=_FAILING_PERCENT).until_at_work()
        place.kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")
        with tempfile.TemporaryDirectory() as directory:
            shell = guide_shell(cluster, place, Path(directory), GUIDE / "consumers", {"shop": place.namespace})
            return console_page.rendered(page, shell)
    finally:
        place.delete()
        place.close()


def main() -> int:
    """Write the page."""
    cluster = harness.up()
    Installation(cluster).install({})
    PAGE.write_text(rendered(PAGE.read_text(), cluster))
    return 0


if __name__ == "__main__":
    sys.exit(main())
