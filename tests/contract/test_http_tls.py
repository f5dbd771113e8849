"""A service that is spoken to by HTTPS: whom it trusts, whom it is shown, and what is exchanged under way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from contract.http_arenas import answer_of
from integration.http_service import HttpService, mount, server_context

from e2e.servers.certificates import Authority
from eventplane.api.metadata import SecretKeyRef, SecretRef
from eventplane.api.sink import HttpSink as HttpSpec
from eventplane.api.sink import HttpTls
from eventplane.transports.http_client import HttpClient, HttpTarget
from eventplane.transports.http_credentials import HttpCredentials, read_credentials
from eventplane.transports.http_sink import HttpSink
from eventplane.transports.mounted import MountedError

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = frozenset({"127.0.0.1"})
BOTH = HttpTls(ca_secret_ref=SecretKeyRef(name="ca"), certificate_secret_ref=SecretRef(name="client"))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return authority_in(tmp_path / "authority")


def authority_in(folder: Path) -> Authority:
    folder.mkdir()
    made = Authority(folder)
    made.create()
    return made


def mount_pair(folder: Path, authority: Authority, name: str) -> None:
    """Mount a certificate for a name, and its key."""
    certificate, key = authority.issue(name, LOOPBACK)
    mount(folder, {"tls.crt": certificate, "tls.key": key})


def mount_authority(bindings: Path, *authorities: Authority) -> None:
    text = "\n".join(each.certificate.read_text() for each in authorities)
    mount(bindings / "sink-ca", {"ca.crt": f"# of whom we trust, \u00fc\n{text}"})


def service_of(folder: Path, authority: Authority) -> HttpService:
    """Return a service that shows a certificate and wants to see one, both of one authority."""
    mount_pair(folder, authority, "service")
    return HttpService(tls=server_context(folder, authority.certificate))


def sink_with(url: str, credentials: HttpCredentials) -> HttpSink:
    return HttpSink(HttpClient(HttpTarget(url, 5, credentials=credentials)), "Binary")


def asked(tls: HttpTls, bindings: Path) -> HttpCredentials:
    return read_credentials(HttpSpec(url="https://a", tls=tls), bindings)


async def test_both_sides_know_each_other_by_certificates(authority: Authority, tmp_path: Path) -> None:
    mount_authority(tmp_path, authority)
    mount_pair(tmp_path / "sink-certificate", authority, "billing")
    with service_of(tmp_path / "server", authority) as service:
        sink = sink_with(service.url, asked(BOTH, tmp_path))
        assert await answer_of(sink) is None
        await sink.close()
    assert [request.peer for request in service.taken] == ["billing"]


@pytest.mark.parametrize(
    "tls",
    [
        pytest.param(None, id="knows neither"),
        pytest.param(HttpTls(ca_secret_ref=SecretKeyRef(name="ca")), id="shows no certificate"),
        pytest.param(HttpTls(certificate_secret_ref=SecretRef(name="client")), id="does not know whom to trust"),
    ],
)
async def test_who_does_not_know_the_other_does_not_deliver(
    authority: Authority, tmp_path: Path, tls: HttpTls | None
) -> None:
    mount_authority(tmp_path, authority)
    mount_pair(tmp_path / "sink-certificate", authority, "billing")
    with service_of(tmp_path / "server", authority) as service:
        sink = sink_with(service.url, asked(tls, tmp_path) if tls is not None else HttpCredentials())
        answer = await answer_of(sink)
        await sink.close()
    assert answer is not None
    assert answer.reason == "Unavailable"
    assert service.received == []


async def test_a_certificate_of_another_name_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    mount_authority(tmp_path, authority)
    certificate, key = authority.issue("service", frozenset({"127.0.0.2"}))
    mount(tmp_path / "server", {"tls.crt": certificate, "tls.key": key})
    with HttpService(tls=server_context(tmp_path / "server", authority.certificate)) as service:
        sink = sink_with(service.url, asked(HttpTls(ca_secret_ref=SecretKeyRef(name="ca")), tmp_path))
        answer = await answer_of(sink)
        await sink.close()
    assert answer is not None
    assert "127.0.0.1" in answer.message
    assert service.received == []


async def test_what_is_exchanged_is_used_for_new_connections_and_what_is_broken_is_not(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients' certificates one after the other, and in the end another authority for both sides."""
    mount_authority(tmp_path, authority)
    pair = tmp_path / "sink-certificate"
    mount_pair(pair, authority, "first")
    credentials = asked(BOTH, tmp_path)
    with service_of(tmp_path / "server", authority) as service:
        sink = sink_with(service.url, credentials)
        assert await answer_of(sink) is None
        mount_pair(pair, authority, "second")
        look(credentials, 20)
        assert await answer_of(sink) is None
        with caplog.at_level(logging.ERROR):
            for number, broken in enumerate(("", "no certificate", authority.issue("third")[0])):
                (pair / "tls.crt").write_text(broken)
                look(credentials, 40 + 20 * number)
                assert await answer_of(sink) is None
        mount_pair(pair, authority, "fourth")
        look(credentials, 100)
        assert await answer_of(sink) is None
        await sink.close()
    assert [request.peer for request in service.taken] == ["first", *["second"] * 4, "fourth"]
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    other = authority_in(tmp_path / "other")
    mount_authority(tmp_path, other)
    mount_pair(pair, other, "fifth")
    look(credentials, 120)
    with service_of(tmp_path / "server", other) as service:
        sink = sink_with(service.url, credentials)
        assert await answer_of(sink) is None
        await sink.close()
    assert [request.peer for request in service.taken] == ["fifth"]


def look(credentials: HttpCredentials, now: float) -> None:
    """Let files be looked at, by a clock of one's own; afterwards nobody looks at them by the real one."""
    assert credentials.tls is not None
    credentials.tls.current(now + 1e9)


@pytest.mark.parametrize(
    ("crt", "key"),
    [
        pytest.param("no certificate", "no key", id="no certificate"),
        pytest.param(None, "no key", id="no key"),
    ],
)
def test_what_cannot_be_used_is_said_at_the_start(
    authority: Authority, tmp_path: Path, crt: str | None, key: str
) -> None:
    mount_pair(tmp_path / "sink-certificate", authority, "billing")
    (tmp_path / "sink-certificate" / "tls.key").write_text(key)
    if crt is not None:
        (tmp_path / "sink-certificate" / "tls.crt").write_text(crt)
    with pytest.raises(MountedError, match=r"what http\.tls names cannot be used") as refused:
        asked(HttpTls(certificate_secret_ref=SecretRef(name="client")), tmp_path)
    assert "no key" not in str(refused.value)
