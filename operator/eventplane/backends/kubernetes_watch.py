"""Watches of the metadata of objects in one namespace, of which the API server itself picks those with a label."""

from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import quote

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient

from eventplane.backends.kubernetes import Gone, raise_for
from eventplane.planning.outcome import Unavailable

__all__ = ["Change", "KubernetesWatch", "Watch"]

Change: TypeAlias = tuple[str, Mapping[str, Any]]
"""ADDED, MODIFIED, DELETED or BOOKMARK, and the metadata of the object that it is about."""

_METADATA: Final = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_SERVER_SECONDS: Final = 300
"""For how long the API server keeps a watch open."""
_CLIENT_SECONDS: Final = _SERVER_SECONDS + 30


class Watch(Protocol):
    """Tells what happens to objects."""

    def changes(self, path: str, selector: str, since: str = "") -> AsyncIterator[Change]:
        """Tell what happens to the objects of a path that have a label, until the API server ends it, as it does often.

        Without `since`, a resourceVersion, it begins with what is there.

        Raises:
            Gone: the changes since then are not known any more, or the namespace or kind is not.
            Rejected: the operator may not watch.
            Unavailable: no answer, or it broke off.
        """
        ...


class KubernetesWatch:
    """See `Watch`. Its client must not limit its connections: each watch holds one."""

    def __init__(self, client: ApiClient, on_call: Callable[[str, int], None] = lambda _verb, _status: None) -> None:
        """Use a client; `on_call` is told the HTTP status with which each watch began."""
        self._client = client
        self._on_call = on_call

    async def changes(self, path: str, selector: str, since: str = "") -> AsyncIterator[Change]:
        """See `Watch`."""
        options = f"watch=true&allowWatchBookmarks=true&timeoutSeconds={_SERVER_SECONDS}"
        url = f"{path}?{options}&labelSelector={quote(selector)}" + (f"&resourceVersion={since}" if since else "")
        try:
            async for line in self._lines(url):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    _raise_error(event["object"])
                yield event["type"], event["object"]["metadata"]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"a watch broke off: {type(error).__name__}") from error

    async def _lines(self, url: str) -> AsyncIterator[bytes]:
        request = await self._client.param_serialize(
            "GET", url, header_params={"Accept": _METADATA}, auth_settings=["BearerToken"]
        )
        answer = (await self._client.call_api(*request, _request_timeout=_CLIENT_SECONDS)).response
        self._on_call("WATCH", answer.status)
        try:
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise_for(answer.status, await answer.read())
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line
        finally:
            answer.close()


def _raise_error(status: Mapping[str, Any]) -> None:
    """Translate an error that comes after the watch has begun: 410 where what happened since is forgotten."""
    if status.get("code") == HTTPStatus.GONE:
        raise Gone(f"a watch is too old: {status.get('message')}")
    raise Unavailable(f"a watch was ended: {status.get('message')}")
