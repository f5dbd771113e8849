"""What the gateway has mounted and looks at again and again: the rights of its callers, and its certificate."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from eventplane.api.gateway_config import Grants
from eventplane.api.model import field_problems
from eventplane.events.grants import Rights
from eventplane.transports.mounted import Mounted, MountedError

_SECONDS: Final = 2.0


def mounted_rights(path: Path) -> Mounted[Rights]:
    """Read rights from a file; raises MountedError."""

    def make(texts: Sequence[bytes | None]) -> Rights:
        if texts[0] is None:
            raise MountedError(f"{path} is absent")
        try:
            return Rights(Grants.model_validate_json(texts[0]))
        except ValidationError as error:
            raise MountedError(f"{path}: {field_problems(error)}") from error

    return Mounted([path], make)


def mounted_certificate(folder: Path) -> Mounted[ssl.SSLContext]:
    """Make a context of TLS with a certificate from a folder; connections that are made later have the newest.

    Raises:
        MountedError: it is absent, or its key is another's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    certificate, key = folder / "tls.crt", folder / "tls.key"

    def make(_texts: Sequence[bytes | None]) -> ssl.SSLContext:
        try:
            context.load_cert_chain(certificate, key)
        except (ssl.SSLError, OSError) as error:
            raise MountedError(f"{certificate} and its key cannot be used: {error}") from error
        return context

    return Mounted([certificate, key], make)


async def keep_fresh(*refreshes: Callable[[], None]) -> None:
    """Look at mounted files again and again, until cancelled."""
    while True:
        await asyncio.sleep(_SECONDS)
        for refresh in refreshes:
            await asyncio.to_thread(refresh)
