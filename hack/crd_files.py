"""The CustomResourceDefinitions as files, and the same files as part of the chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import yaml

from eventplane.api import GROUP
from eventplane.api.crd import KINDS, crd

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDERS: Final = ("crds", "charts/eventplane/crds")
HEADER: Final = "# Generated from operator/eventplane/api by `make generate`; do not edit.\n"


def crd_files() -> dict[str, str]:
    """Return the text of each CRD file by its path."""
    texts = {f"{GROUP}_{kind.plural}.yaml": HEADER + _as_yaml(crd(kind)) for kind in KINDS}
    return {f"{folder}/{name}": text for folder in _FOLDERS for name, text in texts.items()}


def _as_yaml(document: Mapping[str, object]) -> str:
    class _WithoutAliases(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's signature
            return True

    return yaml.dump(dict(document), Dumper=_WithoutAliases, sort_keys=False, width=120, allow_unicode=True)
