"""The truth about Deployments and pods, row by row."""

from typing import Any

import pytest
from builders import consumer, live, pod, wanted_objects

from eventplane.api.conditions import Reason
from eventplane.planning.workload_readiness import pod_problems, workload_status, workload_verdict

MANIFEST = wanted_objects(consumer()).manifests[-1]
THREE = wanted_objects(consumer(scaling={"min": 3})).manifests[1]
ROLLING = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
QUOTA = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": 'pods "b" is forbidden: exceeded quota',
}
PULLING = pod(waiting={"reason": "ErrImagePull", "message": "not found"})


@pytest.mark.parametrize(
    ("deployment", "pods", "status", "reason", "words"),
    [
        pytest.param(live(MANIFEST), [], "True", Reason.READY, "at work", id="all are at work"),
        pytest.param(
            live(THREE), [PULLING], "True", Reason.READY, "at work", id="all are at work, whatever a pod says"
        ),
        pytest.param(
            live(MANIFEST, observedGeneration=1),
            [],
            "False",
            Reason.WORKLOAD_PROGRESSING,
            "about to be rolled out",
            id="its controller has not looked at it",
        ),
        pytest.param(
            live(MANIFEST, pods=0, conditions=[ROLLING, QUOTA]),
            [],
            "False",
            Reason.PODS_NOT_STARTING,
            "gets no pods: FailedCreate: pods",
            id="pods cannot be created",
        ),
        pytest.param(
            live(MANIFEST, pods=0, conditions=[ROLLING, QUOTA | {"status": "False"}]),
            [],
            "False",
            Reason.WORKLOAD_PROGRESSING,
            "being rolled out",
            id="pods can be created again",
        ),
        pytest.param(
            live(MANIFEST, pods=0, conditions=[ROLLING]),
            [PULLING],
            "False",
            Reason.PODS_NOT_STARTING,
            "do not start: ImagePullBackOff: shop/billing:1: not found",
            id="a pod says why",
        ),
        pytest.param(
            live(MANIFEST, replicas=2, updatedReplicas=1, conditions=[ROLLING]),
            [PULLING],
            "False",
            Reason.PODS_NOT_STARTING,
            "ImagePullBackOff",
            id="the older pods work, the new one does not start",
        ),
        pytest.param(
            live(MANIFEST, pods=0, conditions=[STUCK]),
            [pod()],
            "False",
            Reason.WORKLOAD_UNAVAILABLE,
            "do not become ready",
            id="no progress, and no pod says why",
        ),
        pytest.param(
            live(THREE, pods=2),
            [],
            "False",
            Reason.WORKLOAD_UNAVAILABLE,
            "not all pods of Deployment billing-subscription are at work",
            id="it has lost a pod",
        ),
        pytest.param(
            live(THREE, pods=2, conditions=[ROLLING]),
            [pod()],
            "False",
            Reason.WORKLOAD_PROGRESSING,
            "being rolled out",
            id="a rollout",
        ),
        pytest.param(
            live(THREE, replicas=4, conditions=[ROLLING]),
            [],
            "False",
            Reason.WORKLOAD_PROGRESSING,
            "being rolled out",
            id="an older pod is still there",
        ),
        pytest.param(
            {"metadata": {"name": "a", "generation": 1}},
            [],
            "False",
            Reason.WORKLOAD_PROGRESSING,
            "about to be",
            id="just made",
        ),
    ],
)
def test_verdict(
    deployment: dict[str, Any], pods: list[dict[str, Any]], status: str, reason: Reason, words: str
) -> None:
    verdict = workload_verdict(deployment, pods)
    assert (verdict.status, verdict.reason) == (status, reason)
    assert words in verdict.message
    assert verdict.stalled is (STUCK in deployment.get("status", {}).get("conditions", ()))
    assert verdict.reconciling is (status == "False" and not verdict.stalled)


def test_status() -> None:
    broken = live(THREE, pods=1)
    status = workload_status(broken, [PULLING, PULLING])
    assert (status.name, status.replicas, status.updated, status.available) == ("billing-subscription", 3, 3, 1)
    assert [each.reason for each in status.problems] == ["ImagePullBackOff"]
    assert workload_status(live(THREE), [PULLING]).problems == ()


ENDED = {"terminated": {"exitCode": 1, "reason": "Error"}}
BACK_OFF = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=consumer pod=billing-1"}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: no cpu"}
PULLS_AGAIN = 'Back-off pulling image "a": ErrImagePull: rpc error:'
REFUSED = "dial tcp: lookup registry: read udp 10.0.0.2:{port}->10.0.0.3:53: refused"


def conditioned(*conditions: dict[str, str], **metadata: str) -> dict[str, Any]:
    return {"metadata": {"name": "billing-1", **metadata}, "status": {"conditions": list(conditions)}}


@pytest.mark.parametrize(
    ("seen", "problems"),
    [
        pytest.param(pod(), [], id="it runs"),
        pytest.param(pod(waiting={"reason": "ContainerCreating"}), [], id="it is about to start"),
        pytest.param(pod(waiting={"reason": "PodInitializing"}), [], id="it waits for others of the pod"),
        pytest.param(
            pod(waiting={"reason": "ErrImagePull", "message": "rpc error: not found"}),
            [("ImagePullBackOff", "shop/billing:1: rpc error: not found")],
            id="no such image",
        ),
        pytest.param(
            pod(waiting={"reason": "ImagePullBackOff", "message": f"{PULLS_AGAIN} not found"}),
            [("ImagePullBackOff", "shop/billing:1: rpc error: not found")],
            id="no such image, in between: the same words",
        ),
        pytest.param(
            pod(waiting={"reason": "ImagePullBackOff"}), [("ImagePullBackOff", "shop/billing:1")], id="no words"
        ),
        pytest.param(
            pod(waiting={"reason": "ErrImagePull", "message": REFUSED.format(port=41234)}),
            [("ImagePullBackOff", f"shop/billing:1: {REFUSED.format(port=1).replace(':1->', '->')}")],
            id="no port that is another each time",
        ),
        pytest.param(
            pod(waiting=BACK_OFF, lastState=ENDED),
            [("CrashLoopBackOff", "container consumer ended with exit code 1 (Error): its log says more")],
            id="it ends again and again, and waits",
        ),
        pytest.param(
            pod(state=ENDED),
            [("CrashLoopBackOff", "container consumer ended with exit code 1 (Error): its log says more")],
            id="it has just ended: the same words",
        ),
        pytest.param(
            pod(lastState=ENDED),
            [("CrashLoopBackOff", "container consumer ended with exit code 1 (Error): its log says more")],
            id="it was started again and is not ready: the same words",
        ),
        pytest.param(
            pod(lastState=ENDED, ready=True),
            [("CrashLoopBackOff", "container consumer ended with exit code 1 (Error): its log says more")],
            id="it was started again, and the pod is not ready",
        ),
        pytest.param(
            pod(lastState={"terminated": {"exitCode": 2, "reason": "Error", "message": "no settings\n"}}),
            [("CrashLoopBackOff", "container consumer ended with exit code 2 (Error): no settings")],
            id="it left a message",
        ),
        pytest.param(
            pod(waiting={"reason": "CreateContainerConfigError", "message": 'secret "a" not found'}),
            [("CreateContainerConfigError", 'secret "a" not found')],
            id="no such Secret",
        ),
        pytest.param(conditioned(UNSCHEDULABLE), [("Unschedulable", "0/1 nodes: no cpu")], id="no room"),
        pytest.param(
            conditioned({"type": "PodScheduled", "status": "False"}), [("Unschedulable", "")], id="no room, no words"
        ),
        pytest.param(conditioned(UNSCHEDULABLE | {"status": "True"}), [], id="it has a node"),
        pytest.param(conditioned({"type": "Ready", "status": "False"}), [], id="other conditions say nothing of it"),
        pytest.param(conditioned(UNSCHEDULABLE, deletionTimestamp="now"), [], id="it is on its way out"),
        pytest.param({"metadata": {"name": "a"}}, [], id="nothing is known of it"),
        pytest.param(
            {
                "metadata": {"name": "a"},
                "status": {
                    "initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "InvalidImageName"}}}]
                },
            },
            [("InvalidImageName", "")],
            id="a container that comes before",
        ),
    ],
)
def test_pod_problems(seen: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert [(each.reason, each.message) for each in pod_problems([seen, seen])] == problems


def test_a_few_problems_are_enough() -> None:
    several = [pod(waiting={"reason": f"R{number}", "message": "x" * 1000}) for number in range(9)]
    problems = pod_problems(several)
    assert [each.reason for each in problems] == ["R0", "R1", "R2"]
    assert {len(each.message) for each in problems} == {300}


def restarted(since: str | None) -> dict[str, Any]:
    """Make a pod that ended once, was started again, and is ready since then."""
    made = pod(lastState=ENDED, ready=True)
    status = "False" if since is None else "True"
    made["status"]["conditions"] = [{"type": "Ready", "status": status, "lastTransitionTime": since}]
    return made


@pytest.mark.parametrize(
    ("pods", "available", "problems"),
    [
        pytest.param([restarted("2026-01-01T00:00:00Z")], 1, 0, id="it ended long ago and works since"),
        pytest.param([restarted("2026-01-01T00:00:00Z")], 0, 1, id="it has been ready for less than it takes"),
        pytest.param([restarted(None)], 0, 1, id="it is not ready"),
        pytest.param(
            [restarted("2026-01-01T00:00:00Z"), pod() | {"status": restarted("2026-01-02T00:00:00Z")["status"]}],
            1,
            1,
            id="the last one to become ready is the one that has to prove itself",
        ),
        pytest.param([restarted("2026-01-01T00:00:00Z"), {"metadata": {}}], 1, 0, id="others are not ready"),
        pytest.param([restarted(None)], 1, 1, id="the Deployment has not yet seen that it is not ready any more"),
    ],
)
def test_who_ended_before_has_to_run_for_a_while(pods: list[dict[str, Any]], available: int, problems: int) -> None:
    assert len(pod_problems(pods, available)) == problems


def test_a_container_that_fails_again_and_again_is_told_in_the_same_words_while_it_runs() -> None:
    conditions = [ROLLING]
    waiting = live(MANIFEST, pods=0, readyReplicas=0, conditions=conditions)
    running = live(MANIFEST, pods=0, readyReplicas=0, conditions=conditions)  # it has not seen yet that one is ready
    told = {
        workload_verdict(waiting, [pod(waiting=BACK_OFF, lastState=ENDED)]),
        workload_verdict(waiting, [restarted(None)]),
        workload_verdict(running, [restarted("2026-01-01T00:00:00Z")]),
    }
    assert [each.reason for each in told] == [Reason.PODS_NOT_STARTING]
