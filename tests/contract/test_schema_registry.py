"""What only a real registry can show: failures of the network and of the server, requests counted, and its own ways."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from contract.registry_proxy import RegistryProxy
from contract.test_schema_backend import (
    MAJORS,
    avro,
    errors,
    json_schema,
    look,
    numbers,
    open_major,
    outcomes,
    reasons,
    register,
    registered,
)

from e2e.servers import ports
from e2e.servers.certificates import Authority
from eventplane.api.conditions import Reason
from eventplane.backends.schema_registry import SchemaRegistryBackend
from eventplane.planning.connection import RegistryConnection
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.schema_changes import AlterLevel, DeleteSubject, RecordMajors
from eventplane.planning.schema_gate import judge_of
from eventplane.planning.schema_state import Definition, Reference, SubjectQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from contract.registry_arenas import RealRegistryArena
    from contract.registry_proxy import Chosen

    from e2e.servers.registry import Registry
    from eventplane.api.schema import SchemaType

pytestmark = pytest.mark.registry

SECRET = "correct-horse"  # noqa: S105 - of a proxy that lives as long as a test


@pytest.fixture
async def proxy(real_registry: RealRegistryArena) -> AsyncIterator[RegistryProxy]:
    async with RegistryProxy(real_registry.url) as started:
        yield started


async def raised(work: object) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await work  # type: ignore[misc]  # a coroutine of any call of the seam
    return caught.value


def of(subject: str, method: str = "POST") -> Chosen:
    return lambda asked, path: asked == method and f"/subjects/{subject}/versions" in path


# --- requests --------------------------------------------------------------------------------------------------------


async def test_a_hundred_new_subjects_cost_two_requests_to_look_at_and_one_each_to_register(
    real_registry: RealRegistryArena, subject: str
) -> None:
    backend = real_registry.backend()
    subjects = [f"{subject}-{number}" for number in range(100)]
    await backend.observe([SubjectQuery(each, avro("a"), (1,)) for each in subjects])
    assert Counter(real_registry.requests) == {"ListSubjects": 1, "GetDefaultLevel": 1}
    real_registry.requests.clear()
    found = await outcomes(backend, *(register(each, avro("a")) for each in subjects))
    assert [numbers(each.state) for each in found if each.state] == [[1]] * 100
    assert Counter(real_registry.requests) == {"ListSubjects": 1, "GetDefaultLevel": 1, "RegisterVersion": 100}
    real_registry.requests.clear()
    await backend.observe([SubjectQuery(each) for each in subjects])
    counted = Counter(real_registry.requests)
    assert counted == {"ListSubjects": 1, "GetDefaultLevel": 1, "GetVersion": 100, "GetLevel": 200}, (
        "NONE is asked twice"
    )


async def test_more_subjects_than_a_registry_lists_at_once_are_all_seen(
    real_registry: RealRegistryArena, subject: str
) -> None:
    backend = real_registry.backend()
    subjects = [f"{subject}-{number}" for number in range(1001)]
    looked_at = subjects[::100]  # of all pages; the list is read to its end for any of them
    parts = [subjects[first : first + 250] for first in range(0, len(subjects), 250)]
    try:
        for part in parts:
            assert await errors(backend, *(register(each, avro("a")) for each in part)) == [None] * len(part)
        seen = await backend.observe([SubjectQuery(each) for each in looked_at])
        assert [each.subject for each in seen.values() if numbers(each) != [1]] == []
        again = await outcomes(backend, *(register(each, avro("a")) for each in looked_at))
        assert [each for each in again if each.error or not each.state or numbers(each.state) != [1]] == []
    finally:  # the other tests count requests on a list that is short
        for part in parts:
            assert await errors(backend, *(DeleteSubject(each, hard=True) for each in part)) == [None] * len(part)


async def test_old_versions_are_read_once_and_one_of_them_again_each_time(
    real_registry: RealRegistryArena, subject: str
) -> None:
    backend = real_registry.backend()
    await errors(backend, AlterLevel(subject, None, "FORWARD"))
    for fields in (["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]):
        await registered(backend, subject, avro(*fields))
    await look(backend, subject)
    real_registry.requests.clear()
    assert numbers(await look(backend, subject)) == [1, 2, 3, 4]
    assert Counter(real_registry.requests) == {
        "ListSubjects": 1,
        "GetDefaultLevel": 1,
        "ListVersions": 1,
        "GetVersion": 2,
        "GetLevel": 1,
    }


async def test_what_a_new_version_of_an_old_subject_costs(real_registry: RealRegistryArena, subject: str) -> None:
    backend = real_registry.backend()
    await errors(backend, AlterLevel(subject, None, "BACKWARD"))
    await registered(backend, subject, avro("a"))
    await look(backend, subject)
    real_registry.requests.clear()
    seen = await look(backend, subject)
    query = SubjectQuery(subject, avro("a", "b?"), (1,), seen)
    assert (await backend.observe([query]))[query].verdicts[1].compatible
    assert numbers(await registered(backend, subject, avro("a", "b?"))) == [1, 2]
    assert Counter(real_registry.requests) == {
        "ListSubjects": 2,
        "GetDefaultLevel": 2,
        "GetVersion": 2,
        "GetLevel": 2,
        "TestCompatibility": 1,
        "RegisterVersion": 1,
    }


async def test_a_version_that_another_registered_meanwhile_is_read_as_well(
    real_registry: RealRegistryArena, subject: str
) -> None:
    backend = real_registry.backend()
    await registered(backend, subject, avro("a"))
    await look(backend, subject)
    await registered(real_registry.backend(), subject, avro("a", "b?"))
    state = await registered(backend, subject, avro("a", "c?"))
    assert numbers(state) == [1, 2, 3]
    assert '"b"' in state.versions[1].definition.text


# --- no answer -------------------------------------------------------------------------------------------------------


async def test_where_nobody_listens_every_call_raises(real_registry: RealRegistryArena, subject: str) -> None:
    backend = real_registry.backend_at(f"http://127.0.0.1:{ports.reserve('127.0.0.1')}")
    for call in (
        backend.probe(),
        backend.observe([SubjectQuery(subject)]),
        backend.apply([register(subject, avro("a"))]),
        backend.apply([AlterLevel(subject, None, "FULL")]),
    ):
        error = await raised(call)
        assert isinstance(error, Unavailable)
        assert error.reason == Reason.REGISTRY_UNAVAILABLE
        assert error.message.endswith("connection refused")


async def test_a_host_that_is_not_known(real_registry: RealRegistryArena) -> None:
    error = await raised(real_registry.backend_at("http://registry.invalid").probe())
    assert isinstance(error, Unavailable)
    assert "host name" in error.message


async def test_a_registry_that_hangs_is_given_up_in_time_and_found_again(
    registry: Registry, real_registry: RealRegistryArena, subject: str
) -> None:
    backend = real_registry.backend_at(real_registry.url, timeout_seconds=0.5)
    await backend.probe()
    registry.pause()
    try:
        async with asyncio.timeout(3):
            error = await raised(backend.apply([register(subject, avro("a"))]))
    finally:
        registry.resume()
    assert isinstance(error, Unavailable)
    assert error.message.endswith("not in time")
    patient = real_registry.backend()
    assert numbers(await registered(patient, subject, avro("a"))) == [1]


async def test_one_request_that_hangs_or_fails_is_one_outcome(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    backend = real_registry.backend_at(proxy.url, timeout_seconds=1)
    proxy.held = of(f"{subject}-slow")
    proxy.answers = [
        (of(f"{subject}-ill"), 500, '{"error_code": 50001, "message": "Error in the backend data store"}'),
        (of(f"{subject}-busy"), 429, "slow down"),
    ]
    found = await errors(
        backend, *(register(f"{subject}-{each}", avro("a")) for each in ("slow", "well", "ill", "busy"))
    )
    assert [type(each) for each in found if each and not isinstance(each, Unavailable)] == []
    assert [each is None for each in found] == [False, True, False, False]
    assert {each.reason for each in found if each} == {Reason.REGISTRY_UNAVAILABLE}
    assert found[2] is not None
    assert "Error in the backend data store" in found[2].message


async def test_a_batch_ends_when_its_time_is_over(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    backend = real_registry.backend_at(proxy.url, timeout_seconds=30, batch_seconds=1)
    proxy.held = lambda method, path: method == "POST" and subject in path
    async with asyncio.timeout(5):
        found = await errors(backend, *(register(f"{subject}-{number}", avro("a")) for number in range(120)))
    assert all(isinstance(each, Unavailable) for each in found)
    assert len({each.message for each in found if each and each.message.endswith("no time was left for it")}) == 70


async def test_a_subject_that_cannot_be_read_is_an_error_of_its_own(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    backend = real_registry.backend_at(proxy.url)
    await errors(backend, register(subject, avro("a")), register(f"{subject}-ill", avro("a")))
    proxy.answers = [(of(f"{subject}-ill", "GET"), 503, "")]
    seen = await backend.observe([SubjectQuery(subject), SubjectQuery(f"{subject}-ill")])
    well, ill = seen.values()
    assert (numbers(well), well.error) == ([1], None)
    assert isinstance(ill.error, Unavailable)


async def test_a_restart_in_the_middle_of_a_batch_loses_nothing_that_a_second_try_does_not_bring(
    registry: Registry, real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    backend = real_registry.backend_at(proxy.url)
    changes = [register(f"{subject}-{number}", avro("a")) for number in range(100)]

    def kill_at_the_fiftieth(method: str, path: str) -> None:
        if sum(1 for asked, _ in proxy.requests if asked == "POST") == 50 and (method, path) == proxy.requests[-1]:
            registry.stop()

    proxy.before = kill_at_the_fiftieth
    try:
        found = await errors(backend, *changes)
    finally:
        proxy.before = None
        await asyncio.to_thread(registry.start)
    failed = [each for each in found if each is not None]
    assert failed
    assert {(type(each), each.reason) for each in failed} == {(Unavailable, Reason.REGISTRY_UNAVAILABLE)}
    again = await outcomes(backend, *changes)
    assert [(each.error, each.state and numbers(each.state)) for each in again] == [(None, [1])] * 100


# --- who we are ------------------------------------------------------------------------------------------------------


async def test_credentials_are_asked_for_and_never_shown(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    proxy.login = ("operator", SECRET)
    right = real_registry.backend_at(proxy.url, username="operator", password=SECRET)
    assert numbers(await registered(right, subject, avro("a"))) == [1]
    wrong = real_registry.backend_at(proxy.url, username="operator", password=f"{SECRET}-not")
    for call in (wrong.probe(), wrong.observe([SubjectQuery(subject)]), wrong.apply([register(subject, avro("a"))])):
        error = await raised(call)
        assert isinstance(error, Rejected)
        assert error.reason == Reason.AUTHENTICATION_FAILED
        assert "spec.schemaRegistry.authentication" in error.message
        assert SECRET not in f"{error!r} {error.message} {error.__cause__!r}"
    assert SECRET not in f"{vars(wrong)!r}"


async def test_a_missing_right_is_an_outcome(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    proxy.answers = [(of(f"{subject}-closed"), 403, '{"error_code": 40301, "message": "denied"}')]
    backend = real_registry.backend_at(proxy.url)
    assert await reasons(backend, register(f"{subject}-closed", avro("a")), register(subject, avro("a"))) == [
        Reason.AUTHORIZATION_FAILED,
        None,
    ]


async def test_tls_with_a_certificate_of_our_own(real_registry: RealRegistryArena, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ours"), Authority(tmp_path / "strange")
    for each in (authority, stranger):
        each.directory.mkdir()
        each.create()
    async with RegistryProxy(real_registry.url, tls=_server_context(authority)) as proxy:
        ca, (certificate, key) = authority.certificate.read_text(), authority.issue("operator")
        known = real_registry.backend_at(proxy.url, ca_pem=ca, certificate_pem=certificate, key_pem=key)
        assert (await known.probe()).default_level == "BACKWARD"
        foreign = real_registry.backend_at(proxy.url, ca_pem=stranger.certificate.read_text())
        error = await raised(foreign.probe())
        assert isinstance(error, Rejected), error.message
        assert error.reason == Reason.AUTHENTICATION_FAILED
        assert "spec.schemaRegistry.tls" in error.message
        nobody = real_registry.backend_at(proxy.url, ca_pem=ca)
        error = await raised(nobody.probe())
        assert isinstance(error, Unavailable), "with TLS 1.3 it sees a closed connection only"
        assert "spec.schemaRegistry.tls" in error.message


def _server_context(authority: Authority) -> ssl.SSLContext:
    certificate, key = authority.issue("registry", frozenset({"127.0.0.1"}))
    both = authority.directory / "both.pem"
    both.write_text(key + certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(both)
    return context


def test_a_certificate_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(Rejected) as caught:
        SchemaRegistryBackend(RegistryConnection("https://registry", ca_pem="nonsense"), client_id="contract")
    assert caught.value.reason == Reason.SECRET_INVALID


# --- answers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, "<html>"), (200, "<html>"), (200, "{}"), (302, "")],
    ids=["not found", "a page", "another API", "a redirect"],
)
async def test_an_address_that_is_not_a_registry(
    real_registry: RealRegistryArena, proxy: RegistryProxy, status: int, body: str
) -> None:
    proxy.answers = [(lambda _method, _path: True, status, body)]
    backend = real_registry.backend_at(proxy.url)
    for call in (backend.probe(), backend.observe([SubjectQuery("orders")])):
        error = await raised(call)
        assert isinstance(error, Rejected)
        assert error.reason == Reason.REJECTED


async def test_a_closed_backend_does_not_answer(real_registry: RealRegistryArena) -> None:
    backend = real_registry.backend()
    await backend.probe()
    await backend.close()
    await backend.close()
    assert isinstance(await raised(backend.probe()), Unavailable)


# --- major versions --------------------------------------------------------------------------------------------------


async def test_the_level_is_put_back_where_registering_hangs(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    backend = real_registry.backend_at(proxy.url, timeout_seconds=1)
    await registered(backend, subject, avro("a"))
    proxy.held = of(subject)
    (error,) = await errors(backend, open_major(subject, avro("a", "b")))
    proxy.held = None
    assert isinstance(error, Unavailable)
    seen = await look(backend, subject)
    assert (numbers(seen), seen.level) == ([1], "FULL")


async def test_the_message_says_so_where_the_level_may_still_be_lifted(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    backend = real_registry.backend_at(proxy.url)
    await registered(backend, subject, avro("a"))
    proxy.answers = [(lambda method, path: method == "PUT" and subject in path, 503, "")]
    (error,) = await errors(backend, open_major(subject, avro("a", "b")))
    assert error is not None
    assert "may still be NONE" in error.message


async def test_a_record_costs_one_request_where_it_is_written_already(
    real_registry: RealRegistryArena, subject: str
) -> None:
    backend = real_registry.backend()
    await registered(backend, subject, avro("a"))
    await errors(backend, RecordMajors(subject, MAJORS))
    real_registry.requests.clear()
    await errors(backend, RecordMajors(subject, MAJORS))
    assert Counter(real_registry.requests) == {"ListSubjects": 1, "GetDefaultLevel": 1, "GetVersion": 1}


# --- ways of registries ----------------------------------------------------------------------------------------------


async def test_a_draft_that_apicurio_cannot_compare_is_registered_while_its_level_is_lifted(
    real_registry: RealRegistryArena, subject: str
) -> None:
    backend = real_registry.backend()
    first, second = (
        Definition("JSON", json.dumps({"$schema": draft} | json.loads(json_schema(kind).text)))
        for draft, kind in [("https://json-schema.org/draft/2020-12/schema", kind) for kind in ("integer", "number")]
    )
    await registered(backend, subject, first)
    (error,) = await errors(backend, register(subject, second))
    query = SubjectQuery(subject, second, (1,))
    judged = (await backend.observe([query]))[query].error
    for each in (error, judged):
        assert isinstance(each, Rejected)
        assert each.reason == Reason.NOT_COMPARABLE
        assert "leave out $schema" in each.message
    lifted = replace(register(subject, second), lifted="FULL")
    assert await errors(backend, lifted) == [None]
    seen = await look(backend, subject)
    assert (numbers(seen), seen.level) == ([1, 2], "FULL")


async def test_answers_of_confluent_that_apicurio_does_not_give(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    backend = real_registry.backend_at(proxy.url)
    version = {
        "subject": subject,
        "version": 1,
        "id": 7,
        "schema": avro("a").text,
        "metadata": {"properties": {"owner": "team-a"}},
    }
    proxy.answers = [
        (lambda _method, path: path.startswith("/subjects?"), 200, json.dumps([subject])),
        (lambda _method, path: path.startswith(f"/config/{subject}"), 404, '{"error_code": 40408, "message": "none"}'),
        (lambda method, path: method == "GET" and path.endswith("/versions/latest"), 200, json.dumps(version)),
        (
            lambda method, path: method == "POST" and path.startswith("/compatibility"),
            200,
            '{"is_compatible": false, "messages": ["field b is missing", "field c is missing"]}',
        ),
    ]
    query = SubjectQuery(subject, avro("a", "b", "c"), (1,))
    seen = (await backend.observe([query]))[query]
    assert seen.versions[0].author == "team-a"
    assert seen.level is None
    assert seen.verdicts[1].messages == ("field b is missing", "field c is missing")


async def test_a_level_that_cannot_be_kept_is_an_error_of_its_subject(
    real_registry: RealRegistryArena, proxy: RegistryProxy, subject: str
) -> None:
    backend = real_registry.backend_at(proxy.url)
    await registered(backend, subject, avro("a"))
    proxy.answers = [(lambda _method, path: path == f"/config/{subject}", 200, '{"compatibilityLevel": "STRICT"}')]
    error = (await look(backend, subject)).error
    assert isinstance(error, Rejected)
    assert "STRICT" in error.message


WITH_NOTE = json.dumps(
    {
        "type": "record",
        "name": "Whole",
        "fields": [{"name": "part", "type": "shop.Part"}, {"name": "note", "type": "string", "default": ""}],
    }
)


async def test_imports_of_every_type_are_compared_when_they_are_registered(
    real_registry: RealRegistryArena, subject: str
) -> None:
    backend = real_registry.backend()
    texts: dict[SchemaType, tuple[str, str, str]] = {
        "AVRO": (
            '{"type": "record", "name": "Part", "namespace": "shop", "fields": []}',
            '{"type": "record", "name": "Whole", "fields": [{"name": "part", "type": "shop.Part"}]}',
            WITH_NOTE,
        ),
        "PROTOBUF": (
            'syntax = "proto3"; package shop; message Part { string id = 1; }',
            'syntax = "proto3"; import "shop.Part"; message Whole { shop.Part part = 1; }',
            'syntax = "proto3"; import "shop.Part"; message Whole { shop.Part part = 1; string note = 2; }',
        ),
    }
    for kind, (part, whole, more) in texts.items():
        imported = await registered(backend, f"{subject}-{kind}-part", Definition(kind, part))
        reference = (Reference("shop.Part", imported.subject, 1),)
        first, second = (Definition(kind, text, reference) for text in (whole, more))
        await registered(backend, f"{subject}-{kind}", first)
        judged = (await backend.observe([query := SubjectQuery(f"{subject}-{kind}", second, (1,))]))[query]
        assert judge_of(judged.error, second, judged.versions, level_is_asked=False) == "Registration"
        assert numbers(await registered(backend, f"{subject}-{kind}", second)) == [1, 2]
