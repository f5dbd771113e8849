"""The HTTP server: uvicorn, whose signals and logs are ours."""

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than proxies keep connections that nobody uses, so that none is closed under a request."""


class GatewayServer(uvicorn.Server):
    """Serves an ASGI application until `should_exit`, and then for as long as what is under way may take."""

    def __init__(self, app: Any, host: str, port: int, context: ssl.SSLContext | None, drain_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http="httptools",
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=int(drain_seconds),
                ssl_context_factory=None if context is None else lambda _config, _make: context,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the process has its own order of ending."""
        yield
