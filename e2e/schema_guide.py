"""Writes what the commands of docs/guide/schemas.md really print into that page: `python -m e2e.schema_guide`.

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
from e2e.installation import Installation
from e2e.workspace import Workspace, scram_bus
from hack import console_page

if TYPE_CHECKING:
    from e2e.cluster import Cluster

PAGE: Final = GUIDE / "schemas.md"
_SUBJECT: Final = "orders-value"


def rendered(page: str, cluster: Cluster) -> str:
    """Run the page's commands in a namespace and beside a bus of their own; return the page as it should be."""
    place = Workspace(cluster, f"e2e-guide-{uuid.uuid4().hex[:8]}")
    subject = f"{place.namespace}-{_SUBJECT}"
    running = servers.load(servers_dir())
    place.create()
    try:
        place.allow_secrets()
        registry = {"url": running.registry.url if running.registry else ""}
        place.apply(*scram_bus("main", running.kafka, schemaRegistry=registry, naming={"topic": "{{ name }}.shop"}))
        place.until_ready("main", kind="EventBus")
        with tempfile.TemporaryDirectory() as directory:
            shell = guide_shell(cluster, place, Path(directory), GUIDE / "schemas", {_SUBJECT: subject})
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
