"""Each constraint of a Publication's and a Subscription's spec, with values on both sides of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.crd_constraints import (
    ABSENT,
    NAME_REFUSED,
    Constrained,
    bus_reference,
    enumerated,
    issuer_name,
    ranged,
    resources,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.crd_constraints import Spec


def access_constraints() -> Iterator[Constrained]:
    """Give them all."""
    yield from _relays()
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
    """Take up to a hundred ServiceAccounts, and as many subjects of issuers, each once."""
    many = [{"name": f"account-{number}"} for number in range(100)]
    given = {"gateway": {"serviceAccounts": [{"name": "web"}]}}
    nobody: tuple[Spec, ...] = ({}, {"serviceAccounts": []}, {"oidcSubjects": []})
    ada = {"issuer": "people", "subject": "ada"}
    yield Constrained(
        kind,
        "gateway",
        (ABSENT, given["gateway"], {"oidcSubjects": [ada]}, given["gateway"] | {"oidcSubjects": [ada]}),
        tuple((each, "name serviceAccounts, oidcSubjects or both") for each in nobody),
    )
    yield from _subjects(kind, ada)
    yield Constrained(
        kind,
        "gateway.serviceAccounts",
        ([{"name": "web"}], many),
        (
            ([*many, {"name": "more"}], "must have at most 100 items"),
            ([{"name": "web"}, {"name": "web"}], "Duplicate value"),
        ),
        given,
    )
    yield Constrained(kind, "gateway.serviceAccounts[].name", ("n", "n" * 253), tuple(NAME_REFUSED.items()), given)


def _subjects(kind: str, ada: Spec) -> Iterator[Constrained]:
    place, given = "gateway.oidcSubjects", {"gateway": {"oidcSubjects": [ada]}}
    many = [ada | {"subject": f"s-{number}"} for number in range(100)]
    yield Constrained(
        kind,
        place,
        ([ada], [ada, ada | {"issuer": "machines"}], many),
        (
            ([*many, ada], "must have at most 100 items"),
            ([ada, ada], "Duplicate value"),
        ),
        given,
    )
    yield issuer_name(kind, f"{place}[].issuer", given)
    refused = (
        (ABSENT, "Required value"),
        ("", "should be at least 1 chars long"),
        ("s" * 256, "may not be more than 255 bytes"),
    )
    yield Constrained(kind, f"{place}[].subject", ("s", "auth0|4711", "s" * 255), refused, given)


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


def _relays() -> Iterator[Constrained]:
    """Take a relay that writes in transactions, to topics of its Publication, and notes its position elsewhere."""
    kind, relay = "Publication", {"storeSecretRef": {"name": "database"}, "positions": {"name": "positions"}}
    given = {"transactional": True, "relay": relay}
    route = {"types": "order.*", "topic": "orders"}
    given_route = {"transactional": True, "relay": relay | {"routes": [route]}}
    least = {"topics": [{"name": "orders"}]}
    yield Constrained(
        kind,
        "",
        (given, given | {"relay": relay | {"routes": [route, {"types": "*", "topic": "orders"}]}}),
        (
            ({"relay": relay}, "a relay writes in transactions"),
            (given | {"transactional": False}, "a relay writes in transactions"),
            (given | {"relay": relay | {"positions": {"name": "orders"}}}, "relay.positions is a topic of its own"),
            (
                given | {"relay": relay | {"routes": [{"types": "*", "topic": "payments"}]}},
                "relay.routes may name topics of this Publication only",
            ),
        ),
        least,
    )
    yield Constrained(kind, "relay", (ABSENT, relay), (({}, "Required value"),), given)
    for path in ("storeSecretRef", "positions"):
        yield Constrained(kind, f"relay.{path}", ({"name": "n"},), ((ABSENT, "Required value"),), given)
        yield Constrained(kind, f"relay.{path}.name", ("n", "n" * 253), tuple(NAME_REFUSED.items()), given)
    routes = [route] * 50
    too_many = ([*routes, route], "must have at most 50 items")
    yield Constrained(kind, "relay.routes", (ABSENT, [], routes), (too_many,), given)
    types_refused = (
        (ABSENT, "Required value"),
        *((value, "should match") for value in ("", "a b", "a,b", "a=b")),
        ("t" * 254, "may not be more than 253 bytes"),
    )
    yield Constrained(kind, "relay.routes[].types", ("*", "order.*", "t" * 253), types_refused, given_route)
    topic_refused = (*NAME_REFUSED.items(),)
    yield Constrained(kind, "relay.routes[].topic", ("orders",), topic_refused, given_route)
    yield Constrained(kind, "relay.start", ("Position", "Beginning"), (("Other", "supported values"),), given)
    yield ranged(kind, "relay.replicas", 1, 10, given)
    for part in ("requests", "limits"):
        yield from resources(kind, f"relay.resources.{part}", given)
