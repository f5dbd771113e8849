"""Whom the gateway of a bus lets in, as Publications and Subscriptions name them, and what is said of it there."""

from collections.abc import Iterable, Iterator

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.gateway_config import Grant, Grants
from eventplane.api.publication import Publication
from eventplane.planning.access_desired import Topics, topic_to_grant
from eventplane.planning.verdicts import Verdict

SERVICE_ACCOUNTS = "system:serviceaccount:"
"""What the identities of ServiceAccounts begin with."""


def callers_of(bus: EventBus, applications: Iterable[tuple[Access, Topics]]) -> Grants:
    """Let in whom Publications and Subscriptions of a bus name, each to the topics that those have.

    | resource                                     | whom it names may                   |
    |----------------------------------------------|-------------------------------------|
    | names nobody                                 | nothing                             |
    | is being deleted, or in mode Plan or Observe | nothing                             |
    | Publication                                  | publish to those topics that exist  |
    | Subscription                                 | read those topics that exist        |

    Subjects of an issuer that the bus does not name are nobody. How fast somebody may publish says the bus alone: of
    what resources said of one caller, who is in several namespaces, one would count for the others.

    Args:
        bus: the bus.
        applications: those that are on it, with their EventTopics.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    for resource, topics in applications:
        if resource.metadata.deleting or resource.spec.mode != "Enforce":
            continue
        names = {name for topic in topics.values() if (name := topic_to_grant(topic, bus)) is not None}
        for identity in _identities(resource, bus) if names else ():
            publish, subscribe = found.setdefault(identity, (set(), set()))
            (publish if isinstance(resource, Publication) else subscribe).update(names)
    rates = {each.identity: each.events_per_second for each in bus.spec.gateway.rates} if bus.spec.gateway else {}
    return Grants(
        grants=tuple(
            Grant(
                identity=identity,
                publish=tuple(sorted(publish)),
                subscribe=tuple(sorted(subscribe)),
                events_per_second=rates.get(identity),
            )
            for identity, (publish, subscribe) in sorted(found.items())
        )
    )


def lets_service_accounts_in(callers: Grants) -> bool:
    """Tell whether a ServiceAccount is among those who are let in."""
    return any(each.identity.startswith(SERVICE_ACCOUNTS) for each in callers.grants)


def callers_verdict(resource: Access, bus: EventBus) -> Verdict | None:
    """Say of a Publication or Subscription whether the gateway knows whom it names; readiness does not hang on it.

    | it names                                 | the bus           | known | reason               |
    |------------------------------------------|-------------------|-------|----------------------|
    | nobody                                   | any               | none  |                      |
    | somebody                                 | has no gateway    | False | GatewayNotConfigured |
    | subjects of issuers that are not there   | has a gateway     | False | IssuerNotFound       |
    | others                                   | has a gateway     | True  | Ready                |
    """
    where = f"EventBus {'/'.join(bus.metadata.key)}"
    if resource.spec.gateway is None:
        return None
    if bus.spec.gateway is None:
        text = f"{where} has no gateway, so nobody is let in: its owner can ask for one in spec.gateway"
        return Verdict("False", Reason.GATEWAY_NOT_CONFIGURED, text)
    unknown = {each.issuer for each in resource.spec.gateway.oidc_subjects} - _issuers(bus)
    if not unknown:
        return Verdict("True", Reason.READY, f"the gateway of {where} knows whom this resource names")
    text = f"the gateway of {where} knows no issuer {' and no '.join(sorted(unknown))}, whose subjects are not let in"
    return Verdict(
        "False",
        Reason.ISSUER_NOT_FOUND,
        f"{text}: correct gateway.oidcSubjects, or have its owner name it in spec.gateway.oidc",
    )


def _identities(resource: Access, bus: EventBus) -> Iterator[str]:
    callers, known = resource.spec.gateway, _issuers(bus)
    if callers is None:
        return
    yield from (f"{SERVICE_ACCOUNTS}{resource.metadata.namespace}:{each.name}" for each in callers.service_accounts)
    yield from (f"{each.issuer}:{each.subject}" for each in callers.oidc_subjects if each.issuer in known)


def _issuers(bus: EventBus) -> frozenset[str]:
    return frozenset(each.name for each in bus.spec.gateway.oidc) if bus.spec.gateway is not None else frozenset()
