"""Subscriptions to manifests: the containers, their pods, and what an operator must never get wrong about them."""

import json
from typing import Any

import pytest
from builders import (
    DEPLOYMENT,
    KAFKA,
    REGISTRY_LOGIN,
    RUNTIME_IMAGE,
    consumer,
    event_bus,
    event_topic,
    settled,
    subscription,
    wanted_access,
    wanted_objects,
)

from eventplane.api.conditions import Reason
from eventplane.api.runtime_config import RetryRules, RuntimeConfig, TopicSink
from eventplane.api.subscription import Subscription
from eventplane.events.refusals import refusals
from eventplane.planning.access_state import Grant
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.dead_letter_topics import name_label
from eventplane.planning.topic_uses import with_sink_topics
from eventplane.planning.workload_desired import (
    DesiredObjects,
    config_hash,
    no_sink_topic,
    workload_keys,
)

HTTP = {"http": {"url": "http://billing/events"}}
ANNOTATION = "events.sindhan.ai/config-hash"


def sinking(**fields: Any) -> Subscription:
    return subscription(**{"sink": HTTP, **fields})


def kinds(desired: DesiredObjects) -> list[str]:
    return [manifest["kind"] for manifest in desired.manifests]


def manifest_of(desired: DesiredObjects, kind: str) -> dict[str, Any]:
    return dict(next(each for each in desired.manifests if each["kind"] == kind))


def spec_of(resource: Subscription, **options: Any) -> dict[str, Any]:
    spec: dict[str, Any] = manifest_of(wanted_objects(resource, **options), "Deployment")["spec"]
    return spec


def pod_of(resource: Subscription, **options: Any) -> dict[str, Any]:
    pod: dict[str, Any] = spec_of(resource, **options)["template"]["spec"]
    return pod


def container_of(resource: Subscription, **options: Any) -> dict[str, Any]:
    container: dict[str, Any] = pod_of(resource, **options)["containers"][0]
    return container


def env_of(resource: Subscription) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container_of(resource)["env"]}


@pytest.mark.parametrize(
    ("resource", "options", "made"),
    [
        pytest.param(subscription(), {}, [], id="credentials only"),
        pytest.param(consumer(), {}, ["ServiceAccount", "Deployment"], id="a container"),
        pytest.param(sinking(), {}, ["ServiceAccount", "ConfigMap", "Deployment"], id="a sink has a configuration"),
        pytest.param(
            consumer(scaling={"min": 2}),
            {},
            ["ServiceAccount", "Deployment", "PodDisruptionBudget"],
            id="several pods have a budget",
        ),
        pytest.param(consumer(scaling={"max": 9}), {}, ["ServiceAccount", "Deployment"], id="nothing scales it"),
        pytest.param(
            consumer(scaling={"max": 9}),
            {"autoscaled": True},
            ["ServiceAccount", "Deployment", "PodDisruptionBudget"],
            id="something scales it",
        ),
    ],
)
def test_what_is_made(resource: Subscription, options: dict[str, Any], made: list[str]) -> None:
    desired = wanted_objects(resource, **options)
    assert kinds(desired) == made
    assert desired.keys <= workload_keys(resource)
    assert desired.deployment == (DEPLOYMENT if made else None)
    assert desired.left_alone == frozenset()


def test_while_a_topic_is_missing_all_stays_as_it_is() -> None:
    resource = consumer()
    desired = wanted_objects(resource, wanted_access(resource, topics={"orders": None}))
    assert desired.manifests == ()
    assert desired.left_alone == desired.keys == workload_keys(resource)
    assert desired.deployment == DEPLOYMENT


def test_everything_goes_with_the_subscription_and_says_whose_it_is() -> None:
    for manifest in wanted_objects(sinking(scaling={"min": 2})).manifests:
        about = manifest["metadata"]
        assert (about["name"], about["namespace"]) == ("billing-subscription", "shop")
        (owner,) = about["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == (
            "Subscription",
            "billing",
            "uid-shop-billing",
            True,
        )
        assert "blockOwnerDeletion" not in owner  # it would take the right to update finalizers
        assert about["labels"]["app.kubernetes.io/managed-by"] == "eventplane"


def test_the_selector_never_changes() -> None:
    for resource in (consumer(), sinking(), consumer(scaling={"min": 3}), consumer(workload={"image": "other:2"})):
        spec = spec_of(resource)
        assert spec["selector"]["matchLabels"] == {
            "app.kubernetes.io/name": "eventplane-subscription",
            "app.kubernetes.io/instance": "billing",
            "app.kubernetes.io/managed-by": "eventplane",
        }
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        assert spec["template"]["metadata"]["annotations"]["events.sindhan.ai/subscription"] == "billing"


@pytest.mark.parametrize(
    ("options", "replicas"),
    [({}, 2), ({"autoscaled": True}, None)],
)
def test_replicas_are_left_to_what_scales(options: dict[str, Any], replicas: int | None) -> None:
    assert spec_of(consumer(scaling={"min": 2, "max": 5}), **options).get("replicas") == replicas


def test_a_container_gets_its_settings_as_variables_and_as_files() -> None:
    env = env_of(consumer())
    assert env.pop("SERVICE_BINDING_ROOT") == "/bindings"
    assert {name: (source["secretKeyRef"]["key"], source["secretKeyRef"]["name"]) for name, source in env.items()} == {
        name: (key, "billing-subscription")
        for name, key in {
            "KAFKA_BOOTSTRAP_SERVERS": "bootstrapServers",
            "KAFKA_SECURITY_PROTOCOL": "securityProtocol",
            "KAFKA_SASL_MECHANISM": "saslMechanism",
            "KAFKA_SASL_USERNAME": "username",
            "KAFKA_SASL_PASSWORD": "password",
            "KAFKA_GROUP_ID": "group",
            "KAFKA_TOPICS": "topics",
            "SCHEMA_REGISTRY_URL": "schemaRegistryUrl",
            "SCHEMA_REGISTRY_USERNAME": "schemaRegistryUsername",
            "SCHEMA_REGISTRY_PASSWORD": "schemaRegistryPassword",
        }.items()
    }
    given = {source["secretKeyRef"]["key"] for source in env.values()}
    resource = consumer()
    assert given <= wanted_access(resource, registry=REGISTRY_LOGIN).secret_data("p").keys()
    assert container_of(resource)["volumeMounts"] == [
        {"name": "kafka", "mountPath": "/bindings/kafka", "readOnly": True}
    ]
    assert pod_of(resource)["volumes"] == [{"name": "kafka", "secret": {"secretName": "billing-subscription"}}]


def test_what_the_user_says_of_the_container_is_in_it() -> None:
    workload = {
        "image": "shop/billing:2",
        "command": ["run"],
        "args": ["--fast"],
        "env": [{"name": "MODE", "value": "fast"}, {"name": "KAFKA_TOPICS", "value": "mine"}],
        "env_from_secrets": [{"name": "more"}],
        "image_pull_secrets": [{"name": "pull"}],
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        "liveness": {"path": "/live", "port": 80},
        "readiness": {"path": "/ready", "port": 81},
        "termination_grace_seconds": 5,
    }
    resource = consumer(workload=workload)
    container, pod = container_of(resource), pod_of(resource)
    assert (container["image"], container["command"], container["args"]) == ("shop/billing:2", ["run"], ["--fast"])
    assert (env_of(resource)["MODE"], env_of(resource)["KAFKA_TOPICS"]) == ("fast", "mine")
    assert len({each["name"] for each in container["env"]}) == len(container["env"])
    assert container["envFrom"] == [{"secretRef": {"name": "more"}}]
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert container["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
    probes = [container[name]["httpGet"] for name in ("livenessProbe", "startupProbe", "readinessProbe")]
    assert [(each["path"], each["port"]) for each in probes] == [("/live", 80), ("/live", 80), ("/ready", 81)]
    assert pod["terminationGracePeriodSeconds"] == 5
    assert "minReadySeconds" not in spec_of(resource)  # a zero would be left out by the API server, and seem drift
    assert spec_of(consumer())["minReadySeconds"] == 5  # nothing else tells whether it fails at once


def test_the_runtime_gets_a_configuration_that_it_can_read() -> None:
    retry = RetryRules(attempts=3, delays_ms=(1000, 2000))
    resource = sinking(filter="event.type == 'a'", transform="event.data", start_from="Earliest")
    desired = wanted_objects(resource, retry=retry)
    config = RuntimeConfig.model_validate_json(manifest_of(desired, "ConfigMap")["data"]["runtime.json"])
    assert (config.group, config.topics, config.retry) == ("shop.billing", ("shop.orders",), retry)
    assert (config.filter, config.transform, config.start_from) == ("event.type == 'a'", "event.data", "Earliest")
    assert config.http is not None
    assert config.http.url == "http://billing/events"
    assert "password" not in manifest_of(desired, "ConfigMap")["data"]["runtime.json"]


def test_without_a_policy_the_runtime_tries_for_ever() -> None:
    text = manifest_of(wanted_objects(sinking()), "ConfigMap")["data"]["runtime.json"]
    retry = RuntimeConfig.model_validate_json(text).retry
    assert retry.dead_letter_topic is None
    assert retry.give_up_on == ()
    assert len(retry.delays_ms) == retry.attempts - 1


def test_the_runtimes_pod() -> None:
    resource = sinking(sink={"http": {"url": "http://x", "bearer_token_secret_ref": {"name": "token"}}})
    container, pod = container_of(resource), pod_of(resource)
    assert (container["image"], container["command"], container["args"]) == (
        RUNTIME_IMAGE,
        ["python3"],
        ["-m", "eventplane.runtime"],
    )
    assert env_of(resource)["EVENTPLANE_RUNTIME_CONFIG"] == "/etc/eventplane/runtime.json"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {each["mountPath"]: each["name"] for each in container["volumeMounts"]} == {
        "/bindings/kafka": "kafka",
        "/bindings/sink": "sink",
        "/etc/eventplane": "config",
        "/tmp": "tmp",  # noqa: S108 - of the container
    }
    assert {each["name"] for each in pod["volumes"]} == {"kafka", "sink", "config", "tmp"}
    assert {container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }


def test_secrets_of_a_service_are_mounted_by_their_keys_and_never_in_the_configuration() -> None:
    http = {
        "url": "https://x",
        "bearer_token_secret_ref": {"name": "token"},
        "signature": {"secret_ref": {"name": "signing"}},
        "tls": {"ca_secret_ref": {"name": "ca", "key": "root.pem"}, "certificate_secret_ref": {"name": "client"}},
    }
    desired = wanted_objects(sinking(sink={"http": http}))
    pod = manifest_of(desired, "Deployment")["spec"]["template"]["spec"]
    mounted = {each["name"]: each["secret"] for each in pod["volumes"] if each["name"].startswith("sink")}
    assert mounted == {
        "sink": {"secretName": "token", "items": [{"key": "token", "path": "token"}], "optional": True},
        "sink-signature": {
            "secretName": "signing",
            "items": [{"key": "secret", "path": "secret"}, {"key": "previousSecret", "path": "previousSecret"}],
            "optional": True,
        },
        "sink-ca": {"secretName": "ca", "items": [{"key": "root.pem", "path": "ca.crt"}], "optional": True},
        "sink-certificate": {
            "secretName": "client",
            "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}],
            "optional": True,
        },
    }
    paths = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert {name: paths[name] for name in mounted} == {name: f"/bindings/{name}" for name in mounted}
    assert all(each["readOnly"] for each in pod["containers"][0]["volumeMounts"] if each["name"] in mounted)


@pytest.mark.parametrize(
    ("tls", "names"),
    [
        pytest.param({"ca_secret_ref": {"name": "ca"}}, {"sink-ca": "ca"}, id="an authority"),
        pytest.param({"certificate_secret_ref": {"name": "c"}}, {"sink-certificate": "c"}, id="a certificate"),
    ],
)
def test_only_what_is_asked_for_is_mounted(tls: dict[str, Any], names: dict[str, str]) -> None:
    volumes = pod_of(sinking(sink={"http": {"url": "https://x", "tls": tls}}))["volumes"]
    mounted = {each["name"]: each["secret"]["secretName"] for each in volumes if each["name"].startswith("sink")}
    assert mounted == names


@pytest.mark.parametrize(
    ("http", "most"),
    [
        pytest.param({"content_mode": "Structured"}, 4, id="one by one"),
        pytest.param({"content_mode": "Batched"}, 400, id="as many as a batch has by default"),
        pytest.param({"content_mode": "Batched", "batch": {"max_events": 20}}, 80, id="as many as are asked for"),
    ],
)
def test_a_service_of_batches_has_so_many_events_under_way(http: dict[str, Any], most: int) -> None:
    resource = sinking(sink={"http": {"url": "http://x", **http}}, delivery={"concurrency": 4})
    text = manifest_of(wanted_objects(resource), "ConfigMap")["data"]["runtime.json"]
    assert RuntimeConfig.model_validate_json(text).most_under_way(4) == most


FUNCTION = {
    "image": "shop/billing:3",
    "callable": "billing.events:handle",
    "timeout": "1m",
    "env": [{"name": "MODE", "value": "fast"}, {"name": "EVENTPLANE_RUNTIME_CONFIG", "value": "mine"}],
    "env_from_secrets": [{"name": "database"}],
    "image_pull_secrets": [{"name": "pull"}],
    "resources": {"limits": {"memory": "1Gi"}},
}


def test_a_function_runs_in_its_own_image_with_our_runtime() -> None:
    resource = sinking(sink={"python": FUNCTION})
    container, pod = container_of(resource), pod_of(resource)
    assert (container["image"], container["command"], container["args"]) == (
        "shop/billing:3",
        ["python3"],
        ["-m", "eventplane.runtime"],
    )
    env = env_of(resource)
    assert (env["MODE"], env["EVENTPLANE_RUNTIME_CONFIG"]) == ("fast", "/etc/eventplane/runtime.json")
    assert container["envFrom"] == [{"secretRef": {"name": "database"}}]
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert "readOnlyRootFilesystem" not in container["securityContext"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_runtime_is_told_of_a_function_what_it_has_to_know() -> None:
    resource = sinking(sink={"python": {**FUNCTION, "batch": {"max_events": 20}}}, delivery={"concurrency": 4})
    text = manifest_of(wanted_objects(resource), "ConfigMap")["data"]["runtime.json"]
    config = RuntimeConfig.model_validate_json(text)
    assert config.python is not None
    assert (config.python.callable, config.timeout_seconds, config.most_under_way(4)) == (
        "billing.events:handle",
        60,
        80,
    )
    assert refusals(config) == ()
    assert "database" not in text
    assert "shop/billing:3" not in text


@pytest.mark.parametrize(
    "resource",
    [consumer(), sinking(), sinking(sink={"python": FUNCTION})],
    ids=["workload", "sink", "function"],
)
def test_pods_meet_the_restricted_standard_and_get_no_token(resource: Subscription) -> None:
    pod, container = pod_of(resource), container_of(resource)
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False
    assert manifest_of(wanted_objects(resource), "ServiceAccount")["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "billing-subscription"
    spread = {each["topologyKey"]: each["whenUnsatisfiable"] for each in pod["topologySpreadConstraints"]}
    assert spread == dict.fromkeys(("kubernetes.io/hostname", "topology.kubernetes.io/zone"), "ScheduleAnyway")


def hash_of(resource: Subscription, **options: Any) -> str:
    return str(spec_of(resource, **options)["template"]["metadata"]["annotations"][ANNOTATION])


def test_what_a_container_was_told_is_in_its_template() -> None:
    plain = hash_of(consumer())
    assert plain == hash_of(consumer(uid="another"))
    assert plain != hash_of(consumer(topics=[{"name": "orders"}, {"name": "returns"}]))
    assert plain != hash_of(consumer(), access=wanted_access(consumer(), connection=KafkaConnection(("other:9092",))))
    assert hash_of(sinking()) != hash_of(sinking(filter="event.type == 'a'"))
    access = wanted_access(consumer(), connection=KAFKA)
    assert config_hash(access, None) == plain
    for password in ("hunter2", KAFKA.password or ""):
        assert password not in json.dumps(wanted_objects(consumer(), access).manifests)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("billing", "billing"),
        ("a" * 63, "a" * 63),
        ("a" * 45 + "." + "b" * 60, None),
        ("a" * 200, None),
    ],
)
def test_labels_are_as_short_as_kubernetes_demands(name: str, label: str | None) -> None:
    made = name_label(name)
    assert len(made) <= 63
    assert made[-1].isalnum()
    assert label in {None, made}
    assert ".-" not in made
    assert name_label(name + "c" * 63) != made


# --- the topic that a sink delivers to

BUS = event_bus()
RETURNS = settled(event_topic("returns"))


def delivering(**fields: Any) -> Subscription:
    return sinking(sink={"topic_ref": {"name": "returns"}}, **fields)


def test_who_delivers_to_a_topic_may_write_to_it() -> None:
    resource = delivering()
    access = wanted_access(resource)
    more = with_sink_topics(access, resource, {"returns": RETURNS}, BUS)
    assert more.grants - access.grants == {Grant("TOPIC", "shop.returns", "WRITE")}
    assert (more.missing, more.transactional_id_prefix) == ((), None)
    text = manifest_of(wanted_objects(resource, more, topics={"returns": "shop.returns"}), "ConfigMap")["data"][
        "runtime.json"
    ]
    config = RuntimeConfig.model_validate_json(text)
    assert config.topic is not None
    assert (config.topic.topic, config.http) == ("shop.returns", None)
    assert (config.most_under_way(16), config.timeout_seconds) == (16, 0.0)


def test_who_delivers_exactly_once_is_told_its_transactional_ids() -> None:
    resource = delivering(delivery={"guarantee": "ExactlyOnce"})
    access = with_sink_topics(wanted_access(resource), resource, {"returns": RETURNS}, BUS)
    text = manifest_of(wanted_objects(resource, access, topics={"returns": "shop.returns"}), "ConfigMap")["data"][
        "runtime.json"
    ]
    config = RuntimeConfig.model_validate_json(text)
    assert config.transactional_id_prefix == access.transactional_id_prefix is not None
    assert refusals(config) == ()


def test_a_topic_that_is_not_there_yet_is_waited_for() -> None:
    resource = delivering()
    more = with_sink_topics(wanted_access(resource), resource, {}, BUS)
    assert [each.reason for each in more.missing] == [Reason.TOPIC_NOT_FOUND]
    assert "shop/returns" in more.missing[0].message


def test_others_get_no_more_than_before() -> None:
    for resource in (consumer(), sinking()):
        access = wanted_access(resource)
        assert with_sink_topics(access, resource, {"returns": RETURNS}, BUS) is access
    resource = delivering()
    open_to_all = wanted_access(resource, connection=KafkaConnection(("kafka:9092",)))
    assert with_sink_topics(open_to_all, resource, {"returns": RETURNS}, BUS) is open_to_all


def test_events_do_not_go_in_circles() -> None:
    circle = sinking(sink={"topic_ref": {"name": "orders"}})
    refusal = no_sink_topic(circle)
    assert refusal is not None
    assert refusal.reason == Reason.INVALID_SPEC
    assert [no_sink_topic(each) for each in (consumer(), sinking(), delivering())] == [None, None, None]


# --- routes


ROUTES: dict[str, Any] = {
    "match": "All",
    "unmatched": "Filter",
    "to": [
        {
            "name": "emails",
            "filter": "event.data.paid",
            "sink": {"http": {"url": "http://x", "bearer_token_secret_ref": {"name": "token"}}},
        },
        {"name": "back", "transform": "event.data.id", "sink": {"topic_ref": {"name": "returns"}}},
        {"name": "book", "sink": {"python": FUNCTION}},
    ],
}


def routing(**fields: Any) -> Subscription:
    return subscription(**{"routes": ROUTES, **fields})


def test_routes_are_told_to_the_consumer() -> None:
    resource = routing(filter="event.type != 'x'")
    access = with_sink_topics(wanted_access(resource), resource, {"returns": RETURNS}, BUS)
    assert Grant("TOPIC", "shop.returns", "WRITE") in access.grants
    objects = wanted_objects(resource, access, topics={"returns": "shop.returns"})
    config = RuntimeConfig.model_validate_json(manifest_of(objects, "ConfigMap")["data"]["runtime.json"])
    assert refusals(config) == ()
    assert (config.http, config.python, config.topic, config.filter) == (None, None, None, "event.type != 'x'")
    assert config.routes is not None
    assert (config.routes.match, config.routes.unmatched) == ("All", "Filter")
    emails, back, book = config.routes.to
    assert (emails.name, emails.filter, emails.http is not None) == ("emails", "event.data.paid", True)
    assert (back.transform, back.topic) == ("event.data.id", TopicSink(topic="shop.returns"))
    assert (book.python is not None, book.topic) == (True, None)
    assert manifest_of(objects, "Deployment")["metadata"]["labels"]["app.kubernetes.io/component"] == "sink"


def test_each_route_has_its_secrets_in_folders_of_its_own() -> None:
    pod = pod_of(routing())
    secrets = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    assert secrets["route-token-emails"] == "token"
    mounted = {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert "/bindings/route-token-emails" in mounted
    assert pod["containers"][0]["image"] == FUNCTION["image"], "all of it runs in the function's image"


def test_a_route_does_not_lead_back() -> None:
    to = [*ROUTES["to"], {"name": "loop", "sink": {"topic_ref": {"name": "orders"}}}]
    refusal = no_sink_topic(routing(routes={**ROUTES, "to": to}))
    assert refusal is not None
    assert refusal.message.startswith("routes.to[loop].sink.topicRef names orders")
