"""One builder per type, each with honest defaults: a test says only what it is about.

The defaults fit together: `event_topic()` is shop/orders on the bus `event_bus()`, its topic is `shop.orders`, which
`existing()` shows as it asks for it and `claim()` shows as its own; `settled()` is the resource after a quiet pass.
So do those of schemas: `schema()` is shop/orders, its subject is `orders`, its definition is `definition()`, which
`registered()` shows as version 1; `settled_schema()` is the resource after a quiet pass.
"""

import copy
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from eventplane.api import APPROVE_ANNOTATION, FINALIZER, PAUSED_ANNOTATION
from eventplane.api.access import Access, AccessStatus
from eventplane.api.conditions import Condition, Reason, Status
from eventplane.api.dead_letter_policy import DeadLetterPolicy, DeadLetterPolicySpec, DeadLetterPolicyStatus
from eventplane.api.event_bus import EventBus, EventBusSpec, EventBusStatus, Orphan
from eventplane.api.event_topic import EventTopic, EventTopicSpec, EventTopicStatus
from eventplane.api.metadata import Metadata
from eventplane.api.publication import Publication, PublicationSpec
from eventplane.api.schema import CompatibilityLevel, Schema, SchemaSpec, SchemaStatus
from eventplane.api.subscription import Subscription, SubscriptionSpec, SubscriptionStatus
from eventplane.backends.memory_cluster import BROKER_DEFAULTS
from eventplane.events.majors import Majors
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_desired import DesiredAccess, desire_access, iterations_of
from eventplane.planning.access_readiness import access_status
from eventplane.planning.access_rotation import Issue
from eventplane.planning.access_state import (
    Grant,
    ObservedAccess,
    ObservedPrincipal,
    ObservedSecret,
    other_user,
)
from eventplane.planning.application_readiness import application_occurrences, application_status
from eventplane.planning.applications import (
    ApplicationCase,
    decide_application,
    keys_to_observe,
    told_after,
    told_of,
)
from eventplane.planning.applications import application_case as planned_case
from eventplane.planning.connection import AccessConnection, KafkaConnection, RegistryConnection, TokenSource
from eventplane.planning.decision import Decision
from eventplane.planning.desired import DesiredTopic, desire_topic
from eventplane.planning.objects import Manifest, ObjectKey, ObservedObject, fingerprint_of, key_of
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.outcome import BackendError, Outcome
from eventplane.planning.plan import Refusal
from eventplane.planning.readiness import TopicOutcome
from eventplane.planning.schema_decisions import SchemaCase
from eventplane.planning.schema_desired import DesiredSubject, desire_subject, subject_name
from eventplane.planning.schema_state import (
    CompatibilityVerdict,
    Definition,
    ObservedSubject,
    Reference,
    RegisteredVersion,
)
from eventplane.planning.topic_changes import TopicChange
from eventplane.planning.topic_decisions import TopicCase
from eventplane.planning.topic_state import Claim, ExistingTopic, ObservedTopic, Owner, TopicUsage
from eventplane.planning.workload_desired import DesiredObjects, desire_workload

CLUSTER: Final = "cluster-1"
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""Identity of the Kubernetes cluster that tests run in."""
TOPIC: Final = "shop.orders"
TOPIC_ID: Final = "id-1"
SUBJECT: Final = "orders"
REGISTRY: Final = {"url": "http://registry:8081"}
"""What `event_bus(schema_registry=REGISTRY)` connects to."""
CREATED: Final = "2026-01-01T00:00:00Z"
DELETED: Final = "2026-01-02T00:00:00Z"
NOW_MS: Final = 1_767_312_000_000  # 2026-01-02T00:00:00Z
IDLE_AFTER_MS: Final = 3_600_000

M = TypeVar("M", bound=BaseModel)
AnyAccess = TypeVar("AnyAccess", Publication, Subscription)


def _checked(model: type[M], fields: Mapping[str, object]) -> M:
    """Make a model of fields by their Python names; a name that it does not have is a fault of the test."""
    unknown = fields.keys() - model.model_fields.keys()
    if unknown:
        raise TypeError(f"{model.__name__} has no field {', '.join(sorted(unknown))}")
    return model.model_validate(dict(fields))


def metadata(name: str = "orders", namespace: str = "shop", *, deleting: bool = False, **fields: Any) -> Metadata:
    """Make metadata; `deleting` gives it a deletion timestamp and our finalizer."""
    leaving = {"deletion_timestamp": DELETED, "finalizers": (FINALIZER,)} if deleting else {}
    given = {"uid": f"uid-{namespace}-{name}", "creation_timestamp": CREATED, **leaving, **fields}
    return _checked(Metadata, {"name": name, "namespace": namespace, **given})


def _split(fields: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell fields of metadata from those of a spec."""
    own = Metadata.model_fields.keys() | {"deleting"}
    return (
        {key: value for key, value in fields.items() if key in own},
        {key: value for key, value in fields.items() if key not in own},
    )


def event_bus(
    name: str = "main", namespace: str = "shop", *, status: EventBusStatus | None = None, **fields: Any
) -> EventBus:
    """Make an EventBus; `fields` are those of its metadata and of its spec."""
    meta, spec = _split(fields)
    spec = {"kafka": {"bootstrap_servers": ["kafka:9092"]}, **spec}
    return EventBus(
        metadata=metadata(name, namespace, **meta),
        spec=_checked(EventBusSpec, spec),
        status=status or EventBusStatus(),
    )


def _annotations(paused: bool, approve: str | None) -> dict[str, str]:  # noqa: FBT001 - one way to call it
    paused_by = {PAUSED_ANNOTATION: "true"} if paused else {}
    return paused_by | ({APPROVE_ANNOTATION: approve} if approve is not None else {})


def event_topic(
    name: str = "orders",
    namespace: str = "shop",
    *,
    status: EventTopicStatus | None = None,
    paused: bool = False,
    approve: str | None = None,
    **fields: Any,
) -> EventTopic:
    """Make an EventTopic; `fields` are those of its metadata and of its spec."""
    meta, spec = _split(fields)
    meta["annotations"] = _annotations(paused, approve) | meta.get("annotations", {})
    return EventTopic(
        metadata=metadata(name, namespace, **meta),
        spec=_checked(EventTopicSpec, spec),
        status=status or EventTopicStatus(),
    )


def settled(resource: EventTopic, bus: EventBus | None = None, *, topic_id: str | None = TOPIC_ID) -> EventTopic:
    """Give a resource the status that a quiet pass leaves: what it asks for now has been applied in full."""
    bus = bus or event_bus()
    desired = wanted(resource, bus)
    status = EventTopicStatus(
        observed_generation=resource.metadata.generation,
        bus="/".join(bus.metadata.key),
        topic_name=desired.topic,
        topic_id=topic_id,
        partitions=desired.partitions,
        replication_factor=desired.replication_factor,
        applied=desired.fingerprint(),
    )
    return resource.model_copy(update={"status": status})


def wanted(resource: EventTopic, bus: EventBus | None = None) -> DesiredTopic:
    """Resolve what a resource asks for, which must be possible."""
    desired = desire_topic(resource, bus or event_bus())
    assert isinstance(desired, DesiredTopic), desired
    return desired


def desired_topic(
    topic: str = TOPIC,
    *,
    partitions: int | None = 3,
    replication_factor: int | None = 1,
    config: Mapping[str, str] | None = None,
    left_alone: Collection[str] = (),
) -> DesiredTopic:
    """Make a desired topic that `existing()` satisfies."""
    return DesiredTopic(topic, partitions, replication_factor, dict(config or {}), frozenset(left_alone))


def owner(name: str = "orders", namespace: str = "shop", *, uid: str | None = None, cluster: str = CLUSTER) -> Owner:
    """Make the owner that `event_topic(name, namespace)` is."""
    return Owner(cluster, namespace, name, uid or f"uid-{namespace}-{name}")


def claim(of: Owner | None = None, topic_id: str | None = TOPIC_ID) -> Claim:
    """Make a claim, by default that of `event_topic()` on `existing()`."""
    return Claim(of or owner(), topic_id)


def usage(
    *, records: bool = False, keyed: bool = False, newest_ms: int | None = None, groups: tuple[str, ...] = ()
) -> TopicUsage:
    """Make the usage of a topic that nobody uses."""
    return TopicUsage(holds_records=records, keyed=keyed, newest_record_ms=newest_ms, active_groups=groups)


def existing(
    topic_id: str = TOPIC_ID,
    *,
    partitions: int = 3,
    replication_factor: int = 1,
    overrides: Mapping[str, str] | None = None,
    internal: bool = False,
    usage: TopicUsage | None = None,
) -> ExistingTopic:
    """Make a topic that exists; `overrides` are set on it, the rest is the broker's default."""
    overrides = dict(overrides or {})
    return ExistingTopic(
        topic_id=topic_id,
        partitions=partitions,
        replication_factor=replication_factor,
        config={**BROKER_DEFAULTS, **overrides},
        overrides=frozenset(overrides),
        internal=internal,
        usage=usage,
    )


def observed(existing: ExistingTopic | None = None, claim: Claim | None = None, *, topic: str = TOPIC) -> ObservedTopic:
    """Make what was seen of a topic name: by default nothing."""
    return ObservedTopic(topic, existing, claim)


def case(
    resource: EventTopic | None = None,
    seen: ObservedTopic | None = None,
    *,
    bus: EventBus | None = None,
    rivals: Collection[Metadata] = (),
    elders: int = 0,
    now_ms: int = NOW_MS,
) -> TopicCase:
    """Make everything that a decision hangs on: by default a new resource whose topic does not exist."""
    resource, bus = resource or event_topic(), bus or event_bus()
    desired = wanted(resource, bus)
    return TopicCase(
        resource=resource,
        bus=bus,
        desired=desired,
        observed=seen or observed(topic=desired.topic),
        cluster=CLUSTER,
        now_ms=now_ms,
        idle_after_ms=IDLE_AFTER_MS,
        rivals=tuple(rivals),
        elders_in_namespace=elders,
    )


def orphan(resource: EventTopic | None = None, *, topic_id: str | None = TOPIC_ID) -> Orphan:
    """Make the record of a resource that was let go while its bus was unreachable."""
    resource = resource or event_topic(deletion_policy="Delete")
    return Orphan(
        kind=EventTopic.kind,
        namespace=resource.metadata.namespace,
        name=resource.metadata.name,
        uid=resource.metadata.uid,
        thing=wanted(resource).topic,
        thing_id=topic_id,
        deletion_policy=resource.spec.deletion_policy,
    )


def condition_of(
    kind: str,
    status: Status,
    reason: str = "Ready",
    *,
    message: str = "",
    generation: int = 1,
    since: str | None = None,
) -> Condition:
    """Make a condition."""
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=since,
    )


def outcome(
    change: TopicChange, error: BackendError | None = None, *, state: ObservedTopic | None = None
) -> TopicOutcome:
    """Make what became of a change: by default it is done."""
    return Outcome(change, error, state)


def refusal(reason: Reason = Reason.SECRET_NOT_FOUND, message: str = "do something") -> Refusal:
    """Make a refusal."""
    return Refusal(reason, message)


# --- schemas


def avro(*fields: str, name: str = "Order") -> str:
    """Write an AVRO record; a field is a name, `name:type`, and with a question mark at its end it has a default."""
    entries = []
    for each in fields or ("id",):
        field, _, kind = each.rstrip("?").partition(":")
        entry: dict[str, object] = {"name": field, "type": kind or "string"}
        if each.endswith("?"):
            entry["default"] = "" if not kind else 0
        entries.append(entry)
    return json.dumps({"type": "record", "name": name, "namespace": "shop", "fields": entries})


def definition(*fields: str, name: str = "Order", references: Collection[Reference] = ()) -> Definition:
    """Make an AVRO definition, by default the one of `schema()`."""
    return Definition("AVRO", avro(*fields, name=name), tuple(references))


def registered(
    version: int = 1, of: Definition | None = None, *, schema_id: int | None = None, author: str | None = None
) -> RegisteredVersion:
    """Make a version of a subject; unless said otherwise its id is its number and a hundred."""
    return RegisteredVersion(version, schema_id or 100 + version, of or definition(), author)


def observed_subject(
    *versions: RegisteredVersion,
    subject: str = SUBJECT,
    level: CompatibilityLevel | None = None,
    default_level: CompatibilityLevel = "BACKWARD",
    majors: Majors | None = None,
    verdicts: Mapping[int, bool] | None = None,
    error: BackendError | None = None,
) -> ObservedSubject:
    """Make what was seen of a subject: by default nothing. `verdicts` are compatible or not, by version."""
    return ObservedSubject(
        subject=subject,
        versions=versions,
        level=level,
        default_level=default_level,
        majors=majors or Majors(),
        verdicts={number: CompatibilityVerdict(compatible) for number, compatible in (verdicts or {}).items()},
        error=error,
    )


def migration(from_: int = 1, up: str = "event", down: str = "event") -> dict[str, Any]:
    """Make a migration to the next major version, as a spec has it."""
    return {"from_": from_, "to": from_ + 1, "up": up, "down": down, "samples": [{"data": {"id": "a"}}]}


def schema(
    name: str = "orders",
    namespace: str = "shop",
    *,
    status: SchemaStatus | None = None,
    paused: bool = False,
    approve: str | None = None,
    **fields: Any,
) -> Schema:
    """Make a Schema; `fields` are those of its metadata and of its spec."""
    meta, spec = _split(fields)
    meta["annotations"] = _annotations(paused, approve) | meta.get("annotations", {})
    text = {} if "definition_from" in spec else {"definition": avro()}
    return Schema(
        metadata=metadata(name, namespace, **meta),
        spec=_checked(SchemaSpec, {"type": "AVRO", **text, **spec}),
        status=status or SchemaStatus(),
    )


def settled_schema(resource: Schema, bus: EventBus | None = None, *, version: int = 1) -> Schema:
    """Give a Schema the status that a quiet pass leaves: what it asks for now is registered as a version."""
    desired = wanted_subject(resource, bus)
    status = SchemaStatus(
        observed_generation=resource.metadata.generation,
        bus="/".join((bus or event_bus()).metadata.key),
        subject=desired.subject,
        id=100 + version,
        version=version,
        applied=desired.fingerprint(),
        conditions=(condition_of("Ready", "True"),),
    )
    return resource.model_copy(update={"status": status})


def wanted_subject(resource: Schema, bus: EventBus | None = None) -> DesiredSubject:
    """Resolve what a Schema without references asks for, which must be possible."""
    text = resource.spec.definition or ""
    subject = subject_name(resource, bus or event_bus(), None, text)
    assert isinstance(subject, str), subject
    return desire_subject(resource, subject, text, ())


def schema_case(
    resource: Schema | None = None,
    seen: ObservedSubject | None = None,
    *,
    bus: EventBus | None = None,
    rivals: Collection[Schema] = (),
    users: Collection[str] = (),
) -> SchemaCase:
    """Make everything that a decision hangs on: by default a new Schema whose subject does not exist."""
    resource, bus = resource or schema(), bus or event_bus()
    desired = wanted_subject(resource, bus)
    return SchemaCase(
        resource=resource,
        bus=bus,
        subject=desired.subject,
        desired=None if resource.metadata.deleting else desired,
        observed=seen or observed_subject(subject=desired.subject),
        rivals=tuple(rivals),
        users=tuple(users),
    )


def orphan_subject(policy: str = "Hard", resource: Schema | None = None) -> Orphan:
    """Make the record of a Schema that was let go while its registry was unreachable."""
    resource = resource or schema()
    return Orphan(
        kind=Schema.kind,
        namespace=resource.metadata.namespace,
        name=resource.metadata.name,
        uid=resource.metadata.uid,
        thing=wanted_subject(resource).subject,
        thing_id=None,
        deletion_policy=policy,
    )


# --- access

KAFKA: Final = KafkaConnection(
    ("kafka:9092",),
    tls=True,
    ca_pem="-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    mechanism="SCRAM-SHA-512",
    username="operator",
    password="operators-own",  # noqa: S106 - of no server
)
"""How the operator reaches the Kafka of `event_bus()` where that asks for credentials."""
ACCESS: Final = AccessConnection(KAFKA)
"""What access is made with there."""
REGISTRY_LOGIN: Final = RegistryConnection(
    REGISTRY["url"],
    ca_pem="REGISTRY-CA",
    certificate_pem="SHARED-CERT",
    key_pem="SHARED-KEY",
    username="reader",
    password="readers-own",  # noqa: S106 - of no server
)
"""How applications reach the registry where that asks for everything that it may ask for."""
MUTUAL: Final = KafkaConnection(("kafka:9092",), tls=True, certificate_pem="CERT", key_pem="KEY")
"""How the operator reaches a Kafka that knows everybody by certificates."""
BEARING: Final = KafkaConnection(
    ("kafka:9092",),
    tls=True,
    mechanism="OAUTHBEARER",
    tokens=TokenSource("https://sso/token", "kafka", "SSO-CA\n", "operator", "operators-own"),
)
"""How the operator reaches a Kafka that knows everybody by tokens."""
PASSWORD: Final = "kept"  # noqa: S105 - of no server
ISSUED: Final = Issue(NOW)
"""How the password in a Secret came about."""
NEW_PASSWORD: Final = "new"  # noqa: S105 - of no server


def publication(
    name: str = "web",
    namespace: str = "shop",
    *,
    status: AccessStatus | None = None,
    paused: bool = False,
    approve: str | None = None,
    **fields: Any,
) -> Publication:
    """Make a Publication that writes to `event_topic()`; `fields` are those of its metadata and of its spec."""
    meta, spec = _split(fields)
    meta["annotations"] = _annotations(paused, approve) | meta.get("annotations", {})
    spec = {"topics": [{"name": "orders"}], **spec}
    return Publication(
        metadata=metadata(name, namespace, **meta),
        spec=_checked(PublicationSpec, spec),
        status=status or AccessStatus(),
    )


def subscription(
    name: str = "billing",
    namespace: str = "shop",
    *,
    status: SubscriptionStatus | None = None,
    paused: bool = False,
    approve: str | None = None,
    **fields: Any,
) -> Subscription:
    """Make a Subscription that reads `event_topic()`; `fields` are those of its metadata and of its spec."""
    meta, spec = _split(fields)
    meta["annotations"] = _annotations(paused, approve) | meta.get("annotations", {})
    spec = spec if "topic_selector" in spec else {"topics": [{"name": "orders"}], **spec}
    return Subscription(
        metadata=metadata(name, namespace, **meta),
        spec=_checked(SubscriptionSpec, spec),
        status=status or SubscriptionStatus(),
    )


def dead_letter_policy(
    name: str = "careful", namespace: str = "shop", *, status: DeadLetterPolicyStatus | None = None, **fields: Any
) -> DeadLetterPolicy:
    """Make a DeadLetterPolicy; `fields` are those of its metadata and of its spec."""
    meta, spec = _split(fields)
    return DeadLetterPolicy(
        metadata=metadata(name, namespace, **meta),
        spec=_checked(DeadLetterPolicySpec, spec),
        status=status or DeadLetterPolicyStatus(),
    )


def mapping_bus(
    template: str | None = "CN={{ name }}.{{ namespace }}", *, kind: str | None = "TLS", name: str = "main"
) -> EventBus:
    """Make a bus whose applications come with credentials of their own; kind None logs in as nobody."""
    login: dict[str, Any] = {"secret_ref": {"name": "login"}} if kind != "TLS" else {}
    login |= {"oauth": {"token_endpoint_url": "http://sso/token"}} if kind == "OAUTHBEARER" else {}
    kafka = {
        "bootstrap_servers": ["kafka:9092"],
        "tls": {"certificate_secret_ref": {"name": "pair"}},
        "authentication": {"type": kind, **login} if kind is not None else None,
        "principals": {"template": template} if template is not None else None,
    }
    return event_bus(name, kafka=kafka)


def mapped_access(
    resource: Publication | Subscription,
    *,
    bus: EventBus | None = None,
    connection: KafkaConnection = MUTUAL,
    twin: Access | None = None,
) -> DesiredAccess:
    """Resolve the access that a resource asks for where principals are mapped; its topics have been made."""
    bus = bus or mapping_bus()
    made = {each.name: settled(event_topic(each.name, resource.metadata.namespace)) for each in resource.spec.topics}
    desired = desire_access(resource, bus, AccessConnection(connection), made, CLUSTER, twin)
    assert isinstance(desired, DesiredAccess), desired
    return desired


def wanted_access(
    resource: Publication | Subscription,
    *,
    connection: KafkaConnection = KAFKA,
    registry: RegistryConnection | None = None,
    topics: Mapping[str, EventTopic | None] | None = None,
    bus: EventBus | None = None,
) -> DesiredAccess:
    """Resolve the access that a resource asks for, which must be possible; its topics have been made unless given."""
    made = {each.name: settled(event_topic(each.name, resource.metadata.namespace)) for each in resource.spec.topics}
    named = made if topics is None else topics
    desired = desire_access(resource, bus or event_bus(), AccessConnection(connection, registry), named, CLUSTER)
    assert isinstance(desired, DesiredAccess), desired
    return desired


def access_case(
    resource: Publication | Subscription,
    seen: ObservedAccess | None = None,
    *,
    desired: DesiredAccess | None = None,
    bus: EventBus | None = None,
    now: datetime = NOW,
    old_clients_gone: bool = False,
) -> AccessCase:
    """Make everything that a decision about access hangs on: by default nothing has been made."""
    desired, bus = desired or wanted_access(resource, bus=bus), bus or event_bus()
    return AccessCase(resource, bus, desired, seen or ObservedAccess(), NEW_PASSWORD, now, old_clients_gone)


def observed_access(
    resource: Publication | Subscription,
    *,
    desired: DesiredAccess | None = None,
    password: str = PASSWORD,
    in_kafka: str | None = PASSWORD,
    without: Collection[Grant] = (),
    beside: Collection[Grant] = (),
    issue: Issue | None = ISSUED,
    **in_secret: str | None,
) -> ObservedAccess:
    """Make what is seen of access that is as desired, and has never been rotated.

    Args:
        resource: whose.
        desired: what it asks for.
        password: the one in the Secret.
        in_kafka: the one that Kafka knows; None where it knows no user.
        without: what it lacks.
        beside: what it may do beyond that.
        issue: how its password came about; None where the Secret does not say so.
        in_secret: entries of the Secret that are different, or absent (None).
    """
    desired = desired or wanted_access(resource)
    data = {key: value for key, value in {**desired.secret_data(password), **in_secret}.items() if value is not None}
    annotations = issue.annotations() if issue is not None and desired.user is not None else {}
    secret = ObservedSecret(data, (resource.kind, resource.metadata.name), annotations)
    if desired.user is None:
        return ObservedAccess(secret)
    iterations = iterations_of(in_kafka) if in_kafka is not None else None
    grants = desired.grants - frozenset(without) | frozenset(beside)
    return ObservedAccess(
        secret, ObservedPrincipal(desired.user, iterations, grants), ObservedPrincipal(other_user(desired.user))
    )


def rotated_access(
    resource: Publication | Subscription, issue: Issue | None = None, first: ObservedPrincipal | None = None
) -> ObservedAccess:
    """Make what is seen of access whose second user has the turn; by default the first is let in as well."""
    desired = wanted_access(resource)
    assert desired.user is not None
    user, iterations = other_user(desired.user), iterations_of(PASSWORD)
    annotations = (issue or Issue(NOW, replaced=desired.user)).annotations()
    data = desired.secret_data(PASSWORD, user)
    return ObservedAccess(
        ObservedSecret(data, (resource.kind, resource.metadata.name), annotations),
        first or ObservedPrincipal(desired.user, iterations, desired.grants),
        ObservedPrincipal(user, iterations, desired.grants),
    )


def settled_access(resource: AnyAccess, desired: DesiredAccess | None = None) -> AnyAccess:
    """Give a resource the status that a quiet pass leaves: what it asks for now has been applied in full."""
    desired = desired or wanted_access(resource)
    free = resource.model_copy(
        update={
            "metadata": resource.metadata.model_copy(update={"annotations": {}}),
            "spec": resource.spec.model_copy(update={"mode": "Enforce"}),
        }
    )
    seen = access_case(free, observed_access(free, desired=desired), desired=desired)
    return resource.model_copy(update={"status": access_status(seen, decide_access(seen), ())})


# --- workloads

RUNTIME_IMAGE: Final = "eventplane/operator:test"
DEPLOYMENT: Final = ObjectKey("apps/v1", "Deployment", "shop", "billing-subscription")
"""The Deployment of `consumer()`."""


def consumer(name: str = "billing", namespace: str = "shop", **fields: Any) -> Subscription:
    """Make a Subscription with a container of its own."""
    return subscription(name, namespace, **{"workload": {"image": "shop/billing:1"}, **fields})


def wanted_objects(resource: Subscription, access: DesiredAccess | None = None, **options: Any) -> DesiredObjects:
    """Resolve what a Subscription becomes inside of the cluster."""
    return desire_workload(resource, access or wanted_access(resource), RUNTIME_IMAGE, **options)


def live(manifest: Manifest, *, pods: int | None = None, **status: Any) -> dict[str, Any]:
    """Make the object of a manifest as the API server shows it; a Deployment is at work, but for `status`.

    Args:
        manifest: what was applied.
        pods: how many are at work; default: as many as are asked for.
        status: parts of its status that are different.
    """
    shown = copy.deepcopy(dict(manifest))
    shown["metadata"] |= {"uid": f"uid-{manifest['kind']}", "generation": 2, "resourceVersion": "7"}
    if manifest["kind"] == "Deployment":
        asked = shown["spec"].setdefault("replicas", 1)
        at_work = asked if pods is None else pods
        counts = {"replicas": asked, "updatedReplicas": asked, "availableReplicas": at_work}
        progress = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
        shown["status"] = {"observedGeneration": 2, **counts, "conditions": [progress], **status}
    return shown


def pod(*, waiting: Mapping[str, str] | None = None, **container: Any) -> dict[str, Any]:
    """Make a pod of `consumer()` whose container waits, or is as `container` says."""
    state = {"waiting": dict(waiting)} if waiting is not None else {"running": {}}
    status = {"name": "consumer", "image": "shop/billing:1", "ready": False, "restartCount": 0, "state": state}
    return {
        "metadata": {"name": "billing-1", "namespace": "shop"},
        "status": {"containerStatuses": [status | container]},
    }


def application_case(
    resource: Subscription | None = None,
    seen: ObservedAccess | None = None,
    *,
    objects: Collection[Manifest] = (),
    errors: Mapping[ObjectKey, BackendError] | None = None,
    access: DesiredAccess | None = None,
    desired: DesiredObjects | None = None,
    pods: Collection[Manifest] = (),
) -> ApplicationCase:
    """Make everything that a decision about a Subscription hangs on: by default its access stands, and no object.

    Args:
        resource: the Subscription; default: `consumer()`.
        seen: its access; default: as asked for.
        objects: what there is, see `live`.
        errors: what cannot be looked at, and why.
        access: what access it asks for.
        desired: what objects it asks for.
        pods: those of its Deployment.
    """
    resource = resource or consumer()
    access = access or wanted_access(resource)
    desired = desired or wanted_objects(resource, access)
    seen = seen or observed_access(resource, desired=access)
    found = {key_of(each): ObservedObject(each) for each in objects}
    found |= {key: ObservedObject(error=error) for key, error in (errors or {}).items()}
    observed = {key: found.get(key, ObservedObject()) for key in keys_to_observe(resource, desired) | found.keys()}
    return planned_case(access_case(resource, seen, desired=access), desired, observed, tuple(pods))


def access_occurrences(
    case: AccessCase, decision: Decision[Any], outcomes: Sequence[Outcome[Any, Any]]
) -> list[Occurrence]:
    """List what is told of an application that is its access and nothing else."""
    return list(application_occurrences(planned_case(case, DesiredObjects(), {}), decision, outcomes))


def told_objects(resource: Subscription, desired: DesiredObjects | None = None) -> list[Manifest]:
    """Make the manifests of a Subscription as they are applied: its pods know whose credentials they have."""
    told = told_after(access_case(resource, observed_access(resource)), Decision())
    return [told_of(manifest, told) for manifest in (desired or wanted_objects(resource)).manifests]


def live_objects(resource: Subscription, desired: DesiredObjects | None = None) -> list[dict[str, Any]]:
    """Show everything that a Subscription asks for, at work."""
    return [live(manifest) for manifest in told_objects(resource, desired)]


def settled_consumer(resource: Subscription | None = None) -> Subscription:
    """Give a Subscription the status that a quiet pass leaves: what it asks for now has been applied in full."""
    resource = resource or consumer()
    manifests = told_objects(resource)
    applied = [
        {"api_version": m["apiVersion"], "kind": m["kind"], "name": m["metadata"]["name"], "applied": fingerprint_of(m)}
        for m in manifests
    ]
    known = SubscriptionStatus.model_validate({"objects": applied})
    before = settled_access(resource).status.model_copy(update={"objects": known.objects})
    resource = resource.model_copy(update={"status": before})
    case = application_case(resource, objects=live_objects(resource))
    return resource.model_copy(update={"status": application_status(case, decide_application(case), ())})
