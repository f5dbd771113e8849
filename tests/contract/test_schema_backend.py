"""The contract of a SchemaBackend, sentence by sentence, on memory and on a real registry."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eventplane.api.conditions import Reason
from eventplane.events.majors import Majors, MajorStep, record_subject
from eventplane.planning.outcome import Rejected
from eventplane.planning.schema_changes import (
    AlterLevel,
    DeleteSubject,
    OpenMajor,
    RecordMajors,
    RegisterVersion,
    SchemaChange,
)
from eventplane.planning.schema_state import Definition, ObservedSubject, Reference, SubjectQuery

if TYPE_CHECKING:
    from contract.registry_arenas import RegistryArena

    from eventplane.api.schema import CompatibilityLevel, SchemaType
    from eventplane.backends.schemas import SchemaBackend
    from eventplane.planning.outcome import BackendError, Outcome
    from eventplane.planning.schema_state import RegisteredVersion


def avro(*names: str, name: str = "Order") -> Definition:
    """A record of integers; a field named with a question mark has a default."""
    listed = [
        {"name": each.rstrip("?"), "type": "int"} | ({"default": 0} if each.endswith("?") else {}) for each in names
    ]
    return Definition("AVRO", json.dumps({"type": "record", "name": name, "fields": listed}))


def json_schema(kind: str) -> Definition:
    return Definition("JSON", json.dumps({"type": "object", "properties": {"amount": {"type": kind}}}))


def protobuf(kind: str) -> Definition:
    return Definition("PROTOBUF", f'syntax = "proto3";\nmessage Order {{\n  {kind} amount = 1;\n}}\n')


TYPES: dict[SchemaType, tuple[Definition, Definition, Definition]] = {
    "AVRO": (avro("a"), avro("a", "b?"), avro("a", "c")),
    "JSON": (json_schema("integer"), json_schema("number"), json_schema("boolean")),
    "PROTOBUF": (protobuf("string"), protobuf("string"), protobuf("int32")),
}
"""A definition, one that reads its data, one that does not."""


async def look(backend: SchemaBackend, subject: str) -> ObservedSubject:
    return await ask(backend, SubjectQuery(subject))


async def ask(backend: SchemaBackend, query: SubjectQuery) -> ObservedSubject:
    return (await backend.observe([query]))[query]


async def outcomes(backend: SchemaBackend, *changes: SchemaChange) -> list[Outcome[SchemaChange, ObservedSubject]]:
    found = list(await backend.apply(changes))
    assert [outcome.change for outcome in found] == list(changes)
    return found


async def errors(backend: SchemaBackend, *changes: SchemaChange) -> list[BackendError | None]:
    return [outcome.error for outcome in await outcomes(backend, *changes)]


async def reasons(backend: SchemaBackend, *changes: SchemaChange) -> list[Reason | None]:
    return [error.reason if error else None for error in await errors(backend, *changes)]


def register(subject: str, definition: Definition) -> RegisterVersion:
    return RegisterVersion(subject, definition, "fingerprint")


async def registered(backend: SchemaBackend, subject: str, definition: Definition) -> ObservedSubject:
    """Register, and return what the outcome says that is there now."""
    (outcome,) = await outcomes(backend, register(subject, definition))
    assert outcome.error is None
    assert outcome.state is not None
    return outcome.state


def numbers(seen: ObservedSubject) -> list[int]:
    return [each.version for each in seen.versions]


def texts(seen: ObservedSubject) -> list[str]:
    return [json.dumps(json.loads(each.definition.text)) for each in seen.versions]


def plain(versions: tuple[RegisteredVersion, ...]) -> list[tuple[int, int]]:
    return [(each.version, each.schema_id) for each in versions]


def formatless(seen: ObservedSubject) -> ObservedSubject:
    """Take the spaces out: a registry that knows the same schema under another subject keeps its formatting."""
    return replace(
        seen,
        versions=tuple(
            replace(each, definition=replace(each.definition, text="".join(each.definition.text.split())))
            for each in seen.versions
        ),
    )


# --- looking ---------------------------------------------------------------------------------------------------------


async def test_probe_tells_the_default_level(registry_arena: RegistryArena) -> None:
    assert (await registry_arena.backend().probe()).default_level == "BACKWARD"


async def test_observe_answers_every_key_once_also_for_what_is_not_there(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend = registry_arena.backend()
    await registry_arena.register(subject, avro("a"))
    queries = [
        SubjectQuery(subject),
        SubjectQuery(subject, avro("a", "b"), (1,)),
        SubjectQuery(f"{subject}-absent"),
        SubjectQuery(f"{subject}-absent", avro("a"), (1,)),
    ]
    seen = await backend.observe(queries)
    assert set(seen) == set(queries)
    assert [numbers(seen[query]) for query in queries] == [[1], [1], [], []]
    assert seen[queries[2]] == ObservedSubject(f"{subject}-absent")
    assert seen[queries[3]] == ObservedSubject(f"{subject}-absent")
    assert await backend.observe([]) == {}
    assert await backend.apply([]) == []


async def test_a_version_that_a_foreigner_registered_shows(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    first = await registered(backend, subject, avro("a"))
    await registry_arena.register(subject, avro("a", "b?"))
    seen = await look(backend, subject)
    assert numbers(seen) == [1, 2]
    assert seen.versions[0].schema_id == first.versions[0].schema_id
    assert texts(seen) == [avro("a").text, avro("a", "b?").text]


async def test_two_backends_see_what_each_other_did(registry_arena: RegistryArena, subject: str) -> None:
    one, other = registry_arena.backend(), registry_arena.backend()
    state = await registered(one, subject, avro("a"))
    assert plain((await look(other, subject)).versions) == plain(state.versions)
    again = await registered(other, subject, avro("a"))
    assert plain(again.versions) == plain(state.versions)


@pytest.mark.parametrize("name", ["a b", "a%2Fb", "é:ü", "a+b&c=d", "a#b;c"])
async def test_names_that_must_be_escaped(registry_arena: RegistryArena, subject: str, name: str) -> None:
    backend, full = registry_arena.backend(), f"{subject}{name}"
    assert numbers(await registered(backend, full, avro("a"))) == [1]
    assert await errors(backend, AlterLevel(full, None, "FULL")) == [None]
    seen = await look(backend, full)
    assert (numbers(seen), seen.level) == ([1], "FULL")
    assert await errors(backend, DeleteSubject(full, hard=True)) == [None]
    assert await look(backend, full) == ObservedSubject(full)


# --- registration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
async def test_the_first_version_is_1_and_its_outcome_says_so(
    registry_arena: RegistryArena, subject: str, kind: SchemaType
) -> None:
    backend, (definition, _, _) = registry_arena.backend(), TYPES[kind]
    state = await registered(backend, subject, definition)
    seen = await look(backend, subject)
    assert formatless(seen) == formatless(state)
    assert numbers(seen) == [1]
    assert seen.versions[0].definition.type == kind
    assert seen.level is None


@pytest.mark.parametrize("kind", TYPES)
async def test_registering_twice_registers_once(registry_arena: RegistryArena, subject: str, kind: SchemaType) -> None:
    backend, (definition, _, _) = registry_arena.backend(), TYPES[kind]
    first = await registered(backend, subject, definition)
    assert plain((await registered(backend, subject, definition)).versions) == plain(first.versions)
    both = await outcomes(backend, register(subject, definition), register(subject, definition))
    assert [plain(each.state.versions) for each in both if each.state] == [plain(first.versions)] * 2


@pytest.mark.parametrize("kind", TYPES)
async def test_other_formatting_is_no_other_version(
    registry_arena: RegistryArena, subject: str, kind: SchemaType
) -> None:
    backend, (definition, _, _) = registry_arena.backend(), TYPES[kind]
    await registered(backend, subject, definition)
    spaced = definition.text.replace("{", "{\n   ").replace("\n", "\n\n")
    state = await registered(backend, subject, replace(definition, text=spaced))
    assert numbers(state) == [1]


async def test_the_outcome_of_a_later_version_shows_all_of_them(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    state = await registered(backend, subject, avro("a", "b?"))
    assert texts(state) == [avro("a").text, avro("a", "b?").text]
    assert await look(backend, subject) == state


@pytest.mark.parametrize("kind", TYPES)
async def test_what_breaks_readers_is_refused_and_changes_nothing(
    registry_arena: RegistryArena, subject: str, kind: SchemaType
) -> None:
    backend, (definition, _, breaking) = registry_arena.backend(), TYPES[kind]
    state = await registered(backend, subject, definition)
    (error,) = await errors(backend, register(subject, breaking))
    assert isinstance(error, Rejected)
    assert error.reason == Reason.INCOMPATIBLE
    assert subject in error.message
    assert plain((await look(backend, subject)).versions) == plain(state.versions)


@pytest.mark.parametrize("kind", TYPES)
async def test_what_is_no_schema_is_refused(registry_arena: RegistryArena, subject: str, kind: SchemaType) -> None:
    backend = registry_arena.backend()
    assert await reasons(backend, register(subject, Definition(kind, "nonsense"))) == [Reason.DEFINITION_INVALID]
    assert (await look(backend, subject)).versions == ()


async def test_one_bad_change_leaves_the_others_alone_and_ends_the_later_ones_of_its_subject(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend = registry_arena.backend()
    bad = f"{subject}-bad"
    found = await errors(
        backend,
        register(bad, Definition("AVRO", "nonsense")),
        register(subject, avro("a")),
        register(bad, avro("a")),
        AlterLevel(subject, None, "FULL"),
    )
    assert [error is None for error in found] == [False, True, False, True]
    assert found[2] == found[0]
    seen = await backend.observe([SubjectQuery(subject), SubjectQuery(bad)])
    assert [(numbers(each), each.level) for each in seen.values()] == [([1], "FULL"), ([], None)]


# --- references ------------------------------------------------------------------------------------------------------

ADDRESS = Definition(
    "AVRO", '{"type":"record","name":"Address","namespace":"n","fields":[{"name":"city","type":"string"}]}'
)


def customer(address: str, version: int = 1) -> Definition:
    text = '{"type":"record","name":"Customer","namespace":"n","fields":[{"name":"home","type":"n.Address"}]}'
    return Definition("AVRO", text, (Reference("n.Address", address, version),))


async def test_references_registered_before_in_one_batch_are_read_back_with_their_text(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend, address = registry_arena.backend(), f"{subject}-address"
    order = Definition(
        "AVRO",
        '{"type":"record","name":"Order","namespace":"n","fields":[{"name":"by","type":"n.Customer"}]}',
        (Reference("n.Customer", f"{subject}-customer", 1),),
    )
    found = await errors(
        backend,
        register(address, ADDRESS),
        register(f"{subject}-customer", customer(address)),
        register(subject, order),
    )
    assert found == [None] * 3
    for reader in (backend, registry_arena.backend()):
        (version,) = (await look(reader, subject)).versions
        (by,) = version.definition.references
        assert (by.name, by.subject, by.version) == ("n.Customer", f"{subject}-customer", 1)
        assert by.definition is not None
        (home,) = by.definition.references
        assert home.definition is not None
        assert json.loads(home.definition.text) == json.loads(ADDRESS.text)


async def test_a_reference_to_what_is_not_there_is_refused(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    assert await reasons(backend, register(subject, customer(f"{subject}-absent"))) == [Reason.DEFINITION_INVALID]


async def test_a_version_ends_as_what_it_refers_to_in_the_same_batch(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend, address = registry_arena.backend(), f"{subject}-address"
    found = await errors(
        backend, register(address, Definition("AVRO", "nonsense")), register(subject, customer(address))
    )
    assert found[0] is not None
    assert found[1] == found[0]


async def test_what_is_referred_to_cannot_be_deleted(registry_arena: RegistryArena, subject: str) -> None:
    backend, address = registry_arena.backend(), f"{subject}-address"
    await registered(backend, address, ADDRESS)
    await registered(backend, subject, customer(address))
    assert await reasons(backend, DeleteSubject(address, hard=False)) == [Reason.IN_USE]
    assert numbers(await look(backend, address)) == [1]


# --- levels ----------------------------------------------------------------------------------------------------------

LEVELS: list[CompatibilityLevel] = [
    "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE",
]  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
async def test_a_level_is_read_as_it_was_set_and_setting_it_twice_is_harmless(
    registry_arena: RegistryArena, subject: str, level: CompatibilityLevel
) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    assert await errors(backend, AlterLevel(subject, None, level)) == [None]
    assert await errors(backend, AlterLevel(subject, level, level)) == [None]
    assert (await look(backend, subject)).level == level
    assert (await look(registry_arena.backend(), subject)).level == level


async def test_a_level_can_be_set_before_the_first_version(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    level, version = await outcomes(backend, AlterLevel(subject, None, "NONE"), register(subject, avro("a")))
    assert (level.error, version.error) == (None, None)
    assert version.state is not None
    assert formatless(version.state) == formatless(await look(backend, subject))
    assert (numbers(version.state), version.state.level) == ([1], "NONE")


async def test_a_level_that_a_foreigner_set_shows(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    await registry_arena.set_level(subject, "NONE")
    assert (await look(backend, subject)).level == "NONE"


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
async def test_verdicts_both_ways(registry_arena: RegistryArena, subject: str, kind: SchemaType) -> None:
    backend, (definition, reading, breaking) = registry_arena.backend(), TYPES[kind]
    await registered(backend, subject, definition)
    good, bad = SubjectQuery(subject, reading, (1, 7)), SubjectQuery(subject, breaking, (1,))
    seen = await backend.observe([good, bad])
    assert {version: each.compatible for version, each in seen[good].verdicts.items()} == {1: True}
    assert {version: each.compatible for version, each in seen[bad].verdicts.items()} == {1: False}
    assert numbers(seen[bad]) == [1]


async def test_a_subject_seen_a_moment_ago_is_not_looked_at_again(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    seen = replace(await look(backend, subject), level="FULL_TRANSITIVE")
    known = SubjectQuery(subject, avro("a", "b?"), (1,), seen)
    absent = SubjectQuery(f"{subject}-absent", avro("a"), (1,), ObservedSubject(f"{subject}-absent"))
    found = await backend.observe([known, absent, SubjectQuery(subject)])
    assert found[known].verdicts[1].compatible
    assert replace(found[known], verdicts={}) == seen
    assert found[absent] == absent.seen
    assert found[SubjectQuery(subject)].level != "FULL_TRANSITIVE"


async def test_each_version_is_judged_by_itself(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    await errors(
        backend,
        AlterLevel(subject, None, "NONE"),
        register(subject, avro("a")),
        register(subject, avro("a", "b")),
        AlterLevel(subject, "NONE", "BACKWARD"),
    )
    seen = await ask(backend, SubjectQuery(subject, avro("a", "b", "c?"), (1, 2)))
    assert {version: each.compatible for version, each in seen.verdicts.items()} == {1: False, 2: True}


async def test_a_candidate_that_is_no_schema_is_an_error_of_its_query_only(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    bad, good = SubjectQuery(subject, Definition("AVRO", "nonsense"), (1,)), SubjectQuery(subject)
    seen = await backend.observe([bad, good])
    error = seen[bad].error
    assert isinstance(error, Rejected)
    assert error.reason == Reason.DEFINITION_INVALID
    assert numbers(seen[bad]) == [1]
    assert seen[good].error is None


# --- major versions --------------------------------------------------------------------------------------------------


def majors_with(up: str) -> Majors:
    """Make a record of one step; a backend keeps records and understands nothing of them."""
    return Majors((MajorStep(1, last_version=1, up=up, down="event"),))


MAJORS = majors_with("event")


def open_major(subject: str, definition: Definition) -> OpenMajor:
    return OpenMajor(subject, definition, "fingerprint", 2, "FULL")


@pytest.mark.parametrize("kind", TYPES)
async def test_a_major_version_breaks_on_purpose_and_the_level_stands_afterwards(
    registry_arena: RegistryArena, subject: str, kind: SchemaType
) -> None:
    backend, (definition, _, breaking) = registry_arena.backend(), TYPES[kind]
    await registered(backend, subject, definition)
    for _ in range(2):
        (outcome,) = await outcomes(backend, open_major(subject, breaking))
        assert outcome.error is None
        assert outcome.state == await look(backend, subject)
        assert outcome.state is not None
        assert (numbers(outcome.state), outcome.state.level) == ([1, 2], "FULL")
    assert await reasons(backend, register(subject, definition)) == [None], "what is registered stays so"


async def test_the_level_is_put_back_also_where_the_definition_is_refused(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    assert await reasons(backend, open_major(subject, Definition("AVRO", "nonsense"))) == [Reason.DEFINITION_INVALID]
    seen = await look(backend, subject)
    assert (numbers(seen), seen.level) == ([1], "FULL")


async def test_the_record_of_majors_is_read_back_and_may_change_and_change_back(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    other = majors_with("event.data")
    for majors in (MAJORS, MAJORS, other, MAJORS):
        assert await errors(backend, RecordMajors(subject, majors)) == [None]
        assert (await look(backend, subject)).majors == majors
    assert (await look(registry_arena.backend(), record_subject(subject))).level == "NONE"


async def test_a_broken_record_is_an_error_of_its_subject_only(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    await errors(backend, register(subject, avro("a")), register(f"{subject}-2", avro("a")))
    broken = json.dumps(json.loads(Majors().to_text()) | {"x-eventplane-majors": {"steps": 7}})
    await registry_arena.register(record_subject(subject), Definition("JSON", broken))
    seen = await backend.observe([SubjectQuery(subject), SubjectQuery(f"{subject}-2")])
    first, second = (each.error for each in seen.values())
    assert isinstance(first, Rejected)
    assert record_subject(subject) in first.message
    assert second is None


# --- deletion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hard", [False, True])
async def test_deletion_takes_the_record_too_and_is_harmless_twice(
    registry_arena: RegistryArena, subject: str, *, hard: bool
) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    await errors(backend, RecordMajors(subject, MAJORS))
    for _ in range(2):
        assert await errors(backend, DeleteSubject(subject, hard=hard)) == [None]
        queries = [SubjectQuery(subject), SubjectQuery(record_subject(subject))]
        assert [each.versions for each in (await backend.observe(queries)).values()] == [(), ()]


async def test_after_a_soft_deletion_numbers_go_on_and_the_record_starts_anew(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend = registry_arena.backend()
    first = await registered(backend, subject, avro("a"))
    await errors(backend, RecordMajors(subject, MAJORS), DeleteSubject(subject, hard=False))
    again = await registered(backend, subject, avro("a"))
    assert plain(again.versions) == [(2, first.versions[0].schema_id)]
    assert again.majors == Majors()
    assert await errors(backend, RecordMajors(subject, MAJORS)) == [None]
    assert (await look(backend, subject)).majors == MAJORS


async def test_a_softly_deleted_subject_can_be_deleted_hard(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    found = await errors(backend, DeleteSubject(subject, hard=False), DeleteSubject(subject, hard=True))
    assert found == [None, None]
    assert numbers(await registered(backend, subject, avro("b"))) == [1]


async def test_after_a_hard_deletion_numbers_begin_again_and_nothing_stale_is_shown(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend, other = registry_arena.backend(), registry_arena.backend()
    await registered(backend, subject, avro("a"))
    assert texts(await look(other, subject)) == [avro("a").text]
    assert await errors(backend, DeleteSubject(subject, hard=True)) == [None]
    state = await registered(backend, subject, avro("x"))
    assert texts(state) == [avro("x").text]
    for reader in (backend, other):
        assert texts(await look(reader, subject)) == [avro("x").text]


async def test_a_subject_made_anew_behind_our_back_is_read_anew(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    await registered(backend, subject, avro("a", "b?"))
    await registry_arena.delete(subject, hard=True)
    for names in (("x",), ("x", "y?"), ("x", "y?", "z?")):
        await registry_arena.register(subject, avro(*names))
    seen = await look(backend, subject)
    assert texts(seen) == [avro("x").text, avro("x", "y?").text, avro("x", "y?", "z?").text]


async def test_a_subject_made_anew_with_the_same_end_is_found_out_in_as_many_looks_as_it_has_versions(
    registry_arena: RegistryArena, subject: str
) -> None:
    backend = registry_arena.backend()
    await errors(backend, AlterLevel(subject, None, "NONE"))
    for names in (("a",), ("b",), ("c",)):
        await registered(backend, subject, avro(*names))
    await registry_arena.delete(subject, hard=True)
    await registry_arena.set_level(subject, "NONE")
    for names in (("x",), ("b",), ("c",)):
        await registry_arena.register(subject, avro(*names))
    seen = [await look(backend, subject) for _ in range(3)][-1]
    assert texts(seen) == [avro("x").text, avro("b").text, avro("c").text]


async def test_a_version_that_a_foreigner_hid_does_not_show(registry_arena: RegistryArena, subject: str) -> None:
    backend = registry_arena.backend()
    await registered(backend, subject, avro("a"))
    await registered(backend, subject, avro("a", "b?"))
    await registered(backend, subject, avro("a", "b?", "c?"))
    await registry_arena.delete_version(subject, 2)
    assert numbers(await look(backend, subject)) == [1, 3]
    await registry_arena.delete_version(subject, 3)
    assert numbers(await look(backend, subject)) == [1]
