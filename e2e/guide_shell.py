"""A shell for the pages of the guide that show a console: kubectl, a namespace, and the page's own files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from e2e.installation import CHART
from hack import console_page

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from e2e.cluster import Cluster
    from e2e.workspace import Workspace

GUIDE: Final = CHART.parent.parent / "docs/guide"


def guide_shell(
    cluster: Cluster, place: Workspace, folder: Path, files: Path, renamed: Mapping[str, str]
) -> console_page.Run:
    """Return what runs a page's commands in a folder with its files.

    Args:
        cluster: where kubectl leads.
        place: the namespace in which it is.
        folder: an empty one.
        files: those of the page, which are copied there.
        renamed: what is called otherwise here than on the page, so that pages do not disturb each other.
    """
    for file in files.iterdir():
        text = file.read_text()
        for shown, real in renamed.items():
            text = text.replace(f": {shown}", f": {real}")
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
