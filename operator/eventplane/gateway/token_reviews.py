"""ServiceAccount tokens, reviewed by the API server: plain HTTPS with the pod's own token.

https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
"""

import asyncio
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from eventplane.api.gateway_config import TokenReviews
from eventplane.gateway.authentication import Caller, NoAnswerError, RefusedTokenError, claims_of, ends_at

_PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_SECONDS: Final = 5.0


class TokenReviewer:
    """A Verifier that asks the API server."""

    def __init__(self, config: TokenReviews, audience: str, session: aiohttp.ClientSession) -> None:
        """Trust the certificates of the configuration.

        Raises:
            OSError: they cannot be read.
        """
        self._url = config.url.rstrip("/") + _PATH
        self._tls = ssl.create_default_context(cafile=config.ca_file) if config.url.startswith("https:") else True
        self._token_file = Path(config.token_file)
        self._audience = audience
        self._session = session

    async def verify(self, token: str) -> Caller:
        """See Verifier: only ServiceAccounts are believed, and only tokens for our audience."""
        return caller_of(await self._review(token), token, self._audience)

    async def _review(self, token: str) -> Any:
        spec = {"token": token, "audiences": [self._audience]}
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        try:
            own = (await asyncio.to_thread(self._token_file.read_text)).strip()  # the kubelet renews it
            async with self._session.post(
                self._url,
                data=orjson.dumps(review),
                headers={"authorization": f"Bearer {own}", "content-type": "application/json"},
                ssl=self._tls,
                timeout=aiohttp.ClientTimeout(total=_SECONDS),
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
                if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
                    raise NoAnswerError(f"the API server does not review tokens: status {answer.status}")
                return orjson.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NoAnswerError(f"the API server did not review the token: {type(error).__name__}") from error


def caller_of(review: Any, token: str, audience: str) -> Caller:
    """Tell whose a token is by what the API server has found.

    Raises:
        RefusedTokenError: it is nobody's, no ServiceAccount's, or for others.
    """
    status = review.get("status") if isinstance(review, dict) else None
    if not isinstance(status, dict) or status.get("authenticated") is not True:
        raise RefusedTokenError("the API server does not accept the token")
    if audience not in (status.get("audiences") or ()):
        raise RefusedTokenError(f"the token is not for the audience {audience}")
    username = (status.get("user") or {}).get("username")
    if not isinstance(username, str) or not username.startswith(_SERVICE_ACCOUNT):
        raise RefusedTokenError("the token is no ServiceAccount's")
    return Caller(username, ends_at(claims_of(token)))  # it is genuine by now
