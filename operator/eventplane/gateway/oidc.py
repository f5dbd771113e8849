"""JWTs of an OpenID Connect issuer: its keys are fetched, kept for a while, and fetched again for a key unheard of.

https://openid.net/specs/openid-connect-discovery-1_0.html
"""

import asyncio
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from eventplane.api.gateway_config import OidcIssuer
from eventplane.gateway.authentication import Caller, NoAnswerError, RefusedTokenError, ends_at

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""Those of key pairs: with a shared secret whoever verifies could sign as well."""
_KEPT_SECONDS: Final = 300.0
_SOONEST_SECONDS: Final = 5.0
"""Between two looks for a key unheard of: tokens must not make us ask without end."""
_LEEWAY_SECONDS: Final = 30
_SECONDS: Final = 5.0


class OidcVerifier:
    """A Verifier by an issuer's public keys.

    Args:
        config: the issuer.
        audience: for whom tokens have to be.
        session: to fetch keys with.
        now: seconds since 1970.
    """

    def __init__(
        self, config: OidcIssuer, audience: str, session: aiohttp.ClientSession, now: Callable[[], float]
    ) -> None:
        self._config = config
        self._session = session
        self._now = now
        self._tls = ssl.create_default_context(cafile=config.ca_file) if config.issuer.startswith("https:") else True
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": config.issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def verify(self, token: str) -> Caller:
        """See Verifier: the identity is the issuer's name, a colon, and the subject."""
        keys = await self._known_keys(_KEPT_SECONDS)
        try:
            claims = self._verified(token, keys)
        except InvalidKeyIdError:
            claims = self._again(token, await self._known_keys(_SOONEST_SECONDS))
        return Caller(f"{self._config.name}:{claims['sub']}", ends_at(claims) + _LEEWAY_SECONDS)

    def _again(self, token: str, keys: KeySet) -> dict[str, Any]:
        try:
            return self._verified(token, keys)
        except InvalidKeyIdError as error:
            raise RefusedTokenError("the issuer has no such key") from error

    def _verified(self, token: str, keys: KeySet) -> dict[str, Any]:
        try:
            claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
            self._claims.validate(claims)
        except InvalidKeyIdError:
            raise
        except ExpiredTokenError as error:
            raise RefusedTokenError("the token has ended") from error
        except (JoseError, ValueError, TypeError) as error:  # the latter of keys that do not fit
            raise RefusedTokenError(f"the token is not valid: {getattr(error, 'error', 'malformed')}") from error
        if not isinstance(claims["sub"], str):
            raise RefusedTokenError("the token's subject is no text")
        return claims

    async def _known_keys(self, kept_seconds: float) -> KeySet:
        async with self._fetching:
            if self._keys is None or self._now() - self._fetched_at >= kept_seconds:
                try:
                    self._keys = await self._fetched()
                    self._fetched_at = self._now()
                except NoAnswerError:
                    if self._keys is None:
                        raise
                    self._fetched_at = self._now() - _KEPT_SECONDS + _SOONEST_SECONDS  # these do for now
            return self._keys

    async def _fetched(self) -> KeySet:
        base = self._config.issuer.rstrip("/")
        found = await self._document(f"{base}/.well-known/openid-configuration")
        address = found.get("jwks_uri")
        if found.get("issuer") != self._config.issuer or not isinstance(address, str):
            raise NoAnswerError(f"{base} is not the issuer {self._config.issuer}, or names no keys")
        try:
            return KeySet.import_key_set(await self._document(address))  # type: ignore[arg-type]  # it checks
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise NoAnswerError(f"the keys of {base} cannot be read") from error

    async def _document(self, address: str) -> dict[str, Any]:
        try:
            async with self._session.get(
                address, ssl=self._tls, timeout=aiohttp.ClientTimeout(total=_SECONDS), allow_redirects=False
            ) as answer:
                body = await answer.read()
                if answer.status != HTTPStatus.OK:
                    raise NoAnswerError(f"{address} answers with status {answer.status}")
                document = orjson.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NoAnswerError(f"{address} did not answer: {type(error).__name__}") from error
        if not isinstance(document, dict):
            raise NoAnswerError(f"{address} is no JSON object")
        return document
