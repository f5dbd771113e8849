"""How a service knows who sends: tokens and keys from mounted Secrets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventplane.api.sink import HttpSink
from eventplane.events.webhooks import SigningSecretError, signing_key
from eventplane.transports.mounted import Mounted, MountedError

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class HttpCredentials:
    """What goes with each request; it changes while the process runs."""

    token: Mounted[str] | None = None
    """Of a bearer."""
    signing_keys: Mounted[Sequence[bytes]] | None = None
    """All of those that a request is signed with."""


def read_credentials(sink: HttpSink, bindings: Path) -> HttpCredentials:
    """Read what a sink asks for where its pod has it mounted.

    Raises:
        MountedError: naming the file.
    """
    token, keys = None, None
    if sink.bearer_token_secret_ref is not None:
        token = _token(bindings / "sink" / "token")
    if sink.signature is not None:
        keys = _signing_keys(bindings / "sink-signature")
    return HttpCredentials(token, keys)


def _token(path: Path) -> Mounted[str]:
    def make(texts: Sequence[bytes | None]) -> str:
        token = _given(texts[0], path, "http.bearerTokenSecretRef").decode("utf-8", "replace").strip()
        if _TOKEN.fullmatch(token) is None:
            raise MountedError(f"{path} holds no token")
        return token

    return Mounted([path], make)


def _signing_keys(folder: Path) -> Mounted[Sequence[bytes]]:
    paths = [folder / "secret", folder / "previousSecret"]

    def make(texts: Sequence[bytes | None]) -> Sequence[bytes]:
        keys = [_signing_key(_given(texts[0], paths[0], "http.signature.secretRef"), paths[0])]
        if texts[1] is not None:
            keys.append(_signing_key(texts[1], paths[1]))
        return keys

    return Mounted(paths, make)


def _signing_key(text: bytes, path: Path) -> bytes:
    try:
        return signing_key(text.decode("utf-8", "replace").strip())
    except SigningSecretError as error:
        raise MountedError(f"{path} {error}") from error


def _given(content: bytes | None, path: Path, reference: str) -> bytes:
    if content is None:
        raise MountedError(f"{path} is absent: the Secret of {reference} needs the key {path.name}")
    return content
