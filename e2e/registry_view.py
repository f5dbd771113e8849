"""The schema registry behind the operator's back: what is in it, and what somebody else does to it."""

from __future__ import annotations

import json
import urllib.error
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from e2e.servers.registry import Registry

_TIMEOUT_SECONDS = 10
_GONE = 404


@dataclass(frozen=True)
class RegistryView:
    """A registry, by the API that all registries share."""

    registry: Registry

    def subjects(self) -> list[str]:
        """Return the subjects that are not deleted."""
        return list(self._request("GET", "/subjects") or [])

    def versions(self, subject: str) -> list[int]:
        """Return the versions of a subject; none where it does not exist."""
        return list(self._request("GET", f"/subjects/{quote(subject, safe='')}/versions") or [])

    def definition(self, subject: str, version: int | str = "latest") -> Any:
        """Return the definition of a version, decoded where it is JSON."""
        found = self._request("GET", f"/subjects/{quote(subject, safe='')}/versions/{version}")
        text = str(found["schema"])
        return json.loads(text) if text.startswith(("{", "[", '"')) else text

    def level(self, subject: str) -> str | None:
        """Return the compatibility level that counts for a subject."""
        found = self._request("GET", f"/config/{quote(subject, safe='')}?defaultToGlobal=true")
        return str(found["compatibilityLevel"]) if found else None

    def set_level(self, subject: str, level: str) -> None:
        """Change the level behind the operator's back."""
        self._request("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": level})

    def register(self, subject: str, definition: object, kind: str = "AVRO") -> int:
        """Register a version behind the operator's back; return its id."""
        text = definition if isinstance(definition, str) else json.dumps(definition)
        body = {"schema": text, "schemaType": kind}
        return int(self._request("POST", f"/subjects/{quote(subject, safe='')}/versions", body)["id"])

    def delete(self, subject: str) -> None:
        """Delete a subject for good; one that is not there is fine."""
        place = f"/subjects/{quote(subject, safe='')}"
        self._request("DELETE", place)
        self._request("DELETE", f"{place}?permanent=true")

    def _request(self, method: str, path: str, body: object = None) -> Any:
        try:
            return self.registry.request(method, path, body, seconds=_TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            if error.code == _GONE:
                return None
            raise
