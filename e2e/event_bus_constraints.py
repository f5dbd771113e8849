"""Each constraint of an EventBus's spec, with values on both sides of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from e2e.crd_constraints import (
    ABSENT,
    LEAST,
    NAME_REFUSED,
    SOME_LABELS,
    Constrained,
    Spec,
    configured,
    issuer_name,
    label_selector,
    ranged,
    resources,
)
from e2e.oauth_constraints import TOKENS, oauth_constraints

if TYPE_CHECKING:
    from collections.abc import Iterator

_CA: Final = {"kafka": {"bootstrapServers": ["kafka:9092"], "tls": {"caSecretRef": {"name": "ca"}}}}
_CLIENT: Final = {"kafka": {"bootstrapServers": ["kafka:9092"], "tls": {"certificateSecretRef": {"name": "client"}}}}
_SCRAM: Final = {
    "kafka": {
        "bootstrapServers": ["kafka:9092"],
        "authentication": {"type": "SCRAM-SHA-512", "secretRef": {"name": "login"}},
    }
}
_REGISTRY: Final[dict[str, Any]] = {
    "schemaRegistry": {
        "url": "https://registry:8081",
        "tls": {"caSecretRef": {"name": "ca"}, "certificateSecretRef": {"name": "client"}},
        "authentication": {"secretRef": {"name": "login"}},
        "applications": {
            "authentication": {"secretRef": {"name": "readers"}},
            "tls": {"caSecretRef": {"name": "ca"}, "certificateSecretRef": {"name": "shared"}},
        },
    }
}
_SELECTOR: Final = {"allowedNamespaces": {"from": "Selector", "selector": SOME_LABELS}}


def event_bus_constraints() -> Iterator[Constrained]:
    """Give them all."""
    yield from _connections()
    yield from _registry()
    yield from _namespaces()
    yield from _bus_rules()
    yield from _gateway()


def _secret_name(path: str, given: Spec) -> Constrained:
    return Constrained("EventBus", path, ("s", "s" * 253), tuple(NAME_REFUSED.items()), given)


def _connections() -> Iterator[Constrained]:
    bus = "EventBus"
    yield Constrained(bus, "kafka", (LEAST[bus]["kafka"],), ((ABSENT, "Required value"),))
    addresses = [f"kafka-{number}:9092" for number in range(33)]
    yield Constrained(
        bus,
        "kafka.bootstrapServers",
        (addresses[:1], addresses[:32]),
        (
            (ABSENT, "Required value"),
            ([], "should have at least 1 items"),
            (addresses, "must have at most 32 items"),
        ),
    )
    yield Constrained(
        bus,
        "kafka.bootstrapServers[]",
        (
            "kafka:9092",
            "10.0.0.1:9092",
            "[2001:db8::1]:9092",
            "b_1.kafka.svc.cluster.local:19092",
            "k" * 255 + ":65535",
        ),
        (
            ("kafka", "should match"),
            ("kafka:port", "should match"),
            ("SASL_SSL://kafka:9092", "should match"),
            ("kafka:9092,other:9092", "should match"),
            ("k" * 257 + ":9092", "may not be more than 261 bytes"),
        ),
    )
    yield _secret_name("kafka.tls.caSecretRef.name", _CA)
    key_refused = (("", "should be at least 1 chars long"), ("k" * 254, "may not be more than 253 bytes"))
    yield Constrained(bus, "kafka.tls.caSecretRef.key", (ABSENT, "k", "k" * 253), key_refused, _CA)
    yield _secret_name("kafka.tls.certificateSecretRef.name", _CLIENT)
    yield _secret_name("kafka.authentication.secretRef.name", _SCRAM)
    yield Constrained(
        bus,
        "kafka.authentication.type",
        ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"),  # TLS and OAUTHBEARER: see the rules
        (
            (ABSENT, "Required value"),
            ("GSSAPI", 'supported values: "SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "TLS", "OAUTHBEARER"'),
        ),
        _SCRAM,
    )
    login = "secretRef goes with every type but TLS, whose identity is in tls.certificateSecretRef"
    yield Constrained(
        bus,
        "kafka.authentication",
        (ABSENT, {"type": "PLAIN", "secretRef": {"name": "login"}}, {"type": "TLS"}),
        (
            ({"type": "PLAIN"}, login),
            ({"type": "SCRAM-SHA-256"}, login),
            ({"type": "TLS", "secretRef": {"name": "login"}}, login),
        ),
        _CLIENT,
    )
    no_certificate = "authentication of type TLS needs tls.certificateSecretRef"
    by_certificate = LEAST[bus]["kafka"] | {"authentication": {"type": "TLS"}}
    yield Constrained(
        bus,
        "kafka",
        (by_certificate | {"tls": {"certificateSecretRef": {"name": "client"}}},),
        (
            (by_certificate, no_certificate),
            (by_certificate | {"tls": {}}, no_certificate),
            (by_certificate | {"tls": {"caSecretRef": {"name": "ca"}}}, no_certificate),
        ),
    )
    yield from oauth_constraints()
    yield from _principals()


def _principals() -> Iterator[Constrained]:
    bus, template = "EventBus", {"principals": {"template": "{{ namespace }}.{{ name }}"}}
    certified = LEAST[bus]["kafka"] | {
        "tls": {"certificateSecretRef": {"name": "client"}},
        "authentication": {"type": "TLS"},
    }
    login = {"secretRef": {"name": "login"}}
    unfit = "principals go with authentication of type TLS, PLAIN or OAUTHBEARER"
    yield Constrained(
        bus,
        "kafka",
        (
            certified | template,
            LEAST[bus]["kafka"] | template | {"authentication": {"type": "PLAIN", **login}},
            TOKENS["kafka"] | template,
        ),
        (
            (LEAST[bus]["kafka"] | template, unfit),
            (LEAST[bus]["kafka"] | template | {"authentication": {"type": "SCRAM-SHA-512", **login}}, unfit),
        ),
    )
    once, known = (
        "a template has {{ namespace }} once and {{ name }} once",
        "a template knows {{ namespace }}, {{ name }}",
    )
    apart = "between {{ namespace }} and {{ name }} there has to be a dot"
    both = "{{ namespace }}.{{ name }}"
    yield Constrained(
        bus,
        "kafka.principals.template",
        (
            both,
            "CN={{ name }}.{{ namespace }}",
            "CN={{ name }},OU={{ namespace }},O=Shop",
            "{{ namespace }}/{{ kind }}/{{ name }}",
            both + "x" * (256 - len(both)),
        ),
        (
            (ABSENT, "Required value"),
            ("", "should be at least 1 chars long"),
            (both + "x" * (257 - len(both)), "may not be more than 256 bytes"),
            ("admin", once),
            ("{{ name }}", once),
            ("{{ namespace }}", once),
            (f"{both}.{{{{ name }}}}", once),
            (f"{both}{{{{ labels }}}}", known),
            ("{{ namespace }}-{{ name }}", apart),
            ("{{ name }}{{ kind }}{{ namespace }}", apart),
            (f"User:{both}", "leave out User: with which"),
        ),
        {"kafka": certified},
    )


def _registry() -> Iterator[Constrained]:
    bus, place = "EventBus", "schemaRegistry"
    yield Constrained(
        bus,
        f"{place}.url",
        ("http://registry:8081", "https://registry.example.com/apis/ccompat/v7", "http://[2001:db8::1]:8081/"),
        (
            (ABSENT, "Required value"),
            *((value, "should match") for value in ("", "registry:8081", "ftp://registry", "http://r?a=b", "http://")),
            ("http://" + "r" * 1018, "may not be more than 1024 bytes"),
        ),
        _REGISTRY,
    )
    for reference in ("tls.caSecretRef", "tls.certificateSecretRef", "authentication.secretRef"):
        yield _secret_name(f"{place}.{reference}.name", _REGISTRY)
    key_refused = (("", "should be at least 1 chars long"), ("k" * 254, "may not be more than 253 bytes"))
    yield Constrained(bus, f"{place}.tls.caSecretRef.key", (ABSENT, "k", "k" * 253), key_refused, _REGISTRY)
    login = {"secretRef": {"name": "login"}}
    yield Constrained(
        bus, f"{place}.authentication.secretRef", (login["secretRef"],), ((ABSENT, "Required value"),), _REGISTRY
    )
    yield from _applications(f"{place}.applications")


def _applications(place: str) -> Iterator[Constrained]:
    bus = "EventBus"
    yield Constrained(bus, place, (ABSENT, {}, {"tls": {}}), (), _REGISTRY)
    yield _secret_name(f"{place}.authentication.secretRef.name", _REGISTRY)
    yield _secret_name(f"{place}.tls.certificateSecretRef.name", _REGISTRY)
    yield _secret_name(f"{place}.tls.caSecretRef.name", _REGISTRY)
    nothing = ((ABSENT, "Required value"),)
    yield Constrained(bus, f"{place}.authentication.secretRef", ({"name": "readers"},), nothing, _REGISTRY)
    key_refused = (("", "should be at least 1 chars long"), ("k" * 254, "may not be more than 253 bytes"))
    yield Constrained(bus, f"{place}.tls.caSecretRef.key", (ABSENT, "k", "k" * 253), key_refused, _REGISTRY)
    registry = _REGISTRY["schemaRegistry"]
    admins = {"authentication": registry["authentication"]}
    certified = {"tls": {"certificateSecretRef": {"name": "client"}}}
    yield Constrained(
        bus,
        "schemaRegistry",
        (
            registry,
            {"url": registry["url"], "applications": admins},
            {"url": registry["url"], "applications": certified},
        ),
        (
            (registry | {"applications": admins}, "applications must not get the Secret of the operator itself"),
            (
                registry | {"applications": certified},
                "applications must not get the certificate of the operator itself",
            ),
        ),
    )


def _gateway() -> Iterator[Constrained]:
    bus, given = "EventBus", {"gateway": {"tls": {"secretRef": {"name": "certificate"}}}}
    yield _secret_name("gateway.tls.secretRef.name", given)
    yield Constrained(bus, "gateway.tls.secretRef", ({"name": "c"},), ((ABSENT, "Required value"),), given)
    yield Constrained(bus, "gateway.tls", (given["gateway"]["tls"],), ((ABSENT, "Required value"),), given)
    yield Constrained(bus, "gateway", (ABSENT, given["gateway"]), ())
    yield ranged(bus, "gateway.replicas", 1, 100, given)
    yield ranged(bus, "gateway.eventsPerSecond", 1, 1_000_000, given)
    yield Constrained(
        bus,
        "gateway.audience",
        (ABSENT, "a", "a" * 253),
        (
            ("", "should be at least 1 chars long"),
            ("a" * 254, "may not be more than 253 bytes"),
            ("https://kubernetes.default.svc", "the audience must not be the API server's"),
        ),
        given,
    )
    for part in ("requests", "limits"):
        yield from resources(bus, f"gateway.resources.{part}", given)
    yield from _callers_of_the_gateway(given["gateway"])


def _callers_of_the_gateway(gateway: Spec) -> Iterator[Constrained]:
    """Take issuers with a name each, and a rate for each identity."""
    bus, rate = "EventBus", {"identity": "people:ada", "eventsPerSecond": 5}
    people = {"name": "people", "issuer": "https://login.example.com", "caSecretRef": {"name": "ca"}}
    given = {"gateway": gateway | {"oidc": [people], "rates": [rate]}}
    issuers = [{"name": f"i-{number}", "issuer": f"https://i-{number}"} for number in range(16)]
    twice = people | {"name": "others"}
    yield Constrained(
        bus,
        "gateway.oidc",
        (ABSENT, [], issuers),
        (
            ([*issuers, people], "must have at most 16 items"),
            ([people, people | {"issuer": "https://elsewhere"}], "Duplicate value"),
        ),
        given,
    )
    refused = (gateway | {"oidc": [people, twice]}, "an issuer has one name: take the others out of oidc")
    yield Constrained(bus, "gateway", (), (refused,))
    yield issuer_name(bus, "gateway.oidc[].name", given)
    reserved = (("system", "system is what ServiceAccounts begin with: take another"),)
    yield Constrained(bus, "gateway.oidc[].name", ("systems",), reserved, given)
    unusable = ("", "http://login.example.com", "https://", "https://a?b", "https://a#b", "https://a b")
    yield Constrained(
        bus,
        "gateway.oidc[].issuer",
        ("https://login.example.com/realms/one/", "https://" + "i" * 1016),
        (
            (ABSENT, "Required value"),
            *((value, "should match") for value in unusable),
            ("https://" + "i" * 1017, "may not be more than 1024 bytes"),
        ),
        given,
    )
    yield _secret_name("gateway.oidc[].caSecretRef.name", given)
    key_refused = (("", "should be at least 1 chars long"), ("k" * 254, "may not be more than 253 bytes"))
    yield Constrained(bus, "gateway.oidc[].caSecretRef.key", (ABSENT, "k", "k" * 253), key_refused, given)
    rates = [rate | {"identity": f"people:{number}"} for number in range(500)]
    yield Constrained(
        bus,
        "gateway.rates",
        (ABSENT, [], rates),
        (([*rates, rate], "must have at most 500 items"), ([rate, rate], "Duplicate value")),
        given,
    )
    yield Constrained(
        bus,
        "gateway.rates[].identity",
        ("system:serviceaccount:shop:web", "people:a:b", "p:" + "i" * 318),
        (
            (ABSENT, "Required value"),
            *((value, "should match") for value in ("", "ada", "people:", ":ada", "People:ada")),
            ("p:" + "i" * 319, "may not be more than 320 bytes"),
        ),
        given,
    )
    yield Constrained(bus, "gateway.rates[].eventsPerSecond", (), ((ABSENT, "Required value"),), given)
    yield ranged(bus, "gateway.rates[].eventsPerSecond", 1, 1_000_000, given)


def _namespaces() -> Iterator[Constrained]:
    bus, mismatch = "EventBus", "selector goes with from: Selector, and only with it"
    yield Constrained(
        bus,
        "allowedNamespaces",
        (ABSENT, {"from": "Same"}, {"from": "All"}, {"from": "Selector", "selector": {}}),
        (
            ({"from": "Selector"}, mismatch),
            ({"from": "All", "selector": {}}, mismatch),
            ({"selector": {"matchLabels": {"a": "b"}}}, mismatch),
        ),
    )
    somewhere = (("Anywhere", 'supported values: "Same", "All", "Selector"'),)
    yield Constrained(bus, "allowedNamespaces.from", ("Same", "All"), somewhere)
    yield from label_selector(bus, "allowedNamespaces.selector", _SELECTOR)


def _bus_rules() -> Iterator[Constrained]:
    bus, nameless = "EventBus", "a template without the resource's name gives one name to all"
    yield Constrained(
        bus,
        "naming.topic",
        (ABSENT, "{{ name }}", "{{ namespace }}-{{ name | lower }}", "{{name}}" + "x" * 504),
        (
            ("orders", nameless),
            ("{{ namespace }}", nameless),
            ("name", nameless),
            ("{{name}}" + "x" * 505, "may not be more than 512 bytes"),
        ),
    )
    yield ranged(bus, "defaults.partitions", 1, 10_000)
    yield ranged(bus, "defaults.replicationFactor", 1, 32_767)
    yield from configured(bus, "defaults.config")
    yield ranged(bus, "limits.topicsPerNamespace", 0)
    yield ranged(bus, "limits.partitionsPerTopic", 1)
    yield Constrained(
        bus,
        "orphanAfter",
        (ABSENT, "0s", "500ms", "15m", "2h", "7d", "999999999w"),
        tuple((value, "should match") for value in ("", "15", "15 m", "1.5h", "-1h", "unlimited", "1h30m")),
    )
