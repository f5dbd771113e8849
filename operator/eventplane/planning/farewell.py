"""What becomes of a resource that is being deleted while its bus, or the registry of its bus, cannot be asked."""

from dataclasses import dataclass
from datetime import datetime

from eventplane.api.event_bus import EventBus, EventBusSpec, Orphan
from eventplane.api.quantities import milliseconds
from eventplane.api.resource import KeptSpec, Managed
from eventplane.planning.decision import is_paused, waited_ms


@dataclass(frozen=True, slots=True)
class Farewell:
    """Whether a resource that is being deleted may go although its bus cannot be asked, and what is left to do then."""

    release: bool
    orphan: Orphan | None = None


def farewell_to(resource: Managed, bus: EventBus | None, now: datetime) -> Farewell:
    """Decide about a resource being deleted whose bus cannot be asked, or does not exist (None).

    | paused | what is to be done outside | waited                | plan                        |
    |--------|----------------------------|-----------------------|-----------------------------|
    | yes    | any                        | any                   | keep                        |
    | no     | nothing (Retain, Observe)  | any                   | release                     |
    | no     | something                  | less than orphanAfter | keep                        |
    | no     | something                  | longer                | release, record the orphan  |
    | no     | something, but nothing has ever been named there | longer | release            |
    """
    if is_paused(resource):
        return Farewell(release=False)
    if not resource.spec.deletion_must_act:
        return Farewell(release=True)
    patience = bus.spec.orphan_after if bus else EventBusSpec.model_fields["orphan_after"].default
    if waited_ms(resource, now) < milliseconds(patience):
        return Farewell(release=False)
    if bus is None or resource.status.bus != "/".join(bus.metadata.key):
        return Farewell(release=True)
    return Farewell(release=True, orphan=_orphan(resource))


def _orphan(resource: Managed) -> Orphan | None:
    """Note what a resource leaves behind, if anything of it was ever named."""
    spec, (thing, thing_id) = resource.spec, resource.thing
    if thing is None:
        return None
    policy = spec.deletion_policy if isinstance(spec, KeptSpec) else "Retain"
    return Orphan(
        kind=resource.kind,
        namespace=resource.metadata.namespace,
        name=resource.metadata.name,
        uid=resource.metadata.uid,
        thing=thing,
        thing_id=thing_id,
        # what nobody approved is not done later either
        deletion_policy="Retain" if spec.mode == "Plan" else policy,
    )
