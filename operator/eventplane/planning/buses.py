"""Which EventBus a resource belongs to, and whether that bus lets it in."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from eventplane.api import DEFAULT_BUS_ANNOTATION
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus, LabelSelector, LabelSelectorRequirement
from eventplane.api.metadata import BusRef
from eventplane.api.resource import Managed
from eventplane.planning.plan import Refusal


class BusDirectory:
    """The buses of a Kubernetes cluster, for look-ups by resources."""

    def __init__(self, buses: Iterable[EventBus], namespace_labels: Mapping[str, Mapping[str, str]]) -> None:
        """Index buses; `namespace_labels` maps each namespace to its labels."""
        self._by_key = {bus.metadata.key: bus for bus in buses}
        self._by_namespace: defaultdict[str, list[EventBus]] = defaultdict(list)
        for bus in self._by_key.values():
            self._by_namespace[bus.metadata.namespace].append(bus)
        self._defaults = [bus for bus in self._by_key.values() if _is_default(bus)]
        self._namespace_labels = namespace_labels

    def resolve(self, namespace: str, reference: BusRef | None) -> EventBus | Refusal:
        """Find the bus for a resource of a namespace.

        | reference | buses in the namespace      | the bus                                           |
        |-----------|-----------------------------|---------------------------------------------------|
        | given     | any                         | the one named                                     |
        | absent    | one                         | that one                                          |
        | absent    | several, one marked default | the marked one                                    |
        | absent    | several, none or two marked | refused: BusAmbiguous                             |
        | absent    | none                        | the cluster's one bus marked default, if there is |

        Of several marked in the cluster, those count that let the namespace in.
        """
        found = self._named(namespace, reference) if reference else self._implied(namespace)
        if isinstance(found, Refusal):
            return found
        return self._allowed(found, namespace)

    def _named(self, namespace: str, reference: BusRef) -> EventBus | Refusal:
        key = (reference.namespace or namespace, reference.name)
        bus = self._by_key.get(key)
        if bus is None:
            return Refusal(
                Reason.BUS_NOT_FOUND, f"EventBus {key[0]}/{key[1]} does not exist: create it, or correct busRef"
            )
        return bus

    def _implied(self, namespace: str) -> EventBus | Refusal:
        local = self._by_namespace.get(namespace, [])
        candidates = local if len(local) == 1 else [bus for bus in local or self._defaults if _is_default(bus)]
        if not local:  # a default that does not let this namespace in is the default of others
            candidates = [bus for bus in candidates if self._admits(bus, namespace)] or candidates
        if len(candidates) == 1:
            return candidates[0]
        if not local and not candidates:
            return Refusal(
                Reason.BUS_NOT_FOUND,
                f"namespace {namespace} has no EventBus and none is marked default: create one, or set busRef",
            )
        names = ", ".join(sorted("/".join(bus.metadata.key) for bus in candidates or local))
        return Refusal(
            Reason.BUS_AMBIGUOUS,
            f"several EventBuses could be meant ({names}): set busRef, or annotate one of them with"
            f" {DEFAULT_BUS_ANNOTATION}=true",
        )

    def _admits(self, bus: EventBus, namespace: str) -> bool:
        allowed = bus.spec.allowed_namespaces
        selected = allowed.from_ == "Selector" and selects(
            allowed.selector or LabelSelector(), self._namespace_labels.get(namespace, {})
        )
        return namespace == bus.metadata.namespace or allowed.from_ == "All" or selected

    def _allowed(self, bus: EventBus, namespace: str) -> EventBus | Refusal:
        if self._admits(bus, namespace):
            return bus
        return Refusal(
            Reason.NAMESPACE_NOT_ALLOWED,
            f"EventBus {'/'.join(bus.metadata.key)} does not allow namespace {namespace}:"
            " its owner can admit it in spec.allowedNamespaces",
        )


def _is_default(bus: EventBus) -> bool:
    return bus.metadata.annotations.get(DEFAULT_BUS_ANNOTATION) == "true"


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether a selector matches labels; all its parts must hold (metav1.LabelSelector)."""
    exact = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return exact and all(_holds(requirement, labels) for requirement in selector.match_expressions)


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(requirement.key), requirement.values
    holds = {
        "In": value is not None and value in values,
        "NotIn": value not in values,  # as in Kubernetes, an absent label is in no set
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }
    return holds[requirement.operator]


def bus_reference(resource: Managed) -> BusRef | None:
    """Name the bus of a resource: what it says, else where it has been applied; None leaves it to the default.

    A change of defaults moves nothing: a topic would be created anew, empty, in a place where nobody looks for it.
    """
    if resource.spec.bus_ref is not None or resource.status.bus is None or resource.status.applied is None:
        return resource.spec.bus_ref
    namespace, _, name = resource.status.bus.partition("/")
    return BusRef(name=name, namespace=namespace) if namespace and name else None
