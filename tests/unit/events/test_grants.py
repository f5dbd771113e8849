"""Who may do what at the gateway: the table, row by row."""

import pytest

from eventplane.api.gateway_config import Grants
from eventplane.events.grants import Right, Rights

RIGHTS = Rights(
    Grants.model_validate(
        {
            "grants": [
                {"identity": "ada", "publish": ["shop.orders", "audit.*"], "eventsPerSecond": 5},
                {"identity": "ada", "subscribe": ["shop.orders"], "eventsPerSecond": 50},
                {"identity": "ada", "publish": ["more"]},
                {"identity": "root", "publish": ["*"]},
            ]
        }
    )
)


@pytest.mark.parametrize(
    ("identity", "right", "topic", "allowed"),
    [
        ("bob", "publish", "shop.orders", False),
        ("ada", "publish", "shop.orders", True),
        ("ada", "publish", "shop.orders2", False),
        ("ada", "publish", "audit.logins", True),
        ("ada", "publish", "audit.", True),
        ("ada", "publish", "audit", False),
        ("ada", "publish", "more", True),
        ("ada", "subscribe", "shop.orders", True),
        ("ada", "subscribe", "audit.logins", False),
        ("root", "publish", "anything", True),
        ("root", "subscribe", "anything", False),
        ("", "publish", "shop.orders", False),
    ],
)
def test_rights(identity: str, right: Right, topic: str, *, allowed: bool) -> None:
    assert RIGHTS.allow(identity, right, topic) is allowed


def test_without_grants_nobody_may_do_anything() -> None:
    assert not Rights(Grants()).allow("ada", "publish", "shop.orders")


@pytest.mark.parametrize(("identity", "rate"), [("ada", 50.0), ("root", 7.0), ("bob", 7.0)])
def test_the_highest_rate_counts(identity: str, rate: float) -> None:
    assert RIGHTS.events_per_second(identity, 7.0) == rate


@pytest.mark.parametrize("pattern", ["", "a*b", "**", "a b", "ü"])
def test_a_pattern_that_is_none_is_no_grant(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Grants.model_validate({"grants": [{"identity": "ada", "publish": [pattern]}]})
