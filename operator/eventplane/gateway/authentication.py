"""Who asks: the bearer's token, verified by whoever can, and believed for a while.

| # | the token | asked |
|---|---|---|
| 1 | none, or no JWT | nobody: 401 |
| 2 | names an issuer that is configured | that issuer's keys |
| 3 | any other | the API server, by a TokenReview, where ServiceAccounts are believed |
| 4 | any other, where they are not | nobody: 401 |

The issuer in a token is only what it says itself: it decides who is asked, never what is believed.
"""

import asyncio
import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import orjson

from eventplane.gateway.problems import ProblemError

_SCHEME: Final = "bearer "
_LONGEST: Final = 16_384
_MOST: Final = 10_000
"""Tokens that are remembered, of those accepted and of those refused."""
_REFUSED_SECONDS: Final = 10.0
_AT_ONCE: Final = 16
"""Questions under way; unknown tokens wait for their turn, those that are known do not."""
_JWT_PARTS: Final = 3
_AGAIN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    identity: str
    expires_at: float
    """When the token ends, seconds since 1970."""


class RefusedTokenError(Exception):
    """A token that proves nothing; the message says why, without the token."""


class NoAnswerError(Exception):
    """Whoever knows did not answer: the token is not to blame."""


class Verifier(Protocol):
    """Knows whether a token is genuine."""

    async def verify(self, token: str) -> Caller:
        """Tell whose it is.

        Raises:
            RefusedTokenError: it is nobody's, or not for us.
            NoAnswerError: nobody can tell now.
        """
        ...


class Authenticator:
    """Tells who asks.

    Args:
        issuers: verifiers of JWTs by their issuer.
        reviews: verifier of all others; None: they are refused.
        believed_seconds: for how long a token is not looked at again.
        now: seconds since 1970.
    """

    def __init__(
        self,
        issuers: Mapping[str, Verifier],
        reviews: Verifier | None,
        believed_seconds: float,
        now: Callable[[], float],
    ) -> None:
        self._issuers = issuers
        self._reviews = reviews
        self._believed_seconds = believed_seconds
        self._now = now
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._accepted: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._refused: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    async def authenticate(self, authorization: str | None) -> Caller:
        """Tell who asks; authorization: the header.

        Raises:
            ProblemError: 401, or 503 where nobody can tell now.
        """
        token = _token(authorization)
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        caller = self._remembered(digest)
        if caller is not None:
            return caller
        async with self._turns:
            return self._remembered(digest) or await self._asked(token, digest)

    def _remembered(self, digest: bytes) -> Caller | None:
        now = self._now()
        until, caller = self._accepted.get(digest, (now, None))
        if now < until:
            return caller
        refused_until, why = self._refused.get(digest, (now, ""))
        if now < refused_until:
            raise _unauthorized(why)
        return None

    async def _asked(self, token: str, digest: bytes) -> Caller:
        verifier = self._issuers.get(str(claims_of(token).get("iss")), self._reviews)
        if verifier is None:
            raise _unauthorized("the token's issuer is not believed here")
        try:
            caller = await verifier.verify(token)
        except RefusedTokenError as error:
            _remember(self._refused, digest, (self._now() + _REFUSED_SECONDS, str(error)))
            raise _unauthorized(str(error)) from error
        except NoAnswerError as error:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after_seconds=_AGAIN_SECONDS
            ) from error
        now = self._now()
        if caller.expires_at <= now:
            raise _unauthorized("the token has ended")
        until = min(now + self._believed_seconds, caller.expires_at)
        _remember(self._accepted, digest, (until, caller))
        return caller


def claims_of(token: str) -> Mapping[str, Any]:
    """Return what a JWT says of itself; nothing of it is proven.

    Raises:
        ProblemError: 401, it is none.
    """
    parts = token.split(".")
    try:
        if len(parts) == _JWT_PARTS:
            body = parts[1]
            claims = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            if isinstance(claims, dict):
                return claims
    except (binascii.Error, ValueError):
        pass
    raise _unauthorized("the token is no JWT")


def ends_at(claims: Mapping[str, Any]) -> float:
    """Return when a token ends, seconds since 1970; one that never does is refused.

    Raises:
        RefusedTokenError: it does not say.
    """
    found = claims.get("exp")
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise RefusedTokenError("the token has no end")
    return float(found)


def _token(authorization: str | None) -> str:
    if authorization is None:
        raise _unauthorized("a bearer token is needed")
    token = authorization[len(_SCHEME) :].strip()
    if authorization[: len(_SCHEME)].lower() != _SCHEME or not token or len(token) > _LONGEST:
        raise _unauthorized("the header authorization is no bearer token")
    return token


def _remember(known: "OrderedDict[bytes, Any]", digest: bytes, what: Any) -> None:
    known[digest] = what
    known.move_to_end(digest)
    if len(known) > _MOST:
        known.popitem(last=False)


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNAUTHORIZED, detail)
