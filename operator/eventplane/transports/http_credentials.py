"""How a service knows who sends, and how it is known: tokens, keys and certificates from mounted Secrets."""

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventplane.api.lookups import HttpLookup
from eventplane.api.runtime_config import credential_folder, lookup_credential_folder
from eventplane.api.sink import HttpSink, HttpTls
from eventplane.events.webhooks import SigningSecretError, signing_key
from eventplane.tls import client_context
from eventplane.transports.mounted import Mounted, MountedError

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class HttpCredentials:
    """What goes with each request; it changes while the process runs."""

    token: Mounted[str] | None = None
    """Of a bearer."""
    signing_keys: Mounted[Sequence[bytes]] | None = None
    """All of those that a request is signed with."""
    tls: Mounted[ssl.SSLContext] | None = None
    """What connections are made with; others stay as they are until they are not needed any more."""


def read_credentials(service: HttpSink | HttpLookup, bindings: Path, name: str = "") -> HttpCredentials:
    """Read what a service asks for where its pod has it mounted.

    Args:
        service: a sink, or what is looked up.
        bindings: where the folders are.
        name: of the sink's route, or of the look-up.

    Raises:
        MountedError: naming the file.
    """
    named = lookup_credential_folder if isinstance(service, HttpLookup) else credential_folder
    token, keys, tls = None, None, None
    if service.bearer_token_secret_ref is not None:
        token = _token(bindings / named("token", name) / "token")
    if isinstance(service, HttpSink) and service.signature is not None:
        keys = _signing_keys(bindings / named("signature", name))
    if service.tls is not None:
        tls = _tls(service.tls, bindings / named("ca", name) / "ca.crt", bindings / named("certificate", name))
    return HttpCredentials(token, keys, tls)


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


def _tls(asked: HttpTls, authority: Path, pair: Path) -> Mounted[ssl.SSLContext]:
    paths = [authority, pair / "tls.crt", pair / "tls.key"]

    def make(texts: Sequence[bytes | None]) -> ssl.SSLContext:
        trusted, certificate, key = None, None, None
        if asked.ca_secret_ref is not None:
            trusted = _pem(_given(texts[0], paths[0], "http.tls.caSecretRef", asked.ca_secret_ref.key))
        if asked.certificate_secret_ref is not None:
            certificate = _pem(_given(texts[1], paths[1], "http.tls.certificateSecretRef"))
            key = _pem(_given(texts[2], paths[2], "http.tls.certificateSecretRef"))
        try:
            return client_context(trusted, certificate, key)
        except (OSError, ValueError) as error:
            raise MountedError(f"what http.tls names cannot be used: {error}") from error

    return Mounted(paths, make)


def _pem(text: bytes) -> str:
    """Read what is between the lines that begin and end a certificate; comments around it may be anything."""
    return text.decode("ascii", "ignore")


def _given(content: bytes | None, path: Path, reference: str, key: str = "") -> bytes:
    if not content:
        raise MountedError(f"{path} is absent or empty: the Secret of {reference} needs the key {key or path.name}")
    return content
