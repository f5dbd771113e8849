"""An ASGI application that does nothing, on the gateway's own server: `python -m bench.gateway_floor <port>`."""

import asyncio
import sys
from typing import Any

import uvloop

from eventplane.gateway.server import GatewayServer


async def null(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer, whatever it is."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def serve(port: int) -> None:
    """Serve until killed."""
    await GatewayServer(null, "127.0.0.1", port, None, 1.0).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
