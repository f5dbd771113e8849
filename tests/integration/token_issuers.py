"""Who vouches for callers of the gateway: a real HTTPS server that reviews tokens as an API server does, and an issuer.

The issuer vouches for clients of Kafka too: it gives tokens by the client credentials grant (RFC 6749, section 4.4).

It stands for the API server of a cluster: what it is asked and what it answers is TokenReview v1, over TLS, with the
gateway's own token checked.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any

from aiohttp import BasicAuth, web
from integration.local_server import LocalServer
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from e2e.servers.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

AUDIENCE = "eventplane-gateway"
_ACCOUNTS = "https://accounts.example"
_OWN = "the-gateway's-own-token"
_TLS_ENDS_SECONDS = 0.25
"""For so long connections of TLS that were closed may take to say so to the other side."""


class TokenIssuers(LocalServer):
    """Has a certificate of a throw-away authority."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self._host = host
        self.authority = Authority(folder)
        self.authority.create()
        self.certificate(folder / "server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server" / "tls.crt", folder / "server" / "tls.key")
        super().__init__(context, host)
        self.token_file = folder / "token"
        self.token_file.write_text(f"{_OWN}\n")
        self.reviews: list[Any] = []
        """What was asked, in order."""
        self.fetched_keys = 0
        self.is_down = False
        self.clients: dict[str, str] = {}
        """Who gets tokens at the token endpoint: secrets by client id."""
        self.token_seconds = 600.0
        """How long those hold."""
        self.given: list[str] = []
        """The client ids that they were given to, in order."""
        self.renewed: list[str] = []
        """Those of them whose token before still held."""
        self._ends: dict[str, float] = {}
        self._cluster = ECKey.generate_key("P-256")
        self._keys = [ECKey.generate_key("P-256", {"kid": "first"})]

    @property
    def issuer(self) -> str:
        return f"{self.origin}/realm"

    def service_account(self, name: str, seconds: float = 600, audience: str = AUDIENCE) -> str:
        """Issue a token as the TokenRequest API does."""
        now = int(time.time())
        subject = f"system:serviceaccount:{name}"
        claims = {"iss": _ACCOUNTS, "sub": subject, "aud": [audience], "iat": now, "exp": now + seconds}
        return jwt.encode({"alg": "ES256"}, claims, self._cluster)

    def person(self, subject: str, *, seconds: float = 600, audience: str = AUDIENCE, **claims: Any) -> str:
        """Issue a token as an identity provider does, with the newest key."""
        told = {"iss": self.issuer, "sub": subject, "aud": audience, "exp": int(time.time() + seconds), **claims}
        key = self._keys[-1]
        return jwt.encode({"alg": "ES256", "kid": str(key.kid)}, told, key)

    @property
    def token_endpoint(self) -> str:
        return f"{self.issuer}/token"

    @property
    def keys(self) -> dict[str, Any]:
        """By which the tokens of persons and clients are verified."""
        return dict(KeySet(list(self._keys)).as_dict(private=False))

    def rotate(self) -> None:
        """Sign with another key from now on."""
        self._keys.append(ECKey.generate_key("P-256", {"kid": f"key-{len(self._keys)}"}))

    def forget(self) -> None:
        """Sign with the key before again."""
        self._keys.pop()

    def certificate(self, folder: Path) -> None:
        """Write tls.crt and tls.key for a listener on that address."""
        folder.mkdir(exist_ok=True)
        certificate, key = self.authority.issue(self._host, frozenset({self._host}))
        (folder / "tls.crt").write_text(certificate)
        (folder / "tls.key").write_text(key)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/apis/authentication.k8s.io/v1/tokenreviews", self._review),
            web.get("/realm/.well-known/openid-configuration", self._discover),
            web.get("/realm/keys", self._show_keys),
            web.post("/realm/token", self._give),
            web.route("*", "/realm/moved", self._redirect),
        ]

    async def ended(self) -> None:
        await asyncio.sleep(_TLS_ENDS_SECONDS)

    async def _redirect(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound(self.token_endpoint)

    async def _review(self, request: web.Request) -> web.Response:
        if self.is_down:
            return web.json_response({"kind": "Status", "code": 500}, status=500)
        if request.headers.get("authorization") != f"Bearer {_OWN}":
            return web.json_response({"kind": "Status", "code": 401}, status=401)
        review = await request.json()
        self.reviews.append(review)
        return web.json_response({**review, "status": self._status(review["spec"])}, status=201)

    def _status(self, spec: Any) -> dict[str, Any]:
        try:
            claims = jwt.decode(spec["token"], self._cluster, algorithms=["ES256"]).claims
        except Exception as error:  # noqa: BLE001 - as the API server says it
            return {"authenticated": False, "error": str(error)}
        shared = [each for each in spec["audiences"] if each in claims["aud"]]
        if not shared or claims["exp"] < time.time():
            return {"authenticated": False, "error": "token audiences or its end do not fit"}
        return {"authenticated": True, "user": {"username": claims["sub"]}, "audiences": shared}

    async def _discover(self, _request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"})

    async def _show_keys(self, _request: web.Request) -> web.Response:
        self.fetched_keys += 1
        return web.json_response(self.keys)

    async def _give(self, request: web.Request) -> web.Response:
        if self.is_down:
            return web.json_response({"error": "temporarily_unavailable"}, status=503)
        login, asked = BasicAuth.decode(request.headers["authorization"]), await request.post()
        if asked["grant_type"] != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        if self.clients.get(login.login) != login.password:
            return web.json_response({"error": "invalid_client"}, status=401)
        self.given.append(login.login)
        if time.time() < self._ends.get(login.login, 0.0):
            self.renewed.append(login.login)
        now, scope = int(time.time()), asked.get("scope", "")
        self._ends[login.login] = now + self.token_seconds
        token = self.person(login.login, seconds=self.token_seconds, iat=now, scope=scope)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds})
