"""The CRDs as the API server understands them: what it takes, what it refuses in which words, what it explains."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from e2e.access_constraints import access_constraints
from e2e.cluster.commands import CommandError
from e2e.crd_constraints import LEAST, Spec
from e2e.dead_letter_constraints import dead_letter_constraints
from e2e.event_bus_constraints import event_bus_constraints
from e2e.event_topic_constraints import event_topic_constraints
from e2e.lookup_constraints import lookup_constraints
from e2e.schema_constraints import schema_constraints
from e2e.subscription_constraints import subscription_constraints
from eventplane.api import API_VERSION
from eventplane.api.crd import KINDS, crd
from hack.generate import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from e2e.cluster import Cluster

pytestmark = pytest.mark.cluster

# keywords that refuse values; `type` is not ours to test
CONSTRAINTS = {
    "enum": "supported values",
    "maxItems": "must have at most",
    "maxLength": "may not be more than",
    "maxProperties": "must have at most",
    "maximum": "should be less than or equal to",
    "minItems": "should have at least",
    "minLength": "should be at least",
    "minimum": "should be greater than or equal to",
    "pattern": "should match",
    "x-kubernetes-list-type": "Duplicate value",
}
MOVE_OVER = "is immutable: create another {} and move over"
SHRINKS = "Kafka cannot take partitions away: create another EventTopic with fewer and move over"


TOPIC_MOVES, SCHEMA_MOVES = MOVE_OVER.format("EventTopic"), MOVE_OVER.format("Schema")
PUBLICATION_MOVES, SUBSCRIPTION_MOVES = MOVE_OVER.format("Publication"), MOVE_OVER.format("Subscription")
NAMED: Spec = {"subjectNaming": "Topic", "topic": {"name": "orders"}}
CHANGES: tuple[tuple[str, Spec, Spec, str | None], ...] = (
    ("EventTopic", {"topicName": "a"}, {"topicName": "b"}, f"topicName {TOPIC_MOVES}"),
    ("EventTopic", {"topicName": "a"}, {"topicName": None}, f"topicName {TOPIC_MOVES}"),
    ("EventTopic", {}, {"topicName": "a"}, f"topicName {TOPIC_MOVES}"),
    ("EventTopic", {"topicName": "a"}, {"topicName": "a", "partitions": 3}, None),
    ("EventTopic", {"busRef": {"name": "a"}}, {"busRef": {"name": "b"}}, f"busRef {TOPIC_MOVES}"),
    ("EventTopic", {"busRef": {"name": "a"}}, {"busRef": {"namespace": "other"}}, f"busRef {TOPIC_MOVES}"),
    ("EventTopic", {"busRef": {"name": "a"}}, {"busRef": None}, f"busRef {TOPIC_MOVES}"),
    ("EventTopic", {}, {"busRef": {"name": "a"}}, f"busRef {TOPIC_MOVES}"),
    ("EventTopic", {"busRef": {"name": "a"}}, {"mode": "Plan"}, None),
    ("Schema", {"subject": "a"}, {"subject": "b"}, f"subject {SCHEMA_MOVES}"),
    ("Schema", {"subject": "a"}, {"subject": None}, f"subject {SCHEMA_MOVES}"),
    ("Schema", {}, {"subject": "a"}, f"subject {SCHEMA_MOVES}"),
    ("Schema", {}, {"subjectNaming": "Record"}, f"subjectNaming {SCHEMA_MOVES}"),
    ("Schema", NAMED, {"topic": {"name": "bills"}}, f"topic {SCHEMA_MOVES}"),
    ("Schema", {}, {"busRef": {"name": "a"}}, f"busRef {SCHEMA_MOVES}"),
    ("Schema", {}, {"type": "JSON"}, "type is immutable: create another Schema and move over"),
    ("Schema", {"subject": "a"}, {"definition": "[]", "compatibility": "FULL"}, None),
    ("Publication", {}, {"busRef": {"name": "a"}}, f"busRef {PUBLICATION_MOVES}"),
    ("Publication", {"secretName": "a"}, {"secretName": "b"}, f"secretName {PUBLICATION_MOVES}"),
    ("Publication", {"secretName": "a"}, {"secretName": None}, f"secretName {PUBLICATION_MOVES}"),
    ("Publication", {"secretName": "a"}, {"topics": [{"name": "bills"}], "transactional": True}, None),
    ("Subscription", {}, {"busRef": {"name": "a"}}, f"busRef {SUBSCRIPTION_MOVES}"),
    ("Subscription", {"secretName": "a"}, {"secretName": "b"}, f"secretName {SUBSCRIPTION_MOVES}"),
    ("Subscription", {}, {"topics": [{"name": "bills"}]}, None),
)


@dataclass(frozen=True)
class Attempt:
    """One object that is offered to the API server; no refusal expected means that it must be taken."""

    name: str
    place: str
    kind: str
    spec: Spec
    refusal: str | None

    @property
    def document(self) -> dict[str, Any]:
        return resource(self.kind, self.name, self.spec)


def resource(kind: str, name: str, spec: Spec) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def attempts() -> Iterator[Attempt]:
    every = (
        event_bus_constraints,
        event_topic_constraints,
        schema_constraints,
        access_constraints,
        subscription_constraints,
        lookup_constraints,
        dead_letter_constraints,
    )
    for number, constrained in enumerate(each for constraints in every for each in constraints()):
        values = [(value, None) for value in constrained.taken] + list(constrained.refused)
        for index, (value, refusal) in enumerate(values):
            yield Attempt(
                f"try-{number}-{index}",
                f"{constrained.kind}.{constrained.path}",
                constrained.kind,
                constrained.spec(value),
                refusal,
            )


ATTEMPTS = tuple(attempts())


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of our own, and the CRDs as they are in the repository."""
    name = f"crds-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", ROOT / "crds")
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", ROOT / "crds")
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def refusals(cluster: Cluster, namespace: str) -> Mapping[str, str]:
    """Offer every attempt to the API server; its words by the names of those that it refused."""
    documents = {"apiVersion": "v1", "kind": "List", "items": [attempt.document for attempt in ATTEMPTS]}
    try:
        cluster.kubectl(
            "create",
            "--dry-run=server",
            "--validate=false",  # kubectl's own checks would stop at the first
            "--namespace",
            namespace,
            "-f",
            "-",
            feed=json.dumps(documents).encode(),
        )
    except CommandError as refused:
        parts = re.split(
            r"(?:Event\w+|Schema|Publication|Subscription|DeadLetterPolicy)(?:\.\S+)? \"(try-[\d-]+)\" is invalid:",
            str(refused),
        )
        if len(parts) == 1:
            raise  # nothing was looked at
        return dict(zip(parts[1::2], parts[2::2], strict=True))
    return {}


def create(cluster: Cluster, namespace: str, document: Mapping[str, Any]) -> None:
    cluster.kubectl("create", "--namespace", namespace, "-f", "-", feed=json.dumps(document).encode())


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: f"{attempt.place}-{attempt.name}")
def test_the_api_server_takes_what_is_right_and_says_what_is_wrong(
    refusals: Mapping[str, str], attempt: Attempt
) -> None:
    said = refusals.get(attempt.name)
    if attempt.refusal is None:
        assert said is None
    else:
        assert said is not None, f"taken: {attempt.spec}"
        assert attempt.refusal in said
        assert place_in_words(attempt.place) in said


def place_in_words(place: str) -> str:
    """Return the place as the API server writes it."""
    path = place.partition(".")[2]
    return f"spec.{path}".replace("[]", "[0]").replace(".*", ".any").rstrip(".")


def constraints(kind: str, schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    """Walk a schema and give each constraint as place, keyword and the words that tell its refusal."""
    for keyword, words in CONSTRAINTS.items():
        if keyword in schema:
            yield f"{kind}.{path}", keyword, words
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"{kind}.{path}", "rule", rule["message"]
    for name, child in schema.get("properties", {}).items():
        below = f"{path}.{name}".removeprefix(".")
        yield from constraints(kind, child, below)
        if name in schema.get("required", ()):
            yield f"{kind}.{below}", "required", "Required value"
    if "items" in schema:
        yield from constraints(kind, schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from constraints(kind, schema["additionalProperties"], f"{path}.*")


def test_no_constraint_and_no_rule_goes_untried() -> None:
    broken = {(attempt.place, attempt.refusal) for attempt in ATTEMPTS if attempt.refusal}
    words = [refusal for _, refusal in broken] + [refusal for *_, refusal in CHANGES if refusal] + [SHRINKS]
    untried = []
    for kind in KINDS:
        schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        spec, whole = schema["properties"]["spec"], schema.get("x-kubernetes-validations", ())
        found = [*constraints(kind.kind, spec, ""), *((kind.kind, "rule", rule["message"]) for rule in whole)]
        untried += [
            (place, keyword, text)
            for place, keyword, text in found
            if not (
                any(text.startswith(word) for word in words)
                if keyword == "rule"
                else any(place == where and text in said for where, said in broken)
            )
        ]
    assert untried == []


def test_crds_are_established(cluster: Cluster, namespace: str) -> None:
    assert namespace
    for kind in KINDS:
        name = f"{kind.plural}.events.sindhan.ai"
        status = json.loads(cluster.kubectl("get", "crd", name, "-o", "json"))["status"]
        held = {condition["type"]: condition["status"] for condition in status["conditions"]}
        assert held == {"Established": "True", "NamesAccepted": "True"}
        assert status["acceptedNames"]["shortNames"] == list(kind.short_names)


@pytest.mark.parametrize("file", sorted((ROOT / "manifests/samples").glob("*.yaml")), ids=lambda file: file.name)
def test_samples_are_taken_as_they_are(cluster: Cluster, namespace: str, file: Any) -> None:
    cluster.kubectl("apply", "--dry-run=server", "--namespace", namespace, "-f", file)


def test_a_spec_is_required(cluster: Cluster, namespace: str) -> None:
    for kind in KINDS:
        document = {"apiVersion": API_VERSION, "kind": kind.kind, "metadata": {"name": "empty"}}
        with pytest.raises(CommandError, match="spec: Required value"):
            create(cluster, namespace, document)


@pytest.mark.parametrize(("kind", "before", "patch", "refusal"), CHANGES)
def test_what_never_changes(
    cluster: Cluster, namespace: str, kind: str, before: Spec, patch: Spec, refusal: str | None
) -> None:
    change(cluster, namespace, LEAST[kind] | before, None, patch, refusal, kind=kind)


@pytest.mark.parametrize(
    ("before", "partitions", "patch", "refusal"),
    [
        ({"partitions": 6}, 6, {"partitions": 5}, SHRINKS),
        ({"partitions": 6}, 6, {"partitions": 7}, None),
        ({"partitions": 6}, None, {"partitions": 5}, None),  # nothing was made yet
        ({}, 6, {"partitions": 5}, SHRINKS),
        ({}, 6, {"partitions": 6}, None),
        ({"partitions": 6}, 6, {"partitions": None}, None),  # back to the bus's default, which the plan looks at
        ({"partitions": 3}, 6, {"mode": "Plan"}, None),  # grown behind our back: other changes must pass
        ({"partitions": 3}, 6, {"partitions": 4}, SHRINKS),
    ],
)
def test_partitions_never_shrink(
    cluster: Cluster, namespace: str, before: Spec, partitions: int | None, patch: Spec, refusal: str | None
) -> None:
    change(cluster, namespace, before, partitions, patch, refusal)


def change(
    cluster: Cluster,
    namespace: str,
    before: Spec,
    partitions: int | None,
    patch: Spec,
    refusal: str | None,
    *,
    kind: str = "EventTopic",
) -> None:
    """Make a resource, patch it, and expect the refusal or none."""
    name = f"changed-{uuid.uuid4().hex[:8]}"
    create(cluster, namespace, resource(kind, name, before | {"mode": "Observe"}))
    if partitions is not None:
        status = json.dumps({"status": {"partitions": partitions}})
        cluster.kubectl("patch", "etopic", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", status)
    words = ("patch", kind.lower(), name, "-n", namespace, "--type=merge", "-p", json.dumps({"spec": patch}))
    if refusal is None:
        cluster.kubectl(*words)
    else:
        with pytest.raises(CommandError) as refused:
            cluster.kubectl(*words)
        assert refusal in str(refused.value)


def test_a_null_in_config_reaches_the_operator(cluster: Cluster, namespace: str) -> None:
    document = resource("EventTopic", "left-alone", {"config": {"retention.ms": "1", "compression.type": None}})
    words = ("apply", "--server-side", "--namespace", namespace, "-f", "-")
    cluster.kubectl(*words, feed=json.dumps(document).encode())
    assert spec_of(cluster, namespace, "left-alone")["config"] == document["spec"]["config"]


def test_defaults_stand_in_the_object(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, resource("EventTopic", "defaults", {}))
    assert spec_of(cluster, namespace, "defaults") == {
        "adoption": "IfUnowned",
        "deletionPolicy": "Retain",
        "driftPolicy": "Enforce",
        "mode": "Enforce",
        "partitionGrowth": "IfUnkeyed",
    }


def spec_of(cluster: Cluster, namespace: str, name: str) -> Spec:
    spec: Spec = json.loads(cluster.kubectl("get", "etopic", name, "-n", namespace, "-o", "json"))["spec"]
    return spec


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("etopic", "A Kafka topic"),
        ("etopic.spec.mode", "Observe never writes to the bus. Default: Enforce."),
        ("etopic.spec.deletionPolicy", "Default: Retain."),
        ("etopic.spec.config", "null leaves a setting alone"),
        ("etopic.status.topicId", "another id means another topic"),
        ("eschema", "A registry subject"),
        ("eschema.spec.driftPolicy", "A version that somebody registered is never taken away. Default: Enforce."),
        ("eschema.spec.evolution.migrations.up", "CEL expression over `event`"),
        ("ebus.spec.naming.topic", "Default: {{ namespace }}.{{ name }}."),
        ("ebus.spec.kafka.tls.caSecretRef.key", "Default: ca.crt."),
    ],
)
def test_kubectl_explains_fields_and_their_defaults(cluster: Cluster, namespace: str, place: str, words: str) -> None:
    assert namespace
    assert words in " ".join(cluster.kubectl("explain", place).split())


def test_kubectl_shows_what_operators_want_to_see(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, resource("EventTopic", "shown", {}))
    header = cluster.kubectl("get", "etopic", "shown", "-n", namespace, "-o", "wide").splitlines()[0].split()
    assert header == ["NAME", "TOPIC", "READY", "REASON", "PARTITIONS", "REPLICAS", "BUS", "MESSAGE", "AGE"]
    by_category = cluster.kubectl("get", "eventplane", "-n", namespace, "-o", "name").split()
    assert "eventtopic.events.sindhan.ai/shown" in by_category


def test_kubectl_get_events_still_means_the_events_of_kubernetes(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, resource("EventTopic", "no-event", {}))
    assert "no-event" not in cluster.kubectl("get", "events", "-n", namespace, "-o", "name")
