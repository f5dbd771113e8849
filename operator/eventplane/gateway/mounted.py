"""Files that are mounted and may change: grants, certificates. Kubernetes swaps links, so contents are compared."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from eventplane.api.gateway_config import Grants
from eventplane.api.model import field_problems
from eventplane.events.grants import Rights
from eventplane.transports.mounted import MountedError

logger = logging.getLogger(__name__)

_SECONDS: Final = 2.0


class MountedGrants:
    """The rights in a file; one that became unreadable changes nothing."""

    def __init__(self, path: Path) -> None:
        """Read it; raises MountedError."""
        self._path = path
        self._text = self._read()
        self.rights = self._parsed(self._text)
        self.is_current = True
        """Whether the rights are those in the file."""

    def refresh(self) -> None:
        """Read it again if it has changed."""
        try:
            text = self._read()
            if text != self._text:
                self.rights = self._parsed(text)
                self._text = text
                logger.info("grants were read", extra={"fields": {"file": str(self._path)}})
            self.is_current = True
        except MountedError as error:
            if self.is_current:
                logger.error("the grants known so far hold", extra={"fields": {"problem": str(error)}})  # noqa: TRY400
            self.is_current = False

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise MountedError(f"{self._path} cannot be read: {error.strerror}") from error

    def _parsed(self, text: bytes) -> Rights:
        try:
            return Rights(Grants.model_validate_json(text))
        except ValidationError as error:
            raise MountedError(f"{self._path}: {field_problems(error)}") from error


class MountedCertificate:
    """A context of TLS with a certificate from a folder; connections that are made later have the newest."""

    def __init__(self, folder: Path) -> None:
        """Read it; raises MountedError."""
        self._certificate, self._key = folder / "tls.crt", folder / "tls.key"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._texts = self._read()
        self._load()

    def refresh(self) -> None:
        """Read it again if it has changed."""
        try:
            texts = self._read()
            if texts != self._texts:
                self._load()
                self._texts = texts
                logger.info("the certificate was read", extra={"fields": {"file": str(self._certificate)}})
        except MountedError as error:  # between the two files, or for longer: the next look tells
            logger.warning("the certificate known so far is used", extra={"fields": {"problem": str(error)}})

    def _read(self) -> tuple[bytes, bytes]:
        try:
            return self._certificate.read_bytes(), self._key.read_bytes()
        except OSError as error:
            raise MountedError(f"{error.filename} cannot be read: {error.strerror}") from error

    def _load(self) -> None:
        try:
            self.context.load_cert_chain(self._certificate, self._key)
        except (ssl.SSLError, OSError) as error:
            raise MountedError(f"{self._certificate} and its key cannot be used: {error}") from error


async def keep_fresh(*refreshes: Callable[[], None]) -> None:
    """Look at mounted files again and again, until cancelled."""
    while True:
        await asyncio.sleep(_SECONDS)
        for refresh in refreshes:
            await asyncio.to_thread(refresh)
