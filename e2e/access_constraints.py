"""Each constraint of a Publication's and a Subscription's spec, with values on both sides of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.crd_constraints import ABSENT, NAME_REFUSED, Constrained, bus_reference, enumerated

if TYPE_CHECKING:
    from collections.abc import Iterator


def access_constraints() -> Iterator[Constrained]:
    """Give them all."""
    for kind in ("Publication", "Subscription"):
        yield from bus_reference(kind)
        yield enumerated(kind, "mode", "Enforce", "Plan", "Observe")
        yield enumerated(kind, "driftPolicy", "Enforce", "Warn", "Ignore")
        many = [{"name": f"topic-{number}"} for number in range(100)]
        yield Constrained(
            kind,
            "topics",
            ([{"name": "orders"}], many),
            (
                *(((ABSENT, "Required value"),) if kind == "Publication" else ()),
                ([], "should have at least 1 items"),
                ([*many, {"name": "more"}], "must have at most 100 items"),
                ([{"name": "orders"}, {"name": "orders"}], "Duplicate value"),
            ),
        )
        yield Constrained(kind, "topics[].name", ("n", "n" * 253), tuple(NAME_REFUSED.items()))
        yield from _lives(kind)
        yield from _callers(kind)
        yield Constrained(
            kind,
            "secretName",
            (ABSENT, "s", "my.secret-1", "s" * 253),
            (
                *((value, "should match") for value in ("", "-s", "s-", "Secret", "a/b")),
                ("s" * 254, "may not be more than 253 bytes"),
            ),
        )


def _callers(kind: str) -> Iterator[Constrained]:
    """Take up to a hundred ServiceAccounts, each once."""
    many = [{"name": f"account-{number}"} for number in range(100)]
    given = {"gateway": {"serviceAccounts": [{"name": "web"}]}}
    yield Constrained(kind, "gateway", (ABSENT, given["gateway"]), ())
    yield Constrained(
        kind,
        "gateway.serviceAccounts",
        ([{"name": "web"}], many),
        (
            (ABSENT, "Required value"),
            ([], "should have at least 1 items"),
            ([*many, {"name": "more"}], "must have at most 100 items"),
            ([{"name": "web"}, {"name": "web"}], "Duplicate value"),
        ),
        given,
    )
    yield Constrained(kind, "gateway.serviceAccounts[].name", ("n", "n" * 253), tuple(NAME_REFUSED.items()), given)


def _lives(kind: str) -> Iterator[Constrained]:
    """Take how long credentials last, in numbers that a calendar knows."""
    refused = [(value, "should match") for value in ("", "1", "h", "-1h", "1.5h", "10000h", "1y", "100ms")]
    yield Constrained(
        kind,
        "credentials.rotateEvery",
        (ABSENT, "1m", "24h", "90d", "9999w"),
        (*refused, ("0d", "should match"), ("60s", "should match")),
    )
    yield Constrained(kind, "credentials.grace", (ABSENT, "0s", "30s", "5m", "1h", "9999w"), tuple(refused))
    for reference in ("certificateSecretRef", "oauthSecretRef"):
        yield Constrained(kind, f"credentials.{reference}.name", ("s", "s" * 253), tuple(NAME_REFUSED.items()))
