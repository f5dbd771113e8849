"""Each constraint of what a Subscription looks up, with values on both sides of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from e2e.crd_constraints import ABSENT, LEAST, NAME_REFUSED, Constrained, Spec, enumerated, ranged

if TYPE_CHECKING:
    from collections.abc import Iterator

_KIND: Final = "Subscription"
_SINK: Final[Spec] = {"sink": {"http": {"url": "http://billing/events"}}}
_TABLE: Final[Spec] = {"name": "customer", "key": "event.key", "topicRef": {"name": "customers"}}
_SERVICE: Final[Spec] = {"name": "rate", "key": "event.key", "http": {"url": "https://rates/{key}"}}
_EMPTY: Final = "should be at least 1 chars long"
_REQUIRED: Final = (ABSENT, "Required value")


def lookup_constraints() -> Iterator[Constrained]:
    """Give them all."""
    yield from _whole()
    yield from _one()
    yield from _table()
    yield from _service()


def _given(*lookups: Spec, **others: Any) -> Spec:
    return {**_SINK, "lookups": list(lookups), **others}


def _whole() -> Iterator[Constrained]:
    only = "lookups is for sink and routes: a container of your own looks up by itself"
    waits = "a transaction waits for no service: with ExactlyOnce name a topicRef in lookups instead of http"
    once: Spec = {"delivery": {"guarantee": "ExactlyOnce"}}
    to_topic: Spec = {"sink": {"topicRef": {"name": "out"}}, **once}
    yield Constrained(
        _KIND,
        "",
        (_given(_TABLE), _given(_TABLE, _SERVICE), {**to_topic, "lookups": [_TABLE]}),
        (
            ({"lookups": [_TABLE]}, only),
            ({"workload": {"image": "i"}, "lookups": [_TABLE]}, only),
            ({**to_topic, "lookups": [_TABLE, _SERVICE]}, waits),
        ),
        LEAST[_KIND],
    )
    many = [{**_TABLE, "name": f"l{number}"} for number in range(11)]
    refused = ((many, "must have at most 10 items"), (many[:1] * 2, "Duplicate value"))
    yield Constrained(_KIND, "lookups", ([], many[:10]), refused, _SINK)


def _one() -> Iterator[Constrained]:
    either = "name either topicRef or http"
    neither = {"name": "n", "key": "k"}
    yield Constrained(_KIND, "lookups[]", (_TABLE, _SERVICE), ((neither, either), (_TABLE | _SERVICE, either)), _SINK)
    names = (*((value, "should match") for value in ("A", "a-b", "1", "_a", "a.b")), ("", _EMPTY))
    too_long = ("n" * 31, "may not be more than 30 bytes")
    yield Constrained(
        _KIND, "lookups[].name", ("n", "fx_rate2", "n" * 30), (_REQUIRED, *names, too_long), _given(_TABLE)
    )
    longer = ("e" * 4097, "may not be more than 4096 bytes")
    yield Constrained(_KIND, "lookups[].key", ("e", "e" * 4096), (_REQUIRED, ("", _EMPTY), longer), _given(_TABLE))
    missing = enumerated(_KIND, "lookups[].ifMissing", "Null", "Fail")
    yield Constrained(_KIND, missing.path, missing.taken, missing.refused, _given(_TABLE))


def _table() -> Iterator[Constrained]:
    names = ("n", "n" * 253)
    yield Constrained(_KIND, "lookups[].topicRef.name", names, tuple(NAME_REFUSED.items()), _given(_TABLE))
    yield ranged(_KIND, "lookups[].topicRef.maxEntries", 1, 10_000_000, _given(_TABLE))


def _service() -> Iterator[Constrained]:
    given = _given(_SERVICE)
    wrong = (
        "",
        "a",
        "ftp://a/{key}",
        "http://a/b",
        "http://{key}/",
        "http://a{key}",
        "http://a/{key}/{key}",
        "http://a/{k}",
    )
    yield Constrained(
        _KIND,
        "lookups[].http.url",
        ("http://a/{key}", "https://a:8443/b/{key}/c?d=e", "http://a?k={key}", f"http://a/{{key}}{'a' * 2034}"),
        (
            _REQUIRED,
            *((value, "should match") for value in wrong),
            (f"http://a/{{key}}{'a' * 2035}", "may not be more than 2048 bytes"),
        ),
        given,
    )
    for path in ("timeout", "cache.ttl"):
        refused = tuple((value, "should match") for value in ("", "1", "h", "1y"))
        yield Constrained(_KIND, f"lookups[].http.{path}", ("1ms", "1h", "30d"), refused, given)
    yield ranged(_KIND, "lookups[].http.cache.maxEntries", 1, 1_000_000, given)
    yield from _secrets()


def _secrets() -> Iterator[Constrained]:
    names = ("n", "n" * 253)
    for reference, asked in (
        ("bearerTokenSecretRef", {"bearerTokenSecretRef": {}}),
        ("tls.caSecretRef", {"tls": {"caSecretRef": {}}}),
        ("tls.certificateSecretRef", {"tls": {"certificateSecretRef": {}}}),
    ):
        given = _with_http(**asked)
        yield Constrained(_KIND, f"lookups[].http.{reference}.name", names, tuple(NAME_REFUSED.items()), given)
    authority: Spec = {"caSecretRef": {"name": "ca"}}
    keys = (("", _EMPTY), ("k" * 254, "may not be more than 253 bytes"))
    named = _with_http(tls=authority)
    yield Constrained(_KIND, "lookups[].http.tls.caSecretRef.key", (ABSENT, "k", "k" * 253), keys, named)
    none = "name caSecretRef, certificateSecretRef or both"
    yield Constrained(_KIND, "lookups[].http.tls", (authority,), (({}, none),), _with_http())
    secure = {"url": "https://a/{key}", "tls": authority}
    plain = {"url": "http://a/{key}", "tls": authority}
    wrong = ((plain, "tls is for a url that begins with https://"),)
    yield Constrained(_KIND, "lookups[].http", (secure,), wrong, _with_http())


def _with_http(**fields: Any) -> Spec:
    return _given({**_SERVICE, "http": {**_SERVICE["http"], **fields}})
