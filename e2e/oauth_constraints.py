"""What the API server takes and refuses of an EventBus that logs in by tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from e2e.crd_constraints import ABSENT, NAME_REFUSED, Constrained

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKENS: Final[dict[str, Any]] = {
    "kafka": {
        "bootstrapServers": ["kafka:9092"],
        "authentication": {
            "type": "OAUTHBEARER",
            "secretRef": {"name": "login"},
            "oauth": {"tokenEndpointUrl": "https://sso/token", "caSecretRef": {"name": "ca"}},
        },
    }
}


def oauth_constraints() -> Iterator[Constrained]:
    """Give them all."""
    bus, place = "EventBus", "kafka.authentication"
    url = {"tokenEndpointUrl": "http://sso/token"}
    login = {"secretRef": {"name": "login"}}
    only = "oauth goes with type OAUTHBEARER, and only with it"
    yield Constrained(
        bus,
        place,
        ({"type": "OAUTHBEARER", "oauth": url, **login},),
        (
            ({"type": "OAUTHBEARER", **login}, only),
            ({"type": "PLAIN", "oauth": url, **login}, only),
            ({"type": "OAUTHBEARER", "oauth": url}, "secretRef goes with every type but TLS"),
        ),
    )
    refused = tuple(
        (value, "should match") for value in ("", "sso/token", "ftp://sso", "https://s?a=b", "https://u:p@s")
    )
    yield Constrained(
        bus,
        f"{place}.oauth.tokenEndpointUrl",
        ("https://sso:8443/realms/events/protocol/openid-connect/token", "https://" + "s" * 1016),
        ((ABSENT, "Required value"), *refused, ("https://" + "s" * 1017, "may not be more than 1024 bytes")),
        TOKENS,
    )
    yield Constrained(
        bus,
        f"{place}.oauth.scope",
        (ABSENT, "kafka", "kafka:read api://events/.default", "s" * 1024),
        (
            *((value, "should match") for value in ("", " kafka", "a  b", 'a"b', "a\\b", "a\nb")),
            ("s" * 1025, "may not be more than 1024 bytes"),
        ),
        TOKENS,
    )
    yield Constrained(
        bus,
        f"{place}.oauth",
        (url, {"tokenEndpointUrl": "https://sso/token", "caSecretRef": {"name": "ca"}}),
        (
            (
                url | {"caSecretRef": {"name": "ca"}},
                "caSecretRef goes with a tokenEndpointUrl that begins with https://",
            ),
            ({"tokenEndpointUrl": "https://sso/token"}, "caSecretRef goes with a tokenEndpointUrl that begins with"),
        ),
        TOKENS,
    )
    yield Constrained(bus, f"{place}.oauth.caSecretRef.name", ("s", "s" * 253), tuple(NAME_REFUSED.items()), TOKENS)
    key_refused = (("", "should be at least 1 chars long"), ("k" * 254, "may not be more than 253 bytes"))
    yield Constrained(bus, f"{place}.oauth.caSecretRef.key", (ABSENT, "k", "k" * 253), key_refused, TOKENS)
