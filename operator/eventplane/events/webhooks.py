"""Standard Webhooks' signatures: a service can tell by them who has sent a request, and that nobody has changed it.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Signature scheme".
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

import orjson

from eventplane.events.event import Event

_PREFIX: Final = "whsec_"
_FEWEST_BYTES: Final = 24
_MOST_BYTES: Final = 64


class SigningSecretError(ValueError):
    """A secret that nothing is signed with; the message does not show it."""


def signing_key(secret: str) -> bytes:
    """Read a secret as it is handed out: `whsec_`, and the key as base64, padded or not.

    Raises:
        SigningSecretError: it is none, or a key of a length that the specification does not allow.
    """
    encoded = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if encoded == secret or not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
        raise SigningSecretError(f"is no {_PREFIX} with {_FEWEST_BYTES} to {_MOST_BYTES} random bytes as base64")
    return key


def webhook_id(events: Sequence[Event]) -> str:
    """Name what is sent, the same at each attempt: SHA-256, in hexadecimal, of the JSON `[[source, id], ...]`."""
    told = [[event.attributes["source"], event.attributes["id"]] for event in events]
    return hashlib.sha256(orjson.dumps(told)).hexdigest()


def signature_headers(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Sign a request.

    Args:
        keys: the current one, and while they change the one before: whoever knows either can verify.
        message_id: without a full stop, which separates what is signed.
        timestamp: of the attempt, seconds since 1970.
        body: as it is sent.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{digest}" for digest in digests),
    }
