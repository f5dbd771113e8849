"""Tokens for kafka-python, by the client credentials grant; librdkafka gets its own by itself.

Source: RFC 6749, sections 2.3.1 (who asks) and 4.4 (the grant).
"""

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any, Final

from kafka.net.sasl.oauth import AbstractTokenProvider

from eventplane.planning.connection import TokenSource
from eventplane.tls import client_context

_USED: Final = 0.8
"""How much of a token's life it is used for."""
_DEFAULT_SECONDS: Final = 300.0
"""The life of a token of which nothing is said."""
_LONGEST: Final = 4096
"""Bytes that are read of a refusal."""


class NoTokenError(Exception):
    """There is no token to be had; the message says why as librdkafka would, and has no secret."""


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # untyped
    """Asks for a token when there is none, or the last one has come of age."""

    def __init__(self, source: TokenSource, timeout_seconds: float) -> None:
        """Prepare to ask.

        Args:
            source: whom to ask, and who asks.
            timeout_seconds: how long the answer is waited for.
        """
        super().__init__()
        self._source = source
        self._timeout_seconds = timeout_seconds
        self._token = ""
        self._until = 0.0

    def token(self) -> str:
        """Return a token that holds for a while.

        Raises:
            NoTokenError: who asks gets none, or nobody answered as a token endpoint does.
        """
        now = time.monotonic()
        if now >= self._until:
            self._token, seconds = _read(self._ask())
            self._until = now + _USED * seconds
        return self._token

    def _ask(self) -> Any:
        source = self._source
        asked = {"grant_type": "client_credentials", **({"scope": source.scope} if source.scope is not None else {})}
        login = base64.b64encode(f"{source.client_id}:{source.client_secret}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - the CRD lets nothing through but http and https
            source.token_endpoint_url,
            urllib.parse.urlencode(asked).encode(),
            {"Authorization": f"Basic {login}", "Accept": "application/json"},
        )
        context = client_context(source.ca_pem, None, None)
        opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))
        try:
            with opener.open(request, timeout=self._timeout_seconds) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise NoTokenError(_words(error)) from None
        except (OSError, HTTPException, ValueError) as error:
            raise NoTokenError(str(getattr(error, "reason", error))) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for the refusal that it is here: whoever follows one shows the secret to somebody else."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Follow none."""


def _read(answer: Any) -> tuple[str, float]:
    """Return the token, and for how many seconds it holds."""
    if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
        raise NoTokenError("the answer has no access_token")
    seconds = answer.get("expires_in", _DEFAULT_SECONDS)
    try:
        return answer["access_token"], float(seconds)
    except (TypeError, ValueError):
        raise NoTokenError("the answer's expires_in is no number") from None


def _words(error: urllib.error.HTTPError) -> str:
    """Quote the answer where it is an error as RFC 6749, section 5.2 has them, else its status."""
    body = error.read(_LONGEST).decode(errors="replace")
    return body if '"error"' in body else f"{error.code}: {error.reason}"
