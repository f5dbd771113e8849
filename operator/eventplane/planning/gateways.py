"""The planner of a bus's gateway: its access first, then what it becomes; and how all of it goes again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from eventplane.api.conditions import ConditionType
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.gateway import GatewayStatus
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import AccessChange, RemoveUser
from eventplane.planning.access_state import ObservedAccess, other_user
from eventplane.planning.applied_objects import applied_objects, manifest_after, owned_after
from eventplane.planning.decision import Decision
from eventplane.planning.gateway_desired import DesiredGateway
from eventplane.planning.gateway_manifests import gateway_owner, gateway_url
from eventplane.planning.objects import (
    Manifest,
    ObjectKey,
    ObjectsCase,
    ObservedObject,
    decide_objects,
    key_of,
)
from eventplane.planning.outcome import Outcome, Unavailable
from eventplane.planning.subscriptions import SubscriptionChange, is_about_objects, told_after, told_of
from eventplane.planning.verdicts import Verdict, condition_of, first_error, verdict_of, verdict_of_obstacle
from eventplane.planning.workload_readiness import workload_status, workload_verdict

GatewayOutcome: TypeAlias = Outcome[SubscriptionChange, Any]


@dataclass(frozen=True)
class GatewayCase:
    """Everything that a decision about the gateway of a bus hangs on, and its parts, each worked out once."""

    bus: EventBus
    access: AccessCase
    desired: DesiredGateway
    observed: Mapping[ObjectKey, ObservedObject]
    """See `gateway_keys`."""
    pods: tuple[Manifest, ...] = ()
    """Those of its Deployment, if not all of that is at work."""

    @cached_property
    def access_decision(self) -> Decision[AccessChange]:
        """What is decided about its access, taken alone."""
        return decide_access(self.access)

    @cached_property
    def objects(self) -> ObjectsCase:
        """The part that is about what it becomes inside of the cluster."""
        user, told = self.access.desired.user, told_after(self.access, self.access_decision)
        return ObjectsCase(
            owner=gateway_owner(self.bus),
            desired=tuple(told_of(manifest, told) for manifest in self.desired.manifests),
            observed=self.observed,
            applied=_applied(self.bus),
            users=frozenset({user, other_user(user)} if user is not None else ()),
        )


def decide_gateway(case: GatewayCase) -> Decision[SubscriptionChange]:
    """Decide what to do about a gateway: its access comes first, and without that nothing else is done.

    | access                            | objects        | decision                                           |
    |-----------------------------------|----------------|----------------------------------------------------|
    | cannot be told, refused or held   | any            | what is decided about the access                   |
    | any                               | cannot be told | nothing now                                        |
    | any                               | refused        | the access, and those objects that are not refused |
    | any                               | any            | both                                               |

    What somebody changed behind our back is undone. Kafka takes a right away before the gateway is told of it.
    """
    access = case.access_decision
    if access.postponed is not None or access.refusals or access.hold is not None:
        return access
    objects = decide_objects(case.objects, "Enforce")
    if objects.postponed is not None:
        return objects
    return Decision((*access.changes, *objects.changes), objects.refusals)


def decide_removal(
    bus: EventBus, access: ObservedAccess, observed: Mapping[ObjectKey, ObservedObject]
) -> Decision[SubscriptionChange]:
    """Take away all that a gateway was; without changes and refusals, nothing is left.

    Args:
        bus: whose gateway it was.
        access: what was seen of its users.
        observed: its objects, its Secret among them.
    """
    if access.error is not None:
        return Decision(postponed=access.error)
    owner = gateway_owner(bus)
    users = tuple(
        RemoveUser(each.user)
        for each in (access.principal, access.second)
        if each is not None and (each.iterations is not None or each.grants)
    )
    objects = decide_objects(ObjectsCase(owner, (), observed, _applied(bus)), "Enforce")
    if objects.postponed is not None:
        return objects
    return Decision((*users, *objects.changes), objects.refusals)


def _applied(bus: EventBus) -> Mapping[ObjectKey, str]:
    known = bus.status.gateway.objects if bus.status.gateway is not None else ()
    return applied_objects(known, bus.metadata.namespace)


# --- what is said of it


def gateway_verdict(
    case: GatewayCase, decision: Decision[SubscriptionChange], outcomes: Sequence[GatewayOutcome]
) -> Verdict:
    """Judge a pass; the first row that fits wins.

    | outcome                                        | verdict                        |
    |------------------------------------------------|--------------------------------|
    | something did not answer                       | what that says, and it goes on |
    | a change failed, something is refused or held  | what that says                 |
    | else                                           | what the Deployment says       |
    """
    if decision.postponed is not None:
        return verdict_of(decision.postponed)
    obstacle = verdict_of_obstacle(decision, first_error(outcomes))
    if obstacle is not None:
        return obstacle
    deployment = _deployment_after(case, outcomes)
    if deployment is None:  # paused, and never made
        return verdict_of(Unavailable(f"{case.desired.deployment.describe()} is yet to be made"))
    return workload_verdict(deployment, case.pods)


def gateway_status(
    case: GatewayCase, decision: Decision[SubscriptionChange], outcomes: Sequence[GatewayOutcome]
) -> GatewayStatus:
    """Say what has become of a gateway after a pass."""
    known = case.bus.status.gateway or GatewayStatus(url=gateway_url(case.bus))
    deployment = _deployment_after(case, outcomes)
    desired = {key: text for key, text in _applied(case.bus).items() if key in map(key_of, case.desired.manifests)}
    access = [each for each in outcomes if not is_about_objects(each.change)]
    undecided = decision.postponed is not None or case.access_decision.refusals or decision.hold is not None
    complete = not undecided and first_error(access) is None
    return GatewayStatus(
        url=gateway_url(case.bus),
        applied=case.desired.access.fingerprint() if complete else known.applied,
        objects=owned_after(desired, outcomes),
        workload=workload_status(deployment, case.pods) if deployment is not None else None,
    )


def bus_with_gateway(
    before: EventBusStatus, generation: int, gateway: GatewayStatus | None, verdict: Verdict | None
) -> EventBusStatus:
    """Say in the status of a bus what is the case about its gateway, on which its own readiness does not hang.

    Args:
        before: the status, of which all else stays.
        generation: of the bus.
        gateway: what has become of it; None where nothing is left of it.
        verdict: None where it is not asked for, and nothing keeps it from going.
    """
    others = tuple(each for each in before.conditions if each.type != ConditionType.GATEWAY_READY)
    said = () if verdict is None else (condition_of(ConditionType.GATEWAY_READY, verdict, generation),)
    return before.model_copy(update={"gateway": gateway, "conditions": (*others, *said)})


def _deployment_after(case: GatewayCase, outcomes: Sequence[GatewayOutcome]) -> Manifest | None:
    return manifest_after(case.objects, case.desired.deployment, outcomes)
