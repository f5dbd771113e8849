"""A Deployment and its pods to the truth about them: how many are at work, and why others are not."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eventplane.api.conditions import Reason
from eventplane.api.workload import PodProblem, WorkloadStatus
from eventplane.planning.objects import Manifest
from eventplane.planning.verdicts import Verdict

_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
"""Why a container waits that is about to start."""
_PULL_FAILURES: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""What a failing pull is called in turns; it is told as the one, lest the status changes with each attempt."""
_PULL_PREFIX: Final = re.compile(r"^Back-off pulling image \S+: ErrImagePull: ")
_PORT: Final = re.compile(r"(?<=\d):\d{4,5}(?=->)")
"""The port that a refused request came from, which is another each time."""
_MOST_PROBLEMS: Final = 3
_MESSAGE: Final = 300
"""Characters of Kubernetes' words that are shown."""


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """What of a Deployment counts."""

    name: str
    replicas: int
    """Pods asked for."""
    existing: int
    """Pods that exist, older ones included."""
    updated: int
    available: int
    seen: bool
    """The Deployment's controller has looked at it as it is."""
    rolled_out: bool
    """It has been rolled out once as it is, whatever became of its pods since."""
    stuck: bool
    """It made no progress within its deadline."""
    creation_failure: str | None
    """Why no pods can be created."""

    @property
    def complete(self) -> bool:
        """Whether as many pods as asked for are at work, and no others exist."""
        return self.seen and self.existing == self.updated == self.available == self.replicas


def deployment_state(deployment: Manifest) -> DeploymentState:
    """Read the truth about a Deployment (kubernetes.io, "Deployment status")."""
    metadata, spec, status = deployment["metadata"], deployment.get("spec", {}), deployment.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    progress = conditions.get("Progressing", {})
    return DeploymentState(
        name=metadata["name"],
        replicas=spec.get("replicas", 1),
        existing=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        seen=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        rolled_out=progress.get("reason") == "NewReplicaSetAvailable",
        stuck=progress.get("status") == "False",
        creation_failure=_creation_failure(conditions.get("ReplicaFailure", {})),
    )


def _creation_failure(condition: Mapping[str, Any]) -> str | None:
    """Say why pods cannot be created: a quota, or what the namespace admits."""
    if condition.get("status") != "True":
        return None
    return f"{condition.get('reason')}: {_without_ports(condition.get('message', ''))}"[:_MESSAGE]


def workload_status(deployment: Manifest, pods: Sequence[Manifest]) -> WorkloadStatus:
    """Say in the status what a Deployment is like."""
    state = deployment_state(deployment)
    return WorkloadStatus(
        name=state.name,
        replicas=state.replicas,
        updated=state.updated,
        available=state.available,
        problems=() if state.complete else pod_problems(pods, state.available),
    )


def workload_verdict(deployment: Manifest, pods: Sequence[Manifest]) -> Verdict:
    """Judge a Deployment; the first row that fits wins. Past its deadline, somebody has to act.

    | Deployment                                      | pods             | ready | reason              |
    |-------------------------------------------------|------------------|-------|---------------------|
    | all pods that were asked for are at work        | any              | True  | Ready               |
    | not looked at by its controller since it changed| any              | False | WorkloadProgressing |
    | pods cannot be created                          | any              | False | PodsNotStarting     |
    | pods are missing or not at work                 | one has a problem| False | PodsNotStarting     |
    | no progress within the deadline                 | none has         | False | WorkloadUnavailable |
    | was rolled out, lost pods since                 | none has         | False | WorkloadUnavailable |
    | else                                            | none has         | False | WorkloadProgressing |
    """
    state = deployment_state(deployment)
    what = f"Deployment {state.name}"
    if state.complete:
        return Verdict("True", Reason.READY, f"{what} is at work")
    if not state.seen:
        return _waits(state, Reason.WORKLOAD_PROGRESSING, f"{what} is about to be rolled out")
    problems = pod_problems(pods, state.available)
    if state.creation_failure is not None:
        return _waits(state, Reason.PODS_NOT_STARTING, f"{what} gets no pods: {state.creation_failure}")
    if problems:
        told = "; ".join(f"{each.reason}: {each.message}" for each in problems)
        return _waits(state, Reason.PODS_NOT_STARTING, f"pods of {what} do not start: {told}")
    return _without_problems(state, what)


def _without_problems(state: DeploymentState, what: str) -> Verdict:
    if state.stuck:
        message = f"pods of {what} run and do not become ready: see what their readiness probe gets"
        return _waits(state, Reason.WORKLOAD_UNAVAILABLE, message)
    if state.rolled_out:
        return _waits(state, Reason.WORKLOAD_UNAVAILABLE, f"not all pods of {what} are at work")
    return _waits(state, Reason.WORKLOAD_PROGRESSING, f"{what} is being rolled out")


def _waits(state: DeploymentState, reason: Reason, message: str) -> Verdict:
    return Verdict("False", reason, message, reconciling=not state.stuck, stalled=state.stuck)


# --- pods


def pod_problems(pods: Sequence[Manifest], available: int = 0) -> tuple[PodProblem, ...]:
    """Say why pods do not start: each reason once, the same words while it is the same that goes wrong.

    Args:
        pods: those of a Deployment.
        available: so many of those that are ready have been so for long enough to count: the ones that became so first.
            It comes from the Deployment, and may be older than what the pods say.
    """
    settled = sorted(since for pod in pods if (since := _ready_since(pod)) is not None)[:available]
    found = {
        problem for pod in pods if not _goes(pod) for problem in _problems_of(pod, settled=_ready_since(pod) in settled)
    }
    return tuple(PodProblem(reason=reason, message=message) for reason, message in sorted(found)[:_MOST_PROBLEMS])


def _goes(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _ready_since(pod: Manifest) -> str | None:
    """Tell since when a pod is ready, RFC 3339; None where it is not."""
    for each in pod.get("status", {}).get("conditions") or ():
        if each["type"] == "Ready" and each["status"] == "True":
            return str(each.get("lastTransitionTime", ""))
    return None


def _problems_of(pod: Manifest, *, settled: bool) -> Iterator[tuple[str, str]]:
    status = pod.get("status", {})
    for each in status.get("conditions") or ():
        if each["type"] == "PodScheduled" and each["status"] == "False":
            yield each.get("reason", "Unschedulable"), each.get("message", "")[:_MESSAGE]
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        problem = _container_problem(container, settled=settled)
        if problem is not None:
            reason, message = problem
            yield reason, message[:_MESSAGE]


def _container_problem(container: Mapping[str, Any], *, settled: bool) -> tuple[str, str] | None:
    """Say why a container is not at work; while it is restarted in vain it says so, also while it runs in between."""
    waiting = container.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _PULL_FAILURES:
        words = _without_ports(_PULL_PREFIX.sub("", message))
        return "ImagePullBackOff", f"{container.get('image', '')}: {words}".rstrip(": ")
    ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
    if ended is not None and not settled:
        return "CrashLoopBackOff", _end_of(container, ended)
    if reason and reason not in _STARTING:
        return reason, message
    return None


def _end_of(container: Mapping[str, Any], ended: Mapping[str, Any]) -> str:
    words = f"container {container['name']} ended with exit code {ended.get('exitCode')} ({ended.get('reason')})"
    said = ended.get("message", "").strip()
    return f"{words}: {said}" if said else f"{words}: its log says more"


def _without_ports(message: str) -> str:
    return _PORT.sub("", message)
