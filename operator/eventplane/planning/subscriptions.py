"""Decisions about Subscriptions: their access, then what they become inside of the cluster, as one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeAlias

from eventplane.api import GROUP, REGISTRY_LOGIN_ANNOTATION
from eventplane.api.subscription import Subscription
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase, credentials_of, is_owner
from eventplane.planning.access_changes import AccessChange
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_rotation import Credentials, rfc3339
from eventplane.planning.access_state import other_user
from eventplane.planning.applied_objects import applied_objects
from eventplane.planning.decision import Decision, hold_of
from eventplane.planning.objects import (
    ApplyObject,
    DeleteObject,
    Manifest,
    ObjectChange,
    ObjectKey,
    ObjectsCase,
    ObservedObject,
    decide_objects,
    key_of,
)
from eventplane.planning.plan import Plan
from eventplane.planning.replicas import hand_over_replicas
from eventplane.planning.workload_desired import DesiredObjects, owner_of, workload_keys
from eventplane.planning.workload_readiness import deployment_state

SubscriptionChange: TypeAlias = AccessChange | ObjectChange
TURN_ANNOTATION: Final = f"{GROUP}/credentials"
"""On a pod: which user its credentials are of, and since when."""
_DEPLOYMENT: Final = "Deployment"


@dataclass(frozen=True)
class SubscriptionCase:
    """Everything that a decision about one Subscription hangs on, and its parts, each worked out once."""

    subscription: Subscription
    access: AccessCase
    desired: DesiredObjects
    observed: Mapping[ObjectKey, ObservedObject]
    """See `keys_to_observe`."""
    pods: tuple[Manifest, ...] = ()
    """Those of its Deployment, if not all of that is at work."""
    lag: int | None = None
    """How many events wait, roughly; None where that is not known."""

    @property
    def resource(self) -> Subscription:
        """The resource."""
        return self.subscription

    @cached_property
    def access_decision(self) -> Decision[AccessChange]:
        """What is decided about its access, taken alone."""
        return decide_access(self.access)

    @cached_property
    def objects_decision(self) -> Decision[ObjectChange]:
        """What is decided about its objects, taken alone."""
        return decide_objects(self.objects, self.subscription.spec.drift_policy)

    @cached_property
    def objects(self) -> ObjectsCase:
        """The part that is about what it becomes inside of the cluster."""
        user, told = self.access.desired.user, told_after(self.access, self.access_decision)
        manifests = self.desired.manifests
        unborn = self.access.desired.has_password and TURN_ANNOTATION not in told
        return ObjectsCase(
            owner=owner_of(self.subscription),
            desired=tuple(told_of(manifest, told) for manifest in manifests),
            observed=self.observed,
            applied=applied_objects(self.subscription.status.objects, self.subscription.metadata.namespace),
            left_alone=self.desired.left_alone | (_containers(manifests) if unborn else frozenset()),
            users=frozenset({user, other_user(user)} if user is not None else ()),
        )


def subscription_case(
    subscription: Subscription,
    access: AccessCase,
    desired: DesiredObjects,
    observed: Mapping[ObjectKey, ObservedObject],
    pods: tuple[Manifest, ...] = (),
    lag: int | None = None,
) -> SubscriptionCase:
    """Put together what a decision hangs on: what its pods have been told says which of its users are still needed."""
    deployment = observed[desired.deployment].manifest if desired.deployment is not None else None
    gone = deployment is not None and _all_told(deployment, turn_now(access))
    return SubscriptionCase(subscription, replace(access, old_clients_gone=gone), desired, observed, pods=pods, lag=lag)


# --- what pods are told of their credentials


def turn_now(access: AccessCase) -> str | None:
    """Tell which user has the turn, and since when; None where that cannot be told, or there are no users."""
    return _turn(credentials_of(access, access.observed))


def told_after(access: AccessCase, decision: Decision[AccessChange]) -> Mapping[str, str]:
    """Tell, as annotations, whose credentials the Secret will hold after a pass, and since when those for the registry.

    What waits for approval is not counted: the pods are replaced after it, in a plan of its own.
    """
    seen = observed_after(access.observed, () if decision.held is not None else decision.changes)
    login = seen.secret.annotations.get(REGISTRY_LOGIN_ANNOTATION) if is_owner(access, seen.secret) else None
    told = {TURN_ANNOTATION: _turn(credentials_of(access, seen)), REGISTRY_LOGIN_ANNOTATION: login}
    return {name: text for name, text in told.items() if text is not None}


def _turn(credentials: Credentials | None) -> str | None:
    if credentials is None or not credentials.recorded:
        return None
    return f"{credentials.user} since {rfc3339(credentials.issue.at)}"


def told_of(manifest: Manifest, told: Mapping[str, str]) -> Manifest:
    """Let the pods of a Deployment be replaced when other credentials are in their Secret: they read them once."""
    if manifest["kind"] != _DEPLOYMENT or not told:
        return manifest
    spec = manifest["spec"]
    template = spec["template"]
    head = template["metadata"]
    annotated = {**template, "metadata": {**head, "annotations": {**head["annotations"], **told}}}
    return {**manifest, "spec": {**spec, "template": annotated}}


def _all_told(deployment: Manifest, turn: str | None) -> bool:
    """Tell whether every pod of a Deployment, those on their way out included, has been told of these credentials."""
    annotations = deployment["spec"]["template"]["metadata"].get("annotations") or {}
    leaving = (deployment.get("status") or {}).get("terminatingReplicas") or 0
    return (
        turn is not None
        and annotations.get(TURN_ANNOTATION) == turn
        and deployment_state(deployment).complete
        and leaving == 0
    )


def _containers(manifests: Iterable[Manifest]) -> frozenset[ObjectKey]:
    """Name the Deployment: nobody could log in before there are credentials."""
    return frozenset(key_of(manifest) for manifest in manifests if manifest["kind"] == _DEPLOYMENT)


def keys_to_observe(subscription: Subscription, desired: DesiredObjects) -> frozenset[ObjectKey]:
    """Name the objects to look at: those asked for, those that its status tells of, and those that it may not tell of.

    A pass that was cut short may have made something that its status does not tell of; that counts where the spec has
    changed since. Who never had a container is never looked for.
    """
    unfinished = subscription.status.observed_generation != subscription.metadata.generation > 1
    maybe = workload_keys(subscription) if unfinished else frozenset()
    return (
        desired.keys | frozenset(applied_objects(subscription.status.objects, subscription.metadata.namespace)) | maybe
    )


def decide_subscription(case: SubscriptionCase) -> Decision[SubscriptionChange]:
    """Decide what to do about one Subscription: its access comes first, and without that nothing else is done.

    | access              | objects             | decision                                             |
    |---------------------|---------------------|------------------------------------------------------|
    | cannot be told      | any                 | nothing now                                          |
    | refused             | any                 | what is decided about the access                     |
    | any                 | cannot be told      | nothing now                                          |
    | any                 | refused             | the access, and those objects that are not refused   |
    | any                 | any                 | both, or both held back: one plan, to approve at once|
    """
    access = case.access_decision
    if access.postponed is not None or access.refusals:
        return access
    objects = case.objects_decision
    if objects.postponed is not None:
        return objects
    first = access.held.changes if access.held is not None else access.changes
    made = (*_handed_over(case, objects.changes), *objects.changes)
    plan: Plan[SubscriptionChange] = Plan((*first, *made), objects.refusals)
    hold = hold_of(case.resource, plan)
    if hold is not None:
        drift = (*access.drift, *objects.drift)
        return Decision(
            refusals=plan.refusals, hold=hold, held=plan, drift=drift, again_in_seconds=access.again_in_seconds
        )
    left = objects.drift if not objects.repairs_drift else ()
    return Decision(
        plan.changes,
        plan.refusals,
        # what the access alone would have had to wait with is approved along with the rest, and undone
        drift=(*(access.drift if access.hold is None else ()), *left),
        again_in_seconds=access.again_in_seconds,
        repairs_drift=access.repairs_drift or objects.repairs_drift or bool(access.hold is not None and access.drift),
    )


def _handed_over(case: SubscriptionCase, changes: Sequence[ObjectChange]) -> Iterator[ObjectChange]:
    """Leave the number of pods to the autoscaler before a Deployment is applied that says nothing of it."""
    for change in changes:
        live = case.observed[change.key].manifest
        if isinstance(change, ApplyObject) and live is not None and "replicas" not in change.manifest.get("spec", {}):
            heir = hand_over_replicas(change.key, live, change.owner, change.users)
            if heir is not None:
                yield heir


def is_about_objects(change: SubscriptionChange) -> bool:
    """Tell the changes inside of the cluster from those of the access."""
    return isinstance(change, ApplyObject | DeleteObject)
