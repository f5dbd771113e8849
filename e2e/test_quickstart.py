"""The README's quickstart, executed block by block as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from e2e.conftest import SETTINGS
from e2e.installation import CHART
from e2e.servers.polling import poll

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.installation import Installation
    from e2e.kafka_view import KafkaView
    from e2e.servers import Kafka
    from e2e.workspace import Workspace

pytestmark = pytest.mark.cluster

ROOT = CHART.parent.parent
NAMESPACE = "eventplane-quickstart"
TOPIC = f"{NAMESPACE}.orders"
_BLOCK = re.compile(r"^```sh( settings)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> tuple[str, list[str]]:
    """Return the block that says which Kafka, and those that follow it."""
    quickstart = (ROOT / "README.md").read_text().split("## Quickstart")[1].split("\n## ")[0]
    found = _BLOCK.findall(quickstart)
    (settings,) = [text for mark, text in found if mark]
    return settings, [text for mark, text in found if not mark]


@pytest.fixture
def environment(operator: Installation, kafka: Kafka, tmp_path: Path) -> dict[str, str]:
    """What the first block is to be filled with here, and a kubeconfig whose context the blocks may change."""
    cluster = operator.cluster
    shutil.copy(cluster.kubeconfig, tmp_path / "kubeconfig")
    (tmp_path / "password").write_text(kafka.admin.password)
    (tmp_path / "ca.crt").write_text(kafka.ca_pem)
    programs = f"{cluster.kubectl_path.parent}:{cluster.helm_path.parent}"
    return {
        "BROKERS": kafka.bootstrap("SASL_SSL"),
        "KAFKA_USER": kafka.admin.username,
        "KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
        "KAFKA_CA_FILE": str(tmp_path / "ca.crt"),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "PROGRAMS": programs,
    }


@pytest.fixture
def quickstarted(operator: Installation, home: Workspace, view: KafkaView) -> Iterator[None]:
    """Takes away what the quickstart makes, and installs the operator again as the other tests want it."""
    place = home.beside(NAMESPACE)
    place.delete()  # what an earlier run may have left
    assert poll(lambda: not place.exists(), 60, every=0.5)
    yield
    place.delete()
    if TOPIC in view.partitions():
        view.delete(TOPIC)
    operator.install(SETTINGS)
    operator.wait_for_leader()


@pytest.mark.usefixtures("quickstarted")
def test_its_blocks_do_what_they_say(environment: dict[str, str], view: KafkaView) -> None:
    settings, steps = blocks()
    assert set(re.findall(r"^export (\w+)=", settings, re.MULTILINE)) == set(environment) - {"KUBECONFIG", "PROGRAMS"}
    script = "\n".join(["set -eu -o pipefail", 'export PATH="$PROGRAMS:$PATH"', *steps])
    done = subprocess.run(
        ["env", *(f"{key}={value}" for key, value in environment.items()), "bash"],
        input=script.encode(),
        cwd=ROOT,
        capture_output=True,
        timeout=200,
        check=False,
        start_new_session=True,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said + done.stderr.decode()
    assert '{"order": "o-42"}' in said
    assert re.search(rf"eventtopic\S*/orders\s+{TOPIC}\s+True\s+Ready\s+6", said)
    assert view.values(TOPIC, 1) == [b'{"order": "o-42"}']  # though its resource is deleted
