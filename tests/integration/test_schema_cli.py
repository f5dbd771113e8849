"""`eventplane schema` on a real registry: verdicts, words, exit codes, and the page that shows them."""

from __future__ import annotations

import base64
import importlib.util
import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from e2e.servers import ports
from e2e.servers.registry import private_registry
from hack import schema_cli_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from commands import Ended

LOOPBACK = "127.0.0.1"
USER, PASSWORD = "ci", "right-password"
pytestmark = [pytest.mark.registry]


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """A registry of our own, in which the page's subject is the first; its address."""
    with private_registry() as server:
        schema_cli_page.prepare(server)
        yield server.url


def record(*fields: dict[str, Any], name: str = "Order") -> str:
    return json.dumps({"type": "record", "name": name, "namespace": "shop", "fields": fields})


ID, AMOUNT = {"name": "id", "type": "string"}, {"name": "amount", "type": "int"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}


def call(url: str, path: str, body: object = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - our own registry
        url + path, data=data, headers={"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - the same
        return json.load(response)


def register(url: str, subject: str, schema: str, kind: str = "AVRO", *references: dict[str, Any]) -> None:
    body = {"schema": schema, "schemaType": kind, "references": references}
    assert call(url, f"/subjects/{subject}/versions", body)["id"]


def written(folder: Path, text: str, name: str = "order.avsc") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_page_shows_what_the_commands_print(registry: str) -> None:
    page = schema_cli_page.PAGE.read_text()
    assert schema_cli_page.rendered(page, registry) == page, "run python -m hack.schema_cli_page"


def test_a_compatible_definition(registry: str, eventplane: Callable[..., Ended], tmp_path: Path) -> None:
    register(registry, "compatible", record(ID))
    path = written(tmp_path, record(ID, NOTE))
    ended = eventplane("schema", "check", path, "--against", "compatible", "--registry", registry)
    assert ended == (0, "compatible: compatible with version 1 (level BACKWARD)\n", "")
    assert call(registry, "/subjects/compatible/versions") == [1], "nothing is registered"


def test_an_incompatible_definition_is_1_and_says_whom_it_breaks(
    registry: str, eventplane: Callable[..., Ended], tmp_path: Path
) -> None:
    register(registry, "incompatible", record(ID))
    path = written(tmp_path, record(ID, AMOUNT))
    words = ("schema", "check", path, "--against", "incompatible", "--registry", registry)
    ended = eventplane(*words)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.startswith("incompatible: INCOMPATIBLE with version 1 (level BACKWARD)\n")
    assert "amount" in ended.out
    report = json.loads(eventplane(*words, "--output", "json").out)
    violations = report.pop("violations")
    assert report == {
        "subject": "incompatible",
        "level": "BACKWARD",
        "compatible": False,
        "versions_checked": [1],
        "judged_by": "registry",
    }
    assert [(each["version"], "amount" in each["path"] + each["message"]) for each in violations] == [(1, True)]
    assert set(violations[0]) == {"version", "path", "rule", "message"}


def test_levels(registry: str, eventplane: Callable[..., Ended], tmp_path: Path) -> None:
    """Versions: {id}, {id, note}; the candidate {id, amount} lacks a default, the registry says BACKWARD."""
    register(registry, "levels", record(ID, AMOUNT))
    register(registry, "levels", record(ID))
    path = written(tmp_path, record(ID, AMOUNT))
    words = ("schema", "check", path, "--against", "levels", "--registry", registry, "--output", "json")

    def judged(*level: str) -> tuple[object, ...]:
        ended = eventplane(*words, *level)
        report = json.loads(ended.out)
        broken = [each["version"] for each in report["violations"]]
        return ended.code, report["level"], report["versions_checked"], broken, report["judged_by"]

    assert judged() == (1, "BACKWARD", [2], [2], "registry")
    assert judged("--level", "BACKWARD_TRANSITIVE") == (1, "BACKWARD_TRANSITIVE", [1, 2], [2], "registry")
    assert judged("--level", "FORWARD_TRANSITIVE") == (0, "FORWARD_TRANSITIVE", [1, 2], [], "eventplane")
    assert judged("--level", "FULL") == (1, "FULL", [2], [2], "eventplane")
    assert judged("--level", "NONE")[:4] == (0, "NONE", [], [])
    call(registry, "/config/levels", {"compatibility": "FORWARD"}, "PUT")
    assert judged() == (0, "FORWARD", [2], [], "registry")


def test_a_subject_that_does_not_exist(registry: str, eventplane: Callable[..., Ended], tmp_path: Path) -> None:
    path = written(tmp_path, record(ID))
    ended = eventplane("schema", "check", path, "--against", "nobody", "--registry", registry)
    assert (ended.code, ended.err) == (0, "")
    assert "the subject does not exist yet" in ended.out
    codegen = ("schema", "codegen", "--subject", "nobody", "--registry", registry, "--output", tmp_path / "o.py")
    assert eventplane(*codegen) == (
        2,
        "",
        "eventplane: subject nobody does not exist: check --subject and --registry\n",
    )


def test_an_invalid_definition_and_one_of_another_type_are_2(
    registry: str, eventplane: Callable[..., Ended], tmp_path: Path
) -> None:
    register(registry, "typed", record(ID))
    words = ("--against", "typed", "--registry", registry)
    invalid = eventplane("schema", "check", written(tmp_path, '{"type": "record"}'), *words)
    assert (invalid.code, invalid.out, invalid.err.count("\n")) == (2, "", 1)
    other = eventplane("schema", "check", written(tmp_path, '{"type": "object"}', "order.json"), *words)
    assert other == (2, "", "eventplane: subject typed is AVRO and the definition is JSON\n")


def test_references(registry: str, eventplane: Callable[..., Ended], tmp_path: Path) -> None:
    register(registry, "address", record(ID, name="Address"))
    to = {"name": "to", "type": "shop.Address"}
    reference = {"name": "shop.Address", "subject": "address", "version": 1}
    register(registry, "referring", record(to), "AVRO", reference)
    words = ("schema", "check", written(tmp_path, record(to, NOTE)), "--against", "referring", "--registry", registry)
    known = eventplane(*words, "--reference", "shop.Address=address:1")
    assert known == (0, "referring: compatible with version 1 (level BACKWARD, judged without the registry)\n", "")
    written(tmp_path, record(to, AMOUNT))
    breaking = eventplane(*words, "--reference", "shop.Address=address:1")
    assert breaking.code == 1
    assert "amount" in breaking.out
    assert eventplane(*words).code == 2, "the name is not defined"
    missing = eventplane(*words, "--reference", "shop.Address=address:7")
    assert missing == (2, "", "eventplane: --reference shop.Address: there is no version 7 of subject address\n")
    output = tmp_path / "referring.py"
    assert (
        eventplane("schema", "codegen", "--subject", "referring", "--registry", registry, "--output", output).code == 0
    )
    assert "    to: Address\n" in output.read_text()


def test_a_registry_that_is_down_is_3(eventplane: Callable[..., Ended], tmp_path: Path) -> None:
    url = f"http://{LOOPBACK}:{ports.reserve(LOOPBACK)}"
    path = written(tmp_path, record(ID))
    ended = eventplane("schema", "check", path, "--against", "any", "--registry", url)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith(f"eventplane: registry {url}: ")
    assert ended.err.count("\n") == 1


def test_a_registry_that_is_silent_is_3_in_time(eventplane: Callable[..., Ended], tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        url = f"http://{LOOPBACK}:{silent.getsockname()[1]}"
        path = written(tmp_path, record(ID))
        ended = eventplane("schema", "check", path, "--against", "any", "--registry", url, "--timeout", "0.3")
    assert (ended.code, ended.out) == (3, "")
    assert "not in time" in ended.err


@pytest.fixture
def guarded(registry: str) -> Iterator[str]:
    """The address of a proxy that lets one user in to the registry."""
    login = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            """Tests are not interested."""

        def _pass_on(self, body: bytes | None) -> None:
            status, answer = 401, b'{"error_code": 401, "message": "Unauthorized"}'
            if self.headers["Authorization"] == login:
                headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
                request = urllib.request.Request(  # noqa: S310 - our own registry
                    registry + self.path, data=body, headers=headers
                )
                try:
                    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - the same
                        status, answer = response.status, response.read()
                except urllib.error.HTTPError as error:
                    status, answer = error.code, error.read()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with ThreadingHTTPServer((LOOPBACK, 0), Guard) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("password", "code", "words"),
    [
        (PASSWORD, 0, ""),
        ("wrong-password", 3, "check EVENTPLANE_REGISTRY_USERNAME and EVENTPLANE_REGISTRY_PASSWORD"),
        (None, 3, "check EVENTPLANE_REGISTRY_USERNAME and EVENTPLANE_REGISTRY_PASSWORD"),
    ],
)
def test_credentials_come_through_the_environment(
    guarded: str,
    eventplane: Callable[..., Ended],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    password: str | None,
    code: int,
    words: str,
) -> None:
    if password is not None:
        monkeypatch.setenv("EVENTPLANE_REGISTRY_USERNAME", USER)
        monkeypatch.setenv("EVENTPLANE_REGISTRY_PASSWORD", password)
    path = written(tmp_path, record(ID))
    ended = eventplane("schema", "check", path, "--against", "guarded", "--registry", guarded)
    assert ended.code == code, ended
    assert words in ended.err
    assert "password" not in (ended.out + ended.err).replace("EVENTPLANE_REGISTRY_PASSWORD", "")


def test_codegen_from_a_subject(registry: str, eventplane: Callable[..., Ended], tmp_path: Path) -> None:
    register(registry, "generated", record(ID))
    register(registry, "generated", record(ID, NOTE))
    output = tmp_path / "generated_order.py"
    words = ("schema", "codegen", "--subject", "generated", "--registry", registry, "--output", output)
    assert eventplane(*words) == (0, f"wrote {output}\n", "")
    identity = call(registry, "/subjects/generated/versions/2")["id"]
    first = output.read_text().splitlines()[0]
    assert f"from subject generated, version 2, schema id {identity}." in first
    spec = importlib.util.spec_from_file_location("generated_order", output)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.Order(id="1").note is None
    assert eventplane(*words, "--check").code == 0
    older = eventplane(*words, "--version", "1", "--check")
    assert older.code == 1
    assert "-    note: str | None = None\n" in older.out


def test_codegen_of_protobuf_with_what_it_imports(
    registry: str, eventplane: Callable[..., Ended], tmp_path: Path
) -> None:
    register(registry, "place", 'syntax = "proto3"; package shop; message Place { string street = 1; }', "PROTOBUF")
    text = 'syntax = "proto3"; package shop; import "shop/place.proto"; message Order { Place to = 1; }'
    reference = {"name": "shop/place.proto", "subject": "place", "version": 1}
    register(registry, "placed", text, "PROTOBUF", reference)
    output = tmp_path / "placed_pb2.py"
    ended = eventplane("schema", "codegen", "--subject", "placed", "--registry", registry, "--output", output)
    assert ended.code == 0, ended.err
    program = "from placed_pb2 import Order; print(Order.FromString(Order(to={'street': 'Main'}).SerializeToString()))"
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert 'street: "Main"' in ran.stdout, ran.stderr
