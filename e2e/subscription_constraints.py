"""Each constraint of what a Subscription says of its consumer, with values on both sides of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from e2e.crd_constraints import (
    ABSENT,
    LEAST,
    NAME_REFUSED,
    SOME_LABELS,
    Constrained,
    Spec,
    enumerated,
    label_selector,
    ranged,
    resources,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_KIND: Final = "Subscription"
_NAMES: Final = ("n", "n" * 253)
_WORKLOAD: Final[Spec] = {"workload": {"image": "shop/billing:1"}}
_SINK: Final[Spec] = {"sink": {"http": {"url": "http://billing/events"}}}
_ROUTES: Final[Spec] = {"routes": {"match": "All", "to": [{"name": "billing", **_SINK}]}}
_FUNCTION: Final[Spec] = {"sink": {"python": {"image": "shop/billing:1", "callable": "billing:handle"}}}
_EMPTY: Final = "should be at least 1 chars long"
_REQUIRED: Final = (ABSENT, "Required value")


def subscription_constraints() -> Iterator[Constrained]:
    """Give them all."""
    yield from _topics()
    yield from _consumer()
    yield from _delivery()
    yield from _sinks()
    yield from (_of_a_route(each) for each in _sinks())
    yield from _routes()
    yield from _container()
    yield from _lists_of_the_container()
    yield from _probes()
    yield from _scaling()


def _topics() -> Iterator[Constrained]:
    either = "name the topics either by topics or by topicSelector"
    named: Spec = {"topics": [{"name": "orders"}]}
    selected: Spec = {"topicSelector": {"matchLabels": {"team": "billing"}}}
    yield Constrained(_KIND, "", (named, selected, {"topicSelector": {}}), (({}, either), (named | selected, either)))
    yield ranged(_KIND, "topics[].major", 1, given=named)
    yield from label_selector(_KIND, "topicSelector", {"topics": None, "topicSelector": SOME_LABELS})


def _consumer() -> Iterator[Constrained]:
    filters, transforms = "filter is for sink and routes: a container", "transform is for sink: routes"
    one = "name one of sink, routes and workload, or none of them"
    yield Constrained(
        _KIND,
        "",
        (
            {},
            _SINK,
            _WORKLOAD,
            _ROUTES | {"filter": "true", "scaling": {"min": 2}},
            _SINK | {"filter": "true", "transform": "event.data", "scaling": {"min": 2}},
        ),
        (
            *((both, one) for both in (_SINK | _WORKLOAD, _SINK | _ROUTES, _ROUTES | _WORKLOAD)),
            ({"filter": "true"}, filters),
            (_WORKLOAD | {"filter": "true"}, filters),
            (_WORKLOAD | {"transform": "event.data"}, transforms),
            (_ROUTES | {"transform": "event.data"}, transforms),
            ({"scaling": {"min": 2}}, "scaling is for sink, routes and workload"),
        ),
        LEAST[_KIND],
    )
    too_long = ("e" * 4097, "may not be more than 4096 bytes")
    for expression in ("filter", "transform"):
        yield Constrained(_KIND, expression, ("e", "e" * 4096), (("", _EMPTY), too_long), _SINK)
    yield Constrained(
        _KIND,
        "startFrom",
        ("Earliest", "Latest", "2026-01-31T00:00:00Z", "2026-01-31T00:00:00.123+02:00"),
        tuple((value, "should match") for value in ("", "earliest", "2026-01-31", "2026-01-31T00:00:00")),
    )
    yield Constrained(
        _KIND, "deadLetterPolicyRef.name", _NAMES, tuple(NAME_REFUSED.items()), {"deadLetterPolicyRef": {}}
    )


def _delivery() -> Iterator[Constrained]:
    yield enumerated(_KIND, "delivery.guarantee", "AtLeastOnce", "ExactlyOnce")
    yield enumerated(_KIND, "delivery.ordering", "Key", "Partition", "None")
    yield ranged(_KIND, "delivery.concurrency", 1, 1000)
    yield _duration("delivery.deduplicate.window", {})
    yield ranged(_KIND, "delivery.deduplicate.maxEvents", 1_000, 10_000_000)


def _duration(path: str, given: Spec) -> Constrained:
    refused = tuple((value, "should match") for value in ("", "1", "h", "1 h", "1y"))
    return Constrained(_KIND, path, ("1ms", "1h", "30d"), refused, given)


def _sinks() -> Iterator[Constrained]:
    """Constrain the only sink."""
    yield from _sink()
    yield from _function()


def _of_a_route(each: Constrained) -> Constrained:
    """Constrain the sink of a route in the same way."""
    route = {"name": "r", "sink": each.given.get("sink", {})}
    given = {**each.given, "sink": None, "routes": {"match": "All", "to": [route]}}
    return replace(each, path=f"routes.to[].{each.path}", given=given)


def _routes() -> Iterator[Constrained]:
    to: list[Spec] = [{"name": f"r{number}", **_SINK} for number in range(21)]
    given: Spec = {"routes": {"match": "All", "to": to[:1]}}
    modes = enumerated(_KIND, "routes.match", "First", "All")
    yield Constrained(_KIND, modes.path, modes.taken, (_REQUIRED, *modes.refused), given)
    ends = enumerated(_KIND, "routes.unmatched", "DeadLetter", "Filter")
    yield Constrained(_KIND, ends.path, (ABSENT, *ends.taken), ends.refused, given)
    refused: tuple[tuple[Any, str], ...] = (
        _REQUIRED,
        ([], "should have at least 1 items"),
        (to, "must have at most 20 items"),
        (to[:1] * 2, "Duplicate value"),
    )
    yield Constrained(_KIND, "routes.to", (to[:1], to[:20]), refused, given)
    names = (*((value, "should match") for value in ("A", "-a", "a-", "a.b")), ("", _EMPTY))
    too_long = ("r" * 41, "may not be more than 40 bytes")
    yield Constrained(_KIND, "routes.to[].name", ("r", "r" * 40, "a-1"), (_REQUIRED, *names, too_long), _filtered({}))
    yield Constrained(_KIND, "routes.to[].sink", (_SINK["sink"],), (_REQUIRED,), given)
    for expression in ("filter", "transform"):
        longer = ("e" * 4097, "may not be more than 4096 bytes")
        yield Constrained(
            _KIND, f"routes.to[].{expression}", (ABSENT, "e", "e" * 4096), (("", _EMPTY), longer), _filtered({})
        )
    lost = "what no route takes is a dead letter: name a deadLetterPolicyRef, or set routes.unmatched to Filter"
    some = {"filter": "true"}
    policy: Spec = {"deadLetterPolicyRef": {"name": "careful"}}
    filtered, kept = _filtered(some), {"routes": {"match": "All", "to": [{"name": "r", **_SINK, **some}]}}
    yield Constrained(_KIND, "", (filtered, kept | policy, given), ((kept, lost),), LEAST[_KIND])


def _filtered(fields: Spec) -> Spec:
    """Return a route whose events may go where it does not take them."""
    return {"routes": {"match": "All", "unmatched": "Filter", "to": [{"name": "r", **_SINK, **fields}]}}


def _sink() -> Iterator[Constrained]:
    one = "name exactly one of http, python and topicRef"
    http, function, topic = _SINK["sink"], _FUNCTION["sink"], {"topicRef": {"name": "returns"}}
    yield Constrained(
        _KIND,
        "sink",
        (http, function, topic),
        (({}, one), *((both, one) for both in (http | topic, http | function, function | topic))),
    )
    yield Constrained(
        _KIND, "sink.topicRef.name", _NAMES, tuple(NAME_REFUSED.items()), {"sink": {"topicRef": {"name": "n"}}}
    )
    yield Constrained(
        _KIND,
        "sink.http.url",
        ("http://a", "https://a:8443/b?c=d", f"http://{'a' * 2041}"),
        (
            _REQUIRED,
            *((value, "should match") for value in ("", "a", "ftp://a", "http://a b", "http://a#b")),
            (f"http://{'a' * 2042}", "may not be more than 2048 bytes"),
        ),
        _SINK,
    )
    yield _duration("sink.http.timeout", _SINK)
    modes = enumerated(_KIND, "sink.http.contentMode", "Binary", "Structured", "Batched")
    yield Constrained(_KIND, modes.path, modes.taken, modes.refused, _SINK)
    yield from _service_batches()
    yield from _service_secrets()
    yield Constrained(
        _KIND, "sink.http.retryStatuses", ([], [409] * 50), (([409] * 51, "must have at most 50 items"),), _SINK
    )
    statuses = ranged(_KIND, "sink.http.retryStatuses[]", 400, 599)
    yield Constrained(_KIND, statuses.path, statuses.taken, statuses.refused, _SINK)


def _service_batches() -> Iterator[Constrained]:
    only = "batch is for contentMode Batched"
    url, batch = {"url": "http://a"}, {"batch": {"maxEvents": 10}}
    batched: Spec = {"http": {**url, **batch, "contentMode": "Batched"}}
    singly = ({"http": {**url, **batch}}, {"http": {**url, **batch, "contentMode": "Structured"}})
    yield Constrained(_KIND, "sink", (batched,), tuple((each, only) for each in singly))
    yield from _batching("sink.http.batch", {"sink": {"http": {**url, "contentMode": "Batched"}}})


def _service_secrets() -> Iterator[Constrained]:
    """Constrain what a service is spoken to with."""
    for reference, asked in (
        ("bearerTokenSecretRef", {"bearerTokenSecretRef": {}}),
        ("signature.secretRef", {"signature": {"secretRef": {}}}),
        ("tls.caSecretRef", {"tls": {"caSecretRef": {}}}),
        ("tls.certificateSecretRef", {"tls": {"certificateSecretRef": {}}}),
    ):
        given = {"sink": {"http": {"url": "https://a", **asked}}}
        yield Constrained(_KIND, f"sink.http.{reference}.name", _NAMES, tuple(NAME_REFUSED.items()), given)
    given = {"sink": {"http": {"url": "https://a", "signature": {"secretRef": {"name": "s"}}}}}
    yield Constrained(_KIND, "sink.http.signature.secretRef", ({"name": "s"},), (_REQUIRED,), given)
    yield from _service_certificates()


def _service_certificates() -> Iterator[Constrained]:
    authority: Spec = {"caSecretRef": {"name": "ca"}}
    certificate: Spec = {"certificateSecretRef": {"name": "client"}}
    given = {"sink": {"http": {"url": "https://a"}}}
    none = "name caSecretRef, certificateSecretRef or both"
    yield Constrained(_KIND, "sink.http.tls", (authority, certificate, authority | certificate), (({}, none),), given)
    keys = (("", _EMPTY), ("k" * 254, "may not be more than 253 bytes"))
    named = {"sink": {"http": {"url": "https://a", "tls": authority}}}
    yield Constrained(_KIND, "sink.http.tls.caSecretRef.key", (ABSENT, "k", "k" * 253), keys, named)
    plain = {"http": {"url": "http://a", "tls": authority}}
    secure = {"http": {"url": "https://a", "tls": authority}}
    yield Constrained(_KIND, "sink", (secure,), ((plain, "tls is for a url that begins with https://"),))


def _function() -> Iterator[Constrained]:
    callables = (
        _REQUIRED,
        *((value, "should match") for value in ("", "handle", "shop:", "shop.events", "shop:events:handle", "1a:b")),
        (f"a:{'b' * 511}", "may not be more than 512 bytes"),
    )
    taken = ("a:b", "shop.events:Service.handle", "_a1:_b2", f"a:{'b' * 510}")
    yield Constrained(_KIND, "sink.python.callable", taken, callables, _FUNCTION)
    yield _duration("sink.python.timeout", _FUNCTION)
    yield from _batching("sink.python.batch", _FUNCTION)
    yield from _image("sink.python", _FUNCTION)


def _batching(path: str, given: Spec) -> Iterator[Constrained]:
    yield ranged(_KIND, f"{path}.maxEvents", 1, 1000, given)
    sizes = tuple((value, "should match") for value in ("", "1 M", "unlimited", "1m"))
    yield Constrained(_KIND, f"{path}.maxSize", ("1", "64k", "1Mi"), sizes, given)
    lingers = tuple((value, "should match") for value in ("", "1", "1m", "100s", "100000ms"))
    yield Constrained(_KIND, f"{path}.linger", ("0ms", "99999ms", "99s"), lingers, given)


def _container() -> Iterator[Constrained]:
    yield from _image("workload", _WORKLOAD)
    seconds = ranged(_KIND, "workload.terminationGraceSeconds", 0, 3600)
    yield Constrained(_KIND, seconds.path, seconds.taken, seconds.refused, _WORKLOAD)


def _image(path: str, given: Spec) -> Iterator[Constrained]:
    """Constrain what a container of the user's has, of its own or with our runtime in it."""
    image = (_REQUIRED, ("", _EMPTY), ("i" * 1025, "may not be more than 1024 bytes"))
    yield Constrained(_KIND, f"{path}.image", ("i", "i" * 1024), image, given)
    yield from _resources(path, given)
    yield from _environment(path, given)


def _resources(path: str, given: Spec) -> Iterator[Constrained]:
    for part in ("requests", "limits"):
        yield from resources(_KIND, f"{path}.resources.{part}", given)


def _environment(path: str, given: Spec) -> Iterator[Constrained]:
    many = [{"name": f"V{number}"} for number in range(201)]
    yield Constrained(
        _KIND,
        f"{path}.env",
        ([], many[:200]),
        ((many, "must have at most 200 items"), (many[:1] * 2, "Duplicate value")),
        given,
    )
    yield Constrained(
        _KIND,
        f"{path}.env[].name",
        ("V", "v.1-_", "V" * 253),
        (
            _REQUIRED,
            *((value, "should match") for value in ("", "1V", "a b", "A=B")),
            ("V" * 254, "may not be more than 253 bytes"),
        ),
        _with(given, path, env=[{"name": "V"}]),
    )
    yield Constrained(
        _KIND,
        f"{path}.env[].value",
        (ABSENT, "", "v" * 32_768),
        (("v" * 32_769, "may not be more than 32768 bytes"),),
        _with(given, path, env=[{"name": "V"}]),
    )
    for names in ("envFromSecrets", "imagePullSecrets"):
        secrets = [{"name": f"s{number}"} for number in range(21)]
        yield Constrained(
            _KIND, f"{path}.{names}", ([], secrets[:20]), ((secrets, "must have at most 20 items"),), given
        )
        named = _with(given, path, **{names: [{"name": "s"}]})
        yield Constrained(_KIND, f"{path}.{names}[].name", _NAMES, tuple(NAME_REFUSED.items()), named)


def _with(given: Spec, path: str, **fields: Any) -> Spec:
    """Return a spec with further fields in a place."""
    spec = copy.deepcopy(given)
    node = spec
    for name in path.split("."):
        node = node[name]
    node.update(fields)
    return spec


def _lists_of_the_container() -> Iterator[Constrained]:
    for words in ("command", "args"):
        yield Constrained(
            _KIND, f"workload.{words}", ([], ["w"] * 100), ((["w"] * 101, "must have at most 100 items"),), _WORKLOAD
        )


def _probes() -> Iterator[Constrained]:
    for probe in ("liveness", "readiness"):
        given = {"workload": {"image": "i", probe: {"port": 80}}}
        ports = ranged(_KIND, f"workload.{probe}.port", 1, 65_535)
        yield Constrained(_KIND, ports.path, ports.taken, (_REQUIRED, *ports.refused), given)
        yield Constrained(
            _KIND,
            f"workload.{probe}.path",
            (ABSENT, "/", f"/{'p' * 1023}"),
            (
                *((value, "should match") for value in ("", "p", "/a b")),
                (f"/{'p' * 1024}", "may not be more than 1024 bytes"),
            ),
            given,
        )


def _scaling() -> Iterator[Constrained]:
    for bound, other in (("min", {"max": 1000}), ("max", {})):
        given = _WORKLOAD | {"scaling": other}
        numbers = ranged(_KIND, f"scaling.{bound}", 1, 1000)
        yield Constrained(_KIND, numbers.path, numbers.taken, numbers.refused, given)
    yield Constrained(
        _KIND,
        "scaling",
        ({}, {"min": 3}, {"max": 3}, {"min": 3, "max": 3}),
        (({"min": 3, "max": 2}, "min must not be more than max"),),
        _WORKLOAD,
    )
    threshold = ranged(_KIND, "scaling.lagThreshold", 1)
    yield Constrained(_KIND, threshold.path, threshold.taken, threshold.refused, _WORKLOAD)
