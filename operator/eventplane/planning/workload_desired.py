"""Subscriptions with a container to the manifests that they become: every name, label and default is made here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eventplane.api import GROUP, MANAGED_BY_LABEL, MANAGER
from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.lookups import Lookup
from eventplane.api.routes import Routes
from eventplane.api.runtime_config import (
    RetryRules,
    RuntimeConfig,
    RuntimeLookup,
    RuntimeRoute,
    RuntimeRoutes,
    TableTopic,
    TopicSink,
)
from eventplane.api.sink import PythonFunction, PythonSink, Sink
from eventplane.api.subscription import Subscription
from eventplane.api.workload import Scaling
from eventplane.planning.access_desired import DesiredAccess
from eventplane.planning.dead_letter_topics import name_label
from eventplane.planning.dead_letters import try_for_ever
from eventplane.planning.delivery import sink_field
from eventplane.planning.objects import Manifest, ObjectKey, Owner, key_of, owned_head
from eventplane.planning.plan import Refusal, fingerprint
from eventplane.planning.workload_pod import pod_of

SUBSCRIPTION_ANNOTATION: Final = f"{GROUP}/subscription"
"""Names the Subscription of a pod."""
CONFIG_HASH_ANNOTATION: Final = f"{GROUP}/config-hash"
CONFIG_KEY: Final = "runtime.json"

_PROGRESS_SECONDS: Final = 300
_SETTLE_SECONDS: Final = 5
"""For how long a container that nothing probes has to run before it counts as at work: one that fails fast never is."""


@dataclass(frozen=True, slots=True)
class DesiredObjects:
    """What a Publication or Subscription becomes in its namespace, beside its Secret."""

    manifests: tuple[Manifest, ...] = ()
    """In the order in which they are applied."""
    left_alone: frozenset[ObjectKey] = frozenset()
    """What stays as it is for now, if it is there."""
    deployment: ObjectKey | None = None
    """The Deployment, where one is asked for."""
    autoscaled: bool | None = None
    """Whether KEDA is told to scale the Deployment; None where nobody asks for that."""
    reads_registry: bool = False
    """Eventplane's own consumer has to look into the schema registry."""
    unreadable: Refusal | None = None
    """Why it may find itself turned away there."""

    @property
    def keys(self) -> frozenset[ObjectKey]:
        """What has to be looked at."""
        return frozenset(key_of(manifest) for manifest in self.manifests) | self.left_alone


@dataclass(frozen=True, slots=True)
class DesiredApplication:
    """What a Publication or Subscription asks for."""

    access: DesiredAccess
    objects: DesiredObjects


def desire_workload(
    subscription: Subscription,
    access: DesiredAccess,
    runtime_image: str,
    *,
    retry: RetryRules | None = None,
    topics: Mapping[str, str] | None = None,
    autoscaled: bool = False,
    majors: Mapping[str, int] | None = None,
) -> DesiredObjects:
    """Resolve what a Subscription's container needs.

    While a topic is missing, or was taken away, nothing is made and what runs stays as it is.

    Args:
        subscription: who asks.
        access: what it may do, and by which Secret.
        runtime_image: the image of Eventplane's own consumer, for `sink`.
        retry: what its dead-letter policy says; None where it has none.
        topics: names in Kafka of the EventTopics that it delivers to or looks into, by their own.
        autoscaled: whether another decides how many pods there are.
        majors: in which major version of its Schema a topic is to be read, by its name in Kafka.
    """
    if not has_workload(subscription):
        return DesiredObjects()
    deployment = object_key(subscription, "apps/v1", "Deployment")
    if access.missing:
        return DesiredObjects(left_alone=workload_keys(subscription), deployment=deployment)
    config = None
    if subscription.spec.sinks:
        config = _config_text(runtime_config(subscription, access, retry or try_for_ever(), topics or {}, majors))
    made = [_service_account(subscription)]
    if config is not None:
        made.append(_config_map(subscription, config))
    made.append(_deployment(subscription, access, runtime_image, config, autoscaled=autoscaled))
    scaling = subscription.spec.scaling or Scaling()
    if (scaling.most if autoscaled else scaling.min) > 1:
        made.append(_disruption_budget(subscription))
    return DesiredObjects(tuple(made), deployment=deployment)


def has_workload(subscription: Subscription) -> bool:
    """Tell whether a Subscription asks for a Deployment."""
    return subscription.spec.workload is not None or bool(subscription.spec.sinks)


def workload_keys(resource: Access) -> frozenset[ObjectKey]:
    """Name all that the container of a Publication or Subscription may need."""
    kinds = (("v1", "ServiceAccount"), ("v1", "ConfigMap"), ("apps/v1", "Deployment"))
    budget = ("policy/v1", "PodDisruptionBudget")
    return frozenset(object_key(resource, version, kind) for version, kind in (*kinds, budget))


def owner_of(resource: Access) -> Owner:
    """Name a Publication or Subscription as what its objects go with."""
    return (resource.kind, resource.metadata.name, resource.metadata.uid)


def object_name(resource: Access) -> str:
    """Name its Deployment and what that needs, by the scheme of its Secret."""
    return f"{resource.metadata.name}-{resource.kind.lower()}"


def object_key(resource: Access, api_version: str, kind: str) -> ObjectKey:
    """Name one of them."""
    return ObjectKey(api_version, kind, resource.metadata.namespace, object_name(resource))


# --- the topics of sinks


def no_sink_topic(subscription: Subscription) -> Refusal | None:
    """Refuse a sink that delivers to a topic that it reads: each event would come back for ever."""
    read = {topic.name for topic in subscription.spec.topics}
    for route, sink in subscription.spec.sinks.items():
        if sink.topic_ref is not None and sink.topic_ref.name in read:
            name, field = sink.topic_ref.name, sink_field(route)
            text = f"{field}.topicRef names {name}, which is read too: events would go in circles"
            return Refusal(Reason.INVALID_SPEC, text)
    return None


# --- the runtime's configuration


def runtime_config(
    subscription: Subscription,
    access: DesiredAccess,
    retry: RetryRules,
    topics: Mapping[str, str],
    majors: Mapping[str, int] | None = None,
) -> RuntimeConfig:
    """Write what Eventplane's own consumer has to know."""
    spec, metadata = subscription.spec, subscription.metadata
    return RuntimeConfig(
        namespace=metadata.namespace,
        name=metadata.name,
        group=access.group or "",
        transactional_id_prefix=access.transactional_id_prefix,
        topics=access.topics,
        majors=dict(majors or {}),
        schema_registry_url=access.registry.url if access.registry is not None else None,
        start_from=spec.start_from,
        filter=spec.filter,
        transform=spec.transform,
        lookups=tuple(_lookup(each, topics) for each in spec.lookups),
        delivery=spec.delivery,
        retry=retry,
        routes=_routes(spec.routes, topics),
        **(_destination(spec.sink, topics) if spec.sink is not None else {}),
    )


def _lookup(asked: Lookup, topics: Mapping[str, str]) -> RuntimeLookup:
    ref = asked.topic_ref
    return RuntimeLookup(
        name=asked.name,
        key=asked.key,
        topic=TableTopic(topic=topics[ref.name], max_entries=ref.max_entries) if ref is not None else None,
        http=asked.http,
        if_missing=asked.if_missing,
    )


def _routes(asked: Routes | None, topics: Mapping[str, str]) -> RuntimeRoutes | None:
    if asked is None:
        return None
    to = tuple(
        RuntimeRoute(
            name=route.name,
            filter=route.filter,
            transform=route.transform,
            **_destination(route.sink, topics),
        )
        for route in asked.to
    )
    return RuntimeRoutes(match=asked.match, unmatched=asked.unmatched, to=to)


def _destination(sink: Sink, topics: Mapping[str, str]) -> dict[str, Any]:
    topic = topics.get(sink.topic_ref.name) if sink.topic_ref is not None else None
    return {
        "http": sink.http,
        "python": _function(sink.python),
        "topic": TopicSink(topic=topic) if topic is not None else None,
    }


def _function(sink: PythonSink | None) -> PythonFunction | None:
    """Take of a sink what its process has to know; image and environment are the pod's."""
    return None if sink is None else PythonFunction(callable=sink.callable, timeout=sink.timeout, batch=sink.batch)


def _config_text(config: RuntimeConfig) -> str:
    return json.dumps(config.to_wire(), indent=1, sort_keys=True)


# --- manifests


def selector_of(subscription: Subscription) -> Mapping[str, str]:
    """Label the pods of a Subscription; a Deployment's selector never changes, so nothing else may be in it."""
    return {
        "app.kubernetes.io/name": "eventplane-subscription",
        "app.kubernetes.io/instance": name_label(subscription.metadata.name),
        MANAGED_BY_LABEL: MANAGER,
    }


def labels_of(subscription: Subscription) -> Mapping[str, str]:
    """Label what a Subscription becomes."""
    component = "sink" if subscription.spec.sinks else "workload"
    return {**selector_of(subscription), "app.kubernetes.io/component": component}


def head_of(subscription: Subscription, api_version: str, kind: str, name: str) -> dict[str, Any]:
    """Begin the manifest of something that goes with a Subscription."""
    key = ObjectKey(api_version, kind, subscription.metadata.namespace, name)
    return owned_head(key, owner_of(subscription), labels_of(subscription))


def _service_account(subscription: Subscription) -> Manifest:
    head = head_of(subscription, "v1", "ServiceAccount", object_name(subscription))
    return {**head, "automountServiceAccountToken": False}


def _config_map(subscription: Subscription, config: str) -> Manifest:
    return {**head_of(subscription, "v1", "ConfigMap", object_name(subscription)), "data": {CONFIG_KEY: config}}


def _disruption_budget(subscription: Subscription) -> Manifest:
    head = head_of(subscription, "policy/v1", "PodDisruptionBudget", object_name(subscription))
    return {**head, "spec": budget_of(selector_of(subscription))}


def budget_of(selector: Mapping[str, str]) -> dict[str, Any]:
    """Let evictions take one pod at a time, and pods that do not work at any time."""
    return {
        "maxUnavailable": 1,
        "selector": {"matchLabels": dict(selector)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def _deployment(
    subscription: Subscription, access: DesiredAccess, runtime_image: str, config: str | None, *, autoscaled: bool
) -> Manifest:
    annotations = {
        SUBSCRIPTION_ANNOTATION: subscription.metadata.name,
        CONFIG_HASH_ANNOTATION: config_hash(access, config),
    }
    selector = selector_of(subscription)
    workload = subscription.spec.workload
    pod = pod_of(subscription, access, object_name(subscription), runtime_image, selector)
    spec = deployment_spec(selector, labels_of(subscription), annotations, pod)
    if workload is not None and workload.readiness is None:
        spec["minReadySeconds"] = _SETTLE_SECONDS  # and never 0, which the API server leaves out
    if not autoscaled:
        spec["replicas"] = (subscription.spec.scaling or Scaling()).min
    return {**head_of(subscription, "apps/v1", "Deployment", object_name(subscription)), "spec": spec}


def deployment_spec(
    selector: Mapping[str, str], labels: Mapping[str, str], annotations: Mapping[str, str], pod: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the spec of a Deployment, but for how many pods it has.

    Args:
        selector: the labels by which it knows its pods.
        labels: those of its pods, these among them.
        annotations: of its pods; others mean other pods.
        pod: the spec of each.
    """
    return {
        "selector": {"matchLabels": dict(selector)},
        "strategy": {"type": "RollingUpdate"},
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": _PROGRESS_SECONDS,
        "template": {"metadata": {"labels": dict(labels), "annotations": dict(annotations)}, "spec": pod},
    }


def config_hash(access: DesiredAccess, config: str | None) -> str:
    """Reduce what a container has been told to a short text: another one means another pod. It knows no password."""
    data = access.public_data()
    return fingerprint(
        access.query.secret_name, *(f"{key}={value}" for key, value in sorted(data.items())), config or ""
    )
