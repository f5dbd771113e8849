"""What anybody may see: the OpenAPI document, and a page on which it can be tried out."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from eventplane.api.gateway_config import Limits
from eventplane.gateway.exchange import Answer, json_answer
from eventplane.gateway.openapi import openapi_document

_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def public_pages(limits: Limits) -> Mapping[str, Answer]:
    """Return answers to GET by path."""
    page = files("eventplane.gateway").joinpath("page.html").read_bytes()
    return {
        "/": Answer(200, page, "text/html; charset=utf-8", _HEADERS),
        "/openapi.json": json_answer(200, openapi_document(limits)),
    }
