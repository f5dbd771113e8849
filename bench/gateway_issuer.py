"""An issuer of tokens, as little of one as the gateway asks for."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@contextmanager
def issuer(keys: Mapping[str, Any]) -> Iterator[str]:
    """Publish keys; gives the issuer's address."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = keys if self.path == "/keys" else {"issuer": url, "jwks_uri": f"{url}/keys"}
            body = orjson.dumps(found)
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
