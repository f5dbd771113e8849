"""The planner's laws for schemas on a registry in memory: quiet, complete, polite, gated, convergent after a failure.

A world of Schemas, rivals and importers among them, meets a registry that foreigners edit between passes. Each pass
runs as the operator's loop does: resolve, observe, decide (again with the registry's verdicts), apply in one batch,
status back into the resources.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import pytest
from builders import avro, event_bus, migration, observed_subject, registered, schema
from hypothesis import currently_in_test_context, given, note
from hypothesis import strategies as st
from unit.planning.laws import Action, LawWorld, actions, steps_of, with_metadata, with_spec

from eventplane.api import APPROVE_ANNOTATION, FINALIZER
from eventplane.api.conditions import ConditionType
from eventplane.api.schema import CompatibilityLevel, Schema
from eventplane.backends.memory_compatibility import unreadable
from eventplane.backends.memory_schemas import MemoryRegistry, MemorySchemaBackend
from eventplane.events.majors import Majors, MajorStep, majors_from_text, record_subject
from eventplane.planning import schemas
from eventplane.planning.decision import Decision, is_paused
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.plan import Plan, Refusal
from eventplane.planning.schema_changes import (
    AlterLevel,
    DeleteSubject,
    OpenMajor,
    RecordMajors,
    RegisterVersion,
    SchemaChange,
)
from eventplane.planning.schema_decisions import SchemaCase, decide_schema
from eventplane.planning.schema_desired import desire_subject, resolve_references, with_definition
from eventplane.planning.schema_readiness import SchemaOutcome, schema_status
from eventplane.planning.schema_state import Definition, ObservedSubject, SubjectQuery
from eventplane.planning.schemas import candidate_query
from eventplane.planning.verdicts import condition, first_error, status_without_pass

SUBJECTS: Final = ("a", "b")
LEVELS: Final[tuple[CompatibilityLevel, ...]] = (
    "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE",
)  # fmt: skip
TEXTS: Final = (
    avro("id"), avro("id", "note?"), avro("id", "note"), avro("id:int"), avro("id:int", "note?"), avro("note?"),
)  # fmt: skip
IMPORTER: Final = (
    '{"type": "record", "name": "Invoice", "namespace": "shop", "fields": [{"name": "order", "type": "shop.Order"}]}'
)
MANY_PASSES: Final = 8
CHANGES: Final = (AlterLevel, RegisterVersion, OpenMajor, RecordMajors, DeleteSubject)
Contents: TypeAlias = Mapping[str, tuple[int, ...]]


@pytest.fixture(autouse=True, scope="module")
def migrations_hold() -> Iterator[None]:
    """Let samples hold: the definitions here are any, and what samples are tried by has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schemas, "problems_of", lambda *_: ())
        yield


@dataclass
class Flight:
    """One resource in one pass."""

    case: SchemaCase
    decision: Decision[SchemaChange]
    outcomes: list[SchemaOutcome] = field(default_factory=list)


class World(LawWorld[Schema, Flight]):
    """Resources, and the registry that they are about."""

    def __init__(self, resources: Iterable[Schema]) -> None:
        super().__init__(resources)
        self.bus = event_bus(allowed_namespaces={"from": "All"})
        self.name = "/".join(self.bus.metadata.key)
        self.registry = MemoryRegistry()
        self.backend = MemorySchemaBackend(self.registry)
        self.waiting: dict[str, BackendError | Refusal] = {}

    # --- passes

    def settle(self) -> list[Flight]:
        """Pass until nothing changes, and look once more."""
        for _ in range(MANY_PASSES):
            before = dict(self.resources)
            flights = self.one_pass()
            if before == self.resources and not any(flight.decision.changes for flight in flights):
                break
        before = dict(self.resources)
        again = self.one_pass()
        refused = [flight for flight in again if isinstance(first_error(flight.outcomes), Rejected)]
        assert [each.decision.changes for each in again if each.decision.changes and each not in refused] == [], "quiet"
        assert before == self.resources, "quiet: not even a status changes"
        return again

    async def _pass(self) -> list[Flight]:
        self.waiting = {}
        looked = [await self._look(resource) for resource in self.present()]
        flights = [flight for flight in looked if flight is not None]
        acting = [flight.case.subject for flight in flights if flight.decision.changes]
        assert len(acting) == len(set(acting)), "polite: a subject has one owner"
        self._add_finalizers(flights)
        for flight in flights:
            self._watch(flight)
            await self._apply(flight)
            self.report(flight, self.resources[flight.case.resource.metadata.uid])
        return flights

    async def _look(self, resource: Schema) -> Flight | None:
        case = self._case(resource)
        if case is None:
            return None
        query = SubjectQuery(case.subject)
        if case.desired is not None:
            queries = {SubjectQuery(each.subject) for each in case.desired.definition.references}
            seen = {key.subject: each for key, each in (await self.backend.observe(queries)).items()}
            references = tuple(with_definition(each, seen[each.subject]) for each in case.desired.definition.references)
            desired = replace(case.desired, definition=replace(case.desired.definition, references=references))
            case = replace(case, desired=desired)
        case = replace(case, observed=(await self.backend.observe([query]))[query])
        decision = decide_schema(case)
        if decision.needs_usage:
            assert case.desired is not None
            query = candidate_query(case.desired, case.observed)
            case = replace(case, observed=(await self.backend.observe([query]))[query])
            decision = decide_schema(case)
        assert not decision.needs_usage, "a decision that knows the verdicts asks for them again"
        return Flight(case, decision)

    def _case(self, resource: Schema) -> SchemaCase | None:
        subject, desired = resource.spec.subject or "", None
        users = tuple(
            f"Schema {'/'.join(other.metadata.key)}"
            for other in self.resources.values()
            if any(each.schema_ref.name == resource.metadata.name for each in other.spec.references)
        )
        if not resource.metadata.deleting:
            imports = {each.metadata.key: each for each in self.resources.values()}
            keys = {("shop", each.schema_ref.name) for each in resource.spec.references}
            references = resolve_references(resource, {key: imports.get(key) for key in {*imports, *keys}}, self.name)
            if not isinstance(references, tuple):
                self.waiting[resource.metadata.uid] = references
                status = status_without_pass(resource, references)
                self.resources[resource.metadata.uid] = resource.model_copy(update={"status": status})
                return None
            desired = desire_subject(resource, subject, resource.spec.definition or "", references)
        return SchemaCase(resource, self.bus, subject, desired, ObservedSubject(subject), self._rivals(resource), users)

    def _rivals(self, resource: Schema) -> tuple[Schema, ...]:
        return tuple(
            other
            for other in self.resources.values()
            if other.spec.subject == resource.spec.subject
            and other is not resource
            and not other.metadata.deleting
            and other.spec.mode != "Observe"
        )

    def _add_finalizers(self, flights: Iterable[Flight]) -> None:
        for flight in flights:
            resource = flight.case.resource
            if flight.decision.finalizer and not resource.metadata.deleting:
                self.resources[resource.metadata.uid] = with_metadata(resource, finalizers=(FINALIZER,))

    async def _apply(self, flight: Flight) -> None:
        before = self.contents()
        flight.outcomes = list(await self.backend.apply(flight.decision.changes))
        deleted = {each.subject for each in flight.decision.changes if isinstance(each, DeleteSubject)}
        after = self.contents()
        for subject, versions in before.items():
            if subject not in deleted:
                assert set(versions) <= set(after[subject]), "polite: nobody's version is taken away"
            if subject != flight.case.subject:
                assert versions == after[subject], "polite: the subject of another stays as it is"

    def contents(self) -> Contents:
        return {name: tuple(each.version for each in self.registry.versions(name)) for name in (*SUBJECTS, "c")}

    def check(self, flights: Iterable[Flight]) -> None:
        _check_complete(self, flights)

    def status_of(self, flight: Flight) -> object:
        return schema_status(flight.case, flight.decision, flight.outcomes)

    # --- what may be done

    def _watch(self, flight: Flight) -> None:
        """Check what is about to be done against what may be done, without the planner's help."""
        case, changes = flight.case, flight.decision.changes
        resource = case.resource
        if currently_in_test_context():
            note(f"{resource.metadata.name}: {[change.describe() for change in changes]} {flight.decision.refusals}")
        if not changes:
            return
        assert all(change.subject == case.subject for change in changes), "polite: only its own subject"
        assert not is_paused(resource), "nothing is written while paused"
        assert resource.spec.mode != "Observe", "Observe writes nothing"
        if resource.spec.mode == "Plan":
            assert resource.metadata.annotations.get(APPROVE_ANNOTATION) == Plan(changes).hash(), "approved"
        owners = [rival for rival in case.rivals if rival.status.applied is not None and rival.status.version]
        assert resource.status.applied is not None or not owners, "polite: who has it keeps it"
        if resource.metadata.deleting:
            assert isinstance(changes[0], DeleteSubject)
            assert resource.spec.deletion_policy != "Retain"
            assert not case.users, "never while something refers to it"
            assert changes[0].hard is (resource.spec.deletion_policy == "Hard")
            return
        assert not any(isinstance(change, DeleteSubject) for change in changes), "no live resource deletes its subject"
        for change in changes:
            if isinstance(change, RegisterVersion):
                self._watch_gate(case, change.definition)
            if isinstance(change, OpenMajor):
                assert resource.spec.evolution.on_incompatible == "NewMajor", "only on purpose"
                assert any(each.to == change.major for each in resource.spec.evolution.migrations)

    def _watch_gate(self, case: SchemaCase, new: Definition) -> None:
        """Never let a reader break: every version that the level protects is compatible."""
        level = self.level_of(case)
        majors = self.majors(case.subject)
        versions = self.registry.versions(case.subject)
        latest = versions[-1].version if versions else 0
        steps = [step for step in majors.steps if step.last_version < latest]
        first = steps[-1].last_version + 1 if steps else 1
        protected = [each for each in versions if each.version >= first]
        for old in protected if level.endswith("_TRANSITIVE") else protected[-1:]:
            kind = level.removesuffix("_TRANSITIVE")
            if kind in {"BACKWARD", "FULL"}:
                assert not unreadable(new, old.definition), f"gate: {level}"
            if kind in {"FORWARD", "FULL"}:
                assert not unreadable(old.definition, new), f"gate: {level}"

    def level_of(self, case: SchemaCase) -> CompatibilityLevel:
        asked = case.resource.spec.compatibility
        return asked or self.registry.level(case.subject) or self.registry.default_level

    def majors(self, subject: str) -> Majors:
        record = self.registry.versions(record_subject(subject))
        return (majors_from_text(record[-1].definition.text) if record else None) or Majors()

    # --- what foreigners and users do

    def act(self, action: Action) -> None:
        verb, which, how = action
        subject = SUBJECTS[which // 4]  # mostly the first
        match verb:
            case "register":
                self._foreign(lambda: self.registry.register(subject, Definition("AVRO", TEXTS[how % len(TEXTS)])))
            case "level":
                self.registry.set_level(subject, LEVELS[how % len(LEVELS)])
            case "default":
                self.registry.default_level = LEVELS[how % len(LEVELS)]
            case "hide":
                versions = self.registry.versions(subject)
                if versions:
                    self.registry.delete_version(subject, versions[how % len(versions)].version)
            case "drop":
                self._foreign(lambda: self.registry.delete(subject, hard=bool(how % 2)))
            case _:
                self.use(verb, which, how)

    def _foreign(self, deed: Callable[[], object]) -> None:
        try:
            deed()
        except Rejected as error:
            note(f"the registry refused: {error.message}")

    def edited(self, resource: Schema, verb: str, how: int) -> Schema:
        match verb:
            case "redefine" if not resource.spec.references:
                return with_spec(resource, definition=TEXTS[how % len(TEXTS)])
            case "relevel":
                return with_spec(resource, compatibility=(*LEVELS, None)[how % 8])
            case "mode":
                return with_spec(resource, mode=("Enforce", "Plan", "Observe")[how % 3])
            case _:
                return resource  # nothing to approve, or to define anew


# --- complete


def _satisfied(world: World, flight: Flight) -> bool:
    """Compare, without the planner's help."""
    case, spec = flight.case, flight.case.resource.spec
    versions = world.registry.versions(case.subject)
    defined = any(each.definition.text == spec.definition for each in versions)
    levels = {spec.compatibility, (spec.compatibility or "").removesuffix("_TRANSITIVE")}
    return defined and (spec.compatibility is None or world.registry.level(case.subject) in levels)


def _check_complete(world: World, flights: Iterable[Flight]) -> None:
    """Complete: what is, is as desired, or the status says why not; and what the status says is so."""
    for flight in flights:
        resource = world.resources.get(flight.case.resource.metadata.uid)
        if resource is None:
            continue
        ready = condition(resource.status.conditions, ConditionType.READY)
        stalled = condition(resource.status.conditions, ConditionType.STALLED)
        assert ready is not None
        rejected = isinstance(first_error(flight.outcomes), Rejected)
        assert (stalled is not None) == (bool(flight.decision.refusals) or rejected), "what is refused is told"
        explained = flight.decision.refusals or flight.decision.hold or resource.metadata.deleting
        left = resource.spec.drift_policy != "Enforce"
        assert _satisfied(world, flight) or explained or left, "complete"
        if ready.status == "True":
            numbers = [each.version for each in world.registry.versions(flight.case.subject)]
            assert resource.status.version in numbers, "truth: what is said to stand stands"
            assert [each.version for each in resource.status.versions] == numbers, "truth"
        if not _satisfied(world, flight) and not explained and resource.spec.drift_policy == "Warn":
            assert condition(resource.status.conditions, ConditionType.DRIFTED), "drift that stands is told"
    for uid, problem in world.waiting.items():
        ready = condition(world.resources[uid].status.conditions, ConditionType.READY)
        assert ready is not None
        assert (ready.status, ready.reason) != ("True", "Ready"), problem


@st.composite
def resources(draw: st.DrawFn) -> list[Schema]:
    """Draw a few Schemas, rivals among them, and sometimes one that imports the first."""
    numbers = range(draw(st.integers(1, 3)))
    drawn = [draw(resource(f"r{number}")) for number in numbers]
    if draw(st.booleans()):
        reference = {"name": "shop.Order", "schema_ref": {"name": "r0"}}
        importer = schema("importer", subject="c", definition=IMPORTER, references=[reference])
        drawn.insert(draw(st.integers(0, len(drawn))), importer)
    return drawn


@st.composite
def resource(draw: st.DrawFn, name: str) -> Schema:
    """Draw a Schema of any mode and policy."""
    some = st.sampled_from
    return schema(
        name,
        "shop",
        creation_timestamp=draw(some(("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"))),
        subject=draw(some(("a", "a", "a", "b"))),
        definition=draw(some(TEXTS)),
        compatibility=draw(some((*LEVELS, None, None))),
        evolution={
            "on_incompatible": draw(some(("Refuse", "NewMajor"))),
            "migrations": [migration(number) for number in range(1, draw(st.integers(0, 3)) + 1)],
        },
        mode=draw(some(("Enforce", "Enforce", "Enforce", "Plan", "Observe"))),
        drift_policy=draw(some(("Enforce", "Enforce", "Warn", "Ignore"))),
        deletion_policy=draw(some(("Retain", "Soft", "Hard"))),
        adoption=draw(some(("IfUnowned", "IfUnowned", "Never"))),
        paused=draw(some((False, False, False, False, False, True))),
    )


FOREIGN: Final = ("register", "register", "level", "default", "hide", "drop")
OWN: Final = (
    "approve", "approve", "pause", "resume", "delete", "delete", "redefine", "redefine", "redefine", "relevel", "mode",
)  # fmt: skip
steps = steps_of(*FOREIGN, *OWN)


@given(resources(), st.just([]) | actions(*FOREIGN), steps)
def test_quiet_complete_polite_gated(those: list[Schema], before: list[Action], after: list[list[Action]]) -> None:
    world = World(those)
    for step in (before, *after):
        world.happen(step)


@given(resources(), steps, st.sampled_from(CHANGES), st.booleans(), st.integers(0, 3))
def test_convergence_after_any_single_failure(
    those: list[Schema],
    along: list[list[Action]],
    failing: type[SchemaChange],
    applied: bool,  # noqa: FBT001 - drawn
    after: int,
) -> None:
    """The change fails or only its answer is lost; then all is as if nothing had happened."""
    world = World(those)
    world.happen_with_a_failure(along, after, failing, applied=applied)


@given(st.sampled_from((*LEVELS, None)), st.sampled_from(TEXTS), st.sampled_from(TEXTS))
def test_an_opening_cut_short_lets_nothing_slip_by(level: CompatibilityLevel | None, first: str, second: str) -> None:
    """The level was lifted, the version not registered, and nobody could put the level back."""
    evolution = {"on_incompatible": "NewMajor", "migrations": [migration()]}
    world = World([schema(subject="a", definition=first, compatibility=level, evolution=evolution)])
    world.happen([])

    def half(change: SchemaChange) -> bool:
        if isinstance(change, OpenMajor):
            world.registry.set_level(change.subject, "NONE")
        return isinstance(change, OpenMajor)

    world.backend.fail_next(half, Unavailable("lost half-way"))
    ((uid, resource),) = world.resources.items()
    world.resources[uid] = with_spec(resource, definition=second)
    breaks = level != "NONE" and _breaks(level or "BACKWARD", first, second)
    world.happen([])
    assert world.majors("a").latest == (2 if breaks else 1)
    if breaks:
        assert world.registry.level("a") == (level or "BACKWARD").removesuffix("_TRANSITIVE")


@given(st.sampled_from((*LEVELS, None)), st.sampled_from(TEXTS))
def test_an_opening_cut_short_and_given_up_leaves_no_level_lifted(level: CompatibilityLevel | None, then: str) -> None:
    evolution = {"on_incompatible": "NewMajor", "migrations": [migration()]}
    world = World([schema(subject="a", compatibility=level, evolution=evolution)])
    world.happen([])
    world.registry.set_level(record_subject("a"), "NONE")
    cut_short = Majors((MajorStep(1, 1, "event", "event"),))
    world.registry.register(record_subject("a"), Definition("JSON", cut_short.to_text()))
    world.registry.set_level("a", "NONE")
    ((uid, resource),) = world.resources.items()
    world.resources[uid] = with_spec(resource, definition=then)
    world.happen([])
    assert level == "NONE" or world.registry.level("a") not in {None, "NONE"}


def _breaks(level: str, first: str, second: str) -> bool:
    old, new = Definition("AVRO", first), Definition("AVRO", second)
    backward = not level.startswith("FORWARD") and bool(unreadable(new, old))
    return backward or (not level.startswith("BACKWARD") and bool(unreadable(old, new)))


def test_an_heir_loses_nothing_to_its_predecessor() -> None:
    world = World([schema("r0", subject="a", deletion_policy="Hard"), schema("r1", subject="a", definition=TEXTS[1])])
    world.happen([])
    before = world.registry.versions("a")
    world.act(("delete", 0, 0))
    _check_complete(world, world.settle())
    assert [each.metadata.name for each in world.resources.values()] == ["r1"]
    assert world.registry.versions("a")[: len(before)] == before
    assert world.registry.versions("a")[-1].definition.text == TEXTS[1]


def test_laws_are_checked_by_a_judge_who_can_say_no() -> None:
    """The judge of completeness is no rubber stamp."""
    world = World([schema(subject="a", definition=TEXTS[1], compatibility="FULL")])
    (flight,) = world.settle()
    assert _satisfied(world, flight)
    world.registry.set_level("a", "NONE")
    assert not _satisfied(world, flight)
    world.registry.set_level("a", "FULL")
    world.registry.delete("a")
    assert not _satisfied(world, flight)
    assert Outcome(DeleteSubject("a", hard=True)).error is None
    assert observed_subject(registered()).versions
