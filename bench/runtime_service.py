"""A service that takes whatever is posted, as cheaply as Python can: a process of its own.

Writes its port to standard output; GET answers with the number of requests, the first and the last one's time.
"""

import asyncio
import json
import sys
import time


class Taking(asyncio.Protocol):
    """HTTP/1.1 with a body of known length, kept alive."""

    count = 0
    first = 0.0
    last = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self.answer(is_get=head.startswith(b"get"))

    def answer(self, *, is_get: bool) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        if is_get:
            body = json.dumps({"count": Taking.count, "first": Taking.first, "last": Taking.last}).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            return
        Taking.last = time.time()
        Taking.first = Taking.first or Taking.last
        Taking.count += 1
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Taking, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
