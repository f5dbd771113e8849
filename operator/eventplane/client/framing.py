"""Confluent's wire format: a zero byte, the schema's id, for PROTOBUF the place of the message, then the data.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

import struct
from typing import Final

from eventplane.client.errors import DeserializationError

_MAGIC: Final = 0
_HEAD: Final = struct.Struct(">bI")
_LONGEST_INDEX: Final = 64
"""Messages in messages, at most; more is no index."""


def frame(schema_id: int, body: bytes) -> bytes:
    """Put the schema's id in front of data."""
    return _HEAD.pack(_MAGIC, schema_id) + body


def unframe(payload: bytes) -> tuple[int, bytes]:
    """Return the schema's id and the data behind it; raises DeserializationError."""
    if len(payload) < _HEAD.size:
        raise DeserializationError(f"{len(payload)} bytes are no event: the schema's id alone takes {_HEAD.size}")
    magic, schema_id = _HEAD.unpack_from(payload)
    if magic != _MAGIC:
        raise DeserializationError(
            f"the first byte is {magic & 0xFF}, not 0: it was not written by a registry's client"
        )
    return schema_id, payload[_HEAD.size :]


def frame_index(index: tuple[int, ...]) -> bytes:
    """Write the place of a message; the first of a file is a single zero."""
    if index == (0,):
        return b"\x00"
    return b"".join(_varint(number) for number in (len(index), *index))


def unframe_index(body: bytes) -> tuple[tuple[int, ...], bytes]:
    """Return the place of a message and the data behind it; raises DeserializationError."""
    size, at = _read_varint(body, 0)
    if size == 0:
        return (0,), body[at:]
    if not 0 < size <= _LONGEST_INDEX:
        raise DeserializationError(f"the place of the message has {size} steps")
    index = []
    for _ in range(size):
        step, at = _read_varint(body, at)
        if step < 0:
            raise DeserializationError(f"the place of the message has the step {step}")
        index.append(step)
    return tuple(index), body[at:]


def _varint(number: int) -> bytes:
    """Write a zigzag varint of a number that is not negative."""
    rest, written = number << 1, bytearray()
    while rest > 0x7F:  # noqa: PLR2004 - seven bits a byte
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    written.append(rest)
    return bytes(written)


def _read_varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for end, byte in enumerate(body[at : at + 5], at + 1):
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value >> 1 ^ -(value & 1), end
    raise DeserializationError("the place of the message is cut off")
