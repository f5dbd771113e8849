"""Objects by the API server's requests, in memory: the contract, what is asked, and what refusals are made of."""

from datetime import UTC, datetime
from typing import Any

import pytest
from builders import DEPLOYMENT, consumer, wanted_objects

from eventplane.api.conditions import Reason
from eventplane.backends.kubernetes import Gone
from eventplane.backends.kubernetes_objects import KubernetesObjectBackend
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.planning.objects import ApplyObject, DeleteObject, ObjectKey, ObservedObject, key_of
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.workload_desired import owner_of

LABELS = {"app.kubernetes.io/managed-by": "eventplane"}
FORBIDDEN = (
    'the API server answered 403: deployments.apps "a" is forbidden: User "system:serviceaccount:x:y" cannot {} it'
)
TERMINATING = (
    "the API server answered 403: unable to create new content in namespace shop because it is being terminated"
)


class Site:
    """An API server, and the backend on it."""

    def __init__(self) -> None:
        self.kubernetes = MemoryKubernetes(lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.backend = KubernetesObjectBackend(self.kubernetes.request)

    async def see(self, *keys: ObjectKey) -> list[ObservedObject]:
        seen = await self.backend.observe(keys)
        return [seen[key] for key in keys]


def config_map(name: str = "a", owner: str = "billing", **data: str) -> ApplyObject:
    reference = {"apiVersion": "events.sindhan.ai/v1alpha1", "kind": "Subscription", "name": owner, "controller": True}
    about = {"name": name, "namespace": "shop", "labels": LABELS, "ownerReferences": [reference | {"uid": owner}]}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data}
    return ApplyObject(key_of(manifest), manifest, ("Subscription", owner, owner))


def errors(outcomes: Any) -> list[BackendError | None]:
    return [outcome.error for outcome in outcomes]


async def test_what_was_applied_is_shown_and_applying_twice_is_harmless() -> None:
    site = Site()
    change = config_map(key="a")
    assert await site.see(change.key) == [ObservedObject()]
    (outcome,) = await site.backend.apply([change])
    (seen,) = await site.see(change.key)
    assert outcome.state == seen
    assert seen.controller == ("Subscription", "billing")
    assert seen.manifest is not None
    assert seen.manifest["data"] == {"key": "a"}
    await site.backend.apply([change])
    assert await site.see(change.key) == [seen], "not even its version changes"


async def test_what_others_set_stays_and_what_we_do_not_set_any_more_goes() -> None:
    site = Site()
    first, second = config_map(key="a", more="b"), config_map(key="c")
    await site.backend.apply([first])

    def add(known: dict[str, Any]) -> None:
        known["data"]["theirs"] = "stays"
        known["metadata"]["labels"]["team"] = "web"

    site.kubernetes.objects.edit(first.key, add)
    await site.backend.apply([second])
    (seen,) = await site.see(first.key)
    assert seen.manifest is not None
    assert seen.manifest["data"] == {"key": "c", "theirs": "stays"}
    assert seen.manifest["metadata"]["labels"] == {**LABELS, "team": "web"}


async def test_entries_of_a_list_are_told_apart_by_their_names() -> None:
    site = Site()
    resource = consumer(workload={"image": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]})
    (_, deployment) = wanted_objects(resource).manifests
    (_, changed) = wanted_objects(consumer(workload={"image": "a", "env": [{"name": "X", "value": "2"}]})).manifests
    await site.backend.apply([ApplyObject(DEPLOYMENT, deployment, owner_of(resource))])

    def inject(known: dict[str, Any]) -> None:
        pod = known["spec"]["template"]["spec"]
        pod["containers"].append({"name": "sidecar", "image": "mesh"})
        pod["containers"][0]["env"].append({"name": "Z", "value": "theirs"})

    site.kubernetes.objects.edit(DEPLOYMENT, inject)
    await site.backend.apply([ApplyObject(DEPLOYMENT, changed, owner_of(resource))])
    (seen,) = await site.see(DEPLOYMENT)
    assert seen.manifest is not None
    containers = {each["name"]: each for each in seen.manifest["spec"]["template"]["spec"]["containers"]}
    assert set(containers) == {"consumer", "sidecar"}
    env = {each["name"]: each.get("value") for each in containers["consumer"]["env"]}
    assert (env["X"], env["Z"], "Y" in env) == ("2", "theirs", False)


async def test_only_the_one_that_was_looked_at_is_deleted() -> None:
    site = Site()
    change = config_map()
    await site.backend.apply([change])
    (seen,) = await site.see(change.key)
    other, right = DeleteObject(change.key, "another", change.owner), DeleteObject(change.key, seen.uid, change.owner)
    assert errors(await site.backend.apply([other])) == [None]
    assert await site.see(change.key) == [seen]
    assert errors(await site.backend.apply([right, right])) == [None, None]
    assert await site.see(change.key) == [ObservedObject()]


async def test_a_failure_stops_what_comes_after_it_for_its_owner_and_nobody_else() -> None:
    site = Site()
    site.kubernetes.fail_next("PATCH /api/v1/namespaces/shop/configmaps/a", Unavailable("away"))
    changes = [config_map("a"), config_map("b", owner="other"), config_map("c")]
    outcomes = await site.backend.apply(changes)
    assert [outcome.change for outcome in outcomes] == changes
    assert [error.message if error else None for error in errors(outcomes)] == ["away", None, "away"]
    assert [bool(seen.manifest) for seen in await site.see(*(change.key for change in changes))] == [False, True, False]


async def test_many_objects_are_looked_at_by_a_list_and_what_that_does_not_show_by_itself() -> None:
    site = Site()
    changes = [config_map(f"c{number}", owner=f"o{number}") for number in range(11)]
    await site.backend.apply(changes)
    theirs = ObjectKey("v1", "ConfigMap", "shop", "theirs")
    about = {"name": "theirs", "namespace": "shop"}
    site.kubernetes.objects.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": about})
    absent = ObjectKey("v1", "ConfigMap", "shop", "absent")
    site.kubernetes.reads.clear()
    *ours, other, none = await site.see(*(change.key for change in changes), theirs, absent)
    assert len(site.kubernetes.reads) == 3
    assert all(seen.manifest and seen.manifest["kind"] == "ConfigMap" for seen in ours)
    assert other.manifest is not None, "it has not our label, and must not be taken for absent"
    assert none == ObservedObject()


@pytest.mark.parametrize("number", [1, 11], ids=["one by one", "by a list"])
@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        pytest.param(Unavailable("away"), Reason.BUS_UNAVAILABLE, "away", id="no answer"),
        pytest.param(
            Rejected(Reason.INTERNAL_ERROR, FORBIDDEN.format("get")),
            Reason.NOT_PERMITTED,
            "may not keep ConfigMaps in namespace shop: bind the ClusterRole eventplane-application",
            id="no right",
        ),
    ],
)
async def test_what_cannot_be_looked_at_says_so(number: int, error: BackendError, reason: Reason, words: str) -> None:
    site = Site()
    site.kubernetes.fail_next("GET /api/v1/namespaces/shop/configmaps", error, times=number)
    keys = [config_map(f"c{index}").key for index in range(number)]
    for seen in await site.see(*keys):
        assert seen.error is not None
        assert seen.error.reason == reason
        assert words in seen.error.message


@pytest.mark.parametrize(
    ("words", "expected", "reason"),
    [
        (FORBIDDEN.format("patch"), Rejected, Reason.NOT_PERMITTED),
        (TERMINATING, Unavailable, Reason.INTERNAL_ERROR),
        ("the API server answered 403: exceeded quota: none", Rejected, Reason.REJECTED),
        ("the API server answered 422: spec.selector: field is immutable", Rejected, Reason.REJECTED),
    ],
    ids=["no right", "a namespace that goes", "a quota", "invalid"],
)
async def test_refusals_say_what_to_do(words: str, expected: type[BackendError], reason: Reason) -> None:
    site = Site()
    site.kubernetes.fail_next("PATCH", Rejected(Reason.INTERNAL_ERROR, words))
    (error,) = errors(await site.backend.apply([config_map()]))
    assert isinstance(error, expected)
    assert error.reason == reason
    if reason == Reason.REJECTED:
        assert error.message == f"ConfigMap a: {words}"


async def test_a_selector_never_changes() -> None:
    site = Site()
    (_, deployment) = wanted_objects(consumer()).manifests
    change = ApplyObject(DEPLOYMENT, deployment, owner_of(consumer()))
    other = {**deployment, "spec": {**deployment["spec"], "selector": {"matchLabels": {"a": "b"}}}}
    outcomes = await site.backend.apply([change, ApplyObject(DEPLOYMENT, other, change.owner)])
    assert [error.reason if error else None for error in errors(outcomes)] == [None, Reason.REJECTED]


async def test_a_namespace_that_is_gone_is_asked_again_later() -> None:
    site = Site()
    site.kubernetes.fail_next("PATCH", Gone("the API server answered 404: namespaces shop not found"))
    (error,) = errors(await site.backend.apply([config_map()]))
    assert isinstance(error, Unavailable)


def pod(name: str, deployment: str, labels: dict[str, str] = LABELS) -> dict[str, Any]:
    owner = {
        "kind": "ReplicaSet",
        "name": f"{deployment}-5d4f",
        "uid": "u",
        "apiVersion": "apps/v1",
        "controller": True,
    }
    about = {
        "name": name,
        "namespace": "shop",
        "labels": {**labels, "pod-template-hash": "5d4f"},
        "ownerReferences": [owner],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about}


async def test_pods_are_those_of_their_deployment() -> None:
    site = Site()
    for each in (pod("a", "billing-subscription"), pod("b", "billing-subscription-x"), pod("c", "other", {})):
        site.kubernetes.objects.put(each)
    other = ObjectKey("apps/v1", "Deployment", "elsewhere", "billing-subscription")
    pods = await site.backend.pods([DEPLOYMENT, other])
    assert [each["metadata"]["name"] for each in pods[DEPLOYMENT]] == ["a"]
    assert pods[other] == ()


async def test_pods_that_may_not_be_listed() -> None:
    site = Site()
    site.kubernetes.fail_next("/pods", Rejected(Reason.INTERNAL_ERROR, FORBIDDEN.format("list")))
    with pytest.raises(Rejected, match="may not keep Pods"):
        await site.backend.pods([DEPLOYMENT])
