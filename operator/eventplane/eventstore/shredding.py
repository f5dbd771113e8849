"""Crypto-shredding: data that are kept sealed, so that to destroy a key is to delete what cannot be deleted.

A sealed event is an event whose data are bytes and whose extension `sealedtype` says what they were. It is sealed in
the database and, relayed, in topics; who has the key opens it.
"""

import base64
import dataclasses
from typing import Any, Final, Protocol

import orjson

from eventplane.client.codec import body_of
from eventplane.client.event import Event
from eventplane.events.event import is_json
from eventplane.eventstore.errors import EventStoreError

SEALED_TYPE: Final = "sealedtype"
SHREDDED: Final = "shredded"
"""The extension of an event whose data nobody can read any more."""
_OPAQUE: Final = "application/octet-stream"


class Cipher(Protocol):
    """Seals bytes with a key of the aggregate, or of whose data they are. Keys are kept elsewhere."""

    async def seal(self, tenant: str, aggregate_id: str, plain: bytes) -> bytes | None:
        """Return bytes that only `unseal` can read; None: these need no seal."""
        ...

    async def unseal(self, tenant: str, aggregate_id: str, sealed: bytes) -> bytes | None:
        """Return what was sealed; None: the key was destroyed."""
        ...


class Sealing:
    """Seals and opens events and snapshots by a cipher, or leaves them as they are."""

    def __init__(self, cipher: Cipher | None) -> None:
        self._cipher = cipher

    async def seal(self, event: Event[Any], tenant: str, aggregate_id: str) -> Event[Any]:
        """Return an event with sealed data."""
        body = None if self._cipher is None or event.data is None else body_of(event)
        if self._cipher is None or body is None:
            return event
        sealed = await self._cipher.seal(tenant, aggregate_id, body)
        if sealed is None:
            return event
        return _plain(event, sealed, _OPAQUE, {**event.extensions, SEALED_TYPE: event.content_type})

    async def unseal(self, event: Event[Any], tenant: str, aggregate_id: str) -> Event[Any]:
        """Return an event as it was before it was sealed; data None and `shredded` where the key is gone.

        Raises:
            EventStoreError: it is sealed, and there is no cipher.
        """
        told = event.extensions.get(SEALED_TYPE)
        if told is None:
            return event
        body = await self._opener(aggregate_id).unseal(tenant, aggregate_id, event.data)
        extensions = {name: value for name, value in event.extensions.items() if name != SEALED_TYPE}
        if body is None:
            return dataclasses.replace(event, data=None, content_type=told, extensions={**extensions, SHREDDED: "true"})
        return _plain(event, _data(body, told), told, extensions)

    async def seal_text(self, plain: bytes, tenant: str, aggregate_id: str) -> str:
        """Return the document of a snapshot."""
        sealed = None if self._cipher is None else await self._cipher.seal(tenant, aggregate_id, plain)
        if sealed is None:
            return plain.decode()
        return orjson.dumps(base64.b64encode(sealed).decode()).decode()

    async def unseal_text(self, document: str, tenant: str, aggregate_id: str) -> bytes | None:
        """Return what a snapshot's document holds; None where the key is gone.

        Raises:
            EventStoreError: it is sealed, and there is no cipher.
        """
        if not document.startswith('"'):
            return document.encode()
        sealed = base64.b64decode(orjson.loads(document))
        return await self._opener(aggregate_id).unseal(tenant, aggregate_id, sealed)

    def _opener(self, aggregate_id: str) -> Cipher:
        if self._cipher is None:
            raise EventStoreError(f"data of {aggregate_id} are sealed: give the store a cipher")
        return self._cipher


def _plain(event: Event[Any], data: Any, content_type: str, extensions: dict[str, str]) -> Event[Any]:
    """Return an event of no model, with all fields but data of another."""
    fields = {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}
    return Event(**{**fields, "data": data, "content_type": content_type, "extensions": extensions})


def _data(body: bytes, content_type: str) -> Any:
    if is_json(content_type):
        return orjson.loads(body)
    return body.decode() if content_type.startswith("text/") else body
