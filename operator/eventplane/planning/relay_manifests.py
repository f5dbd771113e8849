"""The objects that the relay of a Publication becomes in its namespace: their names, and what is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eventplane.api import GROUP, MANAGED_BY_LABEL, MANAGER
from eventplane.api.publication import Publication
from eventplane.api.relay import Relay
from eventplane.api.workload import Probe
from eventplane.planning.access_desired import DesiredAccess
from eventplane.planning.dead_letter_topics import name_label
from eventplane.planning.objects import Manifest, owned_head
from eventplane.planning.workload_desired import (
    CONFIG_HASH_ANNOTATION,
    budget_of,
    config_hash,
    deployment_spec,
    object_key,
    object_name,
    owner_of,
)
from eventplane.planning.workload_pod import (
    BINDINGS,
    PORT,
    container_security,
    http_probe,
    liveness,
    mount,
    own_credentials,
    resources_of,
    restricted_pod,
)

PUBLICATION_ANNOTATION: Final = f"{GROUP}/publication"
"""Names the Publication of a pod."""
_GRACE_SECONDS: Final = 30
"""More than a transaction may take."""


@dataclass(frozen=True, slots=True)
class RelayTopics:
    """Which topics a relay works with, by their names in Kafka."""

    routes: tuple[tuple[str, str], ...]
    """Patterns of event types, and where those go."""
    positions: str
    """Where it notes how far it is."""


def relay_manifests(
    publication: Publication, relay: Relay, access: DesiredAccess, topics: RelayTopics, image: str
) -> tuple[Manifest, ...]:
    """Write all objects, in the order in which they are applied.

    Args:
        publication: whose relay.
        relay: how it is asked for.
        access: by which Secret it reaches Kafka.
        topics: where events go.
        image: the image of Eventplane.
    """
    return (
        {**_head(publication, "v1", "ServiceAccount"), "automountServiceAccountToken": False},
        _deployment(publication, relay, access, topics, image),
        *_budget(publication, relay),
    )


def _selector(publication: Publication) -> Mapping[str, str]:
    return {
        "app.kubernetes.io/name": "eventplane-publication",
        "app.kubernetes.io/instance": name_label(publication.metadata.name),
        MANAGED_BY_LABEL: MANAGER,
    }


def _labels(publication: Publication) -> Mapping[str, str]:
    return {**_selector(publication), "app.kubernetes.io/component": "relay"}


def _head(publication: Publication, api_version: str, kind: str) -> dict[str, Any]:
    return owned_head(object_key(publication, api_version, kind), owner_of(publication), _labels(publication))


def _budget(publication: Publication, relay: Relay) -> Sequence[Manifest]:
    if relay.replicas == 1:
        return ()
    return ({**_head(publication, "policy/v1", "PodDisruptionBudget"), "spec": budget_of(_selector(publication))},)


def _deployment(
    publication: Publication, relay: Relay, access: DesiredAccess, topics: RelayTopics, image: str
) -> Manifest:
    annotations = {
        PUBLICATION_ANNOTATION: publication.metadata.name,
        CONFIG_HASH_ANNOTATION: config_hash(access, None),
    }
    pod = _pod(publication, relay, access, topics, image)
    spec = deployment_spec(_selector(publication), _labels(publication), annotations, pod)
    return {**_head(publication, "apps/v1", "Deployment"), "spec": {**spec, "replicas": relay.replicas}}


def _pod(
    publication: Publication, relay: Relay, access: DesiredAccess, topics: RelayTopics, image: str
) -> dict[str, Any]:
    secrets = {
        "kafka": access.query.secret_name,
        "eventstore": relay.store_secret_ref.name,
        **own_credentials(publication, access),
    }
    volumes = [
        *({"name": name, "secret": {"secretName": secret}} for name, secret in secrets.items()),
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    container = _container(publication, relay, topics, tuple(secrets), image)
    pod = restricted_pod(object_name(publication), container, volumes, _selector(publication))
    return {**pod, "terminationGracePeriodSeconds": _GRACE_SECONDS}


def _container(
    publication: Publication, relay: Relay, topics: RelayTopics, bindings: Sequence[str], image: str
) -> dict[str, Any]:
    environment = {
        "SERVICE_BINDING_ROOT": BINDINGS,
        "EVENTPLANE_RELAY_NAME": publication.metadata.name,
        "EVENTPLANE_RELAY_TOPICS": ",".join(f"{types}={topic}" for types, topic in topics.routes),
        "EVENTPLANE_RELAY_POSITIONS": topics.positions,
        "EVENTPLANE_RELAY_START": relay.start.lower(),
        "EVENTPLANE_PROBE_PORT": str(PORT),
    }
    return {
        "name": "relay",
        "image": image,
        "command": ["python3"],
        "args": ["-m", "eventplane.eventstore.relay"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        **liveness(Probe(path="/healthz", port=PORT)),
        "readinessProbe": http_probe(Probe(path="/readyz", port=PORT), seconds=5),
        "resources": resources_of(relay.resources),
        "securityContext": {**container_security(), "readOnlyRootFilesystem": True},
        "volumeMounts": [
            *(mount(name, f"{BINDINGS}/{name}") for name in bindings),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
        ],
    }
